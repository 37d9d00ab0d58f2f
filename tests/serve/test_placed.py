"""Do lists made by hand get the places that they may have, for the time that they may, and is what is paid for said?"""

import msgspec
import pytest

import worlds
from foryou.config import Pin, Placement
from foryou.domain import catalog as catalogs
from foryou.domain.lists import ItemList, Kind, ListChange, Lists, shelf
from foryou.domain.slate import Answer
from worlds import NOW_MS, Shop, did, genre_of, query, shown

PAID = Kind.SPONSORED
HOME = Placement(category_cap=0, explore_share=0.0, sponsored_places=(2, 5), editorial_places=(4,))


def fan(placement: Placement = HOME) -> Shop:
    """Give a shop where ann likes war films, so that she would get nothing else."""
    shop = Shop(placement)
    shop.feed(*(did("ann", f"war-{n}", n) for n in (1, 2, 3)))
    return shop


def by_source(answer: Answer, source: str) -> dict[int, str]:
    """Give what this source placed: place (1 = first) -> item."""
    return {place: item.item_id for place, item in enumerate(answer.items, 1) if item.source == source}


def test_sponsored_items_stand_at_their_places_and_are_labelled() -> None:
    shop = fan()
    plain = shown(shop.ask("ann", 10))
    shop.listed("ads", "love-15", "crime-15", "space-15", kind=PAID, quota=2)
    answer = shop.ask("ann", 10)
    assert by_source(answer, "sponsored") == {2: "love-15", 5: "crime-15"}
    assert {item.reason.text for item in answer.items if item.source == "sponsored"} == {"Sponsored"}
    assert [item for item in shown(answer) if genre_of(item) == "war"] == plain[:8]


def test_a_label_is_shown_beside_the_items_of_its_list() -> None:
    shop = fan()
    shop.listed("one", "love-15", kind=PAID, label="Sponsored by Acme")
    shop.listed("two", "crime-15", kind=PAID)
    shop.listed("three", "space-15", label="Staff picks")
    reasons = {item.item_id: (item.reason.code, item.reason.text) for item in shop.ask("ann", 10).items}
    assert reasons["love-15"] == ("sponsored", "Sponsored by Acme")
    assert reasons["crime-15"] == ("sponsored", "Sponsored")
    assert reasons["space-15"] == ("editorial", "From our editors: Staff picks")


@pytest.mark.parametrize(
    ("quota", "k", "places"), [(0, 10, []), (1, 10, [2]), (5, 10, [2, 5]), (5, 4, [2]), (5, 1, [])]
)
def test_a_list_takes_no_more_places_than_its_quota_and_the_placement_allow(
    quota: int, k: int, places: list[int]
) -> None:
    shop = fan()
    shop.listed("ads", *(f"love-{n}" for n in range(1, 9)), kind=PAID, quota=quota)
    answer = shop.ask("ann", k)
    assert list(by_source(answer, "sponsored")) == places
    assert len(answer.items) == k
    assert all(genre_of(item.item_id) == "war" for item in answer.items if item.source != "sponsored")


def test_what_is_paid_for_is_shown_at_its_places_or_not_at_all() -> None:
    shop = fan(msgspec.structs.replace(HOME, collaborative=0, item_to_item=0, popular=4))
    shop.listed("ads", "crime-9", "crime-10", "crime-11", kind=PAID)
    answers, trace = shop.run(query("nobody", 10))
    assert by_source(answers[0], "sponsored") == {2: "crime-9"}
    assert not {"crime-10", "crime-11"} & set(shown(answers[0]))
    assert trace.dropped["sponsored_places"] == 2


def test_an_item_that_is_also_found_without_money_is_not_called_sponsored() -> None:
    shop = fan()
    best = shown(shop.ask("ann", 10))
    shop.listed("ads", "love-15", best[0], kind=PAID)
    answer = shop.ask("ann", 10)
    assert answer.items[0].item_id == best[0]
    assert answer.items[0].source == "collaborative"


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "there"),
    [(0, 0, True), (NOW_MS, 0, True), (NOW_MS + 1, 0, False), (0, NOW_MS + 1, True), (0, NOW_MS, False),
     (NOW_MS - 5, NOW_MS - 1, False)],
)  # fmt: skip
@pytest.mark.parametrize("kind", list(Kind))
def test_a_list_is_shown_from_its_start_until_just_before_its_end(
    kind: Kind, start_ms: int, end_ms: int, there: bool
) -> None:
    shop = fan()
    shop.listed("one", "love-15", kind=kind, start_ms=start_ms, end_ms=end_ms)
    assert ("love-15" in shown(shop.ask("ann", 10))) is there


def test_queries_of_one_batch_see_the_lists_of_their_own_time() -> None:
    shop = fan()
    shop.listed("one", "love-15", kind=PAID, start_ms=NOW_MS + 10)
    answers, _ = shop.run(query("ann", 10), query("ann", 10, now_ms=NOW_MS + 10))
    assert [by_source(answer, "sponsored") for answer in answers] == [{}, {2: "love-15"}]


