"""How wrong is a ranker? Its two losses with their slopes, the figures of its order, and its calibration."""

# mypy: disable-error-code="untyped-decorator"
import numpy as np
from numba import njit
from numpy.typing import NDArray

from foryou.train.metrics import ndcg_of_rank
from foryou.train.ranker.groups import Groups


@njit(cache=True)
def residual(
    logit: NDArray[np.float64], start: NDArray[np.int64], label: NDArray[np.float32], weight: NDArray[np.float32],
    form: int, slope: NDArray[np.float64],
) -> float:  # fmt: skip
    """Give the mean loss of logits [T] and fill slope [T] with its derivative.

    Pointwise: binary cross-entropy, mean over rows. Listwise: cross-entropy of the softmax over the group (Cao et al.
    2007), mean over groups in which something was chosen. Watch time: logistic, what was watched weighs its seconds
    (the label), all else 1, so exp(logit) comes to be the expected seconds (Covington, Adams, Sargin 2016). All
    weighted by group. form: `groups.FORMS`.
    """
    loss, count = 0.0, 1e-12
    for q in range(len(weight)):
        first, end = start[q], start[q + 1]
        if form == 1:
            chosen, best, total = 0.0, -np.inf, 0.0
            for t in range(first, end):
                chosen += label[t]
                best = max(best, logit[t])
            if chosen <= 0:
                slope[first:end] = 0.0
                continue
            for t in range(first, end):
                total += np.exp(logit[t] - best)
            for t in range(first, end):
                share = label[t] / chosen
                loss += weight[q] * share * (np.log(total) + best - logit[t])
                slope[t] = weight[q] * (np.exp(logit[t] - best) / total - share)
            count += weight[q]
        else:
            for t in range(first, end):
                counts = label[t] if form == 2 and label[t] > 0 else 1.0
                loss += weight[q] * (
                    counts * (max(logit[t], 0.0) + np.log1p(np.exp(-abs(logit[t])))) - logit[t] * label[t]
                )
                slope[t] = weight[q] * (counts / (1 + np.exp(-logit[t])) - label[t])
            count += weight[q] * (end - first)
    slope /= count
    return float(loss / count)


@njit(cache=True)
def ranks(score: NDArray[np.float32], start: NDArray[np.int64], label: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the rank of each group's best chosen candidate, 0 = first, -1 = none chosen.  float64 [Q]

    Equal scores share the mean of their ranks, so that the order of the list gives nothing away.
    """
    found = np.full(len(start) - 1, -1.0)
    for q in range(len(found)):
        for t in range(start[q], start[q + 1]):
            if label[t] <= 0:
                continue
            rank = 0.0
            for other in range(start[q], start[q + 1]):
                if other != t:
                    rank += 1.0 if score[other] > score[t] else 0.5 if score[other] == score[t] else 0.0
            if found[q] < 0 or rank < found[q]:
                found[q] = rank
    return found


def judged(groups: Groups, score: NDArray[np.float32]) -> dict[str, float]:
    """Give MRR and NDCG@10 of the best chosen candidate per group, weighted, and the log loss of `score` as logit."""
    rank = ranks(score, groups.start, groups.label)
    known = (rank >= 0) & (groups.weight > 0)
    if not known.any():
        return {"mrr": 0.0, "ndcg_at_10": 0.0}
    weight = groups.weight[known].astype(np.float64)
    return {
        "mrr": float(np.average(1 / (1 + rank[known]), weights=weight)),
        "ndcg_at_10": float(np.average(ndcg_of_rank(rank[known].astype(np.int64)), weights=weight)),
    }


def calibration(groups: Groups, logit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give slope and shift with which sigmoid(slope · logit + shift) fits the labels (Platt 1999), by Newton's method.

    The slope stays positive, so the order is kept; 1 and 0 where nothing tells them.
    """
    weight = np.repeat(groups.weight, np.diff(groups.start)).astype(np.float64)
    x = np.stack([logit.astype(np.float64), np.ones(len(logit))])
    found, ridge = np.array([1.0, 0.0]), np.diag([1e-3, 1e-6])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(found @ x, -30, 30)))
        slope = x @ (weight * (p - groups.label)) + ridge @ (found - [1.0, 0.0])
        step = np.linalg.solve((x * (weight * p * (1 - p))) @ x.T + ridge, slope)
        found = found - np.clip(step, -2.0, 2.0)
        found[0] = max(found[0], 0.05)
        if np.abs(step).max() < 1e-8:
            break
    return found.astype(np.float32)
