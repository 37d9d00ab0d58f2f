"""How are item vectors found? Implicit alternating least squares, each side solved exactly in turn.

Hu, Koren, Volinsky 2008, with the regularisation of Rendle et al., "Revisiting the performance of iALS on item
recommendation benchmarks" (2021): minimises Σ_observed c (p − x·y)² + α Σ_all (x·y)² + Σ_u λ_u |x_u|² + Σ_i λ_i |y_i|²
with λ_u = λ (n_u + α N)^ν. A row depends on the other side only, so threads do not change the result.
A row is solved exactly, or by a few steps of conjugate gradients from where the last sweep left it (Takács, Pilászy,
Tikk 2011), here in the eigenbasis of FᵀF: there the part of all items is diagonal and costs nothing.
"""

# mypy: disable-error-code="untyped-decorator"
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numba import njit, prange
from numpy.typing import NDArray

from foryou.train.dataset import Interactions


@dataclass(frozen=True, slots=True)
class AlsSettings:
    """width D, sweeps, α (weight of a pair without action), λ, ν, confidence of a dislike, seed, gradient steps.

    steps: of conjugate gradients per row and sweep, as many at most as sweeps so far, for the factors of a cold start
    are rough anyway; 0 = solve exactly.
    """

    width: int = 128
    iterations: int = 12
    unobserved: float = 0.1
    regularisation: float = 0.02
    power: float = 1.0
    dislike: float = 1.0
    seed: int = 42
    steps: int = 0


