"""Do the item vectors minimise what they should, and do they recover a world whose answer is known?"""

from dataclasses import replace

import numba
import numpy as np
import pytest
from tables import checkerboard, table

import oracles
from foryou.train.als import AlsSettings, factorise, factors, pairs
from foryou.train.dataset import Interactions

SMALL = AlsSettings(width=6, iterations=8, unobserved=0.1, regularisation=0.05, power=1.0)


def folded(vectors: np.ndarray, log: Interactions, user: int, settings: AlsSettings) -> np.ndarray:
    """Give the scores of all items for a user of the log."""
    items = log.item[log.user == user]
    ridge = settings.regularisation * (len(items) + settings.unobserved * log.items) ** settings.power
    ones = np.ones(len(items))
    return vectors @ oracles.fold_in(vectors, items.tolist(), ones, ones, settings.unobserved, ridge)


def test_on_a_checkerboard_everybody_gets_the_squares_of_the_own_colour() -> None:
    log, likes = checkerboard()
    vectors = factorise(log, SMALL)
    for user in range(len(likes)):
        scores = folded(vectors, log, user, SMALL)
        fresh = np.setdiff1d(np.arange(1, 41), log.item[log.user == user])
        best = fresh[np.argsort(-scores[fresh])[:3]]
        assert likes[user, best].all()
        assert scores[likes[user]].min() > scores[~likes[user]].max()


def slow_sweeps(log: Interactions, settings: AlsSettings) -> np.ndarray:
    """Do what `factorise` does, one normal equation after the other."""
    random = np.random.default_rng(settings.seed)
    shape = (log.items + 1, settings.width)
    y = random.normal(0, 0.1 / np.sqrt(settings.width), shape).astype(np.float32).astype(float)
    y[0] = 0
    x = np.zeros((len(log.user_ids), settings.width))
    confidence = np.where(log.taste < 0, -settings.dislike * log.taste, log.taste)
    for _ in range(settings.iterations):
        for into, own, other, key, key2 in ((x, y, log.items, log.user, log.item), (y, x, len(x), log.item, log.user)):
            for row in range(len(into)):
                mine = key == row
                ridge = settings.regularisation * (mine.sum() + settings.unobserved * other) ** settings.power
                matrix = settings.unobserved * own.T @ own + ridge * np.eye(settings.width)
                matrix += (own[key2[mine]] * confidence[mine, None]).T @ own[key2[mine]]
                right = (confidence[mine] * (log.taste[mine] > 0)) @ own[key2[mine]]
                into[row] = np.linalg.solve(matrix, right) if mine.any() else 0
    return y


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_each_sweep_solves_the_normal_equations_of_either_side(power: float) -> None:
    random = np.random.default_rng(3)
    rows = sorted({(int(random.integers(8)), int(random.integers(1, 11))) for _ in range(40)})
    log = table([(user, item, float(random.choice([0.5, 1.0, -1.0]))) for user, item in rows], 12)
    settings = AlsSettings(width=3, iterations=3, unobserved=0.2, regularisation=0.3, power=power, dislike=0.7)
    found = factorise(log, settings)
    np.testing.assert_allclose(found, slow_sweeps(log, settings), atol=2e-5)
    assert not found[[0, 12]].any(), "nobody, and an item that nobody acted on"
    assert found.dtype == np.float32


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_enough_gradient_steps_are_the_exact_solution(power: float) -> None:
    random = np.random.default_rng(5)
    rows = sorted({(int(random.integers(30)), int(random.integers(1, 21))) for _ in range(240)})
    log = table([(user, item, float(random.choice([0.5, 1.0, -1.0]))) for user, item in rows], 22)
    exact = AlsSettings(width=5, iterations=3, unobserved=0.2, regularisation=0.3, power=power, dislike=0.7)
    start = factorise(log, replace(exact, iterations=1))
    wanted = factorise(log, exact, start=start)
    np.testing.assert_allclose(factorise(log, replace(exact, steps=12), start=start), wanted, atol=1e-3)
    far, near = (np.abs(factorise(log, replace(exact, steps=steps), start=start) - wanted).max() for steps in (1, 4))
    assert near < far


def test_few_gradient_steps_also_find_the_squares_of_the_own_colour() -> None:
    log, likes = checkerboard()
    users, items = factors(log, replace(SMALL, steps=2, iterations=12))
    scores = users @ items.T
    for user in range(len(likes)):
        assert scores[user][likes[user]].min() > scores[user][~likes[user]].max()


def test_the_number_of_threads_does_not_change_a_bit() -> None:
    log, _ = checkerboard()
    before, found = numba.get_num_threads(), []
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            found.append(factorise(log, SMALL).tobytes())
    finally:
        numba.set_num_threads(before)
    assert found[0] == found[1]


def test_the_seed_decides_and_nothing_else() -> None:
    log, _ = checkerboard(20, 10)
    again = [factorise(log, AlsSettings(width=4, iterations=2, seed=seed)) for seed in (1, 1, 2)]
    assert again[0].tobytes() == again[1].tobytes()
    assert again[0].tobytes() != again[2].tobytes()


def test_progress_is_told_after_each_sweep() -> None:
    told: list[tuple[int, int]] = []
    factorise(
        checkerboard(6, 6, 1)[0], AlsSettings(width=2, iterations=3), lambda done, total: told.append((done, total))
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_pair_counts_once_with_its_strongest_taste_the_newest_of_equals() -> None:
    log = table([(0, 1, 0.5), (1, 1, 0.7), (0, 1, -1.0), (0, 2, 0.0), (0, 1, 1.0), (1, 2, 0.5), (0, 1, 0.9)], 3)
    user, item, taste = pairs(log)
    rows = list(zip(user.tolist(), item.tolist(), taste.tolist(), strict=True))
    assert rows == [(1, 1, np.float32(0.7)), (0, 1, 1.0), (1, 2, 0.5)]


def test_without_events_there_are_no_pairs() -> None:
    assert [len(column) for column in pairs(table([], 3))] == [0, 0, 0]


def test_a_warm_start_ends_where_a_cold_one_does_in_fewer_sweeps() -> None:
    log, _ = checkerboard()
    aim = factorise(log, replace(SMALL, iterations=60))
    scores = aim @ aim.T

    def away(vectors: np.ndarray) -> float:
        return float(np.abs(vectors @ vectors.T - scores).mean())

    yesterday = factorise(log.part(0, len(log) - 30), replace(SMALL, iterations=20))
    warm = factorise(log, replace(SMALL, iterations=2), start=yesterday)
    assert away(warm) < 0.5 * away(factorise(log, replace(SMALL, iterations=2)))
    assert away(warm) < away(yesterday)


def test_of_a_window_items_that_nobody_touched_keep_the_vectors_of_yesterday() -> None:
    log, _ = checkerboard()
    yesterday = factorise(log, SMALL)[:31]
    today = log.where(np.flatnonzero(log.item <= 12))
    warm = factorise(today, replace(SMALL, iterations=2), start=yesterday)
    touched = np.unique(today.item)
    assert warm.shape == (log.items + 1, 6)
    still = np.setdiff1d(np.arange(1, 31), touched)
    assert np.array_equal(warm[still], yesterday[still])
    assert not np.isclose(warm[touched], yesterday[touched]).all(axis=1).any()
    assert not warm[0].any()


def test_vectors_of_another_width_are_not_gone_on_from() -> None:
    log, _ = checkerboard()
    narrow = factorise(log, replace(SMALL, width=3))
    assert np.array_equal(factorise(log, SMALL, start=narrow), factorise(log, SMALL))
