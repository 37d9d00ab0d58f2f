"""Is the trend the decayed interest of the last 24 hours, whatever the order of the counters?"""

import numpy as np
import pytest

from foryou.domain import catalog as catalogs
from foryou.domain.clock import DAY_MS, HOUR_MS
from foryou.domain.event import hash64
from foryou.domain.item import Item, ItemChange
from foryou.domain.records import Trending
from foryou.features import trending

HOUR = 472_222
NOW_MS = HOUR * HOUR_MS + 1_234
CATALOG = catalogs.build([Item(item_id=item_id) for item_id in "abcd"], "v", {})


def counters(*rows: tuple[int, str, int]) -> Trending:
    """Give counters of (hours ago, item, hundredths)."""
    return Trending(
        np.array([HOUR - ago for ago, _, _ in rows], np.int32),
        np.array([hash64(item) for _, item, _ in rows], np.uint64),
        np.array([count for _, _, count in rows], np.int64),
        {0: 41, 2: 7},
    )


def test_an_interest_counts_half_after_the_half_life() -> None:
    scores, _ = trending.decayed(CATALOG, counters((0, "a", 100), (12, "b", 100), (24, "c", 400)), NOW_MS, 12.0)
    assert scores.tolist() == [0, 1, 0.5, 1, 0]
    assert trending.decayed(CATALOG, counters((12, "a", 100)), NOW_MS, 6.0)[0][1] == 0.25


def test_what_is_older_than_a_day_or_still_to_come_counts_nothing() -> None:
    scores, top = trending.decayed(CATALOG, counters((25, "a", 900), (-1, "b", 900), (24, "c", 1)), NOW_MS, 12.0)
    assert scores[[1, 2]].tolist() == [0, 0]
    assert top.tolist() == [3]


def test_hours_of_one_item_add_up_and_items_that_are_not_in_the_catalog_are_left_out() -> None:
    scores, top = trending.decayed(CATALOG, counters((0, "a", 50), (12, "a", 100), (0, "zz", 900)), NOW_MS, 12.0)
    assert scores.tolist() == [0, 1, 0, 0, 0]
    assert top.tolist() == [1]


def test_the_best_items_come_first_and_equal_ones_by_number() -> None:
    _, top = trending.decayed(CATALOG, counters((0, "d", 70), (0, "b", 70), (0, "c", 90), (0, "a", 0)), NOW_MS, 12.0)
    assert top.tolist() == [3, 2, 4]
    assert top.dtype == np.int32


def test_the_order_of_the_counters_does_not_change_a_bit() -> None:
    random = np.random.default_rng(3)
    rows = [(int(ago), item, int(random.integers(1, 999))) for ago in range(24) for item in "abcd"]
    found = trending.decayed(CATALOG, counters(*rows), NOW_MS, 11.7)[0]
    for _ in range(5):
        random.shuffle(rows)
        assert trending.decayed(CATALOG, counters(*rows), NOW_MS, 11.7)[0].tobytes() == found.tobytes()


def test_items_with_equal_counters_stay_in_the_order_of_their_numbers() -> None:
    random = np.random.default_rng(4)
    rows = [(ago, item, 100 + 7 * ago) for ago in range(24) for item in "dbca"]
    for _ in range(20):
        random.shuffle(rows)
        assert trending.decayed(CATALOG, counters(*rows), NOW_MS, 11.7)[1].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("items", [300, 50_500])
def test_only_the_best_two_hundred_are_listed_in_catalogs_of_any_size(items: int) -> None:
    catalog = catalogs.build([Item(item_id=str(n)) for n in range(1, items + 1)], "v", {})
    rows = [(0, str(n), 100 + n % 7) for n in range(items - 290, items + 1)]
    _, top = trending.decayed(catalog, counters(*rows), NOW_MS, 12.0)
    expected = sorted(range(items - 290, items + 1), key=lambda n: (-(n % 7), n))
    assert top.tolist() == expected[: trending.TOP]


def test_a_view_says_what_it_was_made_of_and_knows_items_that_arrived_since() -> None:
    grown = CATALOG.extended([ItemChange(item_id="new", op="put", received_ms=5)], {0: 3})
    view = trending.view(grown, counters((0, "new", 300)), NOW_MS)
    assert (view.trending_position, view.trending_ms) == ({0: 41, 2: 7}, NOW_MS)
    assert view.trending_top.tolist() == [5]
    assert view.trending.tolist() == [0, 0, 0, 0, 0, 3]


def test_without_counters_nothing_trends() -> None:
    view = trending.view(CATALOG, counters(), NOW_MS)
    assert not view.trending.any()
    assert not len(view.trending_top)


def test_the_newest_items_are_those_of_the_last_ninety_days_that_may_be_shown() -> None:
    days = {"old": 91, "late": 89, "new": 1, "twin": 1, "soon": -1, "gone": 2}
    items = [
        Item(item_id=name, published_ms=NOW_MS - ago * DAY_MS, status="gone" if name == "gone" else "available")
        for name, ago in days.items()
    ]
    catalog = catalogs.build([*items, Item(item_id="never")], "v", {})
    assert [catalog.id_of(number) for number in trending.newest(catalog, NOW_MS).tolist()] == ["new", "twin", "late"]


def test_of_very_many_new_items_the_newest_thousand_are_kept() -> None:
    random = np.random.default_rng(3)
    ages = random.permutation(3_000)
    catalog = catalogs.build(
        [Item(item_id=str(n), published_ms=NOW_MS - int(age)) for n, age in enumerate(ages)], "v", {}
    )
    assert trending.newest(catalog, NOW_MS).tolist() == (np.argsort(ages)[:1_000] + 1).tolist()
