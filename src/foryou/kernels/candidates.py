"""Who stands on the slate, and what is known of each? Candidates merged, counted, looked up."""

# mypy: disable-error-code="untyped-decorator"
import numpy as np
from numba import njit
from numpy.typing import NDArray

from foryou.kernels.arrays import F32, I32, Bool

GUESSES = 10  # of where a hash may stand


@njit(cache=True, nogil=True)
def _slot(table: I32, item: int) -> int:
    mask = len(table) - 1
    slot: int = (item * 40503) & mask
    while table[slot] != 0 and table[slot] != item:
        slot = (slot + 1) & mask
    return int(slot)


@njit(cache=True, nogil=True)
def numbers_of(hash_: NDArray[np.uint64], order: I32, wanted: NDArray[np.uint64], out: I32) -> None:
    """Fill out [n] with the number of each wanted hash [n], 0 = is not there. order [N]: numbers by rising hash_ [N+1].

    Hashes are spread evenly, so a place is guessed from the value (interpolation search); ten guesses that are wrong
    give way to halving.
    """
    for j in range(len(wanted)):
        value, low, high, turn = wanted[j], 0, len(order) - 1, 0
        out[j] = 0
        while low <= high:
            first, last = hash_[order[low]], hash_[order[high]]
            if value < first or value > last:
                break
            middle = (low + high) // 2
            if turn < GUESSES and last > first:
                middle = low + int(np.float64(value - first) / np.float64(last - first) * (high - low))
            turn += 1
            middle = min(max(middle, low), high)
            here = hash_[order[middle]]
            if here == value:
                out[j] = order[middle]
                break
            if here < value:
                low = middle + 1
            else:
                high = middle - 1


@njit(cache=True, nogil=True)
def merge(
    item: I32, prior: F32, origin: NDArray[np.uint16], start: int, new: I32, new_prior: F32, bit: np.uint16
) -> int:
    """Add the candidates `new` [B, n] behind the first `start` places; one already present only gains the bit.

    Gives how many places are in use now. Candidates that find no place are left out.
    """
    size = 64
    while size < 2 * item.shape[1]:
        size *= 2
    table, place = np.zeros(size, np.int32), np.zeros(size, np.int32)
    end = min(item.shape[1], start + new.shape[1])
    for b in range(item.shape[0]):
        table[:] = 0
        for c in range(start):
            if item[b, c] > 0:
                slot = _slot(table, item[b, c])
                table[slot], place[slot] = item[b, c], c
        free = start
        for j in range(new.shape[1]):
            if new[b, j] <= 0:
                continue
            slot = _slot(table, new[b, j])
            if table[slot] == 0:
                if free == end:
                    continue
                table[slot], place[slot] = new[b, j], free
                item[b, free], prior[b, free] = new[b, j], new_prior[b, j]
                free += 1
            origin[b, place[slot]] |= bit
    return int(end)


@njit(cache=True, nogil=True)
def count_kept(item: I32, dropped: NDArray[np.uint8]) -> int:
    """Give how many places hold a candidate that no rule has dropped."""
    count = 0
    for b in range(item.shape[0]):
        for c in range(item.shape[1]):
            count += item[b, c] > 0 and dropped[b, c] == 0
    return count


@njit(cache=True, nogil=True)
def member(hash32: NDArray[np.uint32], item: I32, seen: NDArray[np.uint32], seen_start: NDArray[np.int64]) -> Bool:
    """Say which candidates were seen.  item [B, C], seen sorted within each query -> bool [B, C]"""
    found = np.zeros(item.shape, np.bool_)
    for b in range(item.shape[0]):
        first, last = seen_start[b], seen_start[b + 1]
        for c in range(item.shape[1]):
            wanted = hash32[item[b, c]]
            low, high = first, last
            while low < high:
                middle = (low + high) // 2
                if seen[middle] < wanted:
                    low = middle + 1
                else:
                    high = middle
            found[b, c] = low < last and seen[low] == wanted
    return found


@njit(cache=True, nogil=True)
def gather(column: F32, item: I32, out: F32) -> None:
    """Fill out [B, C] with column [N+1] at item [B, C]; an item without a row gets 0."""
    for b in range(item.shape[0]):
        for c in range(item.shape[1]):
            out[b, c] = column[item[b, c]] if item[b, c] < column.shape[0] else np.float32(0.0)


@njit(cache=True, nogil=True)
def gather_rows(rows: F32, item: I32, out: F32) -> None:
    """Fill out [B, C] with rows [B, N+1] at item [B, C]; an item without a place gets 0."""
    for b in range(item.shape[0]):
        for c in range(item.shape[1]):
            out[b, c] = rows[b, item[b, c]] if item[b, c] < rows.shape[1] else np.float32(0.0)


@njit(cache=True, nogil=True)
def starts_of_rows(start: NDArray[np.int64], row: NDArray[np.integer], out: NDArray[np.int64]) -> None:
    """Fill out [n + 1] with where rows [n] of start [N + 1] begin, one after another; unknown ones are empty."""
    out[0] = 0
    for r in range(len(row)):
        known = row[r] + 1 < len(start)
        out[r + 1] = out[r] + (start[row[r] + 1] - start[row[r]] if known else 0)


@njit(cache=True, nogil=True)
def take_rows(
    start: NDArray[np.int64], values: NDArray[np.generic], row: NDArray[np.integer], begin: NDArray[np.int64],
    out: NDArray[np.generic],
) -> None:  # fmt: skip
    """Fill out[begin[r]:begin[r + 1]] with values[start[row[r]]:]: as many of them as find room."""
    for r in range(len(row)):
        if row[r] + 1 < len(start):
            first = start[row[r]]
            for at in range(min(begin[r + 1] - begin[r], start[row[r] + 1] - first)):
                out[begin[r] + at] = values[first + at]
