"""Which vector does a user have by what was done last, in order? The user tower's forward pass, one query at a time."""

# mypy: disable-error-code="untyped-decorator"
import numpy as np
from numba import njit

from foryou.kernels.arrays import F32, I32, SUMS

EPSILON = 1e-5  # added to the variance of a row, as PyTorch does


@njit(cache=True, nogil=True, fastmath=SUMS)
def _product(rows: F32, first: int, n: int, weight: F32, bias: F32, out: F32) -> None:
    """Fill out[first:n] with rows[first:n] · weightᵀ + bias.  rows [T, K] · weight [J, K] · bias [>= J]

    Four rows by two columns at a time, so that what is loaded is used more than once; behind the edges the last row
    and the last column stand in.
    """
    width, depth = weight.shape
    for i in range(first, n, 4):
        a, b, c, d = rows[i], rows[min(i + 1, n - 1)], rows[min(i + 2, n - 1)], rows[min(i + 3, n - 1)]
        for j in range(0, width, 2):
            last = min(j + 1, width - 1)
            left, right = weight[j], weight[last]
            a0 = a1 = b0 = b1 = c0 = c1 = d0 = d1 = np.float32(0.0)
            for k in range(depth):
                x, y = left[k], right[k]
                a0 += a[k] * x
                a1 += a[k] * y
                b0 += b[k] * x
                b1 += b[k] * y
                c0 += c[k] * x
                c1 += c[k] * y
                d0 += d[k] * x
                d1 += d[k] * y
            out[i, j], out[i, last] = a0 + bias[j], a1 + bias[last]
            if i + 1 < n:
                out[i + 1, j], out[i + 1, last] = b0 + bias[j], b1 + bias[last]
            if i + 2 < n:
                out[i + 2, j], out[i + 2, last] = c0 + bias[j], c1 + bias[last]
            if i + 3 < n:
                out[i + 3, j], out[i + 3, last] = d0 + bias[j], d1 + bias[last]


@njit(cache=True, nogil=True, fastmath=SUMS)
def _normed(rows: F32, first: int, n: int, scale: F32, shift: F32, out: F32) -> None:
    """Fill out[first:n] with the rows brought to mean 0 and variance 1, times scale, plus shift (layer norm)."""
    width = rows.shape[1]
    for i in range(first, n):
        row = rows[i]
        mean = np.float32(0.0)
        for k in range(width):
            mean += row[k]
        mean /= np.float32(width)
        square = np.float32(0.0)
        for k in range(width):
            square += (row[k] - mean) * (row[k] - mean)
        factor = np.float32(1.0 / np.sqrt(square / width + EPSILON))
        for k in range(width):
            out[i, k] = (row[k] - mean) * factor * scale[k] + shift[k]


@njit(cache=True, nogil=True, fastmath=SUMS)
def _attended(mixed: F32, first: int, n: int, near: F32, weight: F32, out: F32) -> None:
    """Fill out[first:n] [T, W] with what each row takes from itself and those before it.

    mixed [T, 3W]: queries, keys, values of all heads · near [heads, >= T]: what distance adds · weight [T] is scratch.
    """
    width, heads = out.shape[1], near.shape[0]
    part = width // heads
    factor = np.float32(1.0 / np.sqrt(part))
    for h in range(heads):
        left = h * part
        for i in range(first, n):
            query = mixed[i, left : left + part]
            highest = np.float32(-np.inf)
            for j in range(i + 1):
                key = mixed[j, width + left : width + left + part]
                total = np.float32(0.0)
                for k in range(part):
                    total += query[k] * key[k]
                weight[j] = total * factor + near[h, i - j]
                highest = max(highest, weight[j])
            whole = np.float32(0.0)
            for j in range(i + 1):
                weight[j] = np.exp(weight[j] - highest)
                whole += weight[j]
            taken = out[i, left : left + part]
            for k in range(part):
                taken[k] = np.float32(0.0)
            for j in range(i + 1):
                share = weight[j] / whole
                value = mixed[j, 2 * width + left : 2 * width + left + part]
                for k in range(part):
                    taken[k] += share * value[k]


