"""Are single requests answered in batches: all of them, in groups, within limits, and nobody forgotten at the end?"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from foryou.domain.errors import Unavailable
from foryou.domain.slate import Query, Trace
from foryou.serve import batching
from foryou.serve.batching import BATCH, Batcher, Job, deadline_in
from foryou.serve.live import Arm
from foryou.serve.overload import Ladder, on_rung
from worlds import query


@dataclass
class Pipeline:
    """A pipeline that answers with the user's name, notes its batches, and can be made to fail."""

    batches: list[list[str]] = field(default_factory=list)
    deadlines: list[float] = field(default_factory=list)
    error: Exception | None = None
    meanwhile: Callable[[], None] = lambda: None

    def run(self, queries: list[Query], deadline: float) -> tuple[list[Any], Trace]:
        self.batches.append([one.user_id for one in queries])
        self.deadlines.append(deadline)
        self.meanwhile()
        if self.error:
            raise self.error
        return [f"for {one.user_id}" for one in queries], Trace()


@dataclass
class Loop:
    """An event loop in small, and the door: runs what is due, notes what is delivered and traced."""

    due: deque[Callable[[], None]] = field(default_factory=deque)
    delivered: list[list[tuple[str, Any]]] = field(default_factory=list)
    traced: list[tuple[str, str, int]] = field(default_factory=list)

    def turn(self) -> None:
        """Run what is due now, and nothing that becomes due meanwhile."""
        for _ in range(len(self.due)):
            self.due.popleft()()

    def run(self) -> None:
        while self.due:
            self.turn()

    def deliver(self, done: Sequence[tuple[str, Any]]) -> None:
        self.delivered.append(list(done))

    def trace(self, arm: Arm, placement: str, trace: Trace, jobs: Sequence[Job[str]]) -> None:
        assert isinstance(trace, Trace)
        self.traced.append((arm.version, placement, len(jobs)))

    def answers(self) -> dict[str, Any]:
        return dict(one for batch in self.delivered for one in batch)


def arm(version: str = "v1") -> tuple[Arm, Pipeline]:
    made = Pipeline()
    return Arm(version, 0, None, {"home": made, "item": made}), made  # type: ignore[arg-type, dict-item]


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def batcher(loop: Loop) -> Batcher[str]:
    return Batcher(loop.due.append, loop.deliver, loop.trace)


def job(of: Arm, user: str, placement: str = "home", deadline: float = 1.0) -> Job[str]:
    return Job(of, placement, of.pipelines[placement], query(user), deadline, f"ticket {user}")


def test_everything_that_is_asked_is_answered_once(batcher: Batcher[str], loop: Loop) -> None:
    one, pipeline = arm()
    users = [f"u{n}" for n in range(500)]
    for place, user in enumerate(users):
        batcher.submit(job(one, user))
        if place % 7 == 0:
            loop.turn()
    loop.run()
    assert loop.answers() == {f"ticket {user}": f"for {user}" for user in users}
    assert sum(map(len, loop.delivered)) == 500
    assert [user for batch in pipeline.batches for user in batch] == users
    assert sum(queries for _, _, queries in loop.traced) == 500


def test_a_lone_request_is_a_batch_of_one(batcher: Batcher[str], loop: Loop) -> None:
    one, pipeline = arm()
    batcher.submit(job(one, "ann"))
    assert pipeline.batches == [], "those that arrived at the same time may submit first"
    loop.turn()
    assert (pipeline.batches, loop.answers()) == ([["ann"]], {"ticket ann": "for ann"})
    assert not loop.due


def test_what_is_submitted_before_the_next_turn_is_one_batch_up_to_the_limit(batcher: Batcher[str], loop: Loop) -> None:
    one, pipeline = arm()
    for n in range(BATCH + 3):
        batcher.submit(job(one, f"u{n}", deadline=100.0 - n))
    assert len(loop.due) == 1
    loop.turn()
    assert pipeline.batches == [[f"u{n}" for n in range(BATCH)]], "others that became ready get their turn first"
    loop.turn()
    assert [len(batch) for batch in pipeline.batches] == [BATCH, 3]
    assert pipeline.deadlines == [100.0 - BATCH + 1, 100.0 - BATCH - 2], "the most urgent one counts"
    assert [len(done) for done in loop.delivered] == [BATCH, 3]


def test_what_is_submitted_while_a_batch_is_answered_is_in_the_next_one(batcher: Batcher[str], loop: Loop) -> None:
    one, pipeline = arm()

    def meanwhile() -> None:
        pipeline.meanwhile = lambda: None
        batcher.submit(job(one, "second"))

    pipeline.meanwhile = meanwhile
    batcher.submit(job(one, "first"))
    loop.run()
    assert pipeline.batches == [["first"], ["second"]]
    assert list(loop.answers()) == ["ticket first", "ticket second"]


