"""Does the model sum the links of the newest items, whole or sparse, and know what it would say without one?"""

import numpy as np
import pytest

import worlds
from foryou.domain.event import Action, Event
from foryou.domain.records import NOBODY
from foryou.domain.slate import QueryBatch
from foryou.features.fold import fold
from foryou.features.hydrate import WINDOW, assemble_batch
from foryou.models.item_item import ItemItem, ItemItemSettings, Links
from foryou.models.recency import Recency
from foryou.train.item_item import heaviest
from worlds import did, query

ROWS = worlds.links()
SHOP = worlds.Shop()
WHOLE, SPARSE = Links(rows=ROWS), Links(None, *heaviest(ROWS, len(ROWS) - 1))
ALL = np.arange(len(ROWS), dtype=np.int32)[None]
ANN = [
    did("ann", "war-1", 50), did("ann", "love-2", 40, Action.DISLIKE), did("ann", "war-4", 30, Action.VIEW),
    did("ann", "space-3", 20, Action.PURCHASE), did("ann", "war-9", 10, Action.CLICK),
]  # fmt: skip
SETTINGS = ItemItemSettings(Recency(4, 0.5, 0.25), dislike=-0.5)


def batch(*people: list[Event]) -> QueryBatch:
    records = [fold({}, one, range(len(one))).records.get("ann", NOBODY) for one in people]
    return assemble_batch([query("ann") for _ in people], records, SHOP.view())


def scores(model: ItemItem, asked: QueryBatch) -> np.ndarray:
    out = np.full((len(asked), len(ROWS)), np.nan, np.float32)
    model.fill(asked, np.repeat(ALL, len(asked), axis=0), out)
    return out


def test_the_score_is_the_sum_of_links_weighted_by_taste_place_and_age() -> None:
    found = scores(ItemItem(WHOLE, SETTINGS), batch(ANN))[0]
    taste = {"war-9": 0.7, "space-3": 1.0, "war-4": 0.5, "love-2": -0.5}  # war-1 is the fifth newest
    age = {"war-9": 10, "space-3": 20, "war-4": 30, "love-2": 40}
    expected = sum(
        taste[item] * (1 + place) ** -0.5 * (1 + age[item]) ** -0.25 * ROWS[SHOP.catalog.number(item)]
        for place, item in enumerate(taste)
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_dislikes_count_nothing_unless_they_are_told_to() -> None:
    found = scores(ItemItem(WHOLE, ItemItemSettings()), batch(ANN))[0]
    assert not found[SHOP.catalog.number("love-5")]
    pushed = scores(ItemItem(WHOLE, ItemItemSettings(dislike=-0.5)), batch(ANN))[0]
    assert pushed[SHOP.catalog.number("love-5")] < 0


def test_sparse_rows_that_keep_everything_do_what_whole_rows_do() -> None:
    whole, sparse = ItemItem(WHOLE, SETTINGS), ItemItem(SPARSE, SETTINGS)
    asked = batch(ANN, [], ANN[:1])
    np.testing.assert_allclose(scores(sparse, asked), scores(whole, asked), atol=1e-6)
    anchors = np.array([3, 0, 9], np.int32)
    for n in (1, 7, 30, len(ROWS) - 1):
        for found, other in (
            (whole.propose(asked, n), sparse.propose(asked, n)),
            (whole.neighbours(anchors, n), sparse.neighbours(anchors, n)),
        ):
            for b in range(3):
                assert set(found[0][b]) | {0} == set(other[0][b]) | {0}
                sums = (np.sort(score[b][item[b] > 0]) for item, score in (found, other))
                np.testing.assert_allclose(*sums, rtol=1e-5)
    between = asked.history[:, :6].copy(), np.repeat(ALL, 3, axis=0)
    assert np.array_equal(WHOLE.between(*between), SPARSE.between(*between))


def test_what_is_proposed_are_the_best_positive_sums() -> None:
    model = ItemItem(WHOLE, SETTINGS)
    item, score = model.propose(batch(ANN), 12)
    expected = scores(model, batch(ANN))[0]
    best = np.argsort(-expected)[:12]
    assert sorted(item[0].tolist()) == sorted(best.tolist())
    np.testing.assert_allclose(np.sort(score[0]), np.sort(expected[best]), atol=1e-6)
    item, _ = model.propose(batch(ANN), 50)
    assert all(worlds.genre_of(SHOP.catalog.id_of(int(name))) in ("war", "space") for name in item[0] if name)
    assert not model.propose(batch([]), 5)[0].any()


def test_the_neighbours_of_an_item_are_its_strongest_links() -> None:
    number = SHOP.catalog.number("love-3")
    item, score = ItemItem(WHOLE, SETTINGS).neighbours(np.array([number, 0], np.int32), 3)
    assert set(item[0].tolist()) == set(np.argsort(-ROWS[number])[:3].tolist())
    assert sorted(score[0].tolist()) == sorted(np.sort(ROWS[number])[-3:].tolist())
    assert not item[1].any()


@pytest.mark.parametrize("links", [WHOLE, SPARSE], ids=["whole", "sparse"])
def test_the_score_without_an_action_is_that_of_a_history_without_it(links: Links) -> None:
    model = ItemItem(links, SETTINGS)
    asked = batch(ANN)
    out = np.full((1, 6, len(ROWS)), np.nan, np.float32)
    assert model.without(asked, ALL, out)
    for entry in range(5):  # with entry 0, the newest, left out, `war-1` comes in again: the four newest count
        rest = [event for event in ANN if event is not ANN[4 - entry]]
        np.testing.assert_allclose(out[0, entry], scores(model, batch(rest))[0], atol=1e-6)
    np.testing.assert_allclose(out[0, 5], scores(model, asked)[0], atol=1e-6)


def test_without_an_action_is_exact_up_to_the_edge_of_the_window() -> None:
    model = ItemItem(WHOLE, ItemItemSettings(Recency(WINDOW - 1, 0.5)))
    ids = [item.item_id for item in worlds.films()][:WINDOW]
    events = [did("ann", item_id, WINDOW - place) for place, item_id in enumerate(ids)]
    out = np.full((1, WINDOW, len(ROWS)), np.nan, np.float32)
    model.without(batch(events), ALL, out)
    for entry in (0, 20, WINDOW - 1):
        rest = [event for place, event in enumerate(events) if place != WINDOW - 1 - entry]
        np.testing.assert_allclose(out[0, entry], scores(model, batch(rest))[0], atol=1e-5)


def test_a_user_gets_the_same_bits_alone_and_in_a_batch() -> None:
    for links in (WHOLE, SPARSE):
        model, people = ItemItem(links, SETTINGS), (ANN, [], ANN[2:])
        together, proposed = scores(model, batch(*people)), model.propose(batch(*people), 9)
        for b, person in enumerate(people):
            assert scores(model, batch(person)).tobytes() == together[b : b + 1].tobytes()
            alone = model.propose(batch(person), 9)
            assert all(mine.tobytes() == both[b : b + 1].tobytes() for mine, both in zip(alone, proposed, strict=True))


def test_a_model_without_items_proposes_nothing() -> None:
    nothing = ItemItem(Links(rows=np.zeros((1, 1), np.float32)), SETTINGS)
    assert nothing.propose(batch(ANN), 5)[0].size == 0
    assert not scores(nothing, batch(ANN)).any()
