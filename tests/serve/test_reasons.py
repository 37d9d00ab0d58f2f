"""Does each reason say the one thing without which the item would be worth less, and nothing that is not so?"""

from dataclasses import replace

import numpy as np
import pytest

import worlds
from foryou.config import Placement
from foryou.domain.event import Action, Event, hash64
from foryou.domain.records import UserChange
from foryou.domain.slate import QueryBatch, Reason, Shown
from foryou.features.assemble import assemble
from foryou.features.fold import fold_profiles
from foryou.features.hydrate import assemble_batch, forgetful
from foryou.serve.explain import LEAST
from foryou.serve.whatif import WhatIf
from foryou.wiring.reasons import Verified, tried, without_items
from worlds import NOW_MS, PLAIN, Shop, did, genre_of, query

QUIET = dict.fromkeys(worlds.WEIGHTS, 0.0)


def tell(shop: Shop, user: str, **profile: object) -> None:
    """Change a profile, as the stream `users` would."""
    record = shop.store.read([user])[0]
    change = UserChange(user_id=user, op="patch", **profile)
    shop.known[user] = fold_profiles({user: record}, [change], [0])[user]


class People(Shop):
    """A shop whose users have profiles beside what they did."""

    def __init__(self, model: worlds.ModelBundle, placement: Placement = PLAIN) -> None:
        self.known: dict[str, object] = {}
        super().__init__(placement, model)
        read = self.store.read
        self.store.read = lambda users: [self.known.get(user) or read([user])[0] for user in users]  # type: ignore


def lifted(kind: str, group: str, **weights: float) -> worlds.ModelBundle:
    """Give the films with one group of users who like crime more than others do."""
    model = worlds.bundle(**weights)
    table = np.zeros((2, len(worlds.GENRES) + 1), np.float32)
    table[1, 1 + worlds.GENRES.index("crime")] = 1.0
    row = np.array([hash64(group)], np.uint64)
    return replace(model, arrays=dict(model.arrays) | {f"{kind}_groups": row, f"{kind}_lift": table})


def first(shop: Shop, genre: str, user: str = "ann", **more: object) -> Shown:
    return next(item for item in shop.ask(user, 20, **more).items if genre_of(item.item_id) == genre)


def test_a_search_is_named_by_the_items_that_match_it_and_only_by_them() -> None:
    shop = Shop(model=worlds.bundle(search_match=3.0, collaborative=0.0))
    shop.feed(did("ann", "war-3", 5))
    assert first(shop, "love", search="love story").reason == Reason("search", "Matches your search “love story”")
    assert first(shop, "war", search="love story").reason.code == "history"
    assert first(shop, "love", search="").reason.code == "popular"


def test_a_search_of_the_session_counts_like_one_of_the_request() -> None:
    shop = Shop(model=worlds.bundle(search_match=3.0))
    at_ms = NOW_MS - worlds.MINUTE_MS
    shop.feed(Event("s", "ann", Action.SEARCH, at_ms, "", at_ms, query="crime"))
    assert first(shop, "crime").reason == Reason("search", "Matches your search “crime”")


def test_a_search_that_moves_no_score_is_not_named() -> None:
    shop = Shop(model=worlds.bundle(search_match=0.0))
    assert first(shop, "love", search="love").reason.code == "popular"


def test_the_page_of_a_category_is_named() -> None:
    shop = Shop(model=worlds.bundle(page_match=1.5))
    assert first(shop, "crime", category="crime").reason == Reason("category", "More in crime")
    assert first(shop, "love", category="crime").reason.code == "popular"


def test_what_weighs_most_is_named() -> None:
    shop = Shop(model=worlds.bundle(page_match=0.01))
    shop.feed(did("ann", "crime-3", 5))
    assert first(shop, "crime", category="crime").reason.code == "history"


def test_chosen_interests_are_named_where_the_item_has_them() -> None:
    shop = People(worlds.bundle(category_match=1.0))
    tell(shop, "ann", interests=("crime", "opera"))
    assert first(shop, "crime").reason == Reason("interests", "From your interests: crime")
    assert first(shop, "love").reason.code == "popular"


