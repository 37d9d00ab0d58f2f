"""Are single requests answered in batches: all of them, in groups, within limits, and nobody forgotten at the end?"""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from worlds import query

from foryou.domain.errors import Unavailable
from foryou.domain.slate import Query, Trace
from foryou.serve import batching
from foryou.serve.batching import BATCH, Batcher, Job, deadline_in
from foryou.serve.live import Arm

WAIT_S = 20


@dataclass
class Pipeline:
    """A pipeline that answers with the user's name, notes its batches, and can be made to wait or to fail."""

    batches: list[list[str]] = field(default_factory=list)
    deadlines: list[float] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def run(self, queries: list[Query], deadline: float) -> tuple[list[Any], Trace]:
        self.batches.append([one.user_id for one in queries])
        self.deadlines.append(deadline)
        self.entered.set()
        assert self.go.wait(WAIT_S)
        if self.error:
            raise self.error
        return [f"for {one.user_id}" for one in queries], Trace()


@dataclass
class Door:
    """What a batcher is given: notes what it delivers and traces."""

    delivered: list[list[tuple[str, Any]]] = field(default_factory=list)
    traced: list[tuple[str, str, int]] = field(default_factory=list)

    def deliver(self, done: Sequence[tuple[str, Any]]) -> None:
        self.delivered.append(list(done))

    def trace(self, arm: Arm, placement: str, trace: Trace, queries: int) -> None:
        assert isinstance(trace, Trace)
        self.traced.append((arm.version, placement, queries))

    def answers(self) -> dict[str, Any]:
        return dict(one for batch in self.delivered for one in batch)


def arm(version: str = "v1") -> tuple[Arm, Pipeline]:
    made = Pipeline()
    return Arm(version, 0, None, {"home": made, "item": made}), made  # type: ignore[arg-type, dict-item]


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def batcher(door: Door) -> Iterator[Batcher[str]]:
    made: Batcher[str] = Batcher(door.deliver, door.trace)
    yield made
    made.close()


def job(of: Arm, user: str, placement: str = "home", deadline: float = 1.0) -> Job[str]:
    return Job(of, placement, query(user), deadline, f"ticket {user}")


def test_everything_that_is_asked_is_answered(batcher: Batcher[str], door: Door) -> None:
    one, pipeline = arm()
    pipeline.go.set()
    users = [f"u{n}" for n in range(500)]
    threads = [
        threading.Thread(target=lambda part: [batcher.submit(job(one, user)) for user in part], args=(users[n::4],))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    batcher.close()
    assert door.answers() == {f"ticket {user}": f"for {user}" for user in users}
    assert sum(map(len, door.delivered)) == 500
    assert max(map(len, pipeline.batches)) <= BATCH
    assert sum(queries for _, _, queries in door.traced) == 500


def test_a_lone_request_is_a_batch_of_one_and_what_waits_meanwhile_is_the_next(
    batcher: Batcher[str], door: Door
) -> None:
    one, pipeline = arm()
    batcher.submit(job(one, "first"))
    assert pipeline.entered.wait(WAIT_S)
    for n in range(BATCH + 3):
        batcher.submit(job(one, f"u{n}", deadline=100.0 - n))
    pipeline.go.set()
    batcher.close()
    assert [len(batch) for batch in pipeline.batches] == [1, BATCH, 3]
    assert pipeline.batches[1] == [f"u{n}" for n in range(BATCH)]
    assert pipeline.deadlines == [1.0, 100.0 - BATCH + 1, 100.0 - BATCH - 2], "the most urgent one counts"
    assert [len(done) for done in door.delivered] == [1, BATCH, 3]


def test_one_batch_holds_queries_of_one_arm_and_one_placement(batcher: Batcher[str], door: Door) -> None:
    (blue, pipeline), (green, other) = arm("blue"), arm("green")
    other.go.set()
    batcher.submit(job(blue, "first"))
    assert pipeline.entered.wait(WAIT_S)
    for n in range(8):
        batcher.submit(job((blue, green)[n % 2], f"u{n}", ("home", "item")[n // 2 % 2]))
    pipeline.go.set()
    batcher.close()
    assert pipeline.batches[1:] == [["u0", "u4"], ["u2", "u6"]]
    assert other.batches == [["u1", "u5"], ["u3", "u7"]]
    assert door.traced[1:] == [(version, placement, 2) for placement in ("home", "item") for version in ("blue", "green")]
    assert len(door.answers()) == 9


def test_when_too_many_wait_the_next_one_is_told_to_come_back(
    batcher: Batcher[str], door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "WAITING", 5)
    one, pipeline = arm()
    batcher.submit(job(one, "first"))
    assert pipeline.entered.wait(WAIT_S)
    for n in range(5):
        batcher.submit(job(one, f"u{n}"))
    with pytest.raises(Unavailable, match=r"5 requests wait \(limit 5\); try again in a second"):
        batcher.submit(job(one, "one too many"))
    pipeline.go.set()
    batcher.close()
    assert len(door.answers()) == 6


def test_closing_answers_what_waits_and_takes_nothing_more(batcher: Batcher[str], door: Door) -> None:
    one, pipeline = arm()
    batcher.submit(job(one, "first"))
    assert pipeline.entered.wait(WAIT_S)
    batcher.submit(job(one, "second"))
    closing = threading.Thread(target=batcher.close)
    closing.start()
    pipeline.go.set()
    closing.join(WAIT_S)
    assert list(door.answers()) == ["ticket first", "ticket second"]
    with pytest.raises(Unavailable, match="0 requests wait"):
        batcher.submit(job(one, "third"))


@pytest.mark.parametrize("error", [Unavailable("no disk"), ValueError("shapes"), RuntimeError("faiss"), MemoryError()])
def test_an_error_is_delivered_to_those_it_hit_and_the_next_batch_is_answered(
    batcher: Batcher[str], door: Door, error: Exception
) -> None:
    (bad, broken), (good, pipeline) = arm("bad"), arm("good")
    broken.error = error
    pipeline.go.set()
    batcher.submit(job(good, "first"))
    batcher.submit(job(bad, "second"))
    broken.go.set()
    batcher.submit(job(good, "third"))
    batcher.close()
    assert door.answers() == {"ticket first": "for first", "ticket second": error, "ticket third": "for third"}
    assert {version for version, _, _ in door.traced} == {"good"}


def test_a_deadline_is_so_many_ms_from_now() -> None:
    before = time.perf_counter()
    assert before + 0.25 <= deadline_in(250) <= time.perf_counter() + 0.25
