"""Can every feature store be rebuilt beside itself while it is read and written, and tell when a record was folded?"""

import sys
from collections.abc import Callable
from typing import Any

import pytest
from backends import Backend

from foryou.domain.clock import ManualClock
from foryou.domain.errors import Conflict, Invalid, Refused, StalePosition
from foryou.domain.ports import FeatureStore
from foryou.domain.records import NO_HISTORY, NO_SEEN, Change, Core, UserRecord

MINUTE_MS = 60_000
HOUR = 470_000


def user(age: int) -> UserRecord:
    return UserRecord(Core(age=age), NO_HISTORY, NO_SEEN, 0)


def change(after: int, through: int, age: int = 0, partition: int = 0) -> Change:
    records = {f"user-{partition}": user(age)}
    return Change(partition, {"events": after}, {"events": through}, records, {(HOUR, age): 1})


def ages(features: FeatureStore) -> list[int | None]:
    return [None if found is None else found.core.age for found in features.read(["user-0", "user-1"])]


Begin = Callable[[FeatureStore], FeatureStore]


@pytest.fixture
def begin() -> Any:
    """Begin a generation; closed at the end of the test."""
    begun: list[FeatureStore] = []

    def begin(features: FeatureStore) -> FeatureStore:
        begun.append(features.begin_generation())
        return begun[-1]

    yield begin
    for one in begun:
        one.close()


@pytest.fixture
def token(features: FeatureStore) -> int:
    return features.lease("worker", MINUTE_MS)


def test_the_moment_at_which_a_record_became_visible_is_known(
    features: FeatureStore, clock: ManualClock, token: int
) -> None:
    for after, through, at_ms in ((-1, 5, 100), (5, 6, 200), (6, 20, 300)):
        clock.at_ms = at_ms
        features.write(change(after, through), token)
    features.write(Change(0, {"users": -1}, {"users": 50}, {}, {}), token)
    assert [features.folded_ms(0, offset) for offset in (0, 5, 6, 7, 20, 21)] == [100, 100, 200, 300, 300, None]
    assert features.folded_ms(1, 0) is None


def test_a_new_generation_is_invisible_until_the_switch(features: FeatureStore, token: int, begin: Begin) -> None:
    features.write(change(-1, 5, age=1), token)
    rebuilt = begin(features)
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


def test_readers_that_were_open_before_see_the_switch(
    features: FeatureStore, features_backend: Backend, another: Callable[[Backend], Any], token: int, begin: Begin
) -> None:
    many = {f"user-{number}": user(1) for number in range(35)}
    features.write(Change(0, {"events": -1}, {"events": 5}, many, {(HOUR, 1): 1}), token)
    reader = another(features_backend)
    assert ages(reader) == [1, 1]
    assert reader.trending().item.tolist() == [1]
    rebuilt = begin(features)
    rebuilt.write(change(-1, 5, age=2), rebuilt.lease("rebuild", MINUTE_MS))
    rebuilt.switch_generation()
    assert ages(reader) == [2, None]
    assert reader.trending().item.tolist() == [2]
    assert ages(another(features_backend)) == [2, None]


def test_a_generation_that_is_behind_the_live_one_does_not_replace_it(
    features: FeatureStore, token: int, begin: Begin
) -> None:
    features.write(change(-1, 5, age=1), token)
    features.write(change(-1, 3, age=1, partition=1), token)
    rebuilt = begin(features)
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


def test_the_worker_of_the_old_generation_cannot_write_to_the_new_one(
    features: FeatureStore, token: int, begin: Begin
) -> None:
    features.write(change(-1, 5, age=1), token)
    rebuilt = begin(features)
    rebuilding = rebuilt.lease("rebuild", MINUTE_MS)
    assert features.lease("worker", MINUTE_MS) == token  # two leases side by side
    rebuilt.write(change(-1, 5, age=2), rebuilding)
    rebuilt.switch_generation()
    with pytest.raises(StalePosition, match=f"the lease with token {token} is lost, rebuild has token {rebuilding}"):
        features.write(change(5, 6, age=3), token)
    rebuilt.release_lease(rebuilding)
    new = features.lease("worker", MINUTE_MS)
    assert new > rebuilding > token
    features.write(change(5, 6, age=3), new)
    assert ages(features) == [3, None]


def test_a_rebuild_that_was_interrupted_can_do_no_harm(features: FeatureStore, token: int, begin: Begin) -> None:
    features.write(change(-1, 5, age=1), token)
    lost = begin(features)
    lost_token = lost.lease("lost", MINUTE_MS)
    lost.write(change(-1, 6, age=2), lost_token)
    rebuilt = begin(features)
    with pytest.raises(StalePosition, match="partition 0 of events stands at -1, not at 6"):
        lost.write(change(6, 7, age=2), lost_token)
    with pytest.raises(Conflict, match="generation 2 stands at -1"):
        lost.switch_generation()
    rebuilt.write(change(-1, 5, age=3), rebuilt.lease("rebuild", MINUTE_MS))
    rebuilt.switch_generation()
    assert ages(features) == [3, None]


def test_only_a_generation_of_its_own_can_be_switched_to(features: FeatureStore) -> None:
    with pytest.raises(Invalid, match="generation: this store has none of its own to switch to; call begin_generation"):
        features.switch_generation()


def test_records_folded_by_another_version_are_read_but_not_written(
    features: FeatureStore, token: int, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    features.write(change(-1, 5, age=1), token)
    monkeypatch.setattr(sys.modules[type(features).__module__], "FOLD_VERSION", 3)
    assert ages(features) == [1, None]
    with pytest.raises(Refused, match="were folded by version 2, this program folds by 3; run `foryou refold`"):
        features.write(change(5, 6, age=2), token)
    rebuilt = begin(features)
    rebuilding = rebuilt.lease("rebuild", MINUTE_MS)
    rebuilt.write(change(-1, 6, age=2), rebuilding)
    rebuilt.switch_generation()
    features.write(change(6, 7, age=3), rebuilding)
    assert ages(features) == [3, None]
