"""Is what a filter forbids never shown, what a boost means raised, and is an answer never emptied in silence?"""

import msgspec
import numpy as np
import pytest

import worlds
from foryou.config import Boost, Placement
from foryou.domain.event import Action
from foryou.domain.expression import parse
from foryou.domain.slate import Answer
from foryou.serve import filters
from foryou.serve.filters import WHOLE_UP_TO, Filters
from foryou.serve.rules import Boosts
from worlds import NOW_MS, PLAIN, Shop, did, genre_of, query, shown

DAY_MS = 86_400_000


def fan(placement: Placement = PLAIN) -> Shop:
    """Give a shop where ann likes war films; even ones are cheap, and some are violent."""
    shop = Shop(placement)
    for film in worlds.films():
        genre, n = film.item_id.split("-")
        shop.change(film.item_id, price=float(n), tags=("violence",) if genre == "war" and int(n) % 2 else ())
    shop.feed(*(did("ann", f"war-{n}", n) for n in (1, 2, 3)))
    return shop


@pytest.mark.parametrize("where", ["request", "placement"])
def test_a_filter_lets_through_only_what_it_means(where: str) -> None:
    text = 'category in ("war", "love") and price < 9 and not tag = "violence"'
    shop = fan(msgspec.structs.replace(PLAIN, filter=text) if where == "placement" else PLAIN)
    answer = shop.ask("ann", 5, filter=text if where == "request" else "")
    assert shown(answer)[:3] == [item for item in shown(fan().ask("ann", 57)) if item in ("war-4", "war-6", "war-8")]
    assert {genre_of(item) for item in shown(answer)[3:]} == {"love"}
    assert answer.degraded == ()


def test_the_filters_of_placement_and_request_both_hold() -> None:
    shop = fan(msgspec.structs.replace(PLAIN, filter='not tag = "violence"'))
    answer = shop.ask("ann", 10, filter='category = "war"')
    assert set(shown(answer)) == {f"war-{n}" for n in (4, 6, 8, 10, 12, 14)}
    assert answer.degraded == ("filter_exhausted",)


def test_a_filter_that_lets_nothing_through_says_so() -> None:
    answer = fan().ask("ann", 10, filter="price > 1000")
    assert (shown(answer), answer.degraded) == ([], ("filter_exhausted",))


def test_a_short_answer_that_no_filter_has_shortened_does_not_blame_it() -> None:
    assert fan().ask("ann", 60, filter="price < 1000").degraded == ("short_answer",)


def test_a_narrow_filter_finds_what_the_sources_would_not_have_proposed() -> None:
    shop = fan(msgspec.structs.replace(PLAIN, collaborative=5, item_to_item=5, popular=3))
    assert not {"crime-15", "crime-14"} & set(shown(shop.ask("ann", 60)))
    assert set(shown(shop.ask("ann", 2, filter='item_id in ("crime-15", "crime-14")'))) == {"crime-15", "crime-14"}


