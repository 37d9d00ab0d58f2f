"""Do the rules of a list hold: availability, what was seen, variety, and chance that is what it says it is?"""

from collections import Counter

import numpy as np
import pytest

import worlds
from foryou.config import Placement
from foryou.domain.event import Action, hash64
from foryou.domain.slate import Answer
from worlds import EACH, NOW_MS, Shop, did, genre_of, query, shown

CAPPED = Placement(explore_share=0.0)
EXPLORING = Placement(category_cap=0)


def lover(placement: Placement, genre: str = "war", likes: int = 3) -> Shop:
    """Give a shop where ann likes some films of one genre."""
    shop = Shop(placement)
    shop.feed(*(did("ann", f"{genre}-{n}", n) for n in range(1, likes + 1)))
    return shop


@pytest.mark.parametrize("what", [{"status": "sold out"}, {"expires_ms": NOW_MS}, {"expires_ms": NOW_MS - 1}])
def test_what_is_sold_out_or_expired_is_not_shown(what: dict[str, object]) -> None:
    shop = lover(CAPPED)
    best = shown(shop.ask("ann", 5))[0]
    shop.change(best, **what)
    answers, trace = shop.run(query("ann", 57))
    assert best not in shown(answers[0])
    assert trace.dropped["unavailable"] == 1


def test_what_expires_later_or_never_is_shown() -> None:
    shop = lover(CAPPED)
    best = shown(shop.ask("ann", 5))[0]
    for expires_ms in (NOW_MS + 1, 0):
        shop.change(best, expires_ms=expires_ms)
        assert shown(shop.ask("ann", 5))[0] == best


def test_hiding_an_item_hides_it() -> None:
    shop = lover(CAPPED)
    best = shown(shop.ask("ann", 5))[0]
    shop.feed(did("ann", best, 0, Action.HIDE))
    assert best not in shown(shop.ask("ann", 57))


@pytest.mark.parametrize("k", [5, 10, 20])
def test_no_more_than_five_of_one_category_are_shown(k: int) -> None:
    shop = lover(CAPPED)
    free = Counter(genre_of(item) for item in shown(lover(worlds.PLAIN).ask("ann", k)))
    assert free["war"] == min(k, EACH - 3), "without the cap it would be war only"
    answers, trace = shop.run(query("ann", k))
    count = Counter(genre_of(item) for item in shown(answers[0]))
    assert max(count.values()) == 5
    assert sum(count.values()) == k
    assert trace.dropped["category_cap"] > 0


def test_the_cap_leaves_the_best_of_each_category() -> None:
    expected: list[str] = []
    for item in shown(lover(worlds.PLAIN).ask("ann", 57)):
        if len(expected) < 10 and Counter(map(genre_of, expected))[genre_of(item)] < 5:
            expected.append(item)
    assert shown(lover(CAPPED).ask("ann", 10)) == expected


def test_the_cap_gives_way_where_the_list_would_stay_short() -> None:
    shop = lover(CAPPED)
    answer = shop.ask("ann", 21)  # four genres of five are twenty
    assert len(answer.items) == 21
    assert answer.degraded == ()
    assert shown(answer) == shown(lover(worlds.PLAIN).ask("ann", 21))


def test_the_cap_counts_the_first_category_and_not_items_without_one() -> None:
    shop = lover(CAPPED)
    for n in range(4, EACH + 1):
        shop.change(f"war-{n}", categories=("love", "war") if n % 2 else ())
    count = Counter(int(shop.catalog.category[shop.catalog.number(item)]) for item in shown(shop.ask("ann", 15)))
    assert count[0] == 6
    assert max(number for category, number in count.items() if category) == 5


def explored(shop: Shop, k: int, times: int) -> list[list[Answer]]:
    batches = []
    for start in range(0, times, 32):
        seeds = [hash64(f"request {start + b}") for b in range(32)]
        batches.append(shop.run(*(query("ann", k, seed, explain=False) for seed in seeds))[0])
    return batches


@pytest.mark.parametrize("k", [5, 10, 20])
def test_chance_gets_a_tenth_of_the_places_on_average(k: int) -> None:
    shop = lover(EXPLORING)
    answers = [answer for batch in explored(shop, k, 1_600) for answer in batch]
    places = [sum(item.source == "exploration" for item in answer.items) for answer in answers]
    assert all(len(answer.items) == k for answer in answers)
    assert set(places) <= {int(0.1 * k), int(0.1 * k + 0.999)}
    assert np.mean(places) / k == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("k", [5, 10])
def test_the_propensity_that_is_logged_is_the_frequency_with_which_an_item_is_shown(k: int) -> None:
    shop = lover(EXPLORING)
    answers = [answer for batch in explored(shop, k, 6_400) for answer in batch]
    chance: dict[str, float] = {}
    count: Counter[str] = Counter()
    for answer in answers:
        for item in answer.items:
            if item.source == "exploration":
                assert chance.setdefault(item.item_id, item.propensity) == item.propensity
                count[item.item_id] += 1
            else:
                assert item.propensity == 1
    expected = np.array([chance[item] * len(answers) for item in chance])
    found = np.array([count[item] for item in chance])
    assert len(chance) == 45, "every film that is no war film can come"
    statistic = ((found - expected) ** 2 / expected).sum()
    assert statistic < 45 + 4 * np.sqrt(90), "χ² of 45 degrees of freedom, mean plus four standard deviations"


def test_explored_items_stand_last_and_are_of_categories_that_the_list_does_not_have() -> None:
    shop = lover(EXPLORING)
    plain = shown(lover(worlds.PLAIN).ask("ann", 10))
    for batch in explored(shop, 10, 96):
        for answer in batch:
            assert shown(answer)[:9] == plain[:9]
            assert [item.source == "exploration" for item in answer.items] == [False] * 9 + [True]
            assert genre_of(shown(answer)[9]) != "war"


def test_explored_items_keep_the_cap_and_were_never_seen() -> None:
    shop = Shop(Placement())
    shop.feed(*(did("ann", f"{genre}-{n}", n) for genre in ("war", "love") for n in range(1, 8)))
    for batch in explored(shop, 10, 160):
        for answer in batch:
            items = shown(answer)
            assert not set(items) & {f"{genre}-{n}" for genre in ("war", "love") for n in range(1, 8)}
            assert max(Counter(map(genre_of, items)).values()) <= 5
            assert len(items) == len(set(items)) == 10


def test_where_every_category_is_shown_chance_picks_among_what_is_not() -> None:
    shop = Shop(EXPLORING)
    items = {item.item_id for batch in explored(shop, 20, 640) for a in batch for item in a.items[18:]}
    shown_first = set(shown(Shop(worlds.PLAIN).ask("ann", 20)))
    assert not items & shown_first
    assert len(items) == 40
