"""How many users does an experiment need, or how small an effect can it find?"""

from math import ceil, sqrt
from statistics import NormalDist

from foryou.trial.estimate import ALPHA, Sample, mean_of, sequential

MAX_USERS = 10**9


def noise(sample: Sample) -> float:
    """Give the variance of a user's part in a metric, relative to the metric squared. Of this power is reckoned."""
    mean = mean_of(sample)
    return mean.spread / mean.value**2 if mean.value else 0.0


def half_width(variance: float, effect: float, peeking: bool, alpha: float = ALPHA) -> float:
    """Give how far an interval reaches: one that bears looking at any time, or one for a single look."""
    if peeking:
        low, high = sequential(0.0, variance, effect, alpha)
        return (high - low) / 2
    return NormalDist().inv_cdf(1 - alpha / 2) * sqrt(variance)


def users_needed(
    noise: float, effect: float, shares: tuple[float, float] = (0.5, 0.5), power: float = 0.8, peeking: bool = True,
    alpha: float = ALPHA, drop: bool = False,
) -> int:  # fmt: skip
    """Give the users of the whole experiment, control and arm by their shares, that find an effect with this chance.

    With `peeking` by the end of it; most runs end sooner. drop: the arm has so much less, and its
    counts vary as their mean does. Gives MAX_USERS where there is no end.
    """
    reach, varies = NormalDist().inv_cdf(power), 1 - effect if drop else (1 + effect) ** 2

    def found(users: int) -> bool:
        variance = noise * (1 / shares[0] + varies / shares[1]) / users
        return half_width(variance, effect, peeking, alpha) + reach * sqrt(variance) <= effect

    high = 1
    while high < MAX_USERS and not found(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return min(high, MAX_USERS)


def effect_found(
    noise: float, users: int, shares: tuple[float, float] = (0.5, 0.5), power: float = 0.8, peeking: bool = True,
    alpha: float = ALPHA,
) -> float:  # fmt: skip
    """Give the smallest relative effect that so many users find with this chance, to a thousandth of itself."""
    low, high = 1e-6, 10.0
    while high / low > 1.001:
        middle = (low * high) ** 0.5
        enough = users_needed(noise, middle, shares, power, peeking, alpha) <= users
        low, high = (low, middle) if enough else (middle, high)
    return ceil(high * 1e6) / 1e6
