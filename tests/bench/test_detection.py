"""Is a bundle that users like less taken back after as many users as the power calculator says?"""

import numpy as np
import pytest

from foryou.bench.rollout import LOOKS, POWER, until_found
from foryou.trial.estimate import ALPHA, Sample
from foryou.trial.power import noise, users_needed

RUNS = 60


@pytest.fixture(scope="module")
def world() -> tuple[np.ndarray, np.ndarray]:
    """Give what 4,000 users did: clicks, of items shown; some look often, and some like what they see."""
    random = np.random.default_rng(5)
    shown = 10.0 * (1 + random.poisson(3, 4_000))
    return random.binomial(shown.astype(int), random.beta(2, 8, 4_000)).astype(float), shown


@pytest.mark.parametrize(("drop", "share"), [(0.2, 0.5), (0.3, 0.1)])
def test_a_drop_is_found_by_the_predicted_number_of_users_with_the_predicted_chance(
    world: tuple[np.ndarray, np.ndarray], drop: float, share: float
) -> None:
    predicted = users_needed(noise(Sample(*world)), drop, (1 - share, share), POWER, alpha=ALPHA, drop=True)
    step = predicted // LOOKS
    took = [until_found(*world, drop, share, step, 2 * LOOKS, ALPHA, seed) for seed in range(RUNS)]
    in_time = np.mean([0 < one <= LOOKS * step for one in took])
    assert POWER - 0.15 < in_time <= 1.0
    assert np.median([one or 2 * predicted for one in took]) < predicted


def test_what_is_as_good_is_hardly_ever_taken_back_however_often_one_looks(
    world: tuple[np.ndarray, np.ndarray],
) -> None:
    alarms = [until_found(*world, 0.0, 0.5, 200, 40, ALPHA, seed) > 0 for seed in range(4 * RUNS)]
    assert np.mean(alarms) <= ALPHA
