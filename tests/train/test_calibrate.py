"""Is what is said to be likely as likely as that, and does the order stay?"""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from foryou.models.calibration import probability
from foryou.train.calibrate import curve, figures, rescaled
from tries import tries


def chances(score: NDArray[np.floating]) -> NDArray[np.floating]:
    """Give a truth that is no logistic curve: flat, then steep, 2 % to 60 %."""
    return 0.02 + 0.58 / (1 + np.exp(-6 * (score - 1)))


def drawn(count: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    random = np.random.default_rng(seed)
    score = random.normal(0, 1, count).astype(np.float32)
    return score, random.random(count) < chances(score)


def known(score: NDArray[np.float32], label: NDArray[np.bool_]) -> NDArray[np.float32]:
    knots = curve(score, label)
    assert knots is not None
    return knots


def test_the_curve_finds_the_planted_chances() -> None:
    knots = known(*drawn(200_000))
    at = np.array([-1, 0, 0.8, 1.2, 2], np.float32)
    np.testing.assert_allclose(probability(knots, at), chances(at), atol=0.03)


def test_a_platt_curve_is_further_away_from_what_is_not_logistic() -> None:
    from foryou.train.ranker import Groups, calibration

    score, label = drawn(50_000)
    rows = len(score)
    groups = Groups(
        score[:, None], np.array([0, rows]), label.astype(np.float32), np.full(rows, -1, np.int16),
        np.ones(1, np.float32),
    )  # fmt: skip
    slope, shift = calibration(groups, score)
    other, truth = drawn(50_000, seed=1)
    ours = np.mean((probability(known(score, label), other) - chances(other)) ** 2)
    platt = np.mean((1 / (1 + np.exp(-(slope * other + shift))) - chances(other)) ** 2)
    assert truth.any()
    assert ours < platt / 3


@tries(50)
@given(st.integers(0, 10_000), st.floats(-30, 30), st.floats(0.01, 100))
@example(50, 0.0, 1.0)  # two bins of equal chance that rounding makes unequal
def test_a_higher_score_never_has_a_lower_probability(seed: int, shift: float, scale: float) -> None:
    random = np.random.default_rng(seed)
    z = random.normal(0, 1, 3_000)
    score = (z * scale + shift).astype(np.float32)
    knots = known(score, random.random(3_000) < np.where(z > 0, 0.15, 0.05))  # hardly more than chance
    asked = np.sort(np.concatenate([score, random.normal(shift, 20 * scale, 500).astype(np.float32)]))
    said = probability(knots, asked)
    assert (np.diff(said) >= 0).all()
    inside = probability(knots, score)
    assert 0 < inside.min() < inside.max() < 1
    assert (np.diff(knots, axis=1) > 0).all()


def test_where_too_little_was_chosen_nothing_is_said() -> None:
    score, label = drawn(1_000)
    label[np.flatnonzero(label)[99:]] = False
    assert curve(score, label) is None
    assert curve(np.arange(1_000, dtype=np.float32), np.arange(1_000) < 500) is None  # the higher, the less likely
    assert curve(np.ones(1_000, np.float32), np.arange(1_000) < 500) is None


def test_the_figures_are_those_of_lists_that_the_curve_did_not_see() -> None:
    score, label = drawn(100_000)
    half = np.arange(len(score)) % 2 == 0
    found = figures(score, label, half)
    truth = chances(score)
    best = float(np.mean((truth - label) ** 2))
    assert found["calibration_ece"] < 0.01
    assert best - 0.002 < found["calibration_brier"] < best + 0.002
    assert found["calibration_brier_usual"] == pytest.approx(label.mean() * (1 - label.mean()), rel=1e-3)
    more = np.random.default_rng(9).random(len(score)) < 0.5
    apart = figures(score, np.where(half, label, label | more), half)  # each half learns what is wrong for the other
    assert apart["calibration_ece"] > 0.2
    assert figures(score[:50], label[:50], half[:50]) == {}


def test_a_second_fit_in_another_measure_says_the_same() -> None:
    score, label = drawn(20_000)
    knots = known(score, label)
    other = 3 * score - 7
    np.testing.assert_allclose(
        probability(rescaled(knots, score, other), other), probability(knots, score), rtol=2e-3, atol=1e-4
    )
