"""Are newcomers asked what says most: what they can know, what splits them, nothing twice?"""

import numpy as np
from numpy.typing import NDArray

from foryou.domain import catalog as catalogs
from foryou.domain.catalog import Catalog
from foryou.domain.event import hashes
from foryou.domain.item import Item
from foryou.domain.terms import named
from foryou.models.onboarding import choose, diverse, informative, most_frequent
from foryou.models.popularity import popularity_of

# Two tastes that exclude each other, told by the first coordinate, and a third that is independent of them.
ACTION, ROMANCE, OPERA = [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]


def shelf(*categories: tuple[str, ...]) -> Catalog:
    items = [Item(item_id=f"i{n}", categories=names) for n, names in enumerate(categories, start=1)]
    return catalogs.build(items, "shelf", {})


def vectors(*rows: list[float]) -> NDArray[np.float32]:
    return np.array([[0.0, 0.0], *rows], np.float32)


def asked(rows: list[list[float]], count: list[float], most: int = 9) -> list[int]:
    return informative(np.array(rows), np.array(count), most).tolist()


def test_after_one_item_an_item_of_another_taste_is_asked_before_its_twin() -> None:
    twins = [ACTION, ACTION, OPERA, OPERA]
    assert asked(twins, [10, 9, 8, 7]) == [0, 2, 3, 1]
    assert asked(twins, [10, 9, 8, 7], most=2) == [0, 2]


def test_an_item_that_splits_users_is_asked_before_one_that_everybody_likes_alike() -> None:
    usual = [0.0, 0.01]  # hardly away from the mean of all
    assert asked([usual, ACTION, ROMANCE], [10, 9, 8])[0] == 1


def test_of_two_items_that_split_alike_the_one_that_more_users_know_is_asked() -> None:
    assert asked([ACTION, ROMANCE], [1, 3])[0] == 1


def test_a_category_with_another_audience_is_asked_before_a_larger_one_with_the_same() -> None:
    share, unit = np.array([0.5, 0.3, 0.2]), np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert diverse(share, unit, 9).tolist() == [0, 2, 1]
    assert diverse(share, unit, 1).tolist() == [0]


def test_a_bundle_asks_about_its_popular_items_and_categories_and_knows_its_names() -> None:
    catalog = shelf(("Action",), ("Thriller",), ("Opera",), ("Opera",))
    popular = popularity_of(np.array([0, 9, 8, 6, 0], np.float32))
    terms = np.sort(np.array(named(["Action", "classic"]), np.uint32))
    found = choose(catalog, popular, vectors(ACTION, [0.9, 0.0], OPERA, OPERA), terms)
    assert sorted(found.items.tolist()) == [1, 2, 3]  # nobody can be asked about what nobody knows
    assert [catalog.category_name(number) for number in found.categories.tolist()][:2] == ["Action", "Opera"]
    assert found.examples.tolist() == [1, 2, 3]
    assert [found.describes(name) for name in ("Action", "classic", "opera glasses")] == [True, True, False]


def test_the_questions_are_the_same_each_time() -> None:
    random = np.random.default_rng(0)
    catalog = shelf(*[(f"c{n % 7}",) for n in range(200)])
    popular = popularity_of(np.arange(201, dtype=np.float32))
    made = random.standard_normal((201, 8)).astype(np.float32)
    first, second = (choose(catalog, popular, made, np.zeros(0, np.uint32)) for _ in range(2))
    assert first.items.tolist() == second.items.tolist()
    assert first.categories.tolist() == second.categories.tolist()
    assert len(set(first.items.tolist())) == 100
    assert len(first.categories) == 7


def test_without_a_training_nothing_is_chosen_and_frequent_categories_stand_in() -> None:
    catalog = shelf(("Drama", "War"), ("Drama",), ("Comedy",), ("Comedy",), ("Comedy",), ())
    none = choose(
        catalog, popularity_of(np.zeros(1, np.float32)), np.zeros((1, 8), np.float32), hashes([]).astype(np.uint32)
    )
    assert (len(none.items), len(none.categories)) == (0, 0)
    names = [catalog.category_name(number) for number in most_frequent(catalog).tolist()]
    assert names == ["Comedy", "Drama", "War"]
    assert most_frequent(catalogs.EMPTY).tolist() == []
