"""Are the figures those that one gets by hand, and do intervals hold what they should?"""

import numpy as np
import pytest

from foryou.train.metrics import Ratio, interval, ndcg_of_rank, paired_bootstrap, score_list


def test_the_gain_of_one_relevant_item_falls_with_its_rank() -> None:
    found = ndcg_of_rank(np.array([0, 1, 2, 9, 10, -1]))
    assert found.tolist() == pytest.approx([1, 1 / np.log2(3), 0.5, 1 / np.log2(11), 0, 0])
    assert ndcg_of_rank(np.array([2, 3]), k=3).tolist() == [0.5, 0.0]


def test_the_figures_of_a_list_are_those_reckoned_by_hand() -> None:
    score = score_list([7, 3, 9, 1], {3, 1, 5}, k=4)
    assert (score.precision, score.recall, score.hit) == (0.5, pytest.approx(2 / 3), 1)
    gain = 1 / np.log2(3) + 1 / np.log2(5)
    assert score.ndcg == pytest.approx(gain / (1 + 1 / np.log2(3) + 0.5))


def test_the_best_list_scores_one_and_a_list_beside_the_point_nought() -> None:
    assert score_list([1, 2, 3], {1, 2, 3, 4, 5}, k=3).ndcg == pytest.approx(1)
    assert score_list([1, 2], {1, 2}, k=10).ndcg == pytest.approx(1)
    worst = score_list([8, 9], {1}, k=2)
    assert (worst.precision, worst.recall, worst.ndcg, worst.hit) == (0, 0, 0, 0)
    assert score_list([], {1}).precision == 0


def test_only_the_first_k_count() -> None:
    assert score_list([9, 8, 1], {1}, k=2).hit == 0


def people(users: int, each: int) -> np.ndarray:
    return np.repeat(np.arange(users), each)


def test_a_planted_ratio_lies_within_its_interval() -> None:
    random, user = np.random.default_rng(5), people(400, 10)
    taste = np.repeat(random.gamma(2, 0.2, 400), 10)  # users differ far more than the two models do
    theirs = random.random(4_000) * taste
    ours = 1.2 * theirs + random.normal(0, 0.02, 4_000)
    ratio = paired_bootstrap(ours, theirs, user)
    assert ratio.value == pytest.approx(ours.mean() / theirs.mean())
    assert ratio.low < 1.2 < ratio.high
    assert 1.1 < ratio.low < ratio.value < ratio.high < 1.3
    alone = interval(theirs, user)
    assert (alone[1] - alone[0]) / theirs.mean() > 2 * (ratio.high - ratio.low), "pairing takes the users' spread out"


def test_equal_models_have_the_ratio_one_exactly() -> None:
    gains = np.array([0.2, 0.5, 0.0, 1.0])
    assert paired_bootstrap(gains, gains, np.array([0, 0, 1, 2])) == Ratio(1.0, 1.0, 1.0)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        values = np.repeat(random.normal(1, 0.5, 40), 3) + random.normal(0, 0.3, 120)
        low, high = interval(values, people(40, 3))
        covered += low < 1 < high
    assert 50 <= covered <= 60


def test_whole_users_are_resampled() -> None:
    same = np.repeat([0.0, 1.0, 0.0, 1.0], 50)
    one_by_one = interval(same, np.arange(200))
    by_user = interval(same, people(4, 50))
    assert by_user[1] - by_user[0] > 3 * (one_by_one[1] - one_by_one[0])


def test_a_seed_gives_the_same_interval_again() -> None:
    random = np.random.default_rng(1)
    rows = random.random(50), random.random(50), random.integers(0, 9, 50)
    assert paired_bootstrap(*rows, seed=3) == paired_bootstrap(*rows, seed=3) != paired_bootstrap(*rows, seed=4)


def test_against_nothing_there_is_no_ratio() -> None:
    ratio = paired_bootstrap(np.ones(4), np.zeros(4), np.arange(4))
    assert np.isnan([ratio.value, ratio.low, ratio.high]).all()
