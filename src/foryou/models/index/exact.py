"""What is an index, and which is always right? The one that scans all vectors."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from foryou import kernels

EXACT_UP_TO = 50_000  # items: an exact scan of 50 k x 128 takes about 1 ms
Found = tuple[NDArray[np.int32], NDArray[np.float32]]
Allowed = NDArray[np.bool_] | None


class Index(Protocol):
    """Finds items by inner product."""

    def search(self, user: NDArray[np.float32], n: int, allowed: Allowed = None) -> Found:
        """Give the n best items per user [B, D] and their products, int32 and float32 [B, n], 0 = none, in no order.

        allowed: bool [N+1], which items may be found at all; None = all.
        """
        ...


class Exact:
    """Scans all vectors [N+1, D]; of float16 it makes a copy."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = np.asarray(vectors, np.float32)

    def search(self, user: NDArray[np.float32], n: int, allowed: Allowed = None) -> Found:
        """Give the n best of all items that are allowed."""
        scores = np.empty((len(user), len(self._vectors)), np.float32)
        kernels.all_dots(user, self._vectors, scores)
        scores[:, 0] = -np.inf
        if allowed is not None:
            scores[:, ~allowed[: scores.shape[1]]] = -np.inf
        n = min(n, scores.shape[1] - 1)
        item = np.argpartition(-scores, n - 1, axis=1)[:, :n] if n else np.zeros((len(user), 0), np.int64)
        score = scores[np.arange(len(item))[:, None], item]
        none = np.isneginf(score)
        item[none], score[none] = 0, 0
        return item.astype(np.int32), score


def among(user: NDArray[np.float32], vectors: NDArray[np.float32], item: NDArray[np.int32], n: int) -> Found:
    """Give the n best of a few items [C] for each user [B, D] exactly, 0 = none."""
    asked = np.tile(item, (len(user), 1))
    return best_of(asked, products(user, vectors, asked), n)


def products(user: NDArray[np.float32], vectors: NDArray[Any], item: NDArray[np.int32]) -> NDArray[np.float32]:
    """Give user [B, D] · vectors [N+1, D], float32 or float16, at item [B, C]."""
    score = np.empty(item.shape, np.float32)
    if vectors.dtype == np.float16:
        kernels.dots_of_halves(user, vectors.view(np.uint16), item, score)
    else:
        kernels.dots(user, vectors, item, score)
    return score


def best_of(item: NDArray[np.int32], score: NDArray[np.float32], n: int) -> Found:
    """Give the n largest per row of score [B, C], 0 = none; a row that is too short is filled up with none."""
    if item.shape[1] == n:
        return item, score
    if item.shape[1] < n:
        more = ((0, 0), (0, n - item.shape[1]))
        return np.pad(item, more), np.pad(score, more)
    keep = np.argpartition(-np.where(item > 0, score, -np.inf), max(0, n - 1), axis=1)[:, :n]
    return np.take_along_axis(item, keep, axis=1), np.take_along_axis(score, keep, axis=1)
