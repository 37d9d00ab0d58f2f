"""Is the table that models learn from the log, each event once, without those who left, in the order of time?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import worlds
from foryou.config import Config, Train
from foryou.domain.clock import DAY_MS, HOUR_MS, ManualClock
from foryou.domain.errors import NotFound
from foryou.domain.event import CODE, Action, Event, hash64
from foryou.domain.log import Record, Stream
from foryou.domain.records import pack
from foryou.domain.tables import Cleaned, Tables
from foryou.features.fold import fold
from foryou.ingest.archive import archive
from foryou.ingest.codec import event_of, event_record, records_of
from foryou.stores.archive_objects import ObjectArchive
from foryou.stores.log_sqlite import SqliteLog
from foryou.train import people
from foryou.train.dataset import interactions
from foryou.train.local import Local
from foryou.wiring.engines import wanted
from worlds import NOW_MS, did


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_MS)


@pytest.fixture
def log(tmp_path: Path, clock: ManualClock) -> Iterator[SqliteLog]:
    made = SqliteLog(tmp_path / "log", clock)
    yield made
    made.close()


def append(log: SqliteLog, *events: Event) -> None:
    for event in events:
        for stream, record in records_of(event):
            log.append(stream, [record])


def taken(log: SqliteLog, tmp_path: Path) -> pl.DataFrame:
    return pl.read_parquet(tabled(log, tmp_path).interactions)


def tabled(log: SqliteLog, tmp_path: Path, **train: object) -> Tables:
    store = ObjectArchive((tmp_path / "archive").as_uri())
    state = archive(log, store, event_of, lambda done, total: None)
    config = Config(home=str(tmp_path), train=Train(**train))  # type: ignore[arg-type]
    return Local().tables(wanted(store, state, config), lambda done, total: None)


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

    def half(self: pl.DataFrame, file: Path, **options: Any) -> None:
        real(self, file, **options)
        if isinstance(file, Path) and file.name == "snapshot.part":
            file.write_bytes(file.read_bytes()[:50])
            raise OSError("the disk is full")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", half)
    with pytest.raises(OSError, match="the disk is full"):
        taken(log, tmp_path)
    monkeypatch.undo()
    path = tmp_path / "work" / "snapshot.parquet"
    assert pl.read_parquet(path).equals(before)
    assert len(taken(log, tmp_path)) == 2
    assert sorted(one.name for one in path.parent.iterdir()) == ["snapshot.parquet", "users.parquet"]


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


def test_the_window_goes_back_from_the_newest_arrival_and_old_data_is_new_when_it_arrives(
    log: SqliteLog, tmp_path: Path, clock: ManualClock
) -> None:
    append(
        log, did("ann", "war-1", 1), did("guest", "war-2", 1), Event("x", "guest", Action.ALIAS, NOW_MS, query="ann")
    )
    clock.at_ms += 2 * DAY_MS
    append(log, did("bob", "ten-years-old", 60 * 24 * 3_650))
    clock.at_ms += DAY_MS // 2
    append(log, did("guest", "war-3", 1))

    def learned(days: float) -> list[tuple[str, str]]:
        return pairs(pl.read_parquet(tabled(log, tmp_path, window_days=days).interactions))

    assert learned(30) == learned(0) == [("bob", "ten-years-old"), ("ann", "war-1"), ("ann", "war-2"), ("ann", "war-3")]
    assert learned(1) == [("bob", "ten-years-old"), ("ann", "war-3")]
    assert learned(0.25) == [("ann", "war-3")]


def test_a_sample_is_of_users_each_with_all_events_also_those_of_a_guest(log: SqliteLog, tmp_path: Path) -> None:
    append(log, *(did(f"u{n % 400}", f"war-{n}", n) for n in range(1_200)))
    append(log, did("guest", "war-1", 1), Event("x", "guest", Action.ALIAS, NOW_MS, query="u7"))
    table = pl.read_parquet(tabled(log, tmp_path, sample=0.25).interactions)
    chosen = {f"u{n}" for n in range(400) if hash64(f"u{n}") % 65_536 < 0.25 * 65_536}
    assert 60 < len(chosen) < 140
    assert set(table["user_id"]) == chosen
    assert len(table) == 3 * len(chosen) + ("u7" in chosen)


def test_machines_are_left_out_and_named_with_the_reason(log: SqliteLog, tmp_path: Path) -> None:
    fast = [Event(f"f{n}", "fast", Action.VIEW, NOW_MS - HOUR_MS + 100 * n, f"war-{n}") for n in range(300)]
    even = [Event(f"e{n}", "even", Action.VIEW, NOW_MS - HOUR_MS + 10_000 * n, f"war-{n}") for n in range(150)]
    flood = [Event(f"o{n}", "one", Action.VIEW, NOW_MS - 30_000 * n - 900 * n * n, "war-1") for n in range(120)]
    append(log, *fast, *even, *flood, did("ann", "war-1", 3))
    found = tabled(log, tmp_path)
    assert pairs(pl.read_parquet(found.interactions)) == [("ann", "war-1")]
    assert found.cleaned == (
        Cleaned("bots: rate", 300, 1, ("user fast: 300 actions within a minute",)),
        Cleaned("bots: regularity", 150, 1, ("user even: one action every 10.0 s, 149 times",)),
        Cleaned("bots: flood", 120, 1, ("user one: 120 actions, nearly all on item war-1",)),
    )
    left = tabled(log, tmp_path, clean="off")
    assert (len(pl.read_parquet(left.interactions)), left.cleaned) == (571, ())


def test_invalid_and_duplicate_events_are_left_out_with_the_first_five_as_examples(
    log: SqliteLog, tmp_path: Path
) -> None:
    again = [Event(f"again{n}", "ann", Action.VIEW, NOW_MS - 9, "war-1") for n in range(8)]
    append(log, *again, did("cy", "war-4", 1, Action.RATING, 4.0))
    append(log, Event("seconds", "bob", Action.VIEW, 1_700_000_000, "war-2"), Event("none", "cy", Action.VIEW, NOW_MS))
    append(log, Event("ahead", "cy", Action.VIEW, NOW_MS + 3 * DAY_MS, "war-3"))
    append(log, Event("nan", "cy", Action.RATING, NOW_MS, "war-3", value=float("nan")))
    found = tabled(log, tmp_path)
    assert pairs(pl.read_parquet(found.interactions)) == [("cy", "war-4"), ("ann", "war-1")]
    assert {one.reason: (one.events, one.users) for one in found.cleaned} == {
        "no item": (1, 1), "before 1990": (1, 1), "future": (1, 1), "no number": (1, 1), "duplicate": (7, 1),
    }  # fmt: skip
    said = {one.reason: one.examples for one in found.cleaned}
    assert said["before 1990"] == ("seconds: user bob view war-2 at_ms 1700000000",)
    assert said["duplicate"] == tuple(f"again{n}: user ann view war-1 at_ms {NOW_MS - 9}" for n in range(1, 6))


def test_the_table_of_users_holds_the_records_that_the_fold_gives(
    log: SqliteLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "BATCH", 7)
    events = [did(f"u{n % 5}", f"war-{n % 9}", 90 - n, Action.RATING, n % 5 + 1.0) for n in range(60)]
    append(log, *events)
    found = pl.read_parquet(tabled(log, tmp_path).users)
    assert found["user_id"].to_list() == ["u0", "u1", "u2", "u3", "u4"]
    folded = fold({}, events, list(range(60))).records
    for user, core, history, seen in found.select("user_id", "core", "history", "seen").iter_rows():
        assert (core, history, seen, b"") == pack(folded[user])
    assert found["actions"].to_list() == [12] * 5
    assert found["positives"].sum() == sum(event.value > 2 for event in events if event.value)
    assert found["dislikes"].sum() == 60 - found["positives"].sum()
    assert found.row(0, named=True) | {"core": b"", "history": b"", "seen": b""} == {
        "user_id": "u0", "verdict": "", "why": "", "actions": 12, "positives": 0, "dislikes": 12, "items": 9,
        "first_ms": events[0].at_ms, "last_ms": events[55].at_ms, "core": b"", "history": b"", "seen": b"",
    }  # fmt: skip
