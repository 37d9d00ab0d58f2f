"""Is the reason given for an item the one that moved its score, and is the verdict on any other item true?"""

import numpy as np
import pytest

import worlds
from foryou.config import Placement, Train
from foryou.domain.event import Action, Event
from foryou.domain.slate import Reason, Shown, Verdict
from foryou.serve.explain import LOOKED_AT, NAMED, WORTH_NAMING
from foryou.train.item_item import heaviest
from worlds import Shop, did, genre_of, query, shown

ANN = (
    did("ann", "war-3", 50, Action.PURCHASE), did("ann", "love-1", 40), did("ann", "space-2", 31, Action.VIEW),
    did("ann", "love-6", 22, Action.CLICK), did("ann", "crime-4", 14, Action.RATING, 5.0),
    did("ann", "war-8", 5, Action.ADD_TO_CART), did("ann", "space-9", 2, Action.DISLIKE),
)  # fmt: skip
NO_TREND = {"trending": 0.0}  # what ann did is also a trend: without it, her record is all that counts


def scored(shop: Shop, events: list[Event], item_id: str) -> float:
    """Give the score of an item by the whole pipeline for a user with these events and no others."""
    user = "-".join(event.item_id for event in events)
    if shop.store.read([user])[0] is None:
        shop.feed(
            *(did(user, e.item_id, (worlds.NOW_MS - e.at_ms) / worlds.MINUTE_MS, e.action, e.value) for e in events)
        )
    verdict = shop.ask(user, 5, asked=item_id).verdict
    assert verdict
    return verdict.score


def falls(shop: Shop, item_id: str) -> dict[str, float]:
    """Give how far the score of an item falls without each of ann's actions, each time asked anew."""
    whole = scored(shop, list(ANN), item_id)
    return {
        left_out.item_id: whole - scored(shop, [event for event in ANN if event is not left_out], item_id)
        for left_out in ANN
    }


def sparse() -> worlds.ModelBundle:
    whole = worlds.bundle(**NO_TREND)
    ids, values = heaviest(worlds.links(), 12)
    arrays = {name: array for name, array in whole.arrays.items() if name != "links"}
    return worlds.ModelBundle(whole.manifest, arrays | {"link_ids": ids, "link_values": values})


@pytest.mark.parametrize("model", [worlds.bundle(**NO_TREND), sparse()], ids=["whole_links", "sparse_links"])
def test_the_items_named_are_those_without_which_the_score_would_fall_the_most(model: worlds.ModelBundle) -> None:
    shop = Shop(model=model)
    shop.feed(*ANN)
    answer = shop.ask("ann", 20)
    explained = [item for item in answer.items if item.reason.code == "history"]
    assert len(explained) >= 15
    for item in explained:
        fall = falls(shop, item.item_id)
        order = sorted(fall, key=lambda name: -fall[name])
        assert list(item.reason.because) == order[: len(item.reason.because)]
        assert fall[order[0]] > 0
        named = [name for name in order[:NAMED] if fall[name] > WORTH_NAMING * fall[order[0]]]
        assert list(item.reason.because) == named


def test_of_a_long_history_the_newest_items_may_be_named() -> None:
    shop = Shop(model=worlds.bundle(**NO_TREND))
    old = [did("ann", f"love-{n}", 100 + n, Action.PURCHASE) for n in range(1, 6)]
    new = [did("ann", f"{genre}-{n}", n, Action.VIEW) for n in range(1, 11) for genre in ("war", "space")]
    shop.feed(*old, *new[:LOOKED_AT])
    named = {name for item in shop.ask("ann", 30).items for name in item.reason.because}
    assert named
    assert named <= {event.item_id for event in new}


def test_an_item_is_explained_by_what_is_like_it() -> None:
    shop = Shop()
    shop.feed(did("ann", "war-3", 50), did("ann", "love-1", 40))
    for item in shop.ask("ann", 20).items:
        assert [genre_of(name) for name in item.reason.because] == [genre_of(item.item_id)]


