"""Does every query get its answer: the right items, alone as in a batch, in any order?"""

from dataclasses import replace

import numpy as np

import worlds
from foryou.config import Placement
from foryou.domain.event import Action
from foryou.domain.slate import Answer, QueryBatch, Slate
from foryou.serve.pipeline import Pipeline
from worlds import NOW_MS, Shop, did, genre_of, ids, query, shown

HOME = Placement()


def with_stages(shop: Shop, **changed: object) -> Pipeline:
    return Pipeline(replace(shop.pipeline.stages, **changed), "v1")


def test_who_likes_one_genre_gets_the_rest_of_it(shop: Shop) -> None:
    answer = shop.ask("ann", 10)
    assert {genre_of(item) for item in shown(answer)} == {"war"}
    assert answer.degraded == ()
    assert (answer.bundle, answer.offset) == ("v1", 2)
    assert [item.score for item in answer.items] == sorted((item.score for item in answer.items), reverse=True)
    assert all(item.title == item.item_id.replace("-", " ").title() for item in answer.items)


def test_one_action_is_enough_for_collaborative_answers_at_once(shop: Shop) -> None:
    answer = shop.ask("cem", 10)
    assert {genre_of(item) for item in shown(answer)} == {"crime"}
    assert all({"collaborative", "item_to_item"} <= set(item.found_by) for item in answer.items)


def test_somebody_unknown_gets_what_trends_and_what_is_popular() -> None:
    empty = Shop(model=worlds.bundle(trending=1.0))
    answer = empty.ask("nobody", 8)
    assert shown(answer) == [item.item_id for item in worlds.films()[:8]]
    assert {(item.source, item.reason.code) for item in answer.items} == {("popular", "popular")}
    assert answer.degraded == ("unknown_user",)
    empty.feed(*(did(f"fan-{n}", "crime-15", n + 1, Action.PURCHASE) for n in range(20)))
    hot = empty.ask("nobody", 8).items[0]
    assert (hot.item_id, hot.reason.code, hot.reason.text) == ("crime-15", "trending", "Trending now")


def test_what_a_user_acted_on_is_never_shown_again() -> None:
    shop = Shop(HOME)
    acted = {f"u{n}": [film.item_id for film in worlds.films()[n : n + 3 * n + 1]] for n in range(12)}
    actions = (Action.LIKE, Action.DISLIKE, Action.VIEW, Action.HIDE, Action.ADD_TO_CART)
    shop.feed(*(
        did(user, item_id, place + 1, actions[place % 5])
        for user, item_ids in acted.items() for place, item_id in enumerate(item_ids)
    ))  # fmt: skip
    for seed in range(5):
        answers, trace = shop.run(*(query(user, 20, seed) for user in acted))
        for user, answer in zip(acted, answers, strict=True):
            assert not set(shown(answer)) & set(acted[user])
            assert len(shown(answer)) == len(set(shown(answer))) == 20
        assert trace.dropped["seen"] > 0


def test_what_the_caller_excludes_is_not_shown(shop: Shop) -> None:
    first = shown(shop.ask("ann", 5))
    assert shown(shop.ask("ann", 5, exclude=(first[0], first[2], "unknown"))) == [
        first[1], *first[3:], *shown(shop.ask("ann", 7))[5:]
    ]  # fmt: skip


def test_an_answer_that_runs_out_of_items_says_so(shop: Shop) -> None:
    answer = shop.ask("ann", 100)
    assert len(answer.items) == 57
    assert answer.degraded == ("short_answer",)


def test_a_request_for_nothing_is_answered_with_nothing(shop: Shop) -> None:
    assert shop.ask("ann", 0).items == []


def test_a_query_gets_the_same_answer_alone_in_a_batch_and_in_any_order(shop: Shop) -> None:
    shop.pipeline = shop.made(HOME)
    queries = [
        query(user, k, seed, explain=explain)
        for seed, (user, k, explain) in enumerate(
            [("ann", 10, True), ("bob", 3, True), ("nobody", 20, False), ("cem", 7, True), ("ann", 1, True)]
        )
    ] + [query("bob", 10, 9, anchor="war-5"), query("cem", 10, 9, asked="love-3"), query("ann", 0)]
    alone = [comparable(shop.run(one)[0][0]) for one in queries]
    for order in (range(8), range(7, -1, -1), np.random.default_rng(1).permutation(8)):
        answers, _ = shop.run(*(queries[place] for place in order))
        for place, answer in zip(order, answers, strict=True):
            assert comparable(answer) == alone[place]


