"""What does every feature store promise?"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import racers
from backends import Backend
from racers import Course

from foryou.domain.errors import Conflict, StalePosition
from foryou.domain.log import partition_of
from foryou.domain.ports import FeatureStore
from foryou.domain.records import ACTION_DTYPE, NO_HISTORY, NO_SEEN, Change, Core, UserRecord

MINUTE_MS = 60_000
HOUR = 470_000  # hours since 1970, some time in 2023


def record(number: int, actions: int = 3) -> UserRecord:
    history = np.zeros(actions, ACTION_DTYPE)
    history["at_ms"] = np.arange(actions)
    history["item"] = 2**64 - 1 - number
    core = Core(views=(2**64 - 1, number), session_id=f"session-{number}", location="Köln", attributes={"a": "b"})
    return UserRecord(core, history, np.arange(number, dtype=np.uint32), number)


def change(after: int, through: int, **more: Any) -> Change:
    parts = {"partition": 0, "records": {}, "counts": {}, **more}
    return Change(after={"events": after}, through={"events": through}, **parts)


def assert_same(found: UserRecord | None, wanted: UserRecord) -> None:
    assert found is not None
    assert (found.core, found.offset) == (wanted.core, wanted.offset)
    assert found.history.dtype == ACTION_DTYPE
    assert found.history.tolist() == wanted.history.tolist()
    assert found.seen.tolist() == wanted.seen.tolist()


def counters(features: FeatureStore) -> dict[tuple[int, int], int]:
    found = features.trending()
    assert (found.hour.dtype, found.item.dtype, found.count.dtype) == (np.int32, np.uint64, np.int64)
    keys = list(zip(found.hour.tolist(), found.item.tolist(), strict=True))
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, found.count.tolist(), strict=True))


def until_taken(features: FeatureStore, holder: str) -> int:
    """Take the lease as soon as the one before has run out."""
    deadline = time.monotonic() + 5
    while True:
        try:
            return features.lease(holder, MINUTE_MS)
        except Conflict:
            assert time.monotonic() < deadline


@pytest.fixture
def token(features: FeatureStore) -> int:
    return features.lease("worker", MINUTE_MS)


def test_a_user_never_seen_has_no_record(features: FeatureStore) -> None:
    assert features.read(["nobody"]) == [None]
    assert features.read([]) == []


def test_records_are_read_back_whole_in_the_order_asked(features: FeatureStore, token: int) -> None:
    stored = {f"user-{number}": record(number) for number in range(40)}
    features.write(change(-1, 0, records=stored), token)
    asked = ["user-7", "nobody", "user-39", "user-7", "user-0"]
    found = features.read(asked)
    assert found[1] is None
    for user, one in zip(asked, found, strict=True):
        if user != "nobody":
            assert_same(one, stored[user])


def test_an_empty_record_is_a_record(features: FeatureStore, token: int) -> None:
    features.write(change(-1, 0, records={"user": record(5)}), token)
    features.write(change(0, 1, records={"user": UserRecord(Core(), NO_HISTORY, NO_SEEN, 1)}), token)
    assert_same(features.read(["user"])[0], UserRecord(Core(), NO_HISTORY, NO_SEEN, 1))


def test_a_batch_of_any_size_is_read(features: FeatureStore, token: int) -> None:
    stored = {f"user-{number}": record(number, 1) for number in range(1_300)}
    features.write(change(-1, 0, records=stored), token)
    for one, wanted in zip(features.read(list(stored)), stored.values(), strict=True):
        assert_same(one, wanted)


def test_a_write_replaces_the_record(features: FeatureStore, token: int) -> None:
    features.write(change(-1, 0, records={"user": record(1)}), token)
    features.write(change(0, 1, records={"user": record(2)}), token)
    assert_same(features.read(["user"])[0], record(2))


def test_the_position_is_that_of_the_last_change(features: FeatureStore, token: int) -> None:
    assert features.position(0) == {}
    features.write(change(-1, 7), token)
    features.write(change(-1, 3, partition=2), token)
    assert [features.position(partition) for partition in range(3)] == [{"events": 7}, {}, {"events": 3}]


def test_the_streams_of_a_partition_move_apart(features: FeatureStore, token: int) -> None:
    features.write(change(-1, 7), token)
    features.write(Change(0, {"users": -1}, {"users": 1}, {}, {}), token)
    features.write(Change(0, {"events": 7, "users": 1}, {"events": 8, "users": 4}, {}, {}), token)
    assert features.position(0) == {"events": 8, "users": 4}


@pytest.mark.parametrize("after", [-1, 4, 6, 9], ids=["as if new", "behind", "ahead", "far ahead"])
def test_a_change_from_another_position_writes_nothing(features: FeatureStore, token: int, after: int) -> None:
    features.write(change(-1, 5, records={"user": record(1)}, counts={(HOUR, 1): 10}), token)
    late = change(after, 12, records={"user": record(2), "new": record(3)}, counts={(HOUR, 1): 10, (HOUR, 2): 1})
    with pytest.raises(StalePosition, match=f"partition 0 of events stands at 5, not at {after}: somebody wrote first"):
        features.write(late, token)
    assert_same(features.read(["user"])[0], record(1))
    assert features.read(["new"]) == [None]
    assert counters(features) == {(HOUR, 1): 10}
    assert features.position(0) == {"events": 5}


def test_a_change_is_refused_whole_if_one_of_its_streams_is_elsewhere(features: FeatureStore, token: int) -> None:
    features.write(Change(0, {"events": -1, "users": -1}, {"events": 5, "users": 2}, {}, {}), token)
    with pytest.raises(StalePosition, match="partition 0 of users stands at 2, not at 1"):
        features.write(Change(0, {"events": 5, "users": 1}, {"events": 6, "users": 3}, {}, {}), token)
    with pytest.raises(StalePosition, match="partition 0 of users stands at 2, not at -1"):
        features.write(Change(0, {"events": 5}, {"events": 6, "users": 3}, {}, {}), token)
    assert features.position(0) == {"events": 5, "users": 2}


def test_changes_of_several_partitions_are_written_together(features: FeatureStore, token: int) -> None:
    users = {partition_of(user): user for user in map(str, range(40))}
    some = [
        change(-1, 5, partition=one, records={user: record(one + 1)}, counts={(HOUR, one + 1): 10})
        for one, user in users.items()
    ]
    assert features.write_all(some, token) == [None] * len(some)
    assert [features.position(one) for one in users] == [{"events": 5}] * len(users)
    for one, found in zip(users, features.read(list(users.values())), strict=True):
        assert_same(found, record(one + 1))
    assert counters(features) == {(HOUR, one + 1): 10 for one in users}
    assert features.write_all([], token) == []


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_change_that_is_refused_does_not_keep_the_others_from_being_written(
    features: FeatureStore, token: int, bad: int
) -> None:
    some = [change(3 if one == bad else -1, 5, partition=one) for one in range(3)]
    with pytest.raises(StalePosition, match=f"partition {bad} of events stands at -1, not at 3"):
        features.write_all(some, token)
    assert [features.position(one) for one in range(3)] == [{} if one == bad else {"events": 5} for one in range(3)]
    with pytest.raises(StalePosition, match="lease"):
        features.write_all([change(5, 6, partition=one) for one in range(3) if one != bad], token + 1)


def test_the_same_change_twice_counts_once(features: FeatureStore, token: int) -> None:
    once = change(-1, 5, counts={(HOUR, 1): 10})
    features.write(once, token)
    with pytest.raises(StalePosition):
        features.write(once, token)
    assert counters(features) == {(HOUR, 1): 10}


def test_of_threads_that_write_from_one_position_one_wins(
    features: FeatureStore, features_backend: Backend, another: Callable[[Backend], Any], token: int
) -> None:
    stores = [features, another(features_backend)]

    def attempt(number: int) -> int:
        try:
            stores[number % 2].write(change(-1, number, records={"user": record(number)}), token)
        except StalePosition:
            return 0
        return number

    with ThreadPoolExecutor(4) as pool:
        winners = [number for number in pool.map(attempt, range(1, 13)) if number]
    assert len(winners) == 1
    assert features.position(0) == {"events": winners[0]}
    assert_same(features.read(["user"])[0], record(winners[0]))


def test_counters_add_up_over_changes_and_partitions(features: FeatureStore, token: int) -> None:
    big = 2**64 - 1
    features.write(change(-1, 5, counts={(HOUR, big): 50, (HOUR, 1): 7}), token)
    features.write(change(5, 9, counts={(HOUR, big): 1, (HOUR + 1, 1): 3}), token)
    features.write(change(-1, 2, partition=3, counts={(HOUR, big): 100}), token)
    assert counters(features) == {(HOUR, big): 151, (HOUR, 1): 7, (HOUR + 1, 1): 3}
    assert features.trending().position == {0: 9, 3: 2}


def test_the_position_of_the_counters_is_that_of_events_alone(features: FeatureStore, token: int) -> None:
    features.write(Change(1, {"users": -1}, {"users": 8}, {}, {}), token)
    assert features.trending().position == {}
    assert counters(features) == {}


def test_counters_older_than_72_hours_before_the_newest_are_dropped(features: FeatureStore, token: int) -> None:
    features.write(change(-1, 0, counts={(HOUR, 1): 1, (HOUR + 1, 1): 1}), token)
    features.write(change(0, 1, counts={(HOUR + 72, 1): 1}), token)
    assert set(counters(features)) == {(HOUR, 1), (HOUR + 1, 1), (HOUR + 72, 1)}
    features.write(change(1, 2, counts={(HOUR + 73, 1): 1}), token)
    assert set(counters(features)) == {(HOUR + 1, 1), (HOUR + 72, 1), (HOUR + 73, 1)}
    features.write(change(2, 3, counts={(HOUR, 9): 1}), token)  # late
    assert set(counters(features)) == {(HOUR + 1, 1), (HOUR + 72, 1), (HOUR + 73, 1)}


@pytest.mark.parametrize("size", [1, 2, 5])
def test_counters_do_not_depend_on_how_the_log_was_cut(features: FeatureStore, token: int, size: int) -> None:
    hours = [HOUR, HOUR + 90, HOUR + 10, HOUR + 40, HOUR + 18, HOUR + 17, HOUR + 110, HOUR + 38, HOUR + 37, HOUR]
    for start in range(0, len(hours), size):
        counts: dict[tuple[int, int], int] = {}
        for hour in hours[start : start + size]:
            counts[hour, 1] = counts.get((hour, 1), 0) + 1
        features.write(change(start - 1, start + size - 1, counts=counts), token)
    assert counters(features) == {(hour, 1): 1 for hour in (HOUR + 38, HOUR + 40, HOUR + 90, HOUR + 110)}


def test_counters_and_their_position_are_read_from_one_moment(
    features: FeatureStore, features_backend: Backend, another: Callable[[Backend], Any], token: int
) -> None:
    reader, seen = another(features_backend), []

    def read() -> None:
        while len(seen) < 30:
            found = reader.trending()
            seen.append((int(found.count.sum()), found.position.get(0, -1) + 1))

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        offset = 0
        while not reading.done():
            features.write(change(offset - 1, offset, counts={(HOUR, offset % 3): 1}), token)
            offset += 1
        reading.result()
    assert [count for count, _ in seen] == [position for _, position in seen]


def test_another_client_sees_a_change_at_once(
    features: FeatureStore, features_backend: Backend, another: Callable[[Backend], Any], token: int
) -> None:
    reader = another(features_backend)
    for number in range(10):
        features.write(change(number - 1, number, records={"user": record(number)}), token)
        assert_same(reader.read(["user"])[0], record(number))


def test_a_closed_store_opens_again_as_it_was(features_backend: Backend, another: Callable[[Backend], Any]) -> None:
    first = features_backend.open()
    first.write(change(-1, 5, records={"user": record(3)}, counts={(HOUR, 1): 2}), first.lease("worker", MINUTE_MS))
    first.close()
    second = another(features_backend)
    assert_same(second.read(["user"])[0], record(3))
    assert second.position(0) == {"events": 5}
    assert counters(second) == {(HOUR, 1): 2}


def test_a_holder_that_asks_again_keeps_its_token(features: FeatureStore, token: int) -> None:
    assert features.lease("worker", MINUTE_MS) == token
    features.write(change(-1, 0), token)


def test_a_held_lease_is_refused_with_the_name_of_its_holder(features: FeatureStore, token: int) -> None:
    with pytest.raises(Conflict, match=r"is being written by worker, whose lease ends in (60\.0|59\.\d) s; stop that"):
        features.lease("another", MINUTE_MS)
    features.write(change(-1, 0), token)


def test_a_lease_that_ran_out_goes_to_another_with_a_higher_token(features: FeatureStore) -> None:
    old = features.lease("worker", 1)
    new = until_taken(features, "another")
    assert new > old
    with pytest.raises(Conflict, match="is being written by another"):
        features.lease("worker", MINUTE_MS)


def test_a_zombie_cannot_write(features: FeatureStore) -> None:
    old = features.lease("worker", 1)
    new = until_taken(features, "another")
    with pytest.raises(StalePosition, match=f"the lease with token {old} is lost, another has token {new}"):
        features.write(change(-1, 0, records={"user": record(1)}), old)
    assert features.read(["user"]) == [None]
    features.write(change(-1, 0, records={"user": record(2)}), new)
    assert_same(features.read(["user"])[0], record(2))


def test_without_a_lease_nobody_can_write(features: FeatureStore) -> None:
    with pytest.raises(StalePosition, match="nobody has token"):
        features.write(change(-1, 0), 0)


def test_a_lease_given_back_is_free_at_once_and_its_token_is_worthless(features: FeatureStore, token: int) -> None:
    features.release_lease(token)
    with pytest.raises(StalePosition, match=f"the lease with token {token} is lost, nobody has"):
        features.write(change(-1, 0), token)
    new = features.lease("another", MINUTE_MS)
    assert new > token
    features.write(change(-1, 0), new)


def test_giving_back_a_lost_lease_changes_nothing(features: FeatureStore) -> None:
    old = features.lease("worker", 1)
    new = until_taken(features, "another")
    features.release_lease(old)
    features.write(change(-1, 0), new)


def test_of_processes_that_want_the_lease_one_gets_it(
    features: FeatureStore, features_backend: Backend, course: Course
) -> None:
    tokens = course.race(racers.take_lease, features_backend)
    assert sorted(token > 0 for token in tokens) == [False, True]
    features.write(change(-1, 0), max(tokens))


def test_tallies_are_added_up_by_kind_and_day_and_cut_by_kind(features: FeatureStore, token: int) -> None:
    day, item = 19_700, 2**64 - 3
    said = {"shown": {(day, item): 3, (day - 1, 7): 1}, "together": {(day, 7 << 32 | 9): 1}, "sponsored": {(day, 7): 2}}
    features.write(change(-1, 0, tallies=said), token)
    exposed = Change(0, {"exposures": -1}, {"exposures": 5}, {}, {}, {}, {"shown": {(day + 4, item): 4}})
    features.write(exposed, token)
    features.write(change(0, 1, tallies={"sponsored": {(day + 4, 8): 1}, "shown": {(day + 4, item): 1}}), token)
    found = features.tallies()
    rows = {
        kind: sorted(zip(one.day.tolist(), one.item.tolist(), one.count.tolist(), strict=True))
        for kind, one in found.by_kind.items()
    }
    assert rows == {
        "shown": [(day - 1, 7, 1), (day, item, 3), (day + 4, item, 5)],
        "together": [(day, 7 << 32 | 9, 1)],
        "sponsored": [(day + 4, 8, 1)],
    }
    assert (found.events, found.exposures) == ({0: 1}, {0: 5})
    assert len(found.of("taken").day) == 0