@njit(cache=True, nogil=True, fastmath=SUMS)
def _with_neighbours(rows: F32, n: int, taps: F32, out: F32) -> None:
    """Fill out[:n] with each row plus the two before it, each times its tap [2, W]."""
    for i in range(n):
        for k in range(rows.shape[1]):
            out[i, k] = rows[i, k]
        for back in range(1, min(2, i) + 1):
            for k in range(rows.shape[1]):
                out[i, k] += rows[i - back, k] * taps[back - 1, k]


@njit(cache=True, nogil=True, fastmath=SUMS)
def tower_users(
    vectors: F32, fresh: F32, place: I32, history: I32, length: I32, start: F32,
    into: F32, entry: F32, taps: F32, attend: F32, merge: F32, near: F32, norms: F32,
    up: F32, up_bias: F32, down: F32, down_bias: F32, last: F32, outward: F32, out: F32,
) -> None:  # fmt: skip
    """Fill out [B, D] with the vector of each user: a causal transformer of n blocks over the newest items.

    vectors [N+1, D] of items; `fresh` and `place` as in `sum_of_vectors`, for items that came since the training.
    history [B, H], oldest first, of which length [B] count · start [B, W] stands before it: who the user is.
    into [W, D] · entry, last [2, W] scale and shift of layer norms · taps [n, 2, W] · attend [n, 3W, W] · merge
    [n, W, W] · near [n, heads, > H] · norms [n, 4, W] · up [n, F, W], up_bias [n, F] · down [n, W, F], down_bias
    [n, W] · outward [D, W].  The last block works out its last row only.
    """
    width, most = into.shape[0], history.shape[1] + 1
    row = np.empty((most, vectors.shape[1]), np.float32)
    x, y, z = (
        np.empty((most, width), np.float32),
        np.empty((most, width), np.float32),
        np.empty((most, width), np.float32),
    )
    mixed = np.empty((most, 3 * width), np.float32)
    wide = np.empty((most, up.shape[1]), np.float32)
    weight = np.empty(most, np.float32)
    none = np.zeros(max(3 * width, len(outward)), np.float32)
    for b in range(history.shape[0]):
        n = length[b] + 1
        for t in range(1, n):
            item = history[b, t - 1]
            known = place[item] if item < len(place) else -1
            source = fresh[known] if known >= 0 else vectors[item if item < len(vectors) else 0]
            for k in range(row.shape[1]):
                row[t, k] = source[k]
        _product(row, 1, n, into, none, y)
        _normed(y, 1, n, entry[0], entry[1], x)
        for k in range(width):
            x[0, k] = start[b, k]
        for block in range(len(attend)):
            first = n - 1 if block == len(attend) - 1 else 0
            _normed(x, 0, n, norms[block, 0], norms[block, 1], y)
            _with_neighbours(y, n, taps[block], z)
            _product(z, first, n, attend[block, :width], none, mixed)
            _product(z, 0, n, attend[block, width:], none, mixed[:, width:])
            _attended(mixed, first, n, near[block], weight, z)
            _product(z, first, n, merge[block], none, y)
            for t in range(first, n):
                for k in range(width):
                    x[t, k] += y[t, k]
            _normed(x, first, n, norms[block, 2], norms[block, 3], y)
            _product(y, first, n, up[block], up_bias[block], wide)
            for t in range(first, n):
                for k in range(wide.shape[1]):
                    wide[t, k] = max(wide[t, k], np.float32(0.0))
            _product(wide, first, n, down[block], down_bias[block], y)
            for t in range(first, n):
                for k in range(width):
                    x[t, k] += y[t, k]
        _normed(x, n - 1, n, last[0], last[1], y)
        for k in range(width):
            z[0, k] = y[n - 1, k]
        _product(z, 0, 1, outward, none, row)
        for k in range(out.shape[1]):
            out[b, k] = row[0, k]