def test_where_the_user_is_is_named_when_that_counts() -> None:
    shop = People(lifted("location", "Rome", location_lift=1.0))
    assert first(shop, "crime", location="Rome").reason == Reason("near", "Popular near you")
    tell(shop, "ann", location="Rome")
    assert first(shop, "crime").reason.code == "near"
    assert first(shop, "love").reason.code == "popular"
    assert first(shop, "crime", location="Oslo").reason.code == "popular"


@pytest.mark.parametrize(("kind", "group", "profile"), [("age", "20", {"age": 25}), ("gender", "F", {"gender": "F"})])
def test_people_like_the_user_are_named_when_they_count(kind: str, group: str, profile: dict[str, object]) -> None:
    shop = People(lifted(kind, group, **{f"{kind}_lift": 1.0}))
    tell(shop, "ann", **profile)
    assert first(shop, "crime").reason == Reason("people", "Popular with people like you")
    assert first(shop, "love").reason.code == "popular"
    assert first(shop, "crime", user="nobody").reason.code == "popular"


def test_a_new_item_says_in_which_category_it_is_new() -> None:
    shop = Shop(replace_placement(new_arrivals=20), worlds.bundle(arrival=2.0))
    shop.change("new-1", title="Brand New", categories=("crime",), published_ms=NOW_MS - 1_000, status="available")
    shop.change("new-2", title="Bare", published_ms=NOW_MS - 1_000, status="available")
    reasons = {item.item_id: item.reason for item in shop.ask("nobody", 20).items}
    assert reasons["new-1"] == Reason("new", "New in crime")
    assert reasons["new-2"] == Reason("new", "New")
    assert reasons["war-1"].code == "popular"


def replace_placement(**what: object) -> Placement:
    return worlds.msgspec.structs.replace(PLAIN, **what)


def test_old_taste_is_named_when_only_the_history_as_a_whole_counts() -> None:
    shop = Shop(model=worlds.bundle(collaborative=0.0, popularity=0.0, trending=0.0))
    old = [did("ann", f"crime-{n}", 1_000 + n, Action.PURCHASE) for n in range(1, 6)]
    new = [did("ann", f"{genre}-{n}", n, Action.VIEW) for n in range(1, 11) for genre in ("war", "space")]
    shop.feed(*old, *new)
    assert first_of(shop, "crime", 40).reason == Reason("taste", "Your earlier taste")


def first_of(shop: Shop, genre: str, k: int) -> Shown:
    return next(item for item in shop.ask("ann", k).items if genre_of(item.item_id) == genre)


def test_what_nothing_explains_promises_nothing() -> None:
    shop = Shop(model=worlds.bundle(**QUIET), placement=replace_placement(popular=0, content=0))
    shop.feed(did("ann", "war-3", 5))
    assert {item.reason for item in shop.ask("ann", 10).items} == {Reason("general", "You might like this")}


def test_the_language_of_a_reason_is_that_of_its_query() -> None:
    shop = Shop()
    shop.feed(did("ann", "war-3", 5, Action.PURCHASE))
    answers, _ = shop.run(*(query("ann", language=language) for language in ("", "de", "fr", "es", "xx")))
    assert [answer.items[0].reason.text for answer in answers] == [
        "Because you bought War 3", "Weil du War 3 gekauft hast", "Parce que vous avez acheté War 3",
        "Porque compraste War 3", "Because you bought War 3",
    ]  # fmt: skip
    assert {answer.items[0].reason.code for answer in answers} == {"history"}
    assert len({tuple(item.score for item in answer.items) for answer in answers}) == 1


LONG = [
    did("ann", f"{worlds.GENRES[n % 4]}-{1 + n // 4}", 3.0 * n + 1, (Action.VIEW, Action.LIKE)[n % 3 == 0])
    for n in range(55)
]  # fmt: skip
EVERYTHING = {
    "welcome": 0.5, "content": 1.0, "category_match": 1.0, "brand_match": 0.5, "price_match": 0.3, "popularity": 0.0,
}  # fmt: skip


