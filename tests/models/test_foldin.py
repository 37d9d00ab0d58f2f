"""Is the user vector the solution of implicit ALS, and is the score without one action that of a user without it?"""

from collections.abc import Sequence

import numpy as np
import pytest

import oracles
import worlds
from foryou.domain.event import Action, Event
from foryou.domain.records import NOBODY
from foryou.domain.slate import QueryBatch
from foryou.features.fold import fold
from foryou.features.hydrate import assemble_batch
from foryou.models.foldin import FoldIn, FoldInSettings, rotated
from foryou.models.recency import Recency
from worlds import did, query

VECTORS = worlds.vectors()
SHOP = worlds.Shop()
ALL = np.arange(len(VECTORS), dtype=np.int32)[None]
PLAIN = FoldInSettings(unobserved=0.2, regularisation=3.0, power=0.0, confidence=2.0, recency=Recency(50))
ANN = (
    did("ann", "war-1", 50), did("ann", "love-2", 40, Action.RATING, 1.0), did("ann", "war-4", 30, Action.VIEW),
    did("ann", "space-3", 20, Action.PURCHASE), did("ann", "war-9", 10, Action.CLICK),
)  # fmt: skip


def batch(*people: Sequence[Event]) -> QueryBatch:
    records = [fold({}, list(one), range(len(one))).records.get("ann", NOBODY) for one in people]
    return assemble_batch([query("ann") for _ in people], records, SHOP.view())


def model(settings: FoldInSettings = PLAIN) -> FoldIn:
    return FoldIn(*rotated(VECTORS), settings)


def scores(one: FoldIn, asked: QueryBatch) -> np.ndarray:
    one.represent(asked)
    out = np.full((len(asked), ALL.shape[1]), np.nan, np.float32)
    one.fill(asked, np.repeat(ALL, len(asked), axis=0), out)
    return out


def test_a_rotation_keeps_dot_products_and_makes_the_gram_matrix_diagonal() -> None:
    turned, spectrum = rotated(VECTORS)
    np.testing.assert_allclose(turned @ turned.T, VECTORS @ VECTORS.T, atol=1e-5)
    np.testing.assert_allclose(turned.T @ turned, np.diag(spectrum), atol=1e-4)
    assert turned.dtype == spectrum.dtype == np.float32
    assert not turned[0].any()


def test_vectors_of_noughts_can_be_rotated() -> None:
    turned, spectrum = rotated(np.zeros((3, 4), np.float32))
    assert not turned.any()
    assert not spectrum.any()


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_the_user_vector_solves_the_normal_equations_of_the_item_vectors(power: float) -> None:
    settings = FoldInSettings(unobserved=0.2, regularisation=3.0, power=power, confidence=2.0, dislike=0.5)
    found = scores(model(settings), batch(ANN))[0]
    history = [SHOP.catalog.number(event.item_id) for event in ANN]
    confidence, preference = [2.0, 0.5 * 2.0, 0.5 * 2.0, 2.0, 0.7 * 2.0], [1, 0, 1, 1, 1]
    ridge = 3.0 * (5 + 0.2 * 60) ** power
    user = oracles.fold_in(VECTORS, history, confidence, preference, 0.2, ridge)
    np.testing.assert_allclose(found, VECTORS @ user, atol=2e-5)


def test_a_dislike_takes_away_from_what_is_like_it() -> None:
    liked = [did("ann", "war-1", 9), did("ann", "love-1", 8)]
    plain = scores(model(), batch(liked))[0]
    disliked = scores(model(), batch([*liked, did("ann", "war-2", 1, Action.DISLIKE)]))[0]
    war, love = SHOP.catalog.number("war-9"), SHOP.catalog.number("love-9")
    assert disliked[war] < 0.9 * plain[war]
    assert disliked[love] == pytest.approx(plain[love], rel=0.1)


