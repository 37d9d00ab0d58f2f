"""Does a calibrated list have the mix of categories that its user's history has, and what does chance add to it?"""

from collections import Counter

import msgspec
import numpy as np
import pytest

import worlds
from foryou.config import Placement
from foryou.domain.event import Action, hash64
from worlds import EACH, PLAIN, Shop, did, genre_of, query, shown

MIXED = msgspec.structs.replace(PLAIN, calibration=0.95)


def reader(placement: Placement) -> Shop:
    """Give a shop where ann likes war best and newest, but a third of what she liked is about love."""
    shop = Shop(placement, model=worlds.bundle(collaborative=5.0))
    shop.feed(
        *(did("ann", f"war-{n}", n) for n in range(1, 5)), *(did("ann", f"love-{n}", 400 + n) for n in (1, 2)),
        did("ann", "crime-1", 1, Action.DISLIKE),
    )  # fmt: skip
    return shop


def mix(shop: Shop, k: int = 12) -> Counter[str]:
    return Counter(genre_of(item) for item in shown(shop.ask("ann", k)))


def test_without_calibration_the_strongest_taste_takes_the_list() -> None:
    assert mix(reader(PLAIN))["war"] >= 11


@pytest.mark.parametrize(("k", "war", "love"), [(3, 2, 1), (6, 4, 2), (12, 8, 4)])
def test_a_calibrated_list_has_the_mix_of_the_history(k: int, war: int, love: int) -> None:
    assert mix(reader(MIXED), k) == {"war": war, "love": love}


def test_a_calibrated_list_is_still_in_the_order_of_the_scores_and_takes_the_best_of_each_category() -> None:
    shop = reader(MIXED)
    answers, trace = shop.run(query("ann", 12))
    scores = [item.score for item in answers[0].items]
    assert scores == sorted(scores, reverse=True)
    plain = shown(reader(PLAIN).ask("ann", 57))
    for genre, count in (("war", 8), ("love", 4)):
        best = [item for item in plain if genre_of(item) == genre][:count]
        assert [item for item in shown(answers[0]) if genre_of(item) == genre] == best
    assert trace.dropped["calibration"] > 0


def test_little_calibration_changes_little_and_much_of_it_much() -> None:
    love = [mix(reader(msgspec.structs.replace(PLAIN, calibration=share)))["love"] for share in (0.0, 0.5, 0.95)]
    assert love == sorted(love)
    assert love[0] < love[1] <= love[2] == 4


def test_a_calibrated_list_keeps_the_cap() -> None:
    count = mix(reader(msgspec.structs.replace(MIXED, category_cap=5)))
    assert max(count.values()) == 5
    assert sum(count.values()) == 12


def test_who_has_no_history_gets_what_there_is() -> None:
    assert shown(reader(MIXED).ask("nobody", 20)) == shown(reader(PLAIN).ask("nobody", 20))


def test_an_item_counts_in_all_its_categories() -> None:
    shop = reader(msgspec.structs.replace(MIXED, calibration=0.99))
    for n in range(5, EACH + 1):
        shop.change(f"war-{n}", categories=("war", "love"))
    assert mix(shop)["love"] < 4, "war films that are love films as well bring love into the mix"


def test_calibration_of_a_query_is_the_same_alone_and_in_a_batch() -> None:
    shop = reader(msgspec.structs.replace(MIXED, category_cap=5, explore_share=0.1))
    shop.feed(did("bob", "space-2", 4), did("bob", "crime-3", 5))
    queries = [query("ann", 12, 1), query("bob", 5, 2), query("nobody", 20, 3)]
    alone = [shop.run(one)[0][0].items for one in queries]
    assert [answer.items for answer in shop.run(*queries)[0]] == alone
    assert [answer.items for answer in shop.run(*queries[::-1])[0]] == alone[::-1]


def explored(shop: Shop, k: int, times: int = 64) -> set[str]:
    """Give the genres that chance brings."""
    queries = [query("ann", k, hash64(f"request {n}")) for n in range(times)]
    items = [
        item for start in range(0, times, 32) for one in shop.run(*queries[start : start + 32])[0] for item in one.items
    ]
    return {genre_of(item.item_id) for item in items if item.source == "exploration"}


def test_chance_brings_categories_that_neither_the_list_nor_the_history_has() -> None:
    shop = reader(Placement(category_cap=0))
    assert {genre_of(item) for item in shown(reader(PLAIN).ask("ann", 9))} == {"war"}
    assert explored(shop, 10) == {"space"}, "love and crime are in the history"


def test_where_the_history_has_every_category_chance_brings_those_that_the_list_has_not() -> None:
    shop = reader(Placement(category_cap=0))
    shop.feed(did("ann", "space-1", 900, Action.VIEW))
    assert explored(shop, 10) == {"love", "space", "crime"}


def test_the_default_home_keeps_the_cap_and_shows_more_than_five_categories_where_there_are_so_many() -> None:
    shop = Shop(Placement())
    for place, film in enumerate(worlds.films()):
        shop.change(film.item_id, categories=(f"{genre_of(film.item_id)}-{place % 3}",))
    shop.feed(*(did("ann", f"war-{n}", n) for n in (1, 2, 3)))
    catalog = shop.catalog
    for seed in range(20):
        numbers = np.array([catalog.number(item) for item in shown(shop.ask("ann", 20, seed=seed))])
        count = Counter(catalog.category[numbers].tolist())
        assert max(count.values()) <= 5
        assert len(count) > 5
