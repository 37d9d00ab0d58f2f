"""Does chance learn, are new items shown as often as promised, and do sponsored lists keep to their day?"""

from collections import Counter

import msgspec
import numpy as np
import pytest

from foryou.config import Placement
from foryou.domain.clock import DAY_MS
from foryou.domain.event import hash64
from foryou.domain.lists import Kind
from foryou.domain.records import EXPECTED_UNIT, Firsts, Tallies
from foryou.domain.slate import Answer
from foryou.features.tried import tried
from worlds import NOW_MS, Shop, did, query

HOME = Placement(category_cap=0, explore_share=0.1, new_impressions=0)


def fan(placement: Placement) -> Shop:
    shop = Shop(placement)
    shop.feed(*(did("ann", f"war-{n}", n) for n in (1, 2, 3)))
    return shop


def tell(shop: Shop, at_ms: int = NOW_MS, **kinds: dict[str, int]) -> None:
    """Let the shop know tallies of this day."""
    made = {}
    for kind, counts in kinds.items():
        item = np.array([hash64(one) for one in counts], np.uint64)
        made[kind] = Firsts(np.full(len(counts), at_ms // DAY_MS, np.int32), item, np.array(list(counts.values())))
    shop.tried = tried(shop.catalog, Tallies(made, {}, {}), at_ms)


def explored(shop: Shop, times: int, now_ms: int = NOW_MS) -> Counter[str]:
    found: Counter[str] = Counter()
    for start in range(0, times, 32):
        queries = [query("ann", 10, hash64(f"q{start + b}"), now_ms, explain=False) for b in range(32)]
        for answer in shop.run(*queries)[0]:
            found.update(item.item_id for item in answer.items if not item.item_id.startswith("war"))
    return found


def test_what_earned_more_than_expected_is_tried_more_and_what_earned_less_is_tried_still() -> None:
    shop = fan(HOME)
    others = [f"{genre}-{n}" for genre in ("love", "space", "crime") for n in range(1, 16)]
    tell(shop, expected=dict.fromkeys(others, 20 * EXPECTED_UNIT), taken=dict.fromkeys(others, 10) | {"love-9": 90})
    found = explored(shop, 640)
    assert found["love-9"] > 500
    assert len(found) > 5, "some of the chances are the same for all"


def test_evenly_means_evenly_whatever_was_earned() -> None:
    shop = fan(msgspec.structs.replace(HOME, explore="random"))
    tell(shop, expected={"love-9": EXPECTED_UNIT}, taken={"love-9": 90})
    found = explored(shop, 640)
    assert found["love-9"] < 40
    assert len(found) == 45


def test_the_propensity_of_what_was_learned_is_the_frequency() -> None:
    shop, chance = fan(HOME), dict[str, float]()
    others = [f"{genre}-{n}" for genre in ("love", "space", "crime") for n in range(1, 16)]
    tell(shop, expected=dict.fromkeys(others, 5 * EXPECTED_UNIT), taken={one: n % 7 for n, one in enumerate(others)})
    count: Counter[str] = Counter()
    for start in range(0, 6_400, 32):
        queries = [query("ann", 10, hash64(f"p{start + b}"), explain=False) for b in range(32)]
        for answer in shop.run(*queries)[0]:
            for item in answer.items:
                if item.source == "exploration":
                    assert chance.setdefault(item.item_id, item.propensity) == pytest.approx(item.propensity, rel=1e-5)
                    count[item.item_id] += 1
    expected = np.array([6_400 * chance[item] for item in chance])
    found = np.array([count[item] for item in chance])
    big = expected > 5
    assert ((found - expected)[big] ** 2 / expected[big]).sum() < 90  # χ² of at most 44, one in ten thousand


def test_a_new_item_is_shown_while_it_lacks_impressions_and_left_to_itself_when_it_has_them() -> None:
    placement = msgspec.structs.replace(HOME, new_impressions=50, pace_days=2.0, new_arrivals=0)
    shop = fan(placement)
    shop.change("crime-15", published_ms=NOW_MS - DAY_MS)
    tell(shop, shown={"crime-15": 10})
    lacking = explored(shop, 64)
    assert lacking["crime-15"] == 64, "35 are due by now, and nobody else asks"
    tell(shop, shown={"crime-15": 36})
    assert explored(shop, 64)["crime-15"] < 16
    later = NOW_MS + 5 * DAY_MS
    tell(shop, later, shown={"crime-15": 30})
    assert explored(shop, 64, later)["crime-15"] == 64


def paid(answer: Answer) -> list[str]:
    return [item.item_id for item in answer.items if item.source == "sponsored"]


def test_a_sponsored_list_has_no_more_of_the_day_than_has_passed() -> None:
    shop = fan(Placement(category_cap=0, explore_share=0.0, sponsored_places=(2, 5)))
    shop.listed("ads", "love-15", "crime-15", kind=Kind.SPONSORED, quota=1, impressions_per_day=240)
    noon = NOW_MS // DAY_MS * DAY_MS + DAY_MS // 2
    for shown, there in ((0, True), (119, True), (120, False), (500, False)):
        tell(shop, noon, sponsored={"love-15": shown})
        assert bool(paid(shop.ask("ann", 10, now_ms=noon))) is there
    tell(shop, noon + DAY_MS)
    assert paid(shop.ask("ann", 10, now_ms=noon + DAY_MS)) == ["love-15"]
