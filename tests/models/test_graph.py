"""Does the graph filter add vectors and links, find the best of both, and know what it would say without an action?"""

import numpy as np
import pytest

import worlds
from foryou.domain.event import Action, Event
from foryou.domain.records import NOBODY
from foryou.domain.slate import QueryBatch
from foryou.features.fold import fold
from foryou.features.hydrate import WINDOW, assemble_batch
from foryou.models.graph import Filter, Graph
from foryou.models.index import Exact
from foryou.models.item_item import ItemItemSettings, Links
from foryou.models.recency import Recency
from foryou.train.item_item import heaviest
from worlds import did, query

SHOP = worlds.Shop()
N = len(SHOP.catalog)
RANDOM = np.random.default_rng(5)
INTO, OUT = RANDOM.normal(0, 0.3, (2, N + 1, 6)).astype(np.float32)
INTO[0] = OUT[0] = 0
ROWS = worlds.links()
SETTINGS = ItemItemSettings(Recency(WINDOW - 1, 0.5, 0.25), dislike=-0.5)
MODEL = Graph(Filter(INTO, OUT, Links(None, *heaviest(ROWS, N))), Exact(OUT), SETTINGS)
WHOLE = INTO @ OUT.T + ROWS  # the operator that the model holds in parts
ALL = np.arange(N + 1, dtype=np.int32)[None]
ANN = [
    did("ann", "war-1", 50), did("ann", "love-2", 40, Action.DISLIKE), did("ann", "war-4", 30, Action.VIEW),
    did("ann", "space-3", 20, Action.PURCHASE), did("ann", "war-9", 10, Action.CLICK),
]  # fmt: skip


def batch(*people: list[Event]) -> QueryBatch:
    records = [fold({}, one, range(len(one))).records.get("ann", NOBODY) for one in people]
    return assemble_batch([query("ann") for _ in people], records, SHOP.view())


def scores(asked: QueryBatch) -> np.ndarray:
    out = np.full((len(asked), N + 1), np.nan, np.float32)
    MODEL.fill(asked, np.repeat(ALL, len(asked), axis=0), out)
    return out


def test_the_score_is_the_sum_of_the_operators_rows_weighted_by_taste_place_and_age() -> None:
    taste = {"war-9": 0.7, "space-3": 1.0, "war-4": 0.5, "love-2": -0.5, "war-1": 1.0}
    expected = sum(
        taste[item] * (1 + place) ** -0.5 * (1 + 10 * (place + 1)) ** -0.25 * WHOLE[SHOP.catalog.number(item)]
        for place, item in enumerate(taste)
    )
    np.testing.assert_allclose(scores(batch(ANN))[0, 1:], expected[1:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n", [1, 7, N])
def test_what_is_proposed_has_its_whole_score_and_stands_once(n: int) -> None:
    item, score = MODEL.propose(batch(ANN, [], ANN[:2]), n)
    found = scores(batch(ANN, [], ANN[:2]))
    assert item.shape == (3, n)
    for b in (0, 2):
        there = item[b][item[b] > 0]
        assert len(set(there.tolist())) == len(there) == n
        np.testing.assert_allclose(score[b][item[b] > 0], found[b, there], atol=1e-6)
    assert not item[1].any()


def test_what_is_proposed_is_the_best_of_all_where_both_parts_find_enough() -> None:
    item, _ = MODEL.propose(batch(ANN), N)
    assert set(item[0].tolist()) == set(range(1, N + 1))
    best = int(np.argmax(scores(batch(ANN))[0, 1:])) + 1
    assert best in MODEL.propose(batch(ANN), 20)[0][0]


def test_an_action_of_just_now_changes_the_answer() -> None:
    before, after = scores(batch(ANN[:4]))[0], scores(batch(ANN))[0]
    assert np.abs(after - before).max() > 0.01


def test_the_score_without_an_action_is_that_of_a_history_without_it() -> None:
    out = np.full((1, 6, N + 1), np.nan, np.float32)
    assert MODEL.without(batch(ANN), ALL, out)
    for entry in range(5):
        rest = [event for event in ANN if event is not ANN[4 - entry]]
        np.testing.assert_allclose(out[0, entry], scores(batch(rest))[0], atol=1e-5)
    np.testing.assert_allclose(out[0, 5], scores(batch(ANN))[0], atol=1e-5)


def test_a_user_gets_the_same_bits_alone_and_in_a_batch() -> None:
    people = (ANN, [], ANN[2:])
    together = MODEL.propose(batch(*people), 9)
    for b, person in enumerate(people):
        alone = MODEL.propose(batch(person), 9)
        assert [part.tobytes() for part in alone] == [part[b : b + 1].tobytes() for part in together]
