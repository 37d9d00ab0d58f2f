"""What does the SQLite feature store do beyond its port: rebuild beside itself, and tell when a record was folded?"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from foryou.domain.clock import ManualClock
from foryou.domain.errors import Conflict, Invalid, Refused, StalePosition
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


def test_the_moment_at_which_a_record_became_visible_is_known(features: SqliteFeatures, clock: ManualClock) -> None:
    token = features.lease("worker", MINUTE_MS)
    for after, through, at_ms in ((-1, 5, 100), (5, 6, 200), (6, 20, 300)):
        clock.at_ms = at_ms
        features.write(change(after, through), token)
    features.write(Change(0, {"users": -1}, {"users": 50}, {}, {}), token)
    assert [features.folded_ms(0, offset) for offset in (0, 5, 6, 7, 20, 21)] == [100, 100, 200, 300, 300, None]
    assert features.folded_ms(1, 0) is None


def test_the_moments_of_the_newest_commits_are_kept(features: SqliteFeatures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features_sqlite, "KEPT_FOLDS", 3)
    token = features.lease("worker", MINUTE_MS)
    for offset in range(8):
        features.write(change(offset - 1, offset), token)
    assert [features.folded_ms(0, offset) is not None for offset in range(8)] == [False] * 5 + [True] * 3


def test_a_new_generation_is_invisible_until_the_switch(features: SqliteFeatures) -> None:
    features.write(change(-1, 5, age=1), features.lease("worker", MINUTE_MS))
    with closing(features.begin_generation()) as rebuilt:
        assert rebuilt.position(0) == {}
        assert ages(rebuilt) == [None, None]
        rebuilt.write(change(-1, 7, age=2), rebuilt.lease("rebuild", MINUTE_MS))
        assert (ages(features), features.position(0)) == ([1, None], {"events": 5})
        assert features.trending().item.tolist() == [1]
        assert features.folded_ms(0, 7) is None
        rebuilt.switch_generation()
        assert (ages(features), features.position(0)) == ([2, None], {"events": 7})
        assert features.trending().item.tolist() == [2]
        assert features.trending().position == {0: 7}


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


def test_a_generation_that_is_behind_the_live_one_does_not_replace_it(features: SqliteFeatures) -> None:
    token = features.lease("worker", MINUTE_MS)
    features.write(change(-1, 5, age=1), token)
    features.write(change(-1, 3, age=1, partition=1), token)
    with closing(features.begin_generation()) as rebuilt:
        rebuilding = rebuilt.lease("rebuild", MINUTE_MS)
        rebuilt.write(change(-1, 9, age=2), rebuilding)
        with pytest.raises(
            Conflict, match="generation 2 stands at -1 in partition 1 of events, the live one at 3; fold on"
        ):
            rebuilt.switch_generation()
        rebuilt.write(change(-1, 2, age=2, partition=1), rebuilding)
        with pytest.raises(Conflict, match="generation 2 stands at 2 in partition 1"):
            rebuilt.switch_generation()
        assert ages(features) == [1, 1]
        rebuilt.write(change(2, 3, age=2, partition=1), rebuilding)
        rebuilt.switch_generation()
        assert ages(features) == [2, 2]


def test_the_worker_of_the_old_generation_cannot_write_to_the_new_one(features: SqliteFeatures) -> None:
    token = features.lease("worker", MINUTE_MS)
    features.write(change(-1, 5, age=1), token)
    with closing(features.begin_generation()) as rebuilt:
        rebuilding = rebuilt.lease("rebuild", MINUTE_MS)
        assert features.lease("worker", MINUTE_MS) == token  # two leases side by side
        rebuilt.write(change(-1, 5, age=2), rebuilding)
        rebuilt.switch_generation()
        with pytest.raises(
            StalePosition, match=f"the lease with token {token} is lost, rebuild has token {rebuilding}"
        ):
            features.write(change(5, 6, age=3), token)
        rebuilt.release_lease(rebuilding)
    new = features.lease("worker", MINUTE_MS)
    assert new > rebuilding > token
    features.write(change(5, 6, age=3), new)
    assert ages(features) == [3, None]


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


def test_only_a_generation_of_its_own_can_be_switched_to(features: SqliteFeatures) -> None:
    with pytest.raises(Invalid, match="generation: this store has none of its own to switch to; call begin_generation"):
        features.switch_generation()


def test_records_folded_by_another_version_are_read_but_not_written(
    features: SqliteFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = features.lease("worker", MINUTE_MS)
    features.write(change(-1, 5, age=1), token)
    monkeypatch.setattr(features_sqlite, "FOLD_VERSION", 3)
    assert ages(features) == [1, None]
    with pytest.raises(Refused, match="were folded by version 2, this program folds by 3; run `foryou refold`"):
        features.write(change(5, 6, age=2), token)
    with closing(features.begin_generation()) as rebuilt:
        rebuilding = rebuilt.lease("rebuild", MINUTE_MS)
        rebuilt.write(change(-1, 6, age=2), rebuilding)
        rebuilt.switch_generation()
        features.write(change(6, 7, age=3), rebuilding)
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
