"""Are items found by what they are, new ones at once, by history, interests, search and the callers' own vectors?"""

import threading

import numpy as np

from foryou.domain import catalog as catalogs
from foryou.domain.catalog import Catalog
from foryou.domain.event import Action, Event
from foryou.domain.item import Item, ItemChange
from foryou.domain.records import NOBODY, Trending, UserChange
from foryou.domain.slate import QueryBatch
from foryou.features import trending
from foryou.features.fold import fold, fold_profiles
from foryou.features.hydrate import assemble_batch
from foryou.models.content import Content
from foryou.train import content
from foryou.train.content import ContentSettings
from worlds import NOW_MS, did, query

TOPICS = ("war", "love", "space", "crime")
NOTHING = Trending(np.zeros(0, np.int32), np.zeros(0, np.uint64), np.zeros(0, np.int64), {})


def stock(each: int = 12, **more: object) -> list[Item]:
    """Give items `war-0`, `love-0`, … whose words go with their topic; one word in four is anybody's."""
    random = np.random.default_rng(5)
    return [
        Item(
            item_id=f"{topic}-{n}", title=" ".join(f"{topic}{k}" for k in random.integers(0, 9, 6)) + f" any{n % 3}",
            categories=(topic,), brand=f"{topic} house", **more,
        )
        for n in range(each)
        for topic in TOPICS
    ]  # fmt: skip


CATALOG = catalogs.build(stock(), "v", {})


def trained(catalog: Catalog = CATALOG, **settings: object) -> Content:
    popularity = np.ones(len(catalog) + 1, np.float32)
    return Content(content.fit(catalog, popularity, ContentSettings(width=8, **settings)))


def batch(*events: Event, of: Catalog = CATALOG, interests: tuple[str, ...] = (), **said: object) -> QueryBatch:
    record = fold({}, events, range(len(events))).records.get("u", NOBODY)
    change = UserChange(user_id="u", op="put", interests=interests)
    record = fold_profiles({"u": record}, [change], [0])["u"]
    return assemble_batch([query("u", **said)], [record], trending.view(of, NOTHING, NOW_MS))


def found(model: Content, asked: QueryBatch, n: int = 12) -> list[str]:
    item, score = model.propose(asked, n)
    order = np.argsort(-score[0], kind="stable")
    return [asked.view.catalog.id_of(number) for number in item[0][order].tolist() if number]


def topics(names: list[str]) -> set[str]:
    return {name.split("-")[0] for name in names}


def scores(model: Content, asked: QueryBatch) -> dict[str, float]:
    catalog = asked.view.catalog
    item = np.arange(1, len(catalog) + 1, dtype=np.int32)[None]
    out = np.full(item.shape, np.nan, np.float32)
    model.fill(asked, item, out)
    return {catalog.id_of(number): value for number, value in zip(item[0].tolist(), out[0].tolist(), strict=True)}


def mean(found: dict[str, float], topic: str) -> float:
    return float(np.mean([value for name, value in found.items() if name.startswith(topic)]))


def test_history_interests_and_search_each_find_their_own_kind() -> None:
    model = trained()
    for asked in (batch(did("u", "war-1")), batch(interests=("war",)), batch(interests=("War House",)),
                  batch(search="war3"), batch(Event("s", "u", Action.SEARCH, NOW_MS, query="war house"))):  # fmt: skip
        assert topics(found(model, asked)) == {"war"}
        worth = scores(model, asked)
        assert all(mean(worth, "war") > 0.3 + mean(worth, other) for other in ("love", "space", "crime"))


def test_nothing_known_finds_nothing() -> None:
    model = trained()
    for asked in (batch(), batch(search="zebra"), batch(did("u", "gone-1")), batch(interests=("zebra",))):
        assert found(model, asked) == []
        assert set(scores(model, asked).values()) == {0.0}


def test_a_dislike_lowers_its_kind_and_finds_nothing() -> None:
    model, asked = trained(), batch(did("u", "war-1", 5, Action.DISLIKE))
    assert found(model, asked) == []
    assert mean(scores(model, asked), "war") < -0.3


def test_a_search_outweighs_the_history_of_an_hour_ago() -> None:
    model = trained()
    told = batch(*(did("u", f"love-{n}", 60 + n) for n in range(5)), search="war house")
    worth = scores(model, told)
    assert mean(worth, "war") > mean(worth, "love") > mean(worth, "space")