def test_older_actions_weigh_less_by_their_age_alone() -> None:
    fading = FoldInSettings(unobserved=0.2, regularisation=3.0, power=0.0, recency=Recency(50, 0.0, 0.5))
    events = [did("ann", "war-1", 24), did("ann", "love-1", 3)]
    found = scores(model(fading), batch(events))[0]
    rows = [SHOP.catalog.number("war-1"), SHOP.catalog.number("love-1")], [25**-0.5, 4**-0.5], [1, 1]
    np.testing.assert_allclose(found, VECTORS @ oracles.fold_in(VECTORS, *rows, 0.2, 3.0), atol=2e-5)


def test_only_the_newest_items_are_looked_at() -> None:
    short = FoldInSettings(unobserved=0.2, regularisation=3.0, power=0.0, confidence=2.0, recency=Recency(2))
    assert scores(model(short), batch(ANN)).tobytes() == scores(model(), batch(ANN[3:])).tobytes()


def test_nobody_gets_noughts() -> None:
    assert not scores(model(), batch([])).any()


def test_one_action_is_enough_for_a_vector_of_its_genre() -> None:
    found = scores(model(), batch([did("ann", "crime-5")]))[0]
    best = np.argsort(-found)[:15]
    assert {worlds.genre_of(SHOP.catalog.id_of(int(number))) for number in best} == {"crime"}


@pytest.mark.parametrize("age_power", [0.0, 0.5])
def test_the_score_without_an_action_is_that_of_a_history_without_it(age_power: float) -> None:
    settings = FoldInSettings(unobserved=0.2, regularisation=3.0, power=0.0, recency=Recency(50, 0.0, age_power))
    one, asked = model(settings), batch(ANN, [])
    one.represent(asked)
    out = np.full((2, 7, ALL.shape[1]), np.nan, np.float32)
    assert one.without(asked, np.repeat(ALL, 2, axis=0), out)
    for entry in range(5):  # entry 0 is the newest
        rest = [event for event in ANN if event is not ANN[4 - entry]]
        np.testing.assert_allclose(out[0, entry], scores(one, batch(rest))[0], atol=2e-5)
    whole = scores(one, batch(ANN))[0]
    np.testing.assert_allclose(out[0, 5], whole, atol=1e-6)  # an empty entry takes nothing away
    assert not out[1].any()
    assert np.abs(out[0, :5] - whole).max() > 0.01


def test_a_user_gets_the_same_bits_alone_and_in_a_batch() -> None:
    people = [ANN, ANN[:2], [], ANN[1:]]
    together = scores(model(), batch(*people))
    for b, person in enumerate(people):
        assert scores(model(), batch(person)).tobytes() == together[b : b + 1].tobytes()


def test_items_that_came_after_the_training_get_nought_and_do_not_disturb() -> None:
    asked = batch(ANN)
    asked.history[0, 0] = len(VECTORS) + 3
    one = model()
    one.represent(asked)
    out = np.full((1, 2), np.nan, np.float32)
    one.fill(asked, np.array([[len(VECTORS) + 3, 1]], np.int32), out)
    assert out[0, 0] == 0
    assert np.isfinite(out).all()


def test_vectors_of_sixteen_bits_give_the_scores_of_the_same_values_in_thirty_two() -> None:
    turned, spectrum = rotated(VECTORS)
    halves = turned.astype(np.float16)
    narrow, wide = FoldIn(halves, spectrum, PLAIN), FoldIn(halves.astype(np.float32), spectrum, PLAIN)
    one, other = batch(ANN, ANN[:2]), batch(ANN, ANN[:2])
    np.testing.assert_allclose(scores(narrow, one), scores(wide, other), rtol=1e-5, atol=1e-6)
    left = [np.empty((2, 5, ALL.shape[1]), np.float32) for _ in range(2)]
    asked = np.repeat(ALL, 2, axis=0)
    narrow.without(one, asked, left[0])
    wide.without(other, asked, left[1])
    np.testing.assert_allclose(*left, rtol=1e-4, atol=1e-5)
