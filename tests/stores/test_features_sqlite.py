"""What does the SQLite feature store do beyond its port: rebuild beside itself, and tell when a record was folded?"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from foryou.domain.clock import ManualClock
from foryou.domain.errors import Conflict, Invalid, StalePosition
from foryou.domain.records import NO_HISTORY, NO_SEEN, Change, Core, UserRecord
from foryou.stores import features_sqlite
from foryou.stores.features_sqlite import SqliteFeatures

MINUTE_MS = 60_000
HOUR = 470_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_000)


@pytest.fixture
def features(tmp_path: Path, clock: ManualClock) -> Iterator[SqliteFeatures]:
    with closing(SqliteFeatures(tmp_path / "features.db", clock)) as features:
        yield features


def user(age: int) -> UserRecord:
    return UserRecord(Core(age=age), NO_HISTORY, NO_SEEN, 0)


def change(after: int, through: int, age: int = 0, partition: int = 0) -> Change:
    records = {f"user-{partition}": user(age)}
    return Change(partition, {"events": after}, {"events": through}, records, {(HOUR, age): 1})


def ages(features: SqliteFeatures) -> list[int | None]:
    return [None if found is None else found.core.age for found in features.read(["user-0", "user-1"])]


def rows(features: SqliteFeatures, table: str) -> int:
    with closing(sqlite3.connect(features._path)) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_a_store_in_memory_keeps_what_was_written(clock: ManualClock) -> None:
    with closing(SqliteFeatures(":memory:", clock)) as features:
        features.write(change(-1, 5, age=30), features.lease("worker", MINUTE_MS))
        assert ages(features) == [30, None]
        assert features.trending().position == {0: 5}
        assert features.folded_ms(0, 5) == 1_000
        with pytest.raises(
            Invalid, match="path: a store in :memory: cannot be rebuilt beside itself; open one on a file"
        ):
            features.begin_generation()


def test_the_moments_of_the_newest_commits_are_kept(features: SqliteFeatures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features_sqlite, "KEPT_FOLDS", 3)
    token = features.lease("worker", MINUTE_MS)
    for offset in range(8):
        features.write(change(offset - 1, offset), token)
    assert [features.folded_ms(0, offset) is not None for offset in range(8)] == [False] * 5 + [True] * 3


def test_readers_that_were_open_before_see_the_switch_and_the_old_rows_are_gone(
    features: SqliteFeatures, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features_sqlite, "DROPPED_ROWS", 10)
    many = {f"user-{number}": user(1) for number in range(35)}
    features.write(Change(0, {"events": -1}, {"events": 5}, many, {(HOUR, 1): 1}), features.lease("worker", MINUTE_MS))
    with closing(SqliteFeatures(tmp_path / "features.db", clock)) as reader:
        assert ages(reader) == [1, 1]
        with closing(features.begin_generation()) as rebuilt:
            rebuilt.write(change(-1, 5, age=2), rebuilt.lease("rebuild", MINUTE_MS))
            rebuilt.switch_generation()
        assert ages(reader) == [2, None]
    assert [rows(features, table) for table in ("users", "counts", "positions")] == [1, 1, 1]


def test_a_rebuild_that_was_interrupted_is_deleted_by_the_next_and_can_do_no_harm(features: SqliteFeatures) -> None:
    features.write(change(-1, 5, age=1), features.lease("worker", MINUTE_MS))
    with closing(features.begin_generation()) as lost:
        lost_token = lost.lease("lost", MINUTE_MS)
        lost.write(change(-1, 6, age=2), lost_token)
        with closing(features.begin_generation()) as rebuilt:
            assert [rows(features, table) for table in ("users", "counts", "positions")] == [1, 1, 1]
            with pytest.raises(StalePosition, match="partition 0 of events stands at -1, not at 6"):
                lost.write(change(6, 7, age=2), lost_token)
            with pytest.raises(Conflict, match="generation 2 stands at -1"):
                lost.switch_generation()
            rebuilt.write(change(-1, 5, age=3), rebuilt.lease("rebuild", MINUTE_MS))
            rebuilt.switch_generation()
    assert ages(features) == [3, None]


def test_reading_uses_the_index(features: SqliteFeatures) -> None:
    said: list[str] = []
    with features._database.reading() as connection:
        connection.set_trace_callback(said.append)
    features.read(["a", "b"])
    with features._database.reading() as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {said[0]}").fetchall()
    assert "SEARCH users USING INDEX users_id (generation=? AND user_id=?)" in [row[3] for row in plan]


def test_hashes_of_all_sizes_come_back(features: SqliteFeatures) -> None:
    big = [1, 2**63 - 1, 2**63, 2**64 - 1]
    counts = {(HOUR, item): 1 for item in big}
    features.write(Change(0, {"events": -1}, {"events": 0}, {}, counts), features.lease("worker", MINUTE_MS))
    assert sorted(features.trending().item.tolist()) == big
    assert features.trending().item.dtype == np.uint64
