"""How good is a model that ranks all items for all users? Recall and NDCG at a cut-off, a block of users at a time."""

# mypy: disable-error-code="untyped-decorator"
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from foryou.domain.ragged import Ragged

BLOCK = 512  # users scored at a time: 512 x 41,000 items take 84 MB

Score = Callable[[NDArray[np.int64]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Figures per user who has something to be found.

    user int64 [n] · recall float64 [n] found of his relevant items · ndcg float64 [n], ideal over min(k, relevant)
    """

    user: NDArray[np.int64]
    recall: NDArray[np.float64]
    ndcg: NDArray[np.float64]

    def means(self, k: int) -> dict[str, float]:
        """Give the means over the users, named with their cut-off."""
        return {f"recall_at_{k}": float(self.recall.mean()), f"ndcg_at_{k}": float(self.ndcg.mean())}


def rank_all(
    score: Score, seen: Ragged, relevant: Ragged, k: int = 20, users: NDArray[np.int64] | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Ranking:  # fmt: skip
    """Rank all items but the seen ones for each user with relevant items (of `users`, if given).

    score: users [B] -> float32 [B, N+1], which is overwritten. Of equal scores the lower number comes first; one that
    is not finite is not ranked. Memory is bounded by a block of users.
    """
    size = np.diff(relevant.start)
    chosen = np.flatnonzero(size) if users is None else users[size[users] > 0]
    recall, ndcg = np.empty(len(chosen)), np.empty(len(chosen))
    for begin in range(0, len(chosen), BLOCK):
        block = chosen[begin : begin + BLOCK]
        _judge(
            score(block), block, seen.start, seen.values, relevant.start, relevant.values, k,
            recall[begin : begin + BLOCK], ndcg[begin : begin + BLOCK],
        )  # fmt: skip
        on_progress(begin + len(block), len(chosen))
    return Ranking(chosen, recall, ndcg)


@njit(cache=True, parallel=True)
def _judge(
    scores: NDArray[np.float32], users: NDArray[np.int64], seen_start: NDArray[np.int64], seen: NDArray[np.int32],
    start: NDArray[np.int64], relevant: NDArray[np.int32], k: int, recall: NDArray[np.float64],
    ndcg: NDArray[np.float64],
) -> None:  # fmt: skip
    """Fill recall and ndcg [B] of scores [B, N+1], which lose column 0 and the seen items."""
    for b in prange(len(users)):
        row, user = scores[b], users[b]
        row[0] = -np.inf
        if user + 1 < len(seen_start):
            for e in range(seen_start[user], seen_start[user + 1]):
                row[seen[e]] = -np.inf
        best, value = np.zeros(k, np.int64), np.full(k, -np.inf, np.float32)
        for item in range(len(row)):
            if row[item] > value[k - 1] and row[item] < np.inf:
                place = k - 1
                while place > 0 and value[place - 1] < row[item]:
                    best[place], value[place] = best[place - 1], value[place - 1]
                    place -= 1
                best[place], value[place] = item, row[item]
        wanted = relevant[start[user] : start[user + 1]]
        found, gain, ideal = 0, 0.0, 0.0
        for place in range(k):
            weight = 1 / np.log2(place + 2.0)
            if place < len(wanted):
                ideal += weight
            for item in wanted:
                if item == best[place]:
                    found += 1
                    gain += weight
        recall[b], ndcg[b] = found / len(wanted), gain / ideal
