"""Does the archive hold each event of the log once, whatever is killed, repeated or erased?"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from foryou.domain.archive import Part, State, standing
from foryou.domain.clock import DAY_MS, ManualClock
from foryou.domain.errors import Conflict
from foryou.domain.event import CODE, Action, Event, hash64
from foryou.domain.log import Record, Stream, partition_of
from foryou.domain.ports import Archive
from foryou.ingest import archived_ids
from foryou.ingest.archive import archive, state_of
from foryou.ingest.archived_ids import known, remember
from foryou.ingest.codec import event_of, event_record, records_of
from foryou.services.s3 import BUCKET, REGION
from foryou.stores.archive_objects import ObjectArchive
from foryou.stores.log_sqlite import SqliteLog
from foryou.stores.objects import Bucket
from worlds import NOW_MS, did


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_MS)


@pytest.fixture
def log(tmp_path: Path, clock: ManualClock) -> Iterator[SqliteLog]:
    made = SqliteLog(tmp_path / "log", clock)
    yield made
    made.close()


@pytest.fixture(params=["folder", "copied", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, services: Callable[[str], str]) -> Archive:
    if request.param == "s3":
        prefix = f"{hash64(str(tmp_path)):x}"
        return ObjectArchive(f"s3://{BUCKET}/{prefix}", tmp_path / "cache", Bucket(services("s3"), REGION))
    return ObjectArchive((tmp_path / "archive").as_uri(), tmp_path / "cache" if request.param == "copied" else None)


@pytest.fixture
def folder(tmp_path: Path) -> Archive:
    return ObjectArchive((tmp_path / "archive").as_uri())


def append(log: SqliteLog, *events: Event) -> None:
    for event in events:
        for stream, record in records_of(event):
            log.append(stream, [record])


def twice(log: SqliteLog, event: Event, record_id: str) -> None:
    """Append a client's retry that the log does not know as one."""
    repeat = event_record(event)
    log.append(Stream.EVENTS, [Record(repeat.key, record_id, repeat.body)])


def taken(log: SqliteLog, store: Archive, chunk: int = 100_000) -> State:
    return archive(log, store, event_of, lambda done, total: None, chunk)


def table(store: Archive) -> pl.DataFrame:
    """Give every event that counts, by partition and offset."""
    parts = standing(store.names("events/"), state_of(store)[1])
    paths, options = store.located([part.name for part in parts])
    tables = [pl.scan_parquet(path, storage_options=options or None, hive_partitioning=False) for path in paths]
    return pl.concat(tables).sort("partition", "offset").collect()


def whole_log(log: SqliteLog) -> list[Event]:
    return [
        event_of(entry.record.body)
        for partition in range(log.partitions()) for entry in log.read(Stream.EVENTS, partition, -1, 10**6)
    ]  # fmt: skip


def test_every_event_is_archived_once_with_all_that_it_says(log: SqliteLog, store: Archive) -> None:
    said = Event(
        "full", "ann", Action.PURCHASE, NOW_MS - 5, "war-1", NOW_MS, 9.5, "EUR", 3, "boots", "s1", "r1", 4,
        {"device": "phone", "page": "home"},
    )  # fmt: skip
    append(log, *(did(f"u{n % 9}", f"war-{n}", n) for n in range(40)), said, Event("q", "u", Action.SEARCH, NOW_MS))
    state = taken(log, store, 7)
    found = table(store)
    assert found["event_id"].to_list() == [event.event_id for event in whole_log(log)]
    assert (state.events, state.repeats, state.erased, state.unread) == (42, 0, 0, 0)
    assert (state.through, state.pending, state.newest_ms) == (log.ends(Stream.EVENTS), None, NOW_MS)
    row = found.row(by_predicate=pl.col("event_id") == "full", named=True)
    assert row | {"offset": 0, "partition": 0} == {
        "event_id": "full", "user_id": "ann", "user_hash": int(np.uint64(hash64("ann")).view(np.int64)),
        "item_id": "war-1", "action": CODE[Action.PURCHASE], "at_ms": NOW_MS - 5, "received_ms": NOW_MS, "value": 9.5,
        "unit": "EUR", "quantity": 3, "query": "boots", "session_id": "s1", "recommendation_id": "r1", "position": 4,
        "device": "phone", "context": '{"device":"phone","page":"home"}', "partition": 0, "offset": 0,
    }  # fmt: skip