def comparable(answer: Answer) -> tuple[object, ...]:
    return answer.items, answer.degraded, answer.offset, answer.verdict


def test_a_batch_of_queries_at_different_times_treats_each_at_its_own(shop: Shop) -> None:
    shop.change("war-4", expires_ms=NOW_MS + 10)
    before, after = query("ann", 15, now_ms=NOW_MS), query("ann", 15, now_ms=NOW_MS + 10)
    alone = [shown(shop.run(one)[0][0]) for one in (before, after)]
    assert ["war-4" in items for items in alone] == [True, False]
    assert ids(shop.run(before, after)[0]) == alone
    assert ids(shop.run(after, before)[0]) == alone[::-1]


def test_another_seed_changes_nothing_but_the_exploration(shop: Shop) -> None:
    assert shown(shop.ask("ann", 10, seed=1)) == shown(shop.ask("ann", 10, seed=2))
    shop.pipeline = shop.made(HOME)
    lists = {tuple(shown(shop.ask("ann", 10, seed=seed))) for seed in range(30)}
    assert len(lists) > 5
    assert len({items[:9] for items in lists}) == 1


def test_scores_that_are_not_finite_are_not_shown_and_are_counted(shop: Shop) -> None:
    class Odd:
        def score(self, batch: QueryBatch, slate: Slate, out: np.ndarray) -> None:  # noqa: ARG002
            out[:] = np.where(slate.item % 4 == 1, np.nan, np.where(slate.item % 4 == 2, np.inf, slate.item))

    shop.pipeline = with_stages(shop, ranker=Odd())
    answer, trace = shop.run(query("nobody", 60))
    assert {genre_of(item) for item in shown(answer[0])} == {"space", "crime"}
    assert trace.not_finite == 30


def test_the_trace_has_every_stage_in_order_with_the_candidates_kept(shop: Shop) -> None:
    shop.pipeline = shop.made(HOME)
    _, trace = shop.run(query("ann"))
    names = [name for name, _, _ in trace.stages]
    assert names == [
        "hydrate", "represent", "collaborative", "item_to_item", "content", "popular", "new_arrivals", "editorial",
        "sponsored", "due", "asked", "unavailable", "seen", "feed", "filter", "row", "rank", "sponsored_places",
        "editorial_places", "category_cap", "exploration", "select", "explain",
    ]  # fmt: skip
    kept = {name: count for name, _, count in trace.stages}
    assert (kept["represent"], kept["collaborative"], kept["asked"], kept["seen"]) == (0, 60, 60, 57)
    assert all(ms >= 0 for _, ms, _ in trace.stages)


def test_similar_items_are_those_that_go_with_the_item_of_the_page() -> None:
    page = Placement(collaborative=0, item_to_item=0, similar=20, popular=10, category_cap=0, explore_share=0.0)
    shop = Shop(page)
    shop.feed(did("ann", "space-4", 3))
    answer = shop.ask("ann", 12, anchor="space-9")
    assert {genre_of(item) for item in shown(answer)} == {"space"}
    assert not {"space-9", "space-4"} & set(shown(answer))
    strongest = np.argsort(-worlds.links()[shop.catalog.number("space-9")])[:13] - 1
    expected = [worlds.films()[place].item_id for place in strongest.tolist()]
    assert shown(answer) == [item for item in expected if item != "space-4"]
    reason = answer.items[0].reason
    assert (reason.code, reason.text, reason.because) == ("similar", "Goes with Space 9", ("space-9",))


def test_a_page_of_an_unknown_item_shows_what_is_popular_and_says_so() -> None:
    page = Placement(collaborative=0, item_to_item=0, similar=20, popular=10, category_cap=0, explore_share=0.0)
    answer = Shop(page).ask("ann", 5, anchor="no-such-thing")
    assert answer.degraded == ("unknown_user", "unknown_item")
    assert shown(answer) == [film.item_id for film in worlds.films()[:5]]
    assert answer.items[0].reason.code == "popular"


def test_an_item_that_came_after_the_training_is_shown_when_it_trends() -> None:
    shop = Shop(model=worlds.bundle(trending=1.0))
    shop.change("new-1", title="Brand New", categories=("war",))
    shop.feed(*(did(f"fan-{n}", "new-1", n + 1) for n in range(30)))
    assert shop.ask("nobody", 3).items[0].title == "Brand New"