@pytest.mark.parametrize("length", [1, 3, 20, 27, 50, 53])
def test_without_what_a_reason_names_the_score_falls(length: int) -> None:
    shop = Shop(model=worlds.bundle(**EVERYTHING))
    shop.feed(*LONG[:length])
    found = Verified()
    tried(shop.pipeline, query("ann", 7), found)
    assert found.trials
    assert found.wrong == []


@pytest.mark.parametrize("length", [3, 27, 53])
def test_what_is_scored_again_gets_the_bits_that_a_record_without_it_gets(length: int) -> None:
    shop = Shop(model=worlds.bundle(**EVERYTHING, item_to_item_z=0.3, sequence_z=0.2, session_length=0.1))
    shop.feed(*LONG[:length], did("bob", "war-3", 5))
    stages, slate, queries = shop.pipeline.stages, shop.pipeline.slate, [query("bob", 7), query("ann", 7)]
    seen: list[QueryBatch] = []
    shop.pipeline.stages = replace(stages, hydrate=lambda asked: seen.append(stages.hydrate(asked)) or seen[0])
    shop.run(*queries)
    batch, what_if = seen[0], WhatIf(stages.ranker, stages.represent)  # type: ignore[arg-type]
    shown = what_if.shown(batch, slate, slate.top(batch.k))
    tests = [(1, (0,)), (1, (2, 1)), (0, (0,)), (1, (1,))]
    found = what_if.scores(batch, shown, tests)
    for row, (b, entries) in enumerate(tests):
        gone = batch.view.catalog.hash[batch.history[b, list(entries)]]
        again = assemble_batch([queries[b]], [without_items(batch.people[b], gone.tolist())], batch.view)
        again.measure = batch.measures([b])
        stages.represent(again)
        item, expected = shown.item[b : b + 1], np.empty((1, 7), np.float32)
        stages.ranker.sum(assemble(stages.ranker.used, again, item), again, expected)  # type: ignore[attr-defined]
        assert expected.tobytes() == found[row].tobytes()


def test_only_what_says_so_depends_on_history() -> None:
    shop = Shop(model=worlds.bundle(**EVERYTHING))
    shop.feed(*LONG[:27])
    batch, item = shop.pipeline.stages.hydrate([query("ann")]), np.arange(1, 61, dtype=np.int32)[None]
    shop.pipeline.stages.represent(batch)
    schema, forgotten = shop.pipeline.stages.ranker.schema, forgetful(batch, [0], batch.history)  # type: ignore
    shop.pipeline.stages.represent(forgotten)
    assert not forgotten.history.any()
    known, left = assemble(schema, batch, item), assemble(schema, forgotten, item)
    moved = {one.name for one, a, b in zip(schema.features, known, left, strict=True) if a.tobytes() != b.tobytes()}
    declared = {one.name for one in schema.features if one.of_history}
    assert moved <= declared
    assert moved >= {"item_to_item", "collaborative", "category_match", "welcome", "gap", "session_length"}


def test_a_reason_that_is_not_true_is_found_out() -> None:
    shop = Shop(model=worlds.bundle(collaborative=0.0))
    shop.feed(did("ann", "war-3", 5), did("ann", "love-3", 4))
    explain = shop.pipeline.stages.explain

    def lying(*asked: object) -> list[list[Reason]]:
        return [[Reason("history", "", ("love-3",)) for _ in row] for row in explain(*asked)]

    found = Verified()
    shop.pipeline.stages = replace(shop.pipeline.stages, explain=lying)
    tried(shop.pipeline, query("ann", 20), found)
    assert not found.true
    assert {genre_of(trial.item_id) for trial in found.trials if trial.fall > LEAST} == {"love"}
    assert found.parts()["all"].fell < len(found.trials)


def test_an_item_is_forgotten_with_all_that_was_done_to_it() -> None:
    shop = Shop()
    shop.feed(did("ann", "war-3", 9, Action.VIEW), did("ann", "love-3", 4), did("ann", "war-3", 2, Action.PURCHASE))
    record = shop.store.read(["ann"])[0]
    assert record
    left = without_items(record, [hash64("war-3")])
    assert left.history["item"].tolist() == [hash64("love-3")]
    assert len(record.history) == 3