def test_a_second_run_adds_what_is_new_and_touches_nothing_else(log: SqliteLog, store: Archive) -> None:
    append(log, *(did(f"u{n}", "war-1", n) for n in range(20)))
    first = taken(log, store, 4)
    names = store.names("events/")
    assert taken(log, store, 4) == first
    append(log, did("late", "war-2", 1))
    assert taken(log, store, 4).events == 21
    assert len(set(store.names("events/")) - set(names)) == 1
    assert set(names) <= set(store.names("events/"))


def test_parts_are_divided_by_the_day_on_which_the_log_received_them(
    log: SqliteLog, folder: Archive, clock: ManualClock
) -> None:
    append(log, did("ann", "war-1", 1))
    clock.at_ms += DAY_MS
    append(log, did("ann", "war-2", 60 * 24 * 400))
    taken(log, folder)
    p = partition_of("ann")
    assert folder.names("events/") == [
        f"events/date=2023-11-14/part-{p:04}-00000000000000-00000000000001.parquet",
        f"events/date=2023-11-15/part-{p:04}-00000000000000-00000000000001.parquet",
    ]
    assert table(folder)["item_id"].to_list() == ["war-1", "war-2"]


def test_a_retry_counts_once_however_many_days_later_it_comes(
    log: SqliteLog, folder: Archive, clock: ManualClock
) -> None:
    event = did("ann", "war-1", 1)
    append(log, event)
    twice(log, event, "of the same chunk")
    taken(log, folder)
    for day in range(1, 9):
        clock.at_ms += DAY_MS
        append(log, *(did("ann", f"war-{day}{n}", 1) for n in range(3)))
        twice(log, event, f"retry {day}")
        state = taken(log, folder)
    assert (state.events, state.repeats, set(state.repeated)) == (25, 9, {event.event_id})
    assert len(state.repeated) == 5
    assert table(folder)["event_id"].n_unique() == len(table(folder)) == 25


def test_a_record_that_cannot_be_read_is_counted_and_passed_over(log: SqliteLog, folder: Archive) -> None:
    append(log, did("ann", "war-1", 9))
    log.append(Stream.EVENTS, [Record("ann", "poison", b"\xc1")])
    append(log, did("ann", "war-2", 8))
    assert (taken(log, folder).unread, table(folder)["item_id"].to_list()) == (1, ["war-1", "war-2"])


def test_who_is_forgotten_leaves_all_parts_and_may_come_again(log: SqliteLog, store: Archive) -> None:
    append(log, *(did("ann", f"war-{n}", 50 - n) for n in range(5)), *(did("bob", f"war-{n}", n) for n in range(5)))
    taken(log, store, 3)
    append(log, did("ann", "war-9", 2), Event("gone", "ann", Action.FORGET, NOW_MS), did("ann", "war-10", 1))
    state = taken(log, store, 3)
    assert table(store).filter(pl.col("user_id") == "ann")["item_id"].to_list() == ["war-10"]
    assert len(table(store).filter(pl.col("user_id") == "bob")) == 5
    assert state.erased == 7
    names = store.names("events/")
    assert not any(
        b"ann" in store.read(name) for name in names if f"part-{partition_of('ann'):04}-00000000000000" in name
    )


def test_a_retry_of_what_was_erased_does_not_bring_it_back(log: SqliteLog, folder: Archive) -> None:
    event = did("ann", "war-1", 9)
    append(log, event, Event("gone", "ann", Action.FORGET, NOW_MS))
    taken(log, folder)
    twice(log, event, "late retry")
    assert taken(log, folder).repeats == 1
    assert folder.names("events/") == []


def test_of_two_that_archive_at_once_one_is_told(log: SqliteLog, folder: Archive, tmp_path: Path) -> None:
    append(log, *(did(f"u{n}", "war-1", n) for n in range(20)))
    other = ObjectArchive((tmp_path / "archive").as_uri())

    def race(*_: int) -> None:
        taken(log, other, 3)

    with pytest.raises(Conflict, match="Another process archives this log at the moment; wait until it ends"):
        archive(log, folder, event_of, race, 3)
    assert len(table(folder)) == 20