@pytest.mark.parametrize("text", ["price = 7", "price = 7 and age_days < 100000"])
@pytest.mark.parametrize("where", ["request", "placement"])
def test_a_narrow_filter_is_pushed_into_the_search_for_items_near_the_user(
    where: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = msgspec.structs.replace(PLAIN, collaborative=8, item_to_item=0, popular=0, content=0, new_arrivals=0)
    sevens = {film.item_id for film in worlds.films() if film.item_id.endswith("-7")}
    for whole_up_to in (WHOLE_UP_TO, 0):
        monkeypatch.setattr(filters, "WHOLE_UP_TO", whole_up_to)
        shop = fan(msgspec.structs.replace(few, filter=text) if where == "placement" else few)
        for film in worlds.films():
            shop.change(film.item_id, published_ms=NOW_MS - DAY_MS)
        for _ in range(2):  # the second time from what was kept
            answer = shop.ask("ann", 5, filter=text if where == "request" else "")
            assert set(shown(answer)) == sevens
            assert "collaborative" in {name for item in answer.items for name in item.found_by}


def test_masks_of_filters_are_kept_for_one_catalog_and_only_a_few() -> None:
    asked = [query("ann", filter=f"price < {n}") for n in range(1, 11)]
    held, shop = Filters(), fan()
    batch = shop.pipeline.stages.strangers(asked)
    masks = [held.whole(batch, b) for b in range(10)]
    assert [mask.sum() for mask in masks if mask is not None] == [
        sum(int(film.item_id.split("-")[1]) < n for film in worlds.films()) for n in range(1, 11)
    ]
    assert held.whole(batch, 9) is masks[9]
    assert held.whole(batch, 0) is not masks[0]  # gave way to newer ones
    shop.change("war-1", price=100.0)
    after = held.whole(shop.pipeline.stages.strangers(asked), 9)
    assert after is not None
    assert masks[9] is not None
    assert after.sum() == masks[9].sum() - 1


def test_a_filter_of_one_query_does_not_touch_the_others_of_its_batch() -> None:
    shop = fan()
    queries = [query("ann", 5), query("ann", 5, filter='category = "love"'), query("bob", 5, filter="price < 3")]
    alone = [shown(shop.run(one)[0][0]) for one in queries]
    together, trace = shop.run(*queries)
    assert [shown(answer) for answer in together] == alone
    assert {genre_of(item) for item in alone[1]} == {"love"}
    assert trace.dropped["filter"] > 0


def test_a_filter_holds_even_when_there_is_no_time() -> None:
    answer = fan().run(query("ann", 10, filter='not category = "war"'), deadline=0.0)[0][0]
    assert len(answer.items) == 10
    assert "war" not in {genre_of(item) for item in shown(answer)}


def test_placements_and_queries_without_filter_have_none() -> None:
    batch = fan().pipeline.stages.strangers([query("ann"), query("bob", filter="price < 1")])
    assert Filters().some(batch).tolist() == [False, True]
    assert Filters("price < 1").some(batch).tolist() == [True, True]


SALE = Boost(when='category = "love" and price < 5', add=100.0, name="sale")


def test_a_boost_raises_what_it_means_and_is_counted_under_its_name() -> None:
    shop = fan(msgspec.structs.replace(PLAIN, boosts=(SALE,)))
    answers, trace = shop.run(query("ann", 10))
    assert {*shown(answers[0])[:4]} == {f"love-{n}" for n in range(1, 5)}
    assert {genre_of(item) for item in shown(answers[0])[4:]} == {"war"}
    assert trace.boosted == {"sale": 4}


def test_a_boost_below_nothing_lowers() -> None:
    shop = fan(msgspec.structs.replace(PLAIN, boosts=(Boost(when='tag = "violence"', add=-100.0),)))
    assert not {f"war-{n}" for n in (5, 7, 9)} & set(shown(shop.ask("ann", 30)))
    assert shop.run(query("ann", 5))[1].boosted == {"boost 1": 6}, "seen ones do not count"


def test_a_boost_stands_among_the_parts_of_a_verdict() -> None:
    shop = fan(msgspec.structs.replace(PLAIN, boosts=(SALE, Boost(when="price > 3", add=0.5))))
    plain = fan().ask("ann", 5, asked="love-4").verdict
    verdict = shop.ask("ann", 5, asked="love-4").verdict
    assert plain
    assert verdict
    assert {name: add for name, add in verdict.parts.items() if name not in plain.parts} == {
        "boost:sale": 100.0, "boost:boost 2": 0.5
    }  # fmt: skip
    assert verdict.score == pytest.approx(plain.score + 100.5)
    assert sum(verdict.parts.values()) == pytest.approx(verdict.score, abs=1e-4)


def test_a_boost_does_not_change_what_a_reason_names() -> None:
    def reasons(answer: Answer) -> dict[str, object]:
        return {item.item_id: item.reason for item in answer.items}

    plain = reasons(fan().ask("ann", 12))
    boosted = reasons(fan(msgspec.structs.replace(PLAIN, boosts=(Boost(when="price > 3", add=5.0),))).ask("ann", 12))
    assert plain == boosted


def test_boosts_without_meaning_add_nothing() -> None:
    batch = fan().pipeline.stages.strangers([query("ann")])
    boosts = Boosts([("none", parse("price < 0"), 1.0)])
    assert boosts.parts(batch, np.array([[1]], np.int32)) == {}


def test_new_arrivals_come_first_from_the_categories_that_a_user_likes() -> None:
    shop = fan(msgspec.structs.replace(PLAIN, collaborative=0, item_to_item=0, popular=0, new_arrivals=4, new_days=10))
    for n, (genre, days) in enumerate([("love", 1), ("love", 2), ("war", 3), ("crime", 4), ("war", 5), ("war", 11)]):
        shop.change(f"new-{n}", categories=(genre,), published_ms=NOW_MS - days * DAY_MS, status="available")
    shop.change("soon", categories=("war",), published_ms=NOW_MS + DAY_MS, status="available")
    shop.change("gone", categories=("war",), published_ms=NOW_MS - 1, status="sold out")
    assert set(shown(shop.ask("ann", 20))) == {"new-2", "new-4", "new-0", "new-1"}
    assert set(shown(shop.ask("nobody", 20))) == {"new-0", "new-1", "new-2", "new-3"}
    assert {item.reason.code for item in shop.ask("nobody", 20).items} == {"new"}


CART = Placement(collaborative=0, item_to_item=0, cart=20, popular=10, new_arrivals=0, category_cap=0, explore_share=0)


def test_a_cart_is_answered_with_what_goes_with_the_things_in_it() -> None:
    shop = Shop(CART)
    shop.feed(
        did("ann", "space-4", 3, Action.ADD_TO_CART), did("ann", "love-2", 2, Action.VIEW),
        did("ann", "crime-3", 1, Action.ADD_TO_CART), did("ann", "crime-3", 0.5, Action.PURCHASE),
    )  # fmt: skip
    answer = shop.ask("ann", 10)
    assert {genre_of(item) for item in shown(answer)} == {"space"}
    assert {(item.reason.text, item.reason.because) for item in answer.items} == {
        ("Goes with Space 4 in your cart", ("space-4",))
    }


def test_a_cart_counts_the_item_of_the_page_too_and_names_what_is_nearest() -> None:
    shop = Shop(CART)
    shop.feed(did("ann", "space-4", 3, Action.ADD_TO_CART))
    answer = shop.ask("ann", 20, anchor="love-2")
    assert {genre_of(item) for item in shown(answer)} == {"space", "love"}
    assert all(item.reason.because == ({"space": "space-4", "love": "love-2"}[genre_of(item.item_id)],)
               for item in answer.items)  # fmt: skip


def test_an_empty_cart_is_answered_with_what_is_popular() -> None:
    answer = Shop(CART).ask("nobody", 5)
    assert shown(answer) == [film.item_id for film in worlds.films()[:5]]
    assert {item.reason.code for item in answer.items} == {"popular"}
