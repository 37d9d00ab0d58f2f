"""Is what was shown remembered without anybody waiting for it, and is what cannot be remembered counted?"""

import threading
from collections.abc import Sequence

import pytest

from foryou.domain.errors import Unavailable
from foryou.domain.exposure import Exposure
from foryou.domain.log import Appended, Record, Stream, partition_of
from foryou.ingest import exposures as module
from foryou.ingest.codec import exposure_of, exposure_record
from foryou.ingest.exposures import Exposures
from foryou.stores.log_sqlite import SqliteLog

WAIT_S = 20


def shown(number: int = 1) -> Exposure:
    return Exposure(
        recommendation_id=f"r{number}", user_id=f"u{number}", now_ms=5, placement="home", arm="main", bundle="v1",
        seed=2**64 - 1, offset=7, items=("a", "b"), scores=(0.5, 0.25), sources=("popular", "exploration"),
        propensities=(1.0, 0.1), degraded=("rank",), trending={0: 4}, trending_ms=6, catalog={1: 2}, anchor="x",
        exclude=("y",), num_results=2, knew={"other": 3}, places={"other": (3, 2, -1)},
    )  # fmt: skip


def written(log: SqliteLog) -> list[Exposure]:
    return [
        exposure_of(entry.record.body)
        for partition in range(log.partitions())
        for entry in log.read(Stream.EXPOSURES, partition, -1, 10_000)
    ]


class Held:
    """A log that keeps whoever appends waiting, or fails."""

    def __init__(self) -> None:
        self.entered, self.go = threading.Event(), threading.Event()
        self.batches: list[int] = []
        self.error: Exception | None = None

    def append(self, stream: Stream, records: Sequence[Record]) -> Appended:
        assert stream is Stream.EXPOSURES
        self.batches.append(len(records))
        self.entered.set()
        assert self.go.wait(WAIT_S)
        if self.error:
            error, self.error = self.error, None
            raise error
        return Appended(len(records), 0)


def test_an_exposure_comes_back_as_it_was() -> None:
    record = exposure_record(shown())
    assert (record.key, record.record_id) == ("u1", "r1")
    assert exposure_of(record.body) == shown()


def test_closing_writes_what_waits(log: SqliteLog) -> None:
    exposures = Exposures(log, 100)
    for number in range(30):
        exposures.put(shown(number))
    exposures.close()
    assert sorted(one.recommendation_id for one in written(log)) == sorted(f"r{number}" for number in range(30))
    assert (exposures.written, exposures.dropped) == (30, 0)
    place = partition_of("u3")
    assert any(exposure_of(e.record.body) == shown(3) for e in log.read(Stream.EXPOSURES, place, -1, 99))


def test_closing_without_anything_waiting_ends(log: SqliteLog) -> None:
    exposures = Exposures(log, 1)
    exposures.close()
    exposures.close()
    assert written(log) == []


def test_what_does_not_fit_the_queue_is_dropped_and_counted_and_nobody_waits() -> None:
    held = Held()
    exposures = Exposures(held, 5)  # type: ignore[arg-type]
    exposures.put(shown(0))
    assert held.entered.wait(WAIT_S)  # the writer is busy with the first one
    for number in range(8):
        exposures.put(shown(number))
    assert exposures.dropped == 3
    held.go.set()
    exposures.close()
    assert (exposures.written, exposures.dropped) == (6, 3)


def test_many_are_written_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 4)
    held = Held()
    exposures = Exposures(held, 100)  # type: ignore[arg-type]
    exposures.put(shown(0))
    assert held.entered.wait(WAIT_S)
    for number in range(10):
        exposures.put(shown(number))
    held.go.set()
    exposures.close()
    assert held.batches == [1, 4, 4, 2]


@pytest.mark.parametrize("error", [Unavailable("the disk is full")])
def test_what_the_log_cannot_take_is_counted_and_the_next_ones_are_written(error: Exception) -> None:
    held = Held()
    held.error = error
    exposures = Exposures(held, 100)  # type: ignore[arg-type]
    exposures.put(shown(0))
    assert held.entered.wait(WAIT_S)
    for number in range(3):
        exposures.put(shown(number))
    held.go.set()
    exposures.close()
    assert (exposures.written, exposures.dropped) == (3, 1)
