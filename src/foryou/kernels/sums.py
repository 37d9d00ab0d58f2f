"""What do vectors and rows of similar items add up to? Sums of products, for all items or for candidates."""

# mypy: disable-error-code="untyped-decorator"
import numpy as np
from numba import njit

from foryou.kernels.arrays import F32, I32, SUMS


@njit(cache=True, nogil=True, fastmath=SUMS)
def dots(user: F32, vectors: F32, item: I32, out: F32) -> None:
    """Fill out [B, C] with user [B, D] · vectors [N+1, D] at item [B, C]; an item without a row gets 0."""
    for b in range(item.shape[0]):
        for c in range(item.shape[1]):
            total = np.float32(0.0)
            if 0 < item[b, c] < vectors.shape[0]:
                row = vectors[item[b, c]]
                for d in range(row.shape[0]):
                    total += user[b, d] * row[d]
            out[b, c] = total


@njit(cache=True, nogil=True, fastmath=SUMS)
def dots_between(into: F32, vectors: F32, history: I32, item: I32, out: F32) -> None:
    """Fill out [B, L, C] with into [N+1, D] at history [B, L] · vectors [N+1, D] at item [B, C]; 0 without a row."""
    for b in range(out.shape[0]):
        for h in range(out.shape[1]):
            known = 0 < history[b, h] < into.shape[0]
            for c in range(out.shape[2]):
                total = np.float32(0.0)
                if known and 0 < item[b, c] < vectors.shape[0]:
                    mine, row = into[history[b, h]], vectors[item[b, c]]
                    for d in range(row.shape[0]):
                        total += mine[d] * row[d]
                out[b, h, c] = total


@njit(cache=True, nogil=True)
def weighted(inputs: F32, weight: F32, out: F32) -> None:
    """Fill out [B, M] with the sum over inputs [F, B, M] of weight [B, F] times each, in the order of F."""
    for b in range(out.shape[0]):
        out[b, :] = np.float32(0.0)
        for f in range(inputs.shape[0]):
            if weight[b, f] != 0:
                for m in range(out.shape[1]):
                    out[b, m] += weight[b, f] * inputs[f, b, m]


@njit(cache=True, nogil=True, fastmath=SUMS)
def all_dots(user: F32, vectors: F32, out: F32) -> None:
    """Fill out [B, N+1] with user [B, D] · every row of vectors [N+1, D]."""
    for b in range(user.shape[0]):
        for n in range(vectors.shape[0]):
            total = np.float32(0.0)
            row = vectors[n]
            for d in range(row.shape[0]):
                total += user[b, d] * row[d]
            out[b, n] = total


@njit(cache=True, nogil=True, fastmath=SUMS)
def add_rows(rows: F32, history: I32, weight: F32, out: F32) -> None:
    """Fill out [B, N+1] with the sum over history [B, L] of weight [B, L] times rows [N+1, N+1] at the item."""
    for b in range(history.shape[0]):
        out[b, :] = np.float32(0.0)
        for h in range(history.shape[1]):
            if 0 < history[b, h] < rows.shape[0] and weight[b, h] != 0:
                row = rows[history[b, h]]
                for n in range(row.shape[0]):
                    out[b, n] += weight[b, h] * row[n]


@njit(cache=True, nogil=True, fastmath=SUMS)
def sum_at(rows: F32, history: I32, weight: F32, item: I32, out: F32) -> None:
    """Fill out [B, C] with the sum over history of weight [B, L] · rows [N+1, N+1] at (history, item [B, C])."""
    for b in range(item.shape[0]):
        out[b, :] = np.float32(0.0)
        for h in range(history.shape[1]):
            if 0 < history[b, h] < rows.shape[0] and weight[b, h] != 0:
                row = rows[history[b, h]]
                for c in range(item.shape[1]):
                    if item[b, c] < row.shape[0]:
                        out[b, c] += weight[b, h] * row[item[b, c]]


@njit(cache=True, nogil=True)
def _add_sparse_rows(ids: I32, values: F32, history: I32, weight: F32, total: F32, touched: I32) -> int:
    """Add weight [L] times the sparse rows of history [L] to total [N+1]; gives how many items stand in `touched`."""
    count = 0
    for h in range(history.shape[0]):
        if history[h] <= 0 or history[h] >= ids.shape[0] or weight[h] == 0:
            continue
        for j in range(ids.shape[1]):
            n = ids[history[h], j]
            if n > 0:
                if total[n] == 0:
                    touched[count] = n
                    count += 1
                total[n] += weight[h] * values[history[h], j]
    return count


@njit(cache=True, nogil=True)
def sum_sparse_at(ids: I32, values: F32, history: I32, weight: F32, total: F32, item: I32, out: F32) -> None:
    """Do what `sum_at` does for rows that keep only their heaviest entries (ids, values [N+1, K]).

    `total` [N+1] is scratch: all zero before and after.
    """
    touched = np.empty(history.shape[1] * ids.shape[1], np.int32)
    for b in range(item.shape[0]):
        count = _add_sparse_rows(ids, values, history[b], weight[b], total, touched)
        for c in range(item.shape[1]):
            out[b, c] = total[item[b, c]] if item[b, c] < total.shape[0] else np.float32(0.0)
        for j in range(count):
            total[touched[j]] = 0.0


@njit(cache=True, nogil=True)
def best_of_sparse_rows(ids: I32, values: F32, history: I32, weight: F32, total: F32, item: I32, score: F32) -> None:
    """Fill item, score [B, n] with the n best positive sums of sparse rows, in no order; 0 where there are fewer."""
    touched = np.empty(history.shape[1] * ids.shape[1], np.int32)
    wanted = item.shape[1]
    for b in range(item.shape[0]):
        count = _add_sparse_rows(ids, values, history[b], weight[b], total, touched)
        sums = np.empty(count, np.float32)
        size = 0
        for j in range(count):
            value = total[touched[j]]
            total[touched[j]] = 0.0
            if value > 0:  # an item whose sum crossed zero stands twice; the second time it is zero already
                touched[size], sums[size] = touched[j], value
                size += 1
        order = np.argsort(-sums[:size], kind="mergesort")[:wanted]
        item[b, :], score[b, :] = 0, 0.0
        for j in range(len(order)):
            item[b, j], score[b, j] = touched[order[j]], sums[order[j]]


@njit(cache=True, nogil=True)
def mean_and_deviation(value: F32, item: I32, least: float, out: F32) -> None:
    """Fill out [2, B, 1] with mean and deviation (`least` at least) of value [B, C] where item [B, C] is not 0."""
    for b in range(value.shape[0]):
        count, total, square = 0, 0.0, 0.0
        for c in range(value.shape[1]):
            if item[b, c] > 0:
                count += 1
                total += value[b, c]
        mean = total / max(count, 1)
        for c in range(value.shape[1]):
            if item[b, c] > 0:
                square += (value[b, c] - mean) ** 2
        out[0, b, 0] = mean
        out[1, b, 0] = max(np.sqrt(square / max(count, 1)), least)
