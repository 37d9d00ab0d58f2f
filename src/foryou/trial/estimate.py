"""By how much does an arm change a metric, and which values can be excluded at whatever moment somebody looks?"""

from dataclasses import dataclass
from math import exp, inf, lgamma, log, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ALPHA = 0.05
FEW = 50  # users of an arm who have anything to count; below, the normal law is no good approximation


@dataclass(frozen=True, slots=True)
class Sample:
    """Users of one arm: numerator and denominator of a metric, float64 [n], and what was known before, [n, c]."""

    above: Floats
    below: Floats
    before: Floats | None = None

    def __len__(self) -> int:
        return len(self.above)

    def enough(self) -> bool:
        """Say whether the normal law can be trusted."""
        return int(np.count_nonzero(self.above)) >= FEW


@dataclass(frozen=True, slots=True)
class Mean:
    """A ratio of means and its variance; `spread`: the variance of one user's part in it."""

    value: float
    variance: float
    spread: float


@dataclass(frozen=True, slots=True)
class Lift:
    """A relative change against the control.

    low, high: hold at all moments at once, so that looking early and often is safe; fixed_low, fixed_high: for one
    look that was planned beforehand. p: always valid. saved: share of users that CUPED makes unnecessary.
    """

    value: float
    variance: float
    low: float
    high: float
    fixed_low: float
    fixed_high: float
    p: float
    saved: float = 0.0


def mean_of(sample: Sample) -> Mean:
    """Give sum over sum; users are the unit, the ratio is linearised (delta method, Deng et al. 2018)."""
    return _mean(sample, _parts(sample))


def _parts(sample: Sample) -> Floats:
    """Give the part of each user in the ratio's deviation.  float64 [n]"""
    below = float(sample.below.mean()) or 1.0
    ratio = float(sample.above.mean()) / below
    return np.asarray((sample.above - ratio * sample.below) / below)


def _mean(sample: Sample, parts: Floats) -> Mean:
    spread = float(parts.var(ddof=1)) if len(parts) > 1 else 0.0
    total = float(sample.below.sum())
    return Mean(float(sample.above.sum()) / total if total else 0.0, spread / max(len(parts), 1), spread)


def lift(control: Sample, arm: Sample, effect: float, alpha: float = ALPHA) -> Lift | None:
    """Give the relative change, sharpened by what was known before (CUPED, Deng et al. 2013); None = too few users."""
    if not (control.enough() and arm.enough()):
        return None
    plain = _relative(mean_of(control), mean_of(arm))
    if plain[1] <= 0:  # every user is like every other
        same = plain[0]
        return Lift(same, 0.0, same, same, same, same, float(same == 0))
    sharper = _relative(*_adjusted(control, arm))
    value, variance = sharper if 0 < sharper[1] < plain[1] else plain
    low, high = sequential(value, variance, effect, alpha)
    half = NormalDist().inv_cdf(1 - alpha / 2) * sqrt(variance)
    p = always_valid_p(value, variance, effect)
    return Lift(value, variance, low, high, value - half, value + half, p, 1 - variance / plain[1])


def _relative(control: Mean, arm: Mean) -> tuple[float, float]:
    """Give the relative change and its variance (delta method)."""
    ratio = arm.value / control.value
    return ratio - 1, (arm.variance + ratio**2 * control.variance) / control.value**2


def _adjusted(control: Sample, arm: Sample) -> tuple[Mean, Mean]:
    """Give both means less what the past of their users explains; one slope for both arms, found within them."""
    before = [sample.before for sample in (control, arm)]
    own = [_parts(control), _parts(arm)]
    if before[0] is None or before[1] is None or not before[0].size:
        return _mean(control, own[0]), _mean(arm, own[1])
    centred = [one - one.mean(axis=0) for one in before if one is not None]
    x, y = np.concatenate(centred), np.concatenate(own)
    slope = np.linalg.lstsq(x, y, rcond=None)[0]
    middle = np.concatenate([one for one in before if one is not None]).mean(axis=0)
    found = []
    for sample, past, inner, parts in zip((control, arm), before, centred, own, strict=True):
        assert past is not None
        plain = _mean(sample, parts - inner @ slope)
        shift = float((past.mean(axis=0) - middle) @ slope)
        found.append(Mean(plain.value - shift, plain.variance, plain.spread))
    return found[0], found[1]


def sequential(value: float, variance: float, effect: float, alpha: float = ALPHA) -> tuple[float, float]:
    """Give bounds that hold at all looks together with a chance of 1 - alpha.

    A normal mixture over effects of the size `effect`: the mixture sequential probability ratio test (Johari et al.
    2017, eq. 10) as an interval, which is an asymptotic confidence sequence (Waudby-Smith et al. 2024, theorem 2.2).
    """
    if variance <= 0:
        return (value, value) if variance == 0 else (-inf, inf)
    prior = effect**2
    half = sqrt(2 * variance * (variance + prior) / prior * (log(1 / alpha) + log((variance + prior) / variance) / 2))
    return value - half, value + half


def always_valid_p(value: float, variance: float, effect: float) -> float:
    """Give the p-value that may be looked at whenever one likes: one over the mixture likelihood ratio, at most 1."""
    if variance <= 0:
        return 1.0
    prior = effect**2
    ratio = log(variance / (variance + prior)) / 2 + prior * value**2 / (2 * variance * (variance + prior))
    return min(1.0, exp(-ratio)) if ratio > -700 else 1.0


def holm(p: list[float]) -> list[float]:
    """Give the p-values of several comparisons, adjusted so that any false one among them has the given chance.

    Holm (1979): the smallest is multiplied by their number, the next by one less, and none falls below its forerunner.
    """
    order = sorted(range(len(p)), key=p.__getitem__)
    found, highest = [1.0] * len(p), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - place) * p[index]))
        found[index] = highest
    return found


def mismatch_p(counts: list[int], shares: list[float], strength: float = 100.0) -> float:
    """Give the chance, at whatever moment one looks, of users so unlike the shares: below 0.001 something is broken.

    A Dirichlet mixture around the shares against the shares themselves (Lindon and Malek 2022, eq. 6).
    """
    used = [(count, share) for count, share in zip(counts, shares, strict=True) if share > 0]
    if any(count for count, share in zip(counts, shares, strict=True) if share <= 0):
        return 0.0
    total = sum(count for count, _ in used)
    ratio = lgamma(strength) - lgamma(strength + total)
    for count, share in used:
        ratio += lgamma(strength * share + count) - lgamma(strength * share) - count * log(share)
    return min(1.0, exp(min(-ratio, 0.0)))
