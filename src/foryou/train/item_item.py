"""How are links between items found? By EASE on co-occurrence in which actions close together count more.

Steck, "Embarrassingly shallow autoencoders" (2019): B = I − P / diag(P), P = (G + λI)⁻¹ with the co-occurrence G.
Here G counts decay^|distance| for two actions of one user that are `distance` actions apart: the kernel is positive
definite (an AR(1) covariance), so the closed form stays valid; decay = 1 is plain EASE.
"""

# mypy: disable-error-code="untyped-decorator"
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
from numba import njit
from numpy.typing import NDArray

from foryou.domain.errors import Refused
from foryou.train.als import pairs
from foryou.train.dataset import Interactions

CUTOFF = 1e-3  # smaller co-occurrences are left out


@dataclass(frozen=True, slots=True)
class EaseSettings:
    """λ, and how the count of a pair fades with every action between the two."""

    regularisation: float = 400.0
    decay: float = 1.0


@njit(cache=True)
def _gram(
    start: NDArray[np.int64],
    item: NDArray[np.int32],
    weight: NDArray[np.float32],
    decay: float,
    out: NDArray[np.float64],
) -> None:
    for u in range(len(start) - 1):
        for i in range(start[u], start[u + 1]):
            fade = 1.0
            for j in range(i, start[u + 1]):
                if fade < CUTOFF:
                    break
                value = fade * weight[i] * weight[j]
                out[item[i], item[j]] += value
                if i != j:
                    out[item[j], item[i]] += value
                fade *= decay


def co_occurrence(log: Interactions, decay: float) -> NDArray[np.float64]:
    """Give G float64 [N+1, N+1] over each user's actions in time order; a dislike counts as well: it is an interest."""
    user, item, taste = pairs(log)
    order = np.argsort(user, kind="stable")
    start = np.searchsorted(user[order], np.arange(len(log.user_ids) + 1))
    gram = np.zeros((log.items + 1, log.items + 1))
    _gram(start, item[order], np.ones(len(taste), np.float32), decay, gram)
    return gram


def ease(log: Interactions, settings: EaseSettings) -> NDArray[np.float32]:
    """Give the links B float32 [N+1, N+1] (from row to column), diagonal, row 0 and column 0 zero."""
    gram = co_occurrence(log, settings.decay)
    size = len(gram)
    gram[np.diag_indices(size)] += settings.regularisation
    inverse = _inverse(gram)
    links = (inverse / -np.diag(inverse)).astype(np.float32)
    links[np.diag_indices(size)] = 0
    links[0] = links[:, 0] = 0
    return links


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the inverse of a symmetric positive definite matrix, which is destroyed."""
    factor, failed = scipy.linalg.lapack.dpotrf(matrix, lower=True, overwrite_a=True)
    if failed:
        raise Refused("The co-occurrence matrix is not positive definite; raise train.ease_regularisation")
    inverse, _ = scipy.linalg.lapack.dpotri(factor, lower=True, overwrite_c=True)
    lower = np.tril(inverse)
    return np.asarray(lower + np.tril(lower, -1).T)


def cosine(log: Interactions, neighbours: int, shrink: float = 10.0) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Give the strongest links by shrunk cosine: ids int32 and values float32 [N+1, K], best first, 0 = none.

    For catalogs where EASE's matrix would not fit: memory grows with the pairs that occur.
    """
    user, item, _ = pairs(log)
    shape = (len(log.user_ids), log.items + 1)
    matrix = scipy.sparse.csr_matrix((np.ones(len(user), np.float32), (user, item)), shape=shape)
    count = np.asarray(matrix.sum(axis=0)).ravel()
    ids = np.zeros((log.items + 1, neighbours), np.int32)
    values = np.zeros((log.items + 1, neighbours), np.float32)
    columns = matrix.T.tocsr()
    for begin in range(0, log.items + 1, 4_096):
        block = (columns[begin : begin + 4_096] @ matrix).tocsr()
        for row in range(block.shape[0]):
            near, both = (
                block.indices[block.indptr[row] : block.indptr[row + 1]],
                block.data[block.indptr[row] : block.indptr[row + 1]],
            )
            score = both / (np.sqrt(count[begin + row] * count[near]) + shrink)
            score[near == begin + row] = 0
            best = np.argsort(-score, kind="stable")[:neighbours]
            best = best[score[best] > 0]
            ids[begin + row, : len(best)], values[begin + row, : len(best)] = near[best], score[best]
    return ids, values


def heaviest(links: NDArray[np.float32], neighbours: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Give the K links of largest magnitude of each row: ids int32 and values float32 [N+1, K], largest value first."""
    neighbours = min(neighbours, links.shape[1] - 1)
    ids = np.argpartition(-np.abs(links), neighbours, axis=1)[:, :neighbours].astype(np.int32)
    values = np.take_along_axis(links, ids, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    ids, values = np.take_along_axis(ids, order, axis=1), np.take_along_axis(values, order, axis=1)
    ids[values == 0] = 0
    return ids, np.ascontiguousarray(values)