@njit(parallel=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _solve(
    start: NDArray[np.int64], other: NDArray[np.int32],
    confidence: NDArray[np.float32], preference: NDArray[np.float32],
    factors: NDArray[np.float32], base: NDArray[np.float64], ridge: NDArray[np.float64], out: NDArray[np.float32],
) -> None:  # fmt: skip
    """Fill out [R, D] with every row's exact minimiser; the observations of row r are start[r]..start[r+1].

    factors [M, D] of the other side, base [D, D] = α FᵀF, ridge [R]. A row without observations becomes zero.
    """
    width = factors.shape[1]
    for r in prange(len(start) - 1):
        if start[r] == start[r + 1]:
            out[r] = np.float32(0.0)
            continue
        matrix, vector = base.copy(), np.zeros(width)
        for e in range(start[r], start[r + 1]):
            row = factors[other[e]]
            for a in range(width):
                scaled = confidence[e] * np.float64(row[a])
                vector[a] += preference[e] * scaled
                for b in range(a + 1):
                    matrix[a, b] += scaled * row[b]
        for a in range(width):
            matrix[a, a] += ridge[r]
        _solve_in_place(matrix, vector)
        for a in range(width):
            out[r, a] = vector[a]


@njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def _solve_in_place(matrix: NDArray[np.float64], vector: NDArray[np.float64]) -> None:
    """Replace vector by the solution of matrix·x = vector; matrix holds the lower triangle, and is destroyed."""
    width = len(vector)
    for j in range(width):
        for i in range(j, width):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = np.sqrt(total) if i == j else total / matrix[j, j]
    for i in range(width):
        for k in range(i):
            vector[i] -= matrix[i, k] * vector[k]
        vector[i] /= matrix[i, i]
    for i in range(width - 1, -1, -1):
        vector[i] /= matrix[i, i]
        for k in range(i):
            vector[k] -= matrix[i, k] * vector[i]


@njit(parallel=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _descend(
    start: NDArray[np.int64], other: NDArray[np.int32],
    confidence: NDArray[np.float32], preference: NDArray[np.float32],
    factors: NDArray[np.float32], base: NDArray[np.float32], ridge: NDArray[np.float32], steps: int,
    out: NDArray[np.float32],
) -> None:  # fmt: skip
    """Bring out [R, D] nearer to every row's minimiser, by conjugate gradients with the diagonal as preconditioner.

    As `_solve`, but base [D] is the diagonal of α FᵀF, which is a diagonal matrix for these factors.
    """
    width = factors.shape[1]
    for r in prange(len(start) - 1):
        if start[r] == start[r + 1]:
            out[r] = np.float32(0.0)
            continue
        x, own = out[r], base + ridge[r]
        diagonal, rest, image = own.copy(), np.empty(width, np.float32), np.empty(width, np.float32)
        for d in range(width):
            rest[d] = -own[d] * x[d]
        for e in range(start[r], start[r + 1]):
            row, total = factors[other[e]], np.float32(0.0)
            for d in range(width):
                total += row[d] * x[d]
            step = confidence[e] * (preference[e] - total)
            for d in range(width):
                rest[d] += step * row[d]
                diagonal[d] += confidence[e] * row[d] * row[d]
        way = rest / diagonal
        size = np.float32(0.0)
        for d in range(width):
            size += rest[d] * way[d]
        enough = np.float32(1e-12) * size
        for _ in range(steps):
            if size <= enough:
                break
            for d in range(width):
                image[d] = own[d] * way[d]
            for e in range(start[r], start[r + 1]):
                row, total = factors[other[e]], np.float32(0.0)
                for d in range(width):
                    total += row[d] * way[d]
                total *= confidence[e]
                for d in range(width):
                    image[d] += total * row[d]
            along = np.float32(0.0)
            for d in range(width):
                along += way[d] * image[d]
            step, before, size = size / along, size, np.float32(0.0)
            for d in range(width):
                x[d] += step * way[d]
                rest[d] -= step * image[d]
                size += rest[d] * rest[d] / diagonal[d]
            for d in range(width):
                way[d] = rest[d] / diagonal[d] + size / before * way[d]


class _Side:
    """Observations grouped by one side (users or items), and that side's ridge."""

    def __init__(
        self,
        rows: NDArray[np.int32],
        others: NDArray[np.int32],
        taste: NDArray[np.float32],
        shape: tuple[int, int],
        settings: AlsSettings,
    ) -> None:
        order = np.argsort(rows, kind="stable")
        taste = taste[order]
        self.other = np.ascontiguousarray(others[order])
        self.confidence = np.where(taste < 0, -settings.dislike * taste, taste).astype(np.float32)
        self.preference = (taste > 0).astype(np.float32)
        count = np.bincount(rows, minlength=shape[0])
        self.start = np.zeros(shape[0] + 1, np.int64)
        np.cumsum(count, out=self.start[1:])
        ridge = settings.regularisation * (count + settings.unobserved * shape[1]) ** settings.power
        self.ridge = np.asarray(ridge, np.float64)
        self._unobserved = settings.unobserved

    def solve(self, factors: NDArray[np.float32], out: NDArray[np.float32], steps: int = 0) -> None:
        """Fill out with the rows' minimisers given the other side, or bring it nearer to them by so many steps."""
        if steps:
            self._descend(factors, out, steps)
            return
        wide = factors.astype(np.float64)
        base = self._unobserved * (wide.T @ wide)
        _solve(self.start, self.other, self.confidence, self.preference, factors, base, self.ridge, out)

    def _descend(self, factors: NDArray[np.float32], out: NDArray[np.float32], steps: int) -> None:
        spectrum, basis = np.linalg.eigh((factors.T @ factors).astype(np.float64))
        turn = basis.astype(np.float32)
        turned = out @ turn
        _descend(
            self.start, self.other, self.confidence, self.preference, factors @ turn,
            (self._unobserved * spectrum).astype(np.float32), self.ridge.astype(np.float32), steps, turned,
        )  # fmt: skip
        out[:] = turned @ turn.T


def factorise(
    log: Interactions,
    settings: AlsSettings,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    start: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Give the item vectors float32 [N+1, D], row 0 zero. A pair counts once; a dislike has preference 0.

    start: vectors of the first items [<= N+1, D] to go on from. Items without a pair in the log keep theirs.
    """
    _, items = factors(log, settings, lambda sweep, *_: on_progress(sweep, settings.iterations), start)
    return items


def factors(
    log: Interactions, settings: AlsSettings,
    on_sweep: Callable[[int, NDArray[np.float32], NDArray[np.float32]], None] = lambda sweep, users, items: None,
    start: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # fmt: skip
    """Give user vectors float32 [U, D] and item vectors float32 [N+1, D]; `on_sweep` sees both after every sweep.

    Items are solved last: users are half a sweep older.
    """
    user, item, taste = pairs(log)
    random = np.random.default_rng(settings.seed)
    users = np.zeros((len(log.user_ids), settings.width), np.float32)
    items = random.normal(0, 0.1 / np.sqrt(settings.width), (log.items + 1, settings.width)).astype(np.float32)
    items[0] = 0
    kept = np.zeros(len(items), np.bool_)
    if start is not None and start.shape[1] == settings.width:
        items[: len(start)] = start
        kept[: len(start)] = np.bincount(item, minlength=len(items))[: len(start)] == 0
    old = items[kept]
    by_user = _Side(user, item, taste, (len(users), log.items), settings)
    by_item = _Side(item, user, taste, (log.items + 1, len(users)), settings)
    for sweep in range(settings.iterations):
        steps = settings.steps if start is not None else min(sweep + 1, settings.steps)
        by_user.solve(items, users, steps)
        by_item.solve(users, items, steps)
        items[kept] = old
        on_sweep(sweep + 1, users, items)
    return users, items


def folded(log: Interactions, items: NDArray[np.float32], settings: AlsSettings) -> NDArray[np.float32]:
    """Give the user vectors float32 [U, D] that minimise the loss with these item vectors [N+1, D]."""
    user, item, taste = pairs(log)
    out = np.zeros((len(log.user_ids), items.shape[1]), np.float32)
    _Side(user, item, taste, (len(out), log.items), settings).solve(items, out)
    return out


def pairs(log: Interactions) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Give each user-item pair once, with its strongest taste (the newest of equals); pairs without taste left out."""
    rows = np.flatnonzero(log.taste)
    pair = log.user[rows].astype(np.int64) * (log.items + 1) + log.item[rows]
    if (np.diff(np.sort(pair)) > 0).all():
        return log.user[rows], log.item[rows], log.taste[rows]
    order = np.lexsort((rows, np.abs(log.taste[rows])))
    rows = rows[order[::-1]]
    _, first = np.unique(pair[order[::-1]], return_index=True)
    rows = rows[np.sort(first)]
    rows.sort()
    return log.user[rows], log.item[rows], log.taste[rows]


def matrix(log: Interactions) -> scipy.sparse.csr_matrix:
    """Give what users like as a sparse matrix float32 [U, N+1], each pair once."""
    user, item, taste = pairs(log)
    liked = taste > 0
    shape = (len(log.user_ids), log.items + 1)
    return scipy.sparse.csr_matrix((taste[liked], (user[liked], item[liked])), shape=shape)