def test_an_item_that_came_or_changed_a_moment_ago_is_found_by_what_it_is_now() -> None:
    model = trained()
    changes = [
        ItemChange(item_id="new", op="put", title="war1 war2 war3", categories=("war",)),
        ItemChange(item_id="love-1", op="put", title="war4 war5", categories=("war",)),
    ]
    now = CATALOG.extended(changes, {})
    model.prepare(now)
    asked = batch(did("u", "war-1"), of=now)
    assert {"new", "love-1"} < set(found(model, asked))
    worth = scores(model, asked)
    assert min(worth["new"], worth["love-1"]) > worth["love-2"] + 0.25
    new = now.number("new")
    asked.anchor[:] = new
    beside = [now.id_of(number) for number in model.neighbours(asked, 9)[0][0].tolist() if number]
    assert topics(beside) <= {"war", "love"} and "love-1" in beside and "new" not in beside  # noqa: PT018
    asked.anchor[:] = now.number("war-3")
    assert new in model.neighbours(asked, 12)[0][0].tolist()


def test_vectors_worked_out_anew_are_those_of_the_training() -> None:
    model = trained()
    items = np.arange(1, len(CATALOG) + 1, dtype=np.int32)
    np.testing.assert_allclose(model.encode(CATALOG, items), model.vectors[1:], atol=1e-6)


def test_views_may_be_asked_for_in_any_order() -> None:
    model = trained()
    views = [CATALOG]
    for n in range(6):
        change = ItemChange(item_id=f"new-{n % 4}", op="put", title=f"{TOPICS[n % 4]}1 {TOPICS[n // 2]}2")
        views.append(views[-1].extended([change], {}))
    for place in (6, 0, 3, 6, 2, 5, 1, 4, 6, 6, 0):
        of = views[place]
        asked = batch(did("u", "war-1"), of=of)
        worth = scores(trained(), asked)
        assert scores(model, asked) == worth
        assert found(model, asked) == found(trained(), asked)


def test_two_threads_may_look_at_once() -> None:
    model, broken = trained(), []
    views = [CATALOG.extended([ItemChange(item_id=f"n{n}", op="put", title="war1")], {}) for n in range(4)]

    def look() -> None:
        try:
            for n in range(2_000):
                assert len(model.fresh(views[n % 4]).items) == 1
        except Exception as error:  # noqa: BLE001 - it is what the test asks about
            broken.append(error)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not broken


def test_the_callers_own_vectors_join_the_terms() -> None:
    """Items without a word in common, whose own vectors say that they are alike."""
    random = np.random.default_rng(1)
    poles = random.normal(0, 1, (2, 5))
    items = [
        Item(item_id=f"{'ab'[n % 2]}{n}", title=f"word{n}", embedding=tuple(poles[n % 2] + random.normal(0, 0.1, 5)))
        for n in range(20)
    ]
    catalog = catalogs.build(items, "v", {})
    for own in (1.0, 0.3):
        model = trained(catalog, own=own)
        change = ItemChange(item_id="a-new", op="put", embedding=items[0].embedding)
        wrong = ItemChange(item_id="wrong", op="put", embedding=(1.0, 2.0))
        now = catalog.extended([change, wrong], {})
        asked = batch(did("u", "a0"), of=now)
        worth = scores(model, asked)
        assert mean(worth, "a") > 0.5 > mean(worth, "b")
        assert worth["a-new"] == np.float32(worth["a0"])
        assert worth["wrong"] == 0.0
        assert "a-new" in found(model, asked)
        numbers = np.arange(1, 21, dtype=np.int32)
        np.testing.assert_allclose(model.encode(catalog, numbers), model.vectors[1:], atol=1e-5)


def test_the_weight_of_own_vectors_decides_between_them_and_the_terms() -> None:
    items = [
        Item(item_id=f"i{n}", title=("war1 war2", "love1 love2")[n % 2], embedding=((1.0, 0.0), (0.0, 1.0))[n // 2 % 2])
        for n in range(16)
    ]
    catalog = catalogs.build(items, "v", {})

    def product(own: float, one: int, other: int) -> float:
        vectors = trained(catalog, own=own).vectors
        return float(vectors[one + 1] @ vectors[other + 1])

    assert product(3.0, 0, 1) > product(3.0, 0, 2)  # the same own vector
    assert product(0.3, 0, 1) < product(0.3, 0, 2)  # the same words


def test_a_user_gets_the_same_bits_alone_and_in_a_batch() -> None:
    model = trained()
    people = [batch(did("u", "war-1"), did("u", "love-3", 9)), batch(), batch(search="crime3"),
              batch(interests=("space",))]  # fmt: skip
    records = [fold({}, [did("u", "war-1"), did("u", "love-3", 9)], range(2)).records["u"], None, None, None]
    joined = assemble_batch([one.query[0] for one in people], records, people[0].view)
    joined.core = [one.core[0] for one in people]
    item, score = model.propose(joined, 10)
    for b, one in enumerate(people):
        alone = model.propose(one, 10)
        assert (alone[0].tobytes(), alone[1].tobytes()) == (item[b].tobytes(), score[b].tobytes())
        assert model.user(one).tobytes() == model.user(joined)[b].tobytes()
