"""Are answers and purchases counted so that pieces equal the whole, and do the counts say what is true of items?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import worlds
from foryou.domain.clock import DAY_MS
from foryou.domain.event import Action, Event, hash64
from foryou.domain.exposure import Exposure
from foryou.domain.records import EXPECTED_UNIT, Firsts, Tallies
from foryou.domain.tried import Pacer, urgency
from foryou.features.fold import fold
from foryou.features.tallied import EXAMINATION, USUAL, shown_tallies
from foryou.features.tried import PRIOR, tried
from tries import tries

NOW_MS = worlds.NOW_MS
DAY = NOW_MS // DAY_MS
SOME = tries(60)


def exposure(*items: str, expected: tuple[float, ...] = (), sources: tuple[str, ...] = ()) -> Exposure:
    none, ones = (0.0,) * len(items), (1.0,) * len(items)
    sources = sources or ("popular",) * len(items)
    return Exposure(
        "r", "ann", NOW_MS, "home", "main", "v1", 1, 0, items, none, sources, ones,
        expected=np.array(expected, np.float16).tobytes(),
    )  # fmt: skip


def bought(user: str, item: str, number: int, action: Action = Action.PURCHASE, cause: str = "") -> Event:
    return Event(f"{user}-{number}", user, action, NOW_MS + number, item, NOW_MS + number, recommendation_id=cause)


def low(item: str) -> int:
    return hash64(item) & 0xFFFFFFFF


def test_answers_say_how_often_an_item_was_shown_and_what_was_expected_of_it() -> None:
    found = shown_tallies([exposure("a", "b", expected=(0.5, 0.25), sources=("popular", "sponsored")), exposure("b")])
    assert found["shown"] == {(DAY, hash64("a")): 1, (DAY, hash64("b")): 2}
    assert found["sponsored"] == {(DAY, hash64("b")): 1}
    second = 0.25 * 2**-EXAMINATION
    assert found["expected"] == {
        (DAY, hash64("a")): EXPECTED_UNIT // 2,
        (DAY, hash64("b")): round(EXPECTED_UNIT * second) + round(EXPECTED_UNIT * USUAL),
    }


def test_taken_up_is_what_names_an_answer_once_per_user_and_item() -> None:
    events = [
        bought("ann", "a", 1, Action.CLICK, "r1"), bought("ann", "a", 2, Action.LIKE, "r1"),
        bought("ann", "b", 3, Action.CLICK), bought("ann", "c", 4, Action.DISLIKE, "r1"),
        bought("ben", "a", 5, Action.VIEW, "r2"), bought("ann", "a", 1, Action.CLICK, "r1"),
    ]  # fmt: skip
    assert fold({}, events, range(6)).tallies["taken"] == {(DAY, hash64("a")): 2}


def test_what_one_user_bought_counts_in_pairs_both_ways_once() -> None:
    events = [bought("ann", "a", 1), bought("ben", "b", 2), bought("ann", "c", 3), bought("ann", "a", 4)]
    found = fold({}, events, range(4)).tallies["together"]
    assert found == {(DAY, low("a") << 32 | low("c")): 1, (DAY, low("c") << 32 | low("a")): 1}


@SOME
@given(
    st.lists(
        st.tuples(st.sampled_from("uv"), st.sampled_from("abcde"), st.sampled_from([Action.PURCHASE, Action.CLICK])),
        max_size=14,
    ),
    st.integers(0, 14),
)
def test_pieces_count_what_the_whole_counts(acts: list[tuple[str, str, Action]], cut: int) -> None:
    events = [bought(user, item, number, action, "r") for number, (user, item, action) in enumerate(acts)]
    whole = fold({}, events, range(len(events))).tallies
    first = fold({}, events[:cut], range(len(events[:cut])))
    second = fold(first.records, events[cut:], range(cut, len(events)))
    total: dict[str, dict[tuple[int, int], int]] = {}
    for part in (first.tallies, second.tallies):
        for kind, counts in part.items():
            for key, count in counts.items():
                own = total.setdefault(kind, {})
                own[key] = own.get(key, 0) + count
    assert {kind: counts for kind, counts in total.items() if counts} == {k: c for k, c in whole.items() if c}


def counted(**kinds: dict[str, float]) -> Tallies:
    made = {}
    for kind, counts in kinds.items():
        item = np.array([hash64(one) for one in counts], np.uint64)
        made[kind] = Firsts(np.full(len(counts), DAY, np.int32), item, np.array(list(counts.values()), np.int64))
    return Tallies(made, {}, {})


def test_the_lift_of_an_item_is_what_it_earned_over_what_was_expected() -> None:
    catalog = worlds.catalog()
    tallies = counted(
        expected={"war-1": 100 * EXPECTED_UNIT, "war-2": 100 * EXPECTED_UNIT}, taken={"war-1": 150, "war-2": 50},
        shown={"war-1": 3_000},
    )  # fmt: skip
    found = tried(catalog, tallies, NOW_MS)
    one, two, none = (catalog.number(item) for item in ("war-1", "war-2", "war-3"))
    assert np.exp(found.mean[one]) == pytest.approx(1.5, rel=0.02)
    assert np.exp(found.mean[two]) == pytest.approx(0.5, rel=0.03)
    assert found.mean[none] == pytest.approx(-1 / (2 * PRIOR), abs=1e-6)
    assert found.deviation[none] > 5 * found.deviation[one]
    assert found.times_shown(np.array([one, two, 10_000], np.int32)).tolist() == [3_000, 0, 0]


def test_pairs_are_the_items_of_the_catalog_heaviest_first() -> None:
    catalog = worlds.catalog()
    pairs = {("war-1", "war-2"): 1, ("war-1", "love-3"): 4, ("war-1", "gone"): 9, ("love-3", "war-1"): 4}
    keys = np.array([low(one) << 32 | low(other) for one, other in pairs], np.uint64)
    tally = Firsts(np.full(len(keys), DAY, np.int32), keys, np.array(list(pairs.values()), np.int64))
    found = tried(catalog, Tallies({"together": tally}, {}, {}), NOW_MS).together
    anchor = np.array([catalog.number("war-1"), catalog.number("war-9"), 0], np.int32)
    item, weight = found.of(anchor, 3)
    assert item.tolist() == [[catalog.number("love-3"), catalog.number("war-2"), 0], [0, 0, 0], [0, 0, 0]]
    assert weight[0].tolist() == [4.0, 1.0, 0.0]


def test_what_is_due_grows_with_the_time_and_ends_with_the_target() -> None:
    pacer, begun = Pacer(100, 1_000.0), np.array([0, 0, 500, 2_000])
    assert pacer.due(begun, 500, np.array([0, 60, 0, 0])).tolist() == [50, 0, 0, 0]
    assert pacer.due(begun, 5_000, np.array([0, 99, 200, 0])).tolist() == [100, 1, 0, 100]
    assert urgency(600, 1.0) == 0.5
    assert urgency(30, 0.0001) == 1.0
    assert urgency(0.25, 0.0) == 0.25
