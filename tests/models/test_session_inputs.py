"""Do the inputs of session and profile say what their definition says, alone as in a batch, and without an action?"""

import math
from typing import Any

import numpy as np
import pytest

from foryou.domain import catalog as catalogs
from foryou.domain.clock import DAY_MS, HOUR_MS
from foryou.domain.event import Action, Event, hashes
from foryou.domain.item import Item, ItemChange
from foryou.domain.ports import Feature
from foryou.domain.records import NOBODY, Trending, UserChange, UserRecord
from foryou.domain.slate import Query, QueryBatch
from foryou.features import trending
from foryou.features.fold import fold, fold_profiles
from foryou.features.hydrate import assemble_batch
from foryou.models import signals
from foryou.models.content import Content
from foryou.train import content
from worlds import MINUTE_MS, NOW_MS, did, query

random = np.random.default_rng(3)
NAMES = ("war", "love", "space", "crime")
ITEMS = [
    Item(
        item_id=f"i{n}", title=f"{NAMES[n % 4]} story {n % 7}", brand=("", "acme", "zenith")[n % 3],
        categories=tuple(random.permutation(NAMES)[: n % 4].tolist()), price=float(n % 5) * 7,
        published_ms=NOW_MS - n * DAY_MS if n % 2 else 0, tags=("long",) if n % 3 else (),
    )
    for n in range(30)
]  # fmt: skip
CATALOG = catalogs.build(ITEMS, "v", {}).extended(
    [
        ItemChange(item_id="i3", op="patch", categories=("comedy", "war")),
        ItemChange(item_id="n1", op="put", categories=("comedy",), brand="new", price=9.0, title="A new comedy"),
    ],
    {},
)
NOTHING = Trending(np.zeros(0, np.int32), np.zeros(0, np.uint64), np.zeros(0, np.int64), {})
VIEW = trending.view(CATALOG, NOTHING, NOW_MS)
ALL = np.arange(len(CATALOG) + 1, dtype=np.int32)
ACTS = (Action.LIKE, Action.VIEW, Action.DISLIKE, Action.PURCHASE, Action.HIDE, Action.CLICK)
LONG = [did("u", f"i{n * 7 % 30}", 5 + 9**n % 5000, ACTS[n % 6]) for n in range(12)]
FEW = [did("u", "i4", 3, Action.VIEW), did("u", "n1", 9, Action.PURCHASE), did("u", "i3", 9_999, Action.DISLIKE)]
LATELY = [
    Event("s", "u", Action.SEARCH, NOW_MS - 60_000, query="love story"), *FEW,
    Event("p", "u", Action.VIEW, NOW_MS - 60_000, "i9", context={"category": "space", "device": "tv"}),
    *(Event(f"m{n}", "u", Action.IMPRESSION, NOW_MS - n * HOUR_MS, f"i{n // 2}") for n in range(30)),
]  # fmt: skip
PROFILE = UserChange(user_id="u", op="put", age=33, gender="f", location="Rome", interests=("war", "comedy", "chess"))
PEOPLE: dict[str, tuple[list[Event], dict[str, Any]]] = {
    "nobody": ([], {}), "one action": (FEW[:1], {}), "few": (FEW, {"category": "war"}), "long": (LONG, {}),
    "lately": (LATELY, {}), "disliker": ([did("u", "i7", 4, Action.DISLIKE)], {"search": "a new comedy"}),
}  # fmt: skip


def record(events: list[Event]) -> UserRecord:
    known = fold({}, events, range(len(events))).records.get("u", NOBODY)
    return fold_profiles({"u": known}, [PROFILE], [0])["u"] if len(events) > 3 else known


def asked(*names: str) -> QueryBatch:
    records = [record(PEOPLE[name][0]) for name in names]
    return assemble_batch([query("u", **PEOPLE[name][1]) for name in names], records, VIEW)


def lift(kind: str, *groups: str) -> signals.Lift:
    table = np.random.default_rng(len(kind)).normal(0, 1, (len(groups) + 1, 4)).astype(np.float32)
    table[0], table[:, 0] = 0, 0
    return signals.Lift(kind, hashes(list(groups)), table)