def test_a_list_is_shown_at_its_placements_only() -> None:
    shop = fan()
    shop.listed("here", "love-15", placements=("cart", "home"))
    shop.listed("there", "crime-15", kind=PAID, placements=("cart",))
    assert by_source(shop.ask("ann", 10), "editorial") == {4: "love-15"}
    assert "crime-15" not in shown(shop.ask("ann", 10))


def test_what_is_sold_out_or_seen_makes_room_for_the_next_of_the_list() -> None:
    shop = fan()
    shop.change("love-15", status="sold out")
    shop.listed("ads", "love-15", "war-2", "gone", "crime-15", kind=PAID)
    assert by_source(shop.ask("ann", 10), "sponsored") == {2: "crime-15"}
    shop.change("gone", title="There it is", categories=("love",), status="available")
    assert by_source(shop.ask("ann", 10), "sponsored") == {2: "gone"}


def test_between_two_lists_the_item_that_scores_better_goes_first() -> None:
    shop = fan()
    shop.listed("a", "love-15", "love-14", kind=PAID, quota=2)
    shop.listed("b", "war-15", kind=PAID, quota=2)
    assert by_source(shop.ask("ann", 10), "sponsored") == {2: "war-15", 5: "love-15"}


def test_an_editorial_list_without_quota_is_ranked_like_everything_else() -> None:
    shop = fan(msgspec.structs.replace(HOME, collaborative=0, item_to_item=0, popular=0, new_arrivals=0))
    shop.listed("picks", "love-1", "war-9", "war-8", "love-2", quota=0)
    answer = shop.ask("ann", 4)
    assert {genre_of(item) for item in shown(answer)[:2]} == {"war"}
    assert {item.source for item in answer.items} == {"editorial"}
    assert len(answer.items) == 4


def test_a_pin_of_the_configuration_has_its_place_before_any_list() -> None:
    shop = fan(msgspec.structs.replace(HOME, pins=(Pin("space-9", 2), Pin("gone", 1), Pin("crime-1", 30))))
    shop.listed("ads", "love-15", kind=PAID)
    answer = shop.ask("ann", 10)
    assert by_source(answer, "pinned") == {2: "space-9"}
    assert by_source(answer, "sponsored") == {5: "love-15"}
    assert (answer.items[1].reason.code, answer.items[1].reason.text) == ("pinned", "Chosen for this page")


def test_a_pinned_item_that_may_not_be_shown_is_not_shown() -> None:
    shop = fan(msgspec.structs.replace(HOME, pins=(Pin("space-9", 1), Pin("war-1", 2))))
    shop.change("space-9", status="sold out")
    answer = shop.ask("ann", 10)
    assert by_source(answer, "pinned") == {}
    assert len(answer.items) == 10


def test_neither_chance_nor_the_cap_takes_a_place_that_was_given_by_hand() -> None:
    shop = fan(Placement(sponsored_places=(3, 10), pins=(Pin("war-9", 9),)))
    shop.listed("ads", "war-14", "war-15", kind=PAID, quota=2)
    for seed in range(40):
        answer = shop.ask("ann", 10, seed=seed)
        assert by_source(answer, "sponsored") == {3: "war-14", 10: "war-15"}
        assert by_source(answer, "pinned") == {9: "war-9"}
        assert list(by_source(answer, "exploration")) == [8]
        assert len(set(shown(answer))) == 10
        assert sum(genre_of(item) == "war" for item in shown(answer)) == 5


def test_a_query_gets_the_same_answer_alone_and_beside_others() -> None:
    shop = fan(Placement())
    shop.listed("ads", "love-15", "war-15", kind=PAID, quota=2)
    shop.listed("picks", "space-3", "space-4", start_ms=NOW_MS + 1)
    queries = [query("ann", 10, 1), query("bob", 20, 2, now_ms=NOW_MS + 5), query("ann", 3, 3)]
    alone = [shop.run(one)[0][0].items for one in queries]
    together, _ = shop.run(*queries)
    assert [answer.items for answer in together] == alone
    backwards, _ = shop.run(*queries[::-1])
    assert [answer.items for answer in backwards] == alone[::-1]


def test_lists_are_those_of_the_newest_changes() -> None:
    one, two = ItemList(name="one", item_ids=("a",)), ItemList(name="one", item_ids=("b",))
    first = Lists().changed([ListChange(name="one", now=one), ListChange(name="z")], {0: 3})
    assert (dict(first.by_name), dict(first.position)) == ({"one": one}, {0: 3})
    assert first.changed([ListChange(name="one", now=two)], {0: 4}).by_name["one"] == two
    assert first.changed([ListChange(name="one")], {0: 4}).by_name == {}
    assert first.by_name == {"one": one}


def test_a_shelf_is_made_anew_only_if_lists_or_catalog_have_changed() -> None:
    lists, catalog = (
        Lists().changed([ListChange(name="a", now=ItemList(name="a", item_ids=("war-1",)))], {}),
        worlds.catalog(),
    )
    made = shelf(lists, catalog)
    assert made.renewed(lists, catalog) is made
    assert made.numbers["a"].tolist() == [catalog.number("war-1")]
    assert made.renewed(lists, catalogs.EMPTY).numbers["a"].tolist() == []