def only(shop: Shop, item: str) -> Reason:
    return next(one.reason for one in shop.ask("ann", 20).items if genre_of(one.item_id) == item)


@pytest.mark.parametrize(
    ("action", "value", "text"),
    [
        (Action.PURCHASE, 9.0, "bought War 3"), (Action.RATING, 4.0, "rated War 3"), (Action.LIKE, None, "liked War 3"),
        (Action.VIEW, None, "viewed War 3"), (Action.CLICK, None, "looked at War 3"),
        (Action.DWELL, 60.0, "spent time on War 3"), (Action.ADD_TO_CART, None, "put War 3 in your cart"),
    ],
)  # fmt: skip
def test_the_reason_says_what_the_user_did(action: Action, value: float | None, text: str) -> None:
    shop = Shop()
    shop.feed(did("ann", "war-3", 5, action, value))
    assert only(shop, "war") == Reason("history", f"Because you {text}", ("war-3",))


def test_two_items_are_named_when_both_weigh() -> None:
    shop = Shop()
    shop.feed(did("ann", "war-3", 5), did("ann", "war-4", 5.5))
    texts = {item.reason.text for item in shop.ask("ann", 20).items}
    assert texts & {"Because you liked War 3 and War 4", "Because you liked War 4 and War 3"}


def test_two_items_are_named_with_what_was_done_to_each() -> None:
    shop = Shop()
    shop.feed(did("ann", "war-3", 5, Action.LIKE), did("ann", "war-4", 5.5, Action.RATING, 5.0))
    texts = {item.reason.text for item in shop.ask("ann", 20).items}
    assert texts & {"Because you liked War 3 and rated War 4", "Because you rated War 4 and liked War 3"}


@pytest.mark.parametrize(
    ("action", "value", "deed"),
    [
        (Action.DISLIKE, None, "did not like"), (Action.DWELL, 2.0, "did not like"),
        (Action.HIDE, None, "did not like"), (Action.RATING, 1.0, "rated"),
    ],
)  # fmt: skip
def test_what_was_not_liked_is_called_so(action: Action, value: float | None, deed: str) -> None:
    attracts = Train(dislike_links=0.8)  # a model in which a disliked item still says what one is interested in
    shop = Shop(model=worlds.bundle(train=attracts, collaborative=0.0, **NO_TREND))
    shop.feed(did("ann", "war-3", 5, action, value))
    assert only(shop, "war") == Reason("history", f"Because you {deed} War 3", ("war-3",))


def test_what_no_single_thing_explains_trends_or_is_popular() -> None:
    shop = Shop(model=worlds.bundle(item_to_item=0.0, collaborative=0.0, trending=1.0))
    shop.feed(did("ann", "war-3", 5), did("bob", "love-2", 5))
    reasons = {item.item_id: item.reason for item in shop.ask("ann", 20).items}
    assert reasons["love-2"] == Reason("trending", "Trending now")
    assert reasons["war-1"] == Reason("popular", "Popular with everybody")
    assert shop.ask("nobody", 5).items[2].reason == Reason("popular", "Popular with everybody")


def test_an_explored_item_says_that_it_is_something_different() -> None:
    shop = Shop(Placement(category_cap=0, explore_share=0.1))
    shop.feed(*(did("ann", f"war-{n}", n) for n in (1, 2, 3)))
    last = shop.ask("ann", 10).items[-1]
    assert last.source == "exploration"
    assert last.reason.code == "exploration"
    assert last.reason.text == f"Something different: {genre_of(last.item_id)}"
    assert genre_of(last.item_id) != "war"


def test_an_explored_item_without_a_category_is_new() -> None:
    bare = [worlds.Item(item_id=film.item_id) for film in worlds.films()]
    shop = Shop(Placement(explore_share=0.1), of=worlds.catalogs.build(bare, "films", {}))
    assert shop.ask("nobody", 10).items[-1].reason.text == "Something different: new to you"