def test_one_batch_holds_queries_of_one_arm_and_one_placement(batcher: Batcher[str], loop: Loop) -> None:
    (blue, pipeline), (green, other) = arm("blue"), arm("green")
    for n in range(8):
        batcher.submit(job((blue, green)[n % 2], f"u{n}", ("home", "item")[n // 2 % 2]))
    loop.run()
    assert pipeline.batches == [["u0", "u4"], ["u2", "u6"]]
    assert other.batches == [["u1", "u5"], ["u3", "u7"]]
    assert loop.traced == [(version, placement, 2) for placement in ("home", "item") for version in ("blue", "green")]
    assert [len(done) for done in loop.delivered] == [8]


def test_when_too_many_wait_the_next_one_is_told_to_come_back(
    batcher: Batcher[str], loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "WAITING", 5)
    one, _ = arm()
    for n in range(5):
        batcher.submit(job(one, f"u{n}"))
    with pytest.raises(Unavailable, match=r"5 requests wait \(limit 5\); try again in a second"):
        batcher.submit(job(one, "one too many"))
    loop.run()
    assert len(loop.answers()) == 5
    batcher.submit(job(one, "later"))
    loop.run()
    assert len(loop.answers()) == 6


def test_closing_answers_what_waits(batcher: Batcher[str], loop: Loop) -> None:
    one, pipeline = arm()
    for n in range(BATCH + 1):
        batcher.submit(job(one, f"u{n}"))
    batcher.close()
    assert [len(batch) for batch in pipeline.batches] == [BATCH, 1]
    loop.run()
    assert len(loop.answers()) == BATCH + 1
    assert len(pipeline.batches) == 2, "what was due when it closed finds nothing to do"


@pytest.mark.parametrize("error", [Unavailable("no disk"), ValueError("shapes"), RuntimeError("faiss"), MemoryError()])
def test_an_error_is_delivered_to_those_it_hit_and_the_others_are_answered(
    batcher: Batcher[str], loop: Loop, error: Exception
) -> None:
    (bad, broken), (good, _) = arm("bad"), arm("good")
    broken.error = error
    batcher.submit(job(good, "first"))
    batcher.submit(job(bad, "second"))
    batcher.submit(job(good, "third"))
    loop.run()
    batcher.submit(job(good, "fourth"))
    loop.run()
    assert loop.answers() == {
        "ticket first": "for first", "ticket second": error, "ticket third": "for third", "ticket fourth": "for fourth",
    }  # fmt: skip
    assert {version for version, _, _ in loop.traced} == {"good"}


def test_a_deadline_is_so_many_ms_from_now() -> None:
    before = time.perf_counter()
    assert before + 0.25 <= deadline_in(250) <= time.perf_counter() + 0.25


def test_on_a_rung_the_cheaper_pipeline_answers_where_there_is_one(loop: Loop) -> None:
    ladder = Ladder(1.0)
    batcher: Batcher[str] = Batcher(loop.due.append, loop.deliver, loop.trace, ladder)
    (one, whole), cheap = arm(), Pipeline()
    one.pipelines = {**one.pipelines, on_rung(2, "home"): cheap}  # type: ignore[dict-item]
    for rung, placement in ((0, "home"), (2, "home"), (2, "item")):
        ladder.rung = rung
        batcher.submit(job(one, f"{rung} {placement}", placement))
        loop.run()
    assert (whole.batches, cheap.batches) == ([["0 home"], ["2 item"]], [["2 home"]])


def test_who_would_wait_too_long_is_given_what_is_ready_or_told_to_come_back(loop: Loop) -> None:
    ready: dict[str, Any] = {"ann": "for everybody"}
    ladder = Ladder(0.1)
    ladder.answered(1, 0.06)
    batcher: Batcher[str] = Batcher(
        loop.due.append, loop.deliver, loop.trace, ladder, lambda query, placement: ready.get(query.user_id)
    )
    one, _ = arm()
    batcher.submit(job(one, "first"))
    batcher.submit(job(one, "ann"))
    assert loop.answers() == {"ticket ann": "for everybody"}
    with pytest.raises(Unavailable, match="1 requests wait, more than can be answered in time; try again in a second"):
        batcher.submit(job(one, "bob"))
    loop.run()
    assert loop.answers() == {"ticket ann": "for everybody", "ticket first": "for first"}


def test_nobody_works_for_those_who_have_left(loop: Loop) -> None:
    batcher: Batcher[str] = Batcher(loop.due.append, loop.deliver, loop.trace, gone=lambda ticket: ticket == "ticket b")
    one, pipeline = arm()
    for user in "abc":
        batcher.submit(job(one, user))
    loop.run()
    assert pipeline.batches == [["a", "c"]]
