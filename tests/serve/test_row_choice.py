"""Are the rows of a page those that the user's own list is made of?"""

import pytest

from foryou.config import Placement
from foryou.domain.event import Action
from foryou.domain.item import ItemChange
from foryou.serve.rows import LEAST_SHARE, MOST, Plan, plans, week
from foryou.serve.wording import Words
from worlds import NOW_MS, PLAIN, Shop, did, genre_of, shown

DAY_MS = 86_400_000


def planned(shop: Shop, user: str, language: str = "en", k: int = 30) -> list[Plan]:
    return plans(shop.ask(user, k, language=language), language, Words(), NOW_MS - 30 * DAY_MS)


@pytest.fixture
def shop() -> Shop:
    """Give a shop in which ann likes two films of war, and the crowd clicks on crime."""
    made = Shop(PLAIN)
    made.feed(
        did("ann", "war-1", 1, Action.PURCHASE), did("ann", "war-2", 2),
        *(did(f"u{n}", f"crime-{n % 5 + 1}", n, Action.CLICK) for n in range(40)),
    )  # fmt: skip
    return made


def test_what_moves_the_list_most_comes_first(shop: Shop) -> None:
    found = planned(shop, "ann")
    assert [one.share for one in found] == sorted((one.share for one in found), reverse=True)
    because = [one for one in found if one.kind == "because"]
    assert {one.anchor for one in because} <= {"war-1", "war-2"}
    assert because[0].title.text.startswith("Because you ")
    categories = [one.category for one in found if one.kind == "category"]
    assert categories[0] == "war"


def test_a_stranger_has_rows_of_trends_and_categories_but_none_of_deeds(shop: Shop) -> None:
    kinds = [one.kind for one in planned(shop, "nobody")]
    assert "trending" in kinds
    assert "category" in kinds
    assert "because" not in kinds


def test_a_row_of_new_things_is_there_where_new_things_are(shop: Shop) -> None:
    assert "new" not in [one.kind for one in planned(shop, "ann")]
    for n in (3, 4, 5):
        shop.change(f"war-{n}", published_ms=NOW_MS - DAY_MS)
    (new,) = [one for one in planned(shop, "ann", "de") if one.kind == "new"]
    assert (new.title.code, new.title.text) == ("new", "Neu für dich")


def test_of_each_kind_there_are_so_many_and_none_stands_for_little(shop: Shop) -> None:
    shop.feed(*(did("ann", f"{genre}-{n}", n) for genre in ("love", "space", "crime") for n in (6, 7, 8)))
    found = planned(shop, "ann", k=51)
    for kind, most in MOST.items():
        assert len([one for one in found if one.kind == kind]) <= most
    assert all(one.share >= LEAST_SHARE for one in found)
    assert sum(one.share for one in found if one.kind == "category") == pytest.approx(1, abs=1e-6)


def test_a_row_holds_nothing_else(shop: Shop) -> None:
    trends = shown(shop.ask("ann", 10, row="trending"))
    assert sorted(trends) == [f"crime-{n}" for n in range(1, 6)]
    shop.change("love-9", published_ms=NOW_MS - DAY_MS)
    shop.change("love-8", published_ms=NOW_MS + DAY_MS)  # not published yet
    shop.change("love-7", published_ms=NOW_MS - 31 * DAY_MS)
    assert shown(shop.ask("ann", 10, row="new")) == ["love-9"]


def test_a_row_about_an_item_holds_what_goes_with_it_and_no_filling(shop: Shop) -> None:
    item = shop.made(Placement(
        collaborative=0, item_to_item=0, content=0, similar=30, new_arrivals=0, category_cap=0, explore_share=0.0
    ))  # fmt: skip
    shop.pipeline = item
    found = shop.ask("ann", 50, anchor="space-1", row="because")
    assert found.items
    assert all("similar" in one.found_by for one in found.items)
    filled = shop.ask("ann", 50, anchor="space-1")
    assert len(filled.items) >= len(found.items)
    assert genre_of(found.items[0].item_id) == "space"


def discoveries(shop: Shop, user: str, days: float = 0) -> list[str]:
    return shown(shop.ask(user, 60, row="discover", now_ms=round(NOW_MS + days * DAY_MS)))


def test_discoveries_stay_for_a_week_and_then_others_come(shop: Shop) -> None:
    monday = (week(NOW_MS) * 7 - 3) * DAY_MS
    assert 0 <= NOW_MS - monday < 7 * DAY_MS
    start = (monday - NOW_MS) / DAY_MS
    weeks = [discoveries(shop, "ann", start + 7 * n) for n in range(4)]
    assert set(discoveries(shop, "ann", start + 6.99)) == set(weeks[0])
    together = [item_id for one in weeks for item_id in one]
    assert len(together) == len(set(together))
    everything = {f"{genre}-{n}" for genre in ("war", "love", "space", "crime") for n in range(1, 16)}
    heard = {
        f"{genre}-{n}" for genre, n in (("war", 1), ("love", 1), ("space", 1), ("crime", 1), ("war", 2), ("love", 2))
    }
    assert set(together) == everything - heard - {"war-1", "war-2"}
    assert set(discoveries(shop, "ann", start + 28)) == set(weeks[0])
    assert all(4 <= len(one) <= 26 for one in weeks)


def test_discoveries_are_the_users_own_and_new_items_are_among_them(shop: Shop) -> None:
    assert discoveries(shop, "ann") != discoveries(shop, "bob")
    late = [ItemChange(item_id=f"late-{n}", op="put", title=f"Late {n}", received_ms=NOW_MS - 1) for n in range(20)]
    shop.catalog = shop.catalog.extended(late, {})
    assert any(item_id.startswith("late") for item_id in discoveries(shop, "ann"))
    shop.feed(did("ann", (first := discoveries(shop, "ann")[0])))
    assert first not in discoveries(shop, "ann")