KILLED = """
import sys, os, pathlib
from foryou.domain.clock import ManualClock
from foryou.ingest import archive as module
from foryou.ingest.codec import event_of
from foryou.stores import archive_objects
from foryou.stores.log_sqlite import SqliteLog

class Dying(archive_objects.ObjectArchive):
    left = int(sys.argv[2])
    def _step(self):
        Dying.left -= 1
        if Dying.left < 0:
            os.kill(os.getpid(), 9)
    def create(self, *a):
        self._step(); done = super().create(*a); self._step(); return done
    def put(self, *a):
        self._step(); done = super().put(*a); self._step(); return done
    def replace(self, *a):
        self._step(); super().replace(*a); self._step()
    def delete(self, *a):
        self._step(); super().delete(*a); self._step()

folder = pathlib.Path(sys.argv[1])
log = SqliteLog(folder / "log", ManualClock(int(sys.argv[3])))
module.archive(log, Dying((folder / "archive").as_uri()), event_of, lambda *a: None, 4)
print(Dying.left)
"""


def died_after(folder: Path, steps: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", KILLED, str(folder), str(steps), str(NOW_MS)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_killed_at_any_step_it_goes_on_and_leaves_the_same_parts(tmp_path: Path) -> None:
    """Repeats, two partitions, an erasure across parts; new events come between the death and the next run."""
    events = [did(user, f"war-{n}", 40 - n) for n in range(6) for user in ("ann", "bob", "cy")]
    more = [Event("gone", "bob", Action.FORGET, NOW_MS), did("bob", "war-77", 1), did("ann", "war-78", 1)]

    def lived(folder: Path, deaths: list[int]) -> tuple[pl.DataFrame, State]:
        log = SqliteLog(folder / "log", ManualClock(NOW_MS))
        append(log, *events)
        for steps in deaths[:1]:
            assert died_after(folder, steps).returncode == -9
        if not deaths:
            taken(log, ObjectArchive((folder / "archive").as_uri()), 4)
        twice(log, events[0], "retry")
        append(log, *more)
        for steps in deaths[1:]:
            assert died_after(folder, steps).returncode in (-9, 0)
        store = ObjectArchive((folder / "archive").as_uri())
        state = taken(log, store, 4)
        log.close()
        return table(store), state

    calm, state = lived(tmp_path / "calm", [])
    assert (len(calm), state.events, state.repeats, state.erased) == (14, 21, 1, 7)
    for steps in range(0, 24, 3):
        found, after = lived(tmp_path / f"at-{steps}", [steps, steps + 4])
        assert found.equals(calm)
        assert (after.events, after.repeats, after.through) == (state.events, state.repeats, state.through)


def test_ids_are_found_in_runs_that_stay_few(folder: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archived_ids, "PIECE", 7)
    random, runs = np.random.default_rng(5), ()
    ids = np.unique(random.integers(1, 2**63, 1_500, dtype=np.uint64))
    random.shuffle(ids)
    for first in range(0, 1_000, 20):
        runs = remember(folder, runs, ids[first : first + 20], (0, first, first + 19))
        assert len(runs) <= 8
    assert sum(run.count for run in runs) == 1_000
    assert known(folder, runs, ids).tolist() == [True] * 1_000 + [False] * (len(ids) - 1_000)
    for path, run in zip(folder.fetched({run.name: run.checksum for run in runs}), runs, strict=True):
        held = np.fromfile(path, "<u8")
        assert len(held) == run.count
        assert (np.diff(held.astype(object)) > 0).all()


def test_what_a_crash_left_behind_the_state_does_not_count() -> None:
    whole, half, other = Part("2023-11-14", 0, 0, 9), Part("2023-11-14", 0, 10, 19), Part("2023-11-14", 1, 0, 3)
    names = [whole.name, half.name, other.name, "events/date=x/part-1-2-3.parquet", "state/000000000001.json"]
    assert standing(names, State(through={0: 9, 1: 3})) == [whole, other]
