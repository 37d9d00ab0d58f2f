"""Do random numbers that are hashes behave as random numbers, and stay the same whoever asks?"""

import numpy as np
import pytest

from foryou.simulate.draws import For, gumbel, mixed, normal, uniform, whole

N = np.arange(20_000)


def test_a_number_does_not_depend_on_what_is_asked_beside_it() -> None:
    alone = [float(uniform(7, For.CLICKED, n, 3)) for n in (0, 5, 19_999)]
    assert uniform(7, For.CLICKED, N, 3)[[0, 5, 19_999]].tolist() == alone


def test_seed_purpose_and_every_key_change_the_number() -> None:
    numbers = {
        int(bits)
        for bits in (
            mixed(7, For.CLICKED, 1, 2), mixed(8, For.CLICKED, 1, 2), mixed(7, For.EXAMINED, 1, 2),
            mixed(7, For.CLICKED, 2, 2), mixed(7, For.CLICKED, 1, 3), mixed(7, For.CLICKED, 2, 1),
            mixed(7, For.CLICKED, 1), mixed(7, For.CLICKED, -1, 2),
        )
    }  # fmt: skip
    assert len(numbers) == 8


def test_uniform_numbers_lie_between_0_and_1_and_fill_it_evenly() -> None:
    drawn = uniform(1, For.HOT, N)
    assert drawn.min() > 0
    assert drawn.max() < 1
    assert np.abs(np.bincount((10 * drawn).astype(int)) / len(N) - 0.1).max() < 0.01


def test_neighbouring_keys_give_numbers_that_have_nothing_to_do_with_each_other() -> None:
    drawn = uniform(1, For.HOT, N)
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.02


def test_normal_numbers_have_mean_0_and_deviation_1() -> None:
    drawn = normal(1, For.STYLE, N)
    assert (drawn.mean(), drawn.std()) == (pytest.approx(0, abs=0.03), pytest.approx(1, abs=0.03))


def test_the_largest_of_gumbel_numbers_is_a_draw_by_the_weights() -> None:
    weights = np.array([0.1, 0.2, 0.7])
    chosen = np.argmax(np.log(weights) + gumbel(1, For.TASTE, N[:, None], np.arange(3)), axis=1)
    assert np.bincount(chosen) / len(N) == pytest.approx(weights, abs=0.02)


def test_whole_numbers_stay_below_their_limit_and_reach_all_of_it() -> None:
    assert set(whole(1, For.TOPIC, 3, N).tolist()) == {0, 1, 2}