def test_who_does_not_ask_for_reasons_gets_none() -> None:
    shop = Shop()
    shop.feed(did("ann", "war-3", 5))
    alone, _ = shop.run(query("ann", explain=False))
    assert {item.reason.code for item in alone[0].items} == {"unexplained"}
    beside, _ = shop.run(query("ann", explain=False), query("ann"))
    assert [{item.reason.code for item in answer.items} for answer in beside] == [{"unexplained"}, {"history"}]


def judged(shop: Shop, asked: str, k: int = 5, user: str = "ann") -> Verdict:
    verdict = shop.ask(user, k, asked=asked).verdict
    assert verdict
    return verdict


@pytest.fixture
def narrow() -> Shop:
    """Give a shop that proposes few candidates, with a cap, to a user who loves war."""
    made = Shop(Placement(collaborative=12, item_to_item=12, popular=8, category_cap=2, explore_share=0.0))
    made.change("war-5", status="sold out")
    made.feed(*(did("ann", f"war-{n}", n) for n in (1, 2, 3)))
    return made


def test_nobody_who_does_not_ask_gets_a_verdict(narrow: Shop) -> None:
    answers, _ = narrow.run(query("ann"), query("ann", asked="war-1"))
    assert answers[0].verdict is None
    assert answers[1].verdict


def test_the_verdict_on_an_item_shown(narrow: Shop) -> None:
    best: Shown = narrow.ask("ann", 5).items[0]
    verdict = judged(narrow, best.item_id)
    assert (verdict.outcome, verdict.rank, verdict.dropped_by) == ("shown", 1, "")
    assert verdict.score == best.score
    assert verdict.proposed_by == best.found_by
    assert verdict.cutoff == min(item.score for item in narrow.ask("ann", 5).items)


def test_the_verdict_on_an_item_that_others_outrank(narrow: Shop) -> None:
    longer = narrow.ask("ann", 5).items
    verdict = judged(narrow, longer[4].item_id, 3)
    assert verdict.outcome == "outranked"
    assert verdict.proposed_by == longer[4].found_by
    assert verdict.score == longer[4].score < verdict.cutoff == longer[2].score
    assert verdict.rank == 5


@pytest.mark.parametrize(("item", "rule"), [("war-1", "seen"), ("war-5", "unavailable"), ("war-7", "category_cap")])
def test_the_verdict_on_an_item_that_a_rule_dropped(narrow: Shop, item: str, rule: str) -> None:
    first = [one for one in (f"war-{n}" for n in range(4, 16)) if one not in shown(narrow.ask("ann", 5))]
    asked = item if rule != "category_cap" else next(one for one in first if one != "war-5")
    verdict = judged(narrow, asked)
    assert (verdict.outcome, verdict.dropped_by) == ("dropped", rule)
    assert verdict.proposed_by


def test_the_verdict_on_an_item_that_no_source_proposed(narrow: Shop) -> None:
    verdict = judged(narrow, "crime-15")
    assert (verdict.outcome, verdict.proposed_by, verdict.dropped_by) == ("not_proposed", (), "")


def test_the_verdict_on_an_item_that_does_not_exist(narrow: Shop) -> None:
    assert judged(narrow, "no-such-thing") == Verdict("unknown_item")


def test_the_parts_of_a_score_add_up_to_it(narrow: Shop) -> None:
    verdict = judged(narrow, "war-9")
    assert sum(verdict.parts.values()) == pytest.approx(verdict.score, rel=1e-5)
    expected = {name: worlds.WEIGHTS.get(name, 0.0) * value for name, value in verdict.inputs.items()}
    assert verdict.parts == pytest.approx(expected, rel=1e-5)
    assert verdict.inputs["collaborative"] > 0
    assert verdict.inputs["popularity"] == pytest.approx(np.log1p(61 - narrow.catalog.number("war-9")), rel=1e-5)


def test_a_verdict_is_the_same_alone_and_in_a_batch(narrow: Shop) -> None:
    queries = [query(user, 5, asked=item) for user in ("ann", "nobody") for item in ("war-1", "love-2", "zz", "")]
    together, _ = narrow.run(*queries)
    assert [answer.verdict for answer in together] == [narrow.run(one)[0][0].verdict for one in queries]
