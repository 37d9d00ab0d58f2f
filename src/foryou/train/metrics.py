"""How good is a list? The usual figures at a cut-off, and intervals by resampling users."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

K = 10
RESAMPLES = 2_000


def ndcg_of_rank(rank: NDArray[np.integer], k: int = K) -> NDArray[np.float64]:
    """Give NDCG@k of predictions with one relevant item each, from its rank (0 = first, -1 = not in the list)."""
    hit = (rank >= 0) & (rank < k)
    return np.where(hit, 1 / np.log2(np.where(hit, rank, 0) + 2.0), 0.0)


@dataclass(frozen=True, slots=True)
class ListScore:
    """Figures of one list against a set of relevant items."""

    precision: float
    recall: float
    ndcg: float
    hit: float


def score_list(shown: list[int], relevant: set[int], k: int = K) -> ListScore:
    """Give precision, recall, NDCG and hit rate at k; the ideal list has min(k, |relevant|) hits."""
    hits = np.array([item in relevant for item in shown[:k]], np.bool_)
    gains = 1 / np.log2(np.arange(k) + 2.0)
    ideal = gains[: min(k, len(relevant))].sum()
    found = int(hits.sum())
    return ListScore(found / k, found / len(relevant), float(gains[: len(hits)][hits].sum() / ideal), float(found > 0))


def area(relevant: NDArray[np.bool_]) -> list[float]:
    """Give the area under the ROC curve of one list in its order, relevant bool [n]; nothing if all are alike."""
    good, bad = int(relevant.sum()), int((~relevant).sum())
    if not good or not bad:
        return []
    return [float((bad - np.cumsum(~relevant)[relevant]).sum()) / (good * bad)]


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of two means with its 95 % interval, users resampled together for both."""

    value: float
    low: float
    high: float


def paired_bootstrap(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], user: NDArray[np.integer], seed: int = 0
) -> Ratio:
    """Give mean(ours) / mean(theirs) with its interval. ours, theirs float64 [n] per prediction, user [n] whose it is.

    Whole users are drawn with replacement (Efron, Tibshirani 1993): predictions of one user are not independent.
    """
    _, code = np.unique(user, return_inverse=True)
    a, b = np.bincount(code, ours), np.bincount(code, theirs)
    draws = np.random.default_rng(seed).integers(0, len(a), (RESAMPLES, len(a)))
    above, below = a[draws].sum(axis=1), b[draws].sum(axis=1)
    ratios = above[below > 0] / below[below > 0]
    if not len(ratios):
        return Ratio(float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Ratio(float(a.sum() / b.sum()) if b.sum() else float("nan"), float(low), float(high))


def interval(values: NDArray[np.float64], user: NDArray[np.integer], seed: int = 0) -> tuple[float, float]:
    """Give the 95 % interval of the mean of values [n], users resampled."""
    _, code = np.unique(user, return_inverse=True)
    total, count = np.bincount(code, values), np.bincount(code)
    draws = np.random.default_rng(seed).integers(0, len(total), (RESAMPLES, len(total)))
    means = total[draws].sum(axis=1) / count[draws].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
