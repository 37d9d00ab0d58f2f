"""Do the small nouns keep their promises: hashes, interests, records, shares of a release, clocks?"""

import time
from collections import Counter

import numpy as np
import pytest

from foryou.domain.clock import Clock, ManualClock
from foryou.domain.event import ACTIONS, CODE, Action, Event, columns, hash64, hashes, interest
from foryou.domain.log import PARTITIONS, partition_of
from foryou.domain.records import ACTION_DTYPE, HISTORY, NO_SEEN, NOBODY, Core, UserRecord, merged, pack, unpack
from foryou.domain.release import version_for


def test_the_hash_of_an_id_is_the_same_for_ever() -> None:
    assert [hash64(text) for text in ("", "ann", "漢")] == hashes(["", "ann", "漢"]).tolist()
    assert hash64("ann") == 11_957_940_740_637_538_957
    assert len({hash64(str(n)) for n in range(5_000)}) == 5_000


def test_the_codes_of_actions_are_those_that_lie_in_logs() -> None:
    assert [action.value for action in ACTIONS] == [
        "impression", "view", "click", "like", "dislike", "dwell", "add_to_cart", "purchase", "rating", "search",
        "hide", "alias", "forget",
    ]  # fmt: skip
    assert [CODE[action] for action in ACTIONS] == list(range(13))


@pytest.mark.parametrize(
    ("action", "value", "taste"),
    [
        (Action.PURCHASE, None, 1), (Action.LIKE, None, 1), (Action.VIEW, None, 0.5), (Action.IMPRESSION, None, 0),
        (Action.SEARCH, None, 0), (Action.DISLIKE, None, -1), (Action.HIDE, None, -1), (Action.RATING, 2.0, -1),
        (Action.RATING, 2.5, 1), (Action.DWELL, 4.9, -1), (Action.DWELL, 5.0, 0.7),
    ],
)  # fmt: skip
def test_each_action_says_how_much_it_is_liked(action: Action, value: float | None, taste: float) -> None:
    event = Event("e", "ann", action, 1, "a", value=value)
    found = columns([event])
    assert interest(found.action, found.value).tolist() == [np.float32(taste)]


def test_events_become_columns_in_their_order() -> None:
    found = columns([Event("e1", "ann", Action.SEARCH, 5), Event("e2", "bob", Action.RATING, 6, "a", value=3.0)])
    assert found.item.tolist() == [0, hash64("a")]
    assert found.user.tolist() == [hash64("ann"), hash64("bob")]
    assert found.at_ms.tolist() == [5, 6]
    assert np.isnan(found.value[0])
    assert found.value[1] == 3
    assert len(columns([]).user) == 0


def record(name: str, items: list[tuple[int, int]], **core: object) -> UserRecord:
    history = np.zeros(len(items), ACTION_DTYPE)
    history["at_ms"], history["item"] = [at for at, _ in items], [item for _, item in items]
    history["event"] = [hash64(f"{name}{at}") for at, _ in items]
    last = max((at for at, _ in items), default=0)
    return UserRecord(Core(last_ms=last, **core), history, np.array([i for _, i in items], np.uint32), len(items))


def test_a_record_is_the_same_after_packing_and_its_arrays_are_read_only() -> None:
    one = record("a", [(1, 5), (2, 6)], views=(6, 5), age=30, attributes={"plan": "pro"}, merged=("x",))
    *parts, shown = pack(one)
    back = unpack(*parts, one.offset, shown)
    assert (back.core, back.offset) == (one.core, 2)
    assert (back.history.tobytes(), back.seen.tolist()) == (one.history.tobytes(), [5, 6])
    assert not back.history.flags.writeable
    assert pack(NOBODY) == pack(UserRecord(Core(), np.zeros(0, ACTION_DTYPE), NO_SEEN))


def test_merged_users_have_the_newest_actions_of_all_and_everything_seen_by_any() -> None:
    known = record("k", [(1, 10), (5, 50)], age=40, views=(50, 10), session_id="old")
    guest = record("g", [(3, 30), (9, 90)], age=0, views=(90, 30), session_id="new", query="boots")
    both = merged([known, guest])
    assert both.history["item"].tolist() == [10, 30, 50, 90]
    assert sorted(both.seen.tolist()) == [10, 30, 50, 90]
    assert (both.core.age, both.core.views, both.core.session_id, both.core.query) == (40, (90, 30), "new", "boots")
    assert both.offset == known.offset


def test_merged_users_keep_no_more_than_one_user_does() -> None:
    both = merged([record(name, [(2 * n + odd, n + 1) for n in range(HISTORY)]) for odd, name in enumerate("ab")])
    assert len(both.history) == HISTORY
    assert both.history["at_ms"].tolist() == list(range(HISTORY, 2 * HISTORY))
    assert len(both.seen) == 2 * HISTORY


def test_users_are_shared_out_as_the_release_says_and_stay_where_they_are() -> None:
    shares = (("v1", 0.2), ("v2", 0.5), ("v3", 0.3))
    found = {user: version_for(user, shares, "main") for user in map(str, range(20_000))}
    count = Counter(found.values())
    assert {version: round(count[version] / 20_000, 2) for version, _ in shares} == pytest.approx(
        dict(shares), abs=0.01
    )
    more = (("v1", 0.4), ("v2", 0.3), ("v3", 0.3))
    assert all(version_for(user, more, "main") == "v1" for user, version in found.items() if version == "v1")
    assert version_for("ann", (("only", 1.0),), "main") == "only"
    assert version_for("ann", (("a", 0.0), ("b", 0.999)), "main") in ("b",)


def test_another_family_shares_its_users_out_anew() -> None:
    shares = (("v1", 0.5), ("v2", 0.5))
    same = sum(version_for(str(n), shares, "one") == version_for(str(n), shares, "two") for n in range(4_000))
    assert abs(same / 4_000 - 0.5) < 0.04


def test_a_key_belongs_to_one_partition_and_all_are_used() -> None:
    count = Counter(partition_of(str(n)) for n in range(4_000))
    assert set(count) == set(range(PARTITIONS))
    assert min(count.values()) > 900
    assert partition_of("ann", 7) == hash64("ann") % 7


def test_a_clock_with_an_offset_runs_on_the_time_of_its_data() -> None:
    before = time.time_ns() // 1_000_000
    assert before - 500 <= Clock(-500).now_ms() <= time.time_ns() // 1_000_000 - 500
    clock = ManualClock(5)
    clock.at_ms += 3
    assert clock.now_ms() == 8
