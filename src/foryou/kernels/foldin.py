"""Which vector does a user have who acted a moment ago? The fold-in of implicit ALS, with and without an entry."""

# mypy: disable-error-code="untyped-decorator"
import numpy as np
from numba import njit
from numpy.typing import NDArray

from foryou.kernels.arrays import F32, I32, SUMS

MAX_FOLD = 64  # actions that a fold-in solves for


@njit(cache=True, nogil=True, fastmath=SUMS)
def _invert(a: NDArray[np.float64], n: int) -> None:
    """Replace the symmetric positive definite a[:n, :n] by its inverse, through its Cholesky factor."""
    for j in range(n):
        for i in range(j, n):
            total = a[i, j]
            for p in range(j):
                total -= a[i, p] * a[j, p]
            a[i, j] = np.sqrt(max(total, 1e-12)) if i == j else total / a[j, j]
    for j in range(n):  # the factor's inverse, transposed: it comes to stand above the factor, and is read along rows
        a[j, j] = 1.0 / a[j, j]
        for i in range(j + 1, n):
            total = 0.0
            for p in range(j, i):
                total -= a[i, p] * a[j, p]
            a[j, i] = total / a[i, i]
    for j in range(n):
        for i in range(j, n):
            total = 0.0
            for p in range(i, n):
                total += a[i, p] * a[j, p]
            a[i, j] = total
    for j in range(n):
        for i in range(j + 1, n):
            a[j, i] = a[i, j]


@njit(cache=True, nogil=True, fastmath=SUMS)
def fold_in(
    vectors: F32, spectrum: F32, history: I32, confidence: F32, preference: F32,
    unobserved: float, regularisation: float, power: float, items: int,
    user: F32, inverse: NDArray[np.float64], place: I32,
) -> None:  # fmt: skip
    """Solve for the user vectors of implicit ALS from the histories alone (Hu et al. 2008; Rendle et al. 2021).

    vectors [N+1, D] in the eigenbasis of YᵀY, so that G = u·YᵀY + λI is diagonal: spectrum [D] are its eigenvalues.
    history, confidence, preference [B, L]: an entry with confidence 0 or without a row is left out; at most
    M newest count, M <= MAX_FOLD. λ = regularisation · (n + u·N)^power, N = items.  The dual
    form needs an n × n system only: α = (C⁻¹ + Y G⁻¹ Yᵀ)⁻¹ p,  x = G⁻¹ Yᵀ α.
    Fills user [B, D]; inverse [B, M, M] with (C⁻¹ + K)⁻¹ and place int32 [B, M] with the column of each used entry
    (-1 = none): what `without_each` needs.
    """
    width, most = vectors.shape[1], place.shape[1]
    system = np.empty((MAX_FOLD, MAX_FOLD), np.float64)
    scaled = np.empty((MAX_FOLD, width), np.float32)
    for b in range(history.shape[0]):
        n = 0
        for h in range(history.shape[1]):
            if n < most and 0 < history[b, h] < vectors.shape[0] and confidence[b, h] > 0:
                place[b, n] = h
                n += 1
        for j in range(n, most):
            place[b, j] = -1
        ridge = regularisation * (n + unobserved * items) ** power
        for i in range(n):
            row = vectors[history[b, place[b, i]]]
            for d in range(width):
                scaled[i, d] = row[d] / np.float32(unobserved * spectrum[d] + ridge)
            for j in range(i + 1):
                other = vectors[history[b, place[b, j]]]
                total = np.float32(0.0)
                for d in range(width):
                    total += scaled[i, d] * other[d]
                system[i, j] = total
                system[j, i] = total
        for i in range(n):
            system[i, i] += 1.0 / confidence[b, place[b, i]]
        _invert(system, n)
        inverse[b, :n, :n] = system[:n, :n]
        for d in range(width):
            user[b, d] = np.float32(0.0)
        for i in range(n):
            alpha = 0.0
            for j in range(n):
                alpha += system[i, j] * preference[b, place[b, j]]
            for d in range(width):
                user[b, d] += np.float32(alpha) * scaled[i, d]


@njit(cache=True, nogil=True, fastmath=SUMS)
def without_each(
    vectors: F32, spectrum: F32, history: I32, preference: F32, unobserved: float, regularisation: float, power: float,
    items: int, inverse: NDArray[np.float64], place: I32, user: F32, item: I32, out: F32,
) -> None:  # fmt: skip
    """Fill out [B, L, C] with the scores of items [B, C] by a `fold_in` that had left out entry l of the history.

    Closed form (the leave-one-out identity of kernel ridge regression): with M = (C⁻¹ + K)⁻¹, α = M p and
    g = y_c G⁻¹ Yᵀ M, the score without entry l is s − g_l α_l / M_ll.
    """
    width = vectors.shape[1]
    alpha, scaled, kernel = np.empty(MAX_FOLD), np.empty(width, np.float32), np.empty(MAX_FOLD)
    for b in range(item.shape[0]):
        n = 0
        while n < place.shape[1] and place[b, n] >= 0:
            n += 1
        ridge = regularisation * (n + unobserved * items) ** power
        for i in range(n):
            alpha[i] = 0.0
            for j in range(n):
                alpha[i] += inverse[b, i, j] * preference[b, place[b, j]]
        for c in range(item.shape[1]):
            out[b, :, c] = np.float32(0.0)
            if item[b, c] <= 0 or item[b, c] >= vectors.shape[0]:
                continue
            row = vectors[item[b, c]]
            score = np.float32(0.0)
            for d in range(width):
                score += row[d] * user[b, d]
                scaled[d] = row[d] / np.float32(unobserved * spectrum[d] + ridge)
            out[b, :, c] = score
            for i in range(n):
                other = vectors[history[b, place[b, i]]]
                total = np.float32(0.0)
                for d in range(width):
                    total += scaled[d] * other[d]
                kernel[i] = total
            for i in range(n):
                lever = 0.0
                for j in range(n):
                    lever += kernel[j] * inverse[b, j, i]
                if place[b, i] < out.shape[1]:
                    out[b, place[b, i], c] = score - np.float32(lever * alpha[i] / inverse[b, i, i])
