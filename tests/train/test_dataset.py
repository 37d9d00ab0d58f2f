"""Is the table that models learn from the log, each event once, without those who left, in the order of time?"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import worlds
from foryou.domain.clock import ManualClock
from foryou.domain.errors import NotFound
from foryou.domain.event import CODE, Action, Event
from foryou.domain.log import Record, Stream
from foryou.ingest.codec import event_of, event_record, records_of
from foryou.stores.log_sqlite import SqliteLog
from foryou.train import dataset
from foryou.train.dataset import interactions, snapshot
from worlds import NOW_MS, did


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    made = SqliteLog(tmp_path / "log", ManualClock(NOW_MS))
    yield made
    made.close()


def append(log: SqliteLog, *events: Event) -> None:
    for event in events:
        for stream, record in records_of(event):
            log.append(stream, [record])


def taken(log: SqliteLog, tmp_path: Path) -> pl.DataFrame:
    path = tmp_path / "work" / "snapshot.parquet"
    snapshot(log, event_of, path, lambda done, total: None)
    return pl.read_parquet(path)


def pairs(table: pl.DataFrame) -> list[tuple[str, str]]:
    return list(zip(table["user_id"], table["item_id"], strict=True))


def test_events_are_in_the_order_of_time_whatever_their_partition(log: SqliteLog, tmp_path: Path) -> None:
    events = [did(f"u{n % 7}", f"war-{n}", 100 - n, Action.RATING, n % 5 + 1.0) for n in range(30)]
    append(log, *reversed(events))
    table = taken(log, tmp_path)
    assert pairs(table) == [(event.user_id, event.item_id) for event in events]
    assert table["at_ms"].to_list() == [event.at_ms for event in events]
    assert table["value"].to_list() == [event.value for event in events]
    assert set(table["action"]) == {CODE[Action.RATING]}


def test_events_at_the_same_time_are_in_the_order_of_their_ids(log: SqliteLog, tmp_path: Path) -> None:
    append(log, *(Event(name, f"u{name}", Action.VIEW, NOW_MS, "war-1") for name in "cab"))
    assert taken(log, tmp_path)["event_id"].to_list() == ["a", "b", "c"]


def test_a_repeat_counts_once_even_where_the_log_does_not_know_it(log: SqliteLog, tmp_path: Path) -> None:
    first, again = did("ann", "war-1", 9), did("ann", "war-2", 8)
    repeat = event_record(first)
    append(log, first, again)
    log.append(Stream.EVENTS, [Record(repeat.key, "another record id", repeat.body)])
    assert pairs(taken(log, tmp_path)) == [("ann", "war-1"), ("ann", "war-2")]


def test_what_was_only_shown_or_searched_for_is_left_out(log: SqliteLog, tmp_path: Path) -> None:
    search = Event("s", "ann", Action.SEARCH, NOW_MS, query="boots")
    append(log, did("ann", "war-1", 3, Action.IMPRESSION), search, did("ann", "war-2", 1, Action.VIEW))
    assert pairs(taken(log, tmp_path)) == [("ann", "war-2")]


def test_what_was_done_before_a_forget_is_gone_and_what_comes_later_counts(log: SqliteLog, tmp_path: Path) -> None:
    append(
        log, did("ann", "war-1", 9), did("bob", "war-1", 9), Event("f1", "ann", Action.FORGET, NOW_MS),
        did("ann", "war-2", 1), did("ann", "late", 20),
    )  # fmt: skip
    assert pairs(taken(log, tmp_path)) == [("ann", "late"), ("bob", "war-1"), ("ann", "war-2")]
    append(log, Event("f2", "ann", Action.FORGET, NOW_MS + 1))
    assert pairs(taken(log, tmp_path)) == [("bob", "war-1")]


def test_what_a_guest_did_counts_for_the_user_that_the_guest_became(log: SqliteLog, tmp_path: Path) -> None:
    append(
        log, did("guest", "war-1", 9), did("ann", "war-2", 8), Event("x", "guest", Action.ALIAS, NOW_MS, query="ann"),
        did("guest", "war-3", 7),
    )  # fmt: skip
    assert pairs(taken(log, tmp_path)) == [("ann", "war-1"), ("ann", "war-2"), ("ann", "war-3")]


def test_a_record_that_cannot_be_read_is_passed_over(log: SqliteLog, tmp_path: Path) -> None:
    append(log, did("ann", "war-1", 9))
    log.append(Stream.EVENTS, [Record("ann", "poison", b"\xc1")])
    append(log, did("ann", "war-2", 8))
    assert pairs(taken(log, tmp_path)) == [("ann", "war-1"), ("ann", "war-2")]


def test_the_position_is_that_of_the_log_when_the_snapshot_began(log: SqliteLog, tmp_path: Path) -> None:
    append(log, *(did(f"u{n}", "war-1", n) for n in range(9)))
    ends = log.ends(Stream.EVENTS)
    told: list[tuple[int, int]] = []

    def late(done: int, total: int) -> None:
        append(log, did(f"late-{len(told)}", "war-2", 1))
        told.append((done, total))

    path = tmp_path / "snapshot.parquet"
    assert snapshot(log, event_of, path, late) == ends
    assert told[-1] == (9, 9)
    assert set(pl.read_parquet(path)["item_id"]) == {"war-1"}


def test_a_long_log_is_read_in_parts(log: SqliteLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "READ", 2)
    append(log, *(did(f"u{n}", f"war-{n}", 50 - n) for n in range(15)))
    assert len(taken(log, tmp_path)) == 15


def test_an_empty_log_is_refused(log: SqliteLog, tmp_path: Path) -> None:
    with pytest.raises(
        NotFound,
        match=r"The log holds no events; import a data set \(`foryou import PATH`\) or post some first",
    ):
        taken(log, tmp_path)
    assert not list(tmp_path.glob("work/*"))


def test_a_snapshot_that_fails_leaves_the_old_one(
    log: SqliteLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(log, did("ann", "war-1", 9))
    before = taken(log, tmp_path)
    append(log, did("ann", "war-2", 8))
    real = pl.DataFrame.write_parquet

    def half(self: pl.DataFrame, file: Path, **options: object) -> None:
        real(self, file, **options)
        file.write_bytes(file.read_bytes()[:50])
        raise OSError("the disk is full")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", half)
    with pytest.raises(OSError, match="the disk is full"):
        taken(log, tmp_path)
    monkeypatch.undo()
    path = tmp_path / "work" / "snapshot.parquet"
    assert pl.read_parquet(path).equals(before)
    assert len(taken(log, tmp_path)) == 2
    assert [one.name for one in path.parent.iterdir()] == ["snapshot.parquet"]


def test_interactions_are_the_snapshot_in_numbers(log: SqliteLog, tmp_path: Path) -> None:
    append(
        log, did("bob", "war-1", 9, Action.RATING, 1.0), did("ann", "love-2", 8, Action.PURCHASE),
        did("bob", "no-such-film", 7), did("bob", "crime-15", 6, Action.VIEW),
    )  # fmt: skip
    taken(log, tmp_path)
    catalog = worlds.catalog()
    found = interactions(tmp_path / "work" / "snapshot.parquet", catalog)
    assert (found.user_ids, found.items, len(found)) == (["bob", "ann"], 60, 3)
    assert found.user.tolist() == [0, 1, 0]
    assert [catalog.id_of(number) for number in found.item.tolist()] == ["war-1", "love-2", "crime-15"]
    assert found.taste.tolist() == [-1, 1, 0.5]
    assert found.value[0] == 1
    assert np.isnan(found.value[1:]).all()
    assert [found.user.dtype, found.item.dtype, found.taste.dtype] == [np.int32, np.int32, np.float32]


def test_interactions_become_the_same_events_again(log: SqliteLog, tmp_path: Path) -> None:
    events = [did("bob", "war-1", 9, Action.RATING, 4.0), did("ann", "love-2", 8, Action.CLICK)]
    append(log, *events)
    taken(log, tmp_path)
    catalog = worlds.catalog()
    assert interactions(tmp_path / "work" / "snapshot.parquet", catalog).events(catalog) == events


def test_a_part_keeps_the_numbers_of_users_and_items(log: SqliteLog, tmp_path: Path) -> None:
    append(log, *(did(f"u{n}", f"war-{n + 1}", 9 - n) for n in range(5)))
    taken(log, tmp_path)
    found = interactions(tmp_path / "work" / "snapshot.parquet", worlds.catalog())
    part = found.part(3, 99)
    assert (part.user.tolist(), part.user_ids, part.items) == ([3, 4], found.user_ids, 60)
    assert part.event_ids == found.event_ids[3:]


def test_events_on_items_that_nobody_described_make_an_empty_table(log: SqliteLog, tmp_path: Path) -> None:
    append(log, did("ann", "unknown", 3))
    taken(log, tmp_path)
    found = interactions(tmp_path / "work" / "snapshot.parquet", worlds.catalog())
    assert (len(found), found.user_ids) == (0, [])