FEATURES: tuple[Feature, ...] = (
    signals.CategoryMatch(), signals.BrandMatch(), signals.PriceMatch(), signals.SearchMatch(), signals.PageMatch(),
    signals.Arrival(), signals.Fatigue(), lift("age", "20", "30"), lift("gender", "m", "f"), lift("location", "Rome"),
    lift("device", "tv"), lift("hour", "evening", "night"),
    Content(content.fit(catalogs.build(ITEMS, "v", {}), np.ones(31, np.float32), content.ContentSettings(width=6))),
)  # fmt: skip
BY_NAME = {feature.name: feature for feature in FEATURES}
EACH = pytest.mark.parametrize("name", BY_NAME)


def filled(name: str, batch: QueryBatch) -> np.ndarray:
    out = np.full((len(batch), len(ALL)), np.nan, np.float32)
    BY_NAME[name].fill(batch, np.tile(ALL, (len(batch), 1)), out)
    return out


def entries(batch: QueryBatch) -> list[tuple[Item, float]]:
    """Give the items of a history with taste times recency."""
    stock = {item.item_id: item for item in ITEMS}
    stock["i3"] = Item(item_id="i3", brand="", categories=("comedy", "war"), price=stock["i3"].price)
    stock["n1"] = Item(item_id="n1", categories=("comedy",), brand="new", price=9.0)
    ages = (NOW_MS - batch.at_ms[0]) / MINUTE_MS
    return [
        (stock[CATALOG.id_of(number)], float(taste) * (1 + age) ** -0.3)
        for number, taste, age in zip(batch.history[0].tolist(), batch.taste[0], ages, strict=True)
        if number
    ]


def candidates() -> list[Item]:
    """Give the items by number, nobody first."""
    stock = [Item(item_id=""), *ITEMS, Item(item_id="n1", categories=("comedy",), brand="new", price=9.0)]
    stock[4] = Item(item_id="i3", brand="", categories=("comedy", "war"), price=ITEMS[3].price)
    return stock


def category_match(batch: QueryBatch) -> list[float]:
    told = [(item, weight) for item, weight in entries(batch) if item.categories]
    whole = sum(abs(weight) for _, weight in told) or 1
    chosen = set(batch.core[0].interests)

    def liked(name: str) -> float:
        return sum(w / len(item.categories) for item, w in told if name in item.categories) / whole + (name in chosen)

    return [sum(liked(name) for name in item.categories) for item in candidates()]


def brand_match(batch: QueryBatch) -> list[float]:
    told = [(item.brand, weight) for item, weight in entries(batch) if item.brand]
    whole = sum(abs(weight) for _, weight in told) or 1
    return [sum(w for brand, w in told if brand == item.brand) / whole for item in candidates()]


def price_match(batch: QueryBatch) -> list[float]:
    paid = [(math.log(item.price), weight) for item, weight in entries(batch) if item.price > 0 and weight > 0]
    if not paid:
        return [0.0] * len(ALL)
    usual = sum(log * weight for log, weight in paid) / sum(weight for _, weight in paid)
    return [-min(3.0, abs(math.log(item.price) - usual)) if item.price > 0 else 0.0 for item in candidates()]


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("oracle", [category_match, brand_match, price_match])
def test_a_match_is_what_its_definition_says(oracle: Any, person: str) -> None:
    batch = asked(person)
    np.testing.assert_allclose(filled(oracle.__name__, batch)[0], oracle(batch), atol=1e-5)


@EACH
def test_one_query_gets_the_same_bits_alone_and_in_a_batch(name: str) -> None:
    together = filled(name, asked(*PEOPLE))
    assert np.isfinite(together).all()
    assert together.any()
    for b, person in enumerate(PEOPLE):
        assert filled(name, asked(person)).tobytes() == together[b : b + 1].tobytes()


@EACH
@pytest.mark.parametrize("person", ["one action", "few", "long", "lately", "disliker"])
def test_without_an_action_means_as_if_it_had_not_been_done(name: str, person: str) -> None:
    batch = asked("long", person)
    length = int((batch.history[1] > 0).sum())
    out = np.full((2, length, len(ALL)), np.nan, np.float32)
    counts = BY_NAME[name].without(batch, np.tile(ALL, (2, 1)), out)
    for entry in range(length):
        gone = CATALOG.id_of(int(batch.history[1, entry]))
        rest = [event for event in PEOPLE[person][0] if event.item_id != gone or event.action is Action.IMPRESSION]
        known = record(rest)
        core = batch.core[1]  # session and profile stay what they were
        again = assemble_batch([batch.query[1]], [UserRecord(core, known.history, known.seen)], VIEW)
        again.shown, again.shown_start = asked(person).shown, asked(person).shown_start
        whole = filled(name, again)[0]
        expected = out[1, entry] if counts else filled(name, asked(person))[0]
        np.testing.assert_allclose(expected, whole, atol=1e-4)


