"""Does the sequence model weigh the newest items by place and age, and know what it would say without one?"""

import numpy as np

import worlds
from foryou.domain.event import Action, Event
from foryou.domain.records import NOBODY
from foryou.domain.slate import QueryBatch
from foryou.features.fold import fold
from foryou.features.hydrate import WINDOW, assemble_batch
from foryou.models.sequence import Fading, Sequence
from worlds import did, query

SHOP = worlds.Shop()
N = len(SHOP.catalog)
RANDOM = np.random.default_rng(3)
INTO = RANDOM.normal(0, 1, (N + 1, 8)).astype(np.float32)
OUT = RANDOM.normal(0, 1, (N + 1, 9)).astype(np.float32)
INTO[0] = OUT[0] = 0
FADING = Fading((0.5, 2.0), 0.25)
MODEL = Sequence(INTO, OUT, FADING)
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


def test_the_score_is_the_bias_and_the_faded_vectors_against_the_candidate_group_by_group() -> None:
    expected = OUT[:, 8].copy()
    liked = {"war-9": (0, 0.7, 10), "space-3": (1, 1.0, 20), "war-4": (2, 0.5, 30), "war-1": (4, 1.0, 50)}
    for item, (place, taste, age) in liked.items():  # the dislike at place 3 is no entry
        row = INTO[SHOP.catalog.number(item)]
        for group, power in ((slice(0, 4), 0.5), (slice(4, 8), 2.0)):
            expected += taste * (1 + place) ** -power * (1 + age) ** -0.25 * (OUT[:, group] @ row[group])
    np.testing.assert_allclose(scores(batch(ANN))[0, 1:], expected[1:], rtol=1e-4, atol=1e-5)


def test_a_low_rating_is_an_entry_as_heavy_as_it_is_told_to_be_and_a_dislike_is_none() -> None:
    low = did("ann", "love-2", 40, Action.RATING, value=1.0)
    for event, rated_low, sign in ((low, 1.0, 1), (low, 0.0, 0), (low, 0.5, 0.5), (ANN[1], 1.0, 0)):
        found = []
        for asked in (batch([event]), batch([])):
            out = np.full((1, N + 1), np.nan, np.float32)
            Sequence(INTO, OUT, Fading((0.5, 2.0), 0.0, rated_low=rated_low)).fill(asked, ALL, out)
            found.append(out[0])
        expected = sign * (OUT[:, :8] @ INTO[SHOP.catalog.number("love-2")])
        np.testing.assert_allclose(found[0] - found[1], expected, atol=1e-5)


def test_someone_without_history_gets_the_bias_and_an_item_without_a_row_gets_nothing() -> None:
    assert scores(batch([]))[0].tolist() == OUT[:, 8].tolist()
    out = np.full((1, 2), np.nan, np.float32)
    MODEL.fill(batch(ANN), np.array([[0, N + 7]], np.int32), out)
    assert out.tolist() == [[0, 0]]


def test_the_score_without_an_action_is_that_of_a_history_without_it() -> None:
    out = np.full((1, 6, N + 1), np.nan, np.float32)
    asked = batch(ANN)
    assert MODEL.without(asked, ALL, out)
    for entry in range(5):
        rest = [event for event in ANN if event is not ANN[4 - entry]]
        np.testing.assert_allclose(out[0, entry], scores(batch(rest))[0], atol=1e-5)
    np.testing.assert_allclose(out[0, 5], scores(asked)[0], atol=1e-5)


def test_without_an_action_is_exact_up_to_the_edge_of_the_window() -> None:
    ids = [item.item_id for item in worlds.films()][:WINDOW]
    events = [did("ann", item_id, WINDOW - place) for place, item_id in enumerate(ids)]
    out = np.full((1, WINDOW, N + 1), np.nan, np.float32)
    MODEL.without(batch(events), ALL, out)
    for entry in (0, 20, WINDOW - 1):
        rest = [event for place, event in enumerate(events) if place != WINDOW - 1 - entry]
        np.testing.assert_allclose(out[0, entry], scores(batch(rest))[0], atol=1e-4)


def test_a_user_gets_the_same_bits_alone_and_in_a_batch() -> None:
    people = (ANN, [], ANN[2:])
    together = scores(batch(*people))
    for b, person in enumerate(people):
        assert scores(batch(person)).tobytes() == together[b : b + 1].tobytes()
