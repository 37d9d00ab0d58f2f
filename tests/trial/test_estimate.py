"""Do intervals hold what they promise: at every look, with the past taken in, and for several arms?"""

import numpy as np
import pytest

from foryou.trial.estimate import Sample, always_valid_p, holm, lift, mean_of, mismatch_p, sequential
from foryou.trial.power import effect_found, half_width, users_needed

SHARES = [0.5, 0.25, 0.25]


def drawn(random: np.random.Generator, users: int, raised: float = 0.0) -> Sample:
    """Draw users of whom some look more and some like more; what they did before tells about it."""
    eager, lists = random.gamma(2, 0.15, users).clip(0, 0.8), random.poisson(4, users).astype(np.float64) + 1
    past = random.poisson(eager * 30)
    clicks = random.binomial(lists.astype(int), (eager * (1 + raised)).clip(0, 1))
    return Sample(clicks.astype(float), lists, past[:, None].astype(float))


def first(sample: Sample, users: int) -> Sample:
    """Give the first users of a sample."""
    assert sample.before is not None
    return Sample(sample.above[:users], sample.below[:users], sample.before[:users])


def test_a_ratio_has_the_variance_that_it_shows_when_drawn_again_and_again() -> None:
    random = np.random.default_rng(1)
    means = [mean_of(drawn(random, 500)) for _ in range(600)]
    assert np.var([one.value for one in means]) == pytest.approx(np.mean([one.variance for one in means]), rel=0.15)


def test_an_a_a_test_that_is_looked_at_ten_times_is_wrong_at_most_as_often_as_promised() -> None:
    random = np.random.default_rng(2)
    naive = ours = 0
    for _ in range(300):
        both = drawn(random, 2_000), drawn(random, 2_000)
        looks = [lift(first(both[0], n), first(both[1], n), 0.05) for n in range(100, 2_001, 200)]
        ours += any(one is not None and not one.low <= 0 <= one.high for one in looks)
        naive += any(one is not None and not one.fixed_low <= 0 <= one.fixed_high for one in looks)
    assert ours / 300 <= 0.05 + 1.96 * np.sqrt(0.05 * 0.95 / 300)
    assert naive / 300 > 0.12, "looking at the usual interval that often is wrong far more often"


def test_a_planted_effect_is_covered_and_the_past_makes_users_unnecessary() -> None:
    random = np.random.default_rng(3)
    found = [lift(drawn(random, 1_000), drawn(random, 1_000, 0.05), 0.05) for _ in range(300)]
    real = [one for one in found if one]
    assert len(real) == 300
    assert np.mean([one.low <= 0.05 <= one.high for one in real]) >= 0.93
    assert np.mean([one.fixed_low <= 0.05 <= one.fixed_high for one in real]) >= 0.93
    assert np.mean([one.saved for one in real]) >= 0.2
    assert np.mean([one.value for one in real]) == pytest.approx(0.05, abs=0.01)


def test_too_few_users_have_no_verdict_and_equal_users_no_doubt() -> None:
    random = np.random.default_rng(4)
    assert lift(drawn(random, 40), drawn(random, 1_000), 0.05) is None
    same, more = Sample(np.ones(60), np.ones(60)), Sample(np.full(60, 2.0), np.ones(60))
    found = lift(same, more, 0.05)
    assert found is not None
    assert (found.low, found.high, found.p) == (1.0, 1.0, 0.0)


def test_bounds_and_p_say_the_same() -> None:
    for value in (0.0, 0.02, 0.05, 0.08, 0.2):
        for variance in (1e-6, 1e-4, 4e-4, 1e-2):
            low, _ = sequential(value, variance, 0.05)
            assert (low > 0) == (always_valid_p(value, variance, 0.05) < 0.05)


def test_holm_never_undercuts_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_a_sample_ratio_mismatch_is_found_and_chance_is_not() -> None:
    random, alarms = np.random.default_rng(5), 0
    for _ in range(300):
        dealt = np.cumsum(random.multinomial(1, SHARES, 2_000), axis=0)
        alarms += any(mismatch_p(dealt[at].tolist(), SHARES) < 0.05 for at in range(99, 2_000, 100))
    assert alarms / 300 <= 0.05 + 1.96 * np.sqrt(0.05 * 0.95 / 300)
    assert mismatch_p([5_300, 2_350, 2_350], SHARES) < 0.001
    assert mismatch_p([10, 0], [1.0, 0.0]) == 1.0
    assert mismatch_p([10, 1], [1.0, 0.0]) == 0.0


def test_power_is_what_runs_show() -> None:
    noise, effect = 1.0, 0.1
    users = users_needed(noise, effect, peeking=False)
    assert users == pytest.approx(4 * 7.85 / 0.01 * (1 + 1.1**2) / 2, rel=0.01)
    assert users < users_needed(noise, effect) < 3 * users
    assert effect_found(noise, users, peeking=False) == pytest.approx(effect, rel=0.01)
    variance = noise * 2 * (1 + 1.1**2) / users_needed(noise, effect)
    values = np.random.default_rng(6).normal(effect, np.sqrt(variance), 20_000)
    assert np.mean(values > half_width(variance, effect, peeking=True)) == pytest.approx(0.8, abs=0.02)