def test_the_categories_of_one_slate_are_not_taken_for_those_of_another() -> None:
    batch = asked("few")
    for n in range(8):  # each array may come to stand where the last one stood
        item = ALL[None, n : n + 4].copy()
        out = np.zeros(item.shape, np.float32)
        BY_NAME["category_match"].fill(batch, item, out)
        assert out.tobytes() == filled("category_match", asked("few"))[:, n : n + 4].tobytes()
        del item


def values(name: str, batch: QueryBatch) -> dict[str, float]:
    return {CATALOG.id_of(number): value for number, value in enumerate(filled(name, batch)[0].tolist()) if number}


def test_a_search_matches_by_the_share_of_its_words() -> None:
    found = values("search_match", assemble_batch([query("u", search="love story")], [None], VIEW))
    assert (found["i1"], found["i4"], found["n1"]) == (1.0, 0.5, 0.0)
    assert found["i1"] == values("search_match", asked("lately"))["i1"]
    assert not any(values("search_match", assemble_batch([query("u", search="!")], [None], VIEW)).values())


def test_a_name_of_several_words_is_found_as_a_whole() -> None:
    item = Item(item_id="x", categories=("Science Fiction",))
    other = Item(item_id="y", categories=("Fiction",))
    view = trending.view(catalogs.build([item, other], "v", {}), NOTHING, NOW_MS)
    batch, out = assemble_batch([query("u", search="science fiction")], [None], view), np.zeros((1, 2), np.float32)
    signals.SearchMatch().fill(batch, np.array([[1, 2]], np.int32), out)
    assert out.tolist() == [[1.0, 0.5]]


def test_a_page_matches_the_items_of_its_category() -> None:
    for category in ("war", "comedy", "nothing like it", ""):
        found = values("page_match", assemble_batch([query("u", category=category)], [None], VIEW))
        expected = {item.item_id: float(category in item.categories) for item in candidates()[1:]}
        assert found == expected


def test_an_item_is_half_as_new_after_a_fortnight_and_unknown_ages_count_nothing() -> None:
    item = [Item(item_id=str(days), published_ms=NOW_MS - days * DAY_MS) for days in (0, 14, 28, -3)]
    view = trending.view(catalogs.build([*item, Item(item_id="?")], "v", {}), NOTHING, NOW_MS)
    out = np.zeros((1, 5), np.float32)
    signals.Arrival().fill(assemble_batch([query("u")], [None], view), np.arange(1, 6, dtype=np.int32)[None], out)
    assert out.tolist() == [[1.0, 0.5, 0.25, 1.0, 0.0]]


def test_fatigue_grows_with_the_impressions_of_a_day() -> None:
    found = values("fatigue", asked("lately"))
    times = [sum(n // 2 == item and n < 24 for n in range(30)) for item in range(30)]
    assert [found[f"i{item}"] for item in range(30)] == pytest.approx([-math.log1p(n) for n in times])


def test_a_lift_is_the_mean_over_the_categories_of_an_item() -> None:
    table = np.array([[0, 0, 0], [0, 2, -1]], np.float32)
    feature = signals.Lift("location", hashes(["Rome"]), table)
    stock = [Item(item_id="a", categories=("x",)), Item(item_id="b", categories=("x", "y")), Item(item_id="c")]
    view = trending.view(catalogs.build(stock, "v", {}), NOTHING, NOW_MS)

    def lifts(location: str) -> list[float]:
        out = np.full((1, 3), np.nan, np.float32)
        one = Query("u", 5, NOW_MS, 1, location=location)
        feature.fill(assemble_batch([one], [None], view), np.array([[1, 2, 3]], np.int32), out)
        return out[0].tolist()

    assert lifts("Rome") == [2.0, 0.5, 0.0]
    assert lifts("Oslo") == lifts("") == [0.0, 0.0, 0.0]
