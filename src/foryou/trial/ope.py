"""What would another configuration have earned? Estimates from logged answers, without showing it to anybody."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CLIP = 100.0  # the largest weight; what is cut off is told
ENOUGH = 500  # rounds that weights must be worth; below, intervals are shorter than they should be


@dataclass(frozen=True, slots=True)
class Logged:
    """Rounds of a log. reward, chance: of what was shown, under the policy that showed it; wanted: the chance that
    the other policy gives it; cluster: whose round it is.  all [n]

    guess: what a model expects of what was shown, value: what it expects of the other policy in this round; None = no
    model.
    """

    reward: Floats
    chance: Floats
    wanted: Floats
    guess: Floats | None = None
    value: Floats | None = None
    cluster: NDArray[np.int64] | None = None

    def part(self, rows: NDArray[np.bool_]) -> "Logged":
        """Give some of the rounds.  rows bool [n]"""
        return Logged(
            self.reward[rows], self.chance[rows], self.wanted[rows],
            None if self.guess is None else self.guess[rows], None if self.value is None else self.value[rows],
            None if self.cluster is None else self.cluster[rows],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimated mean reward with the bounds of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Evaluated:
    """All estimates. effective: rounds that the weights are worth; clipped: share of rounds whose weight was cut;
    mean_weight: about 1 where the log has all that the other policy shows, below where it lacks some of it.
    """

    ips: Estimate
    snips: Estimate
    doubly_robust: Estimate | None
    rounds: int
    effective: float
    clipped: float
    mean_weight: float


def evaluate(log: Logged, alpha: float = 0.05, clip: float = CLIP) -> Evaluated:
    """Give what another policy would have earned per round.

    IPS: Horvitz and Thompson 1952; SNIPS: Swaminathan and Joachims 2015, with the delta method; doubly robust: Dudík et
    al. 2011. Intervals are normal over clusters, where there are some.
    """
    weight = np.where(log.wanted > 0, log.wanted / np.maximum(log.chance, 1e-12), 0.0)
    cut = np.minimum(weight, clip)
    mean = float(cut.mean())
    ips = _interval(cut * log.reward, log.cluster, alpha)
    ratio = float((cut * log.reward).sum() / cut.sum()) if cut.any() else 0.0
    snips = _interval(cut * (log.reward - ratio) / (mean or 1.0), log.cluster, alpha, ratio)
    robust = None
    if log.guess is not None and log.value is not None:
        robust = _interval(log.value + cut * (log.reward - log.guess), log.cluster, alpha)
    square = float((cut**2).sum())
    effective = float(cut.sum()) ** 2 / square if square else 0.0
    return Evaluated(ips, snips, robust, len(weight), effective, float((weight > clip).mean()), mean)


def _interval(parts: Floats, cluster: NDArray[np.int64] | None, alpha: float, around: float | None = None) -> Estimate:
    """Give the mean of the parts, or `around`, with the interval of the mean."""
    value, count = float(parts.mean()), len(parts)
    rest = parts - value
    if cluster is not None:
        rest = np.bincount(np.unique(cluster, return_inverse=True)[1], rest).astype(np.float64)
    half = NormalDist().inv_cdf(1 - alpha / 2) * sqrt(float((rest**2).sum())) / count
    middle = value if around is None else around
    return Estimate(middle, middle - half, middle + half)


def cross_fitted(
    reward: Floats, inputs: Floats, other: Floats, wanted: Floats, folds: int = 5, ridge: float = 1.0, seed: int = 42
) -> tuple[Floats, Floats]:
    """Give `guess` and `value` of a linear model of the reward, each round judged by a model that never saw it.

    inputs  float64 [n, f] of what was shown · other  float64 [n, a, f] of all that could be · wanted  float64 [n, a]
    (Chernozhukov et al. 2018.)
    """
    fold = np.random.default_rng(seed).integers(0, folds, len(reward))
    guess, value = np.zeros(len(reward)), np.zeros(len(reward))
    for one in range(folds):
        learned, judged = fold != one, fold == one
        middle, mean = inputs[learned].mean(axis=0), float(reward[learned].mean())
        x = inputs[learned] - middle
        slope = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ (reward[learned] - mean))
        guess[judged] = mean + (inputs[judged] - middle) @ slope
        value[judged] = (wanted[judged] * (mean + (other[judged] - middle) @ slope)).sum(axis=1)
    return guess, value
