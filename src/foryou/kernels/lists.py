"""How are lists of items scanned for the largest products? Longest items first, and no further than they can win."""

# mypy: disable-error-code="untyped-decorator"
import numpy as np
from numba import njit
from numpy.typing import NDArray

from foryou.kernels.arrays import F32, I32, SUMS, Bool

BLOCK = 32  # items of a list that are scanned together; each list begins with a new block
STEP = 0.85  # how far the level falls from one round to the next
ROUNDS = 60  # after which nothing is left out any more
I8 = NDArray[np.int8]
I16 = NDArray[np.int16]
I64 = NDArray[np.int64]


@njit(cache=True, nogil=True, fastmath=SUMS)
def in_bytes(vectors: F32, code: I8, unit: F32) -> None:
    """Fill code [R, D] and unit [R] so that vectors [R, D] are about code times unit."""
    for r in range(vectors.shape[0]):
        longest = np.float32(0.0)
        for d in range(vectors.shape[1]):
            longest = max(longest, abs(np.float32(vectors[r, d])))
        unit[r] = longest / np.float32(127.0)
        turn = np.float32(127.0) / longest if longest > 0 else np.float32(0.0)
        for d in range(vectors.shape[1]):
            code[r, d] = np.int8(np.rint(np.float32(vectors[r, d]) * turn))


@njit(cache=True, nogil=True)
def _product(code: I8, r: int, user: I16) -> np.int32:
    total = np.int32(0)
    for d in range(user.shape[0]):
        total = np.int32(total + np.int32(np.int32(code[r, d]) * np.int32(user[d])))  # numba widens to 64 bits else
    return total


@njit(cache=True, nogil=True)
def _rounded(user: F32, out: I16) -> np.float32:
    """Fill out with user in 16 bits and give the unit; no sum of products with 8 bits can pass 32 bits."""
    longest, length = np.float32(0.0), np.float32(0.0)
    for d in range(user.shape[0]):
        longest = max(longest, abs(user[d]))
        length += user[d] * user[d]
    most = min(32_767.0, 16_000_000.0 / user.shape[0])
    unit = longest / np.float32(most) if longest > 0 else np.float32(1.0)
    for d in range(user.shape[0]):
        out[d] = np.int16(np.rint(user[d] / unit))
    return unit


@njit(cache=True, nogil=True)
def _best_first(score: F32, place: I32, got: int, n: int) -> None:
    """Order score [got] and place so that the n largest stand first, in no order (Hoare's selection)."""
    low, high = 0, got - 1
    while low < high:
        pivot = score[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while score[i] > pivot:
                i += 1
            while score[j] < pivot:
                j -= 1
            if i <= j:
                score[i], score[j] = score[j], score[i]
                place[i], place[j] = place[j], place[i]
                i += 1
                j -= 1
        if n - 1 <= j:
            high = j
        elif n - 1 >= i:
            low = i
        else:
            return


@njit(cache=True, nogil=True)
def _hopes(
    small: I16, step: F32, centre: I8, unit: F32, reach: F32, start: I64, longest: F32, bound: F32
) -> np.float32:
    """Add to reach [L] what the centres give; fill bound [L] with what the first block may reach; give the most.

    The query is small [D] times step [1]. Of what points away it is only said that it stays below 0.
    """
    most = np.float32(0.0)
    for k in range(centre.shape[0]):
        reach[k] = max(np.float32(0.0), reach[k] + np.float32(_product(centre, k, small)) * (unit[k] * step[0]))
        bound[k] = reach[k] * longest[start[k]] if start[k] < start[k + 1] else np.float32(-np.inf)
        most = max(most, bound[k])
    return most


@njit(cache=True, nogil=True)
def scan_lists(
    user: F32, centre: I8, centre_unit: F32, spread: F32, start: I64, longest: F32, code: I8, unit: F32,
    number: I32, allowed: Bool, slack: float, item: I32, score: F32,
) -> int:  # fmt: skip
    """Fill item and score [B, n] with about the n largest products of user [B, D] with the items; 0 = none.

    List k has a centre (centre [L, D] times centre_unit [L]) and the blocks start[k] to start[k + 1] of items, longest
    first; longest [blocks] is the largest norm of each block. code [R, D] times unit [R] are the items, number [R]
    their numbers; allowed [N+1] says which may be found, empty = all. An item of norm r in list k is thought to reach
    at most r times (user·centre + slack times |user| times spread[k]); what cannot reach the n-th best found so far is
    not looked at. Lists that may reach most come first, in rounds. Gives how many items were looked at.
    """
    lists, n, looked, everything = centre.shape[0], item.shape[1], 0, len(allowed) == 0
    small, reach, bound = np.empty(user.shape[1], np.int16), np.empty(lists, np.float32), np.empty(lists, np.float32)
    next_, step = np.empty(lists, np.int64), np.empty(1, np.float32)
    found, place = np.empty(2 * n + BLOCK, np.float32), np.empty(2 * n + BLOCK, np.int32)
    for b in range(user.shape[0]):
        item[b], score[b] = 0, 0
        length = np.float32(np.sqrt(np.sum(user[b] * user[b])))
        if length == 0 or n == 0:
            continue
        step[0], next_[:], reach[:] = _rounded(user[b], small), start[:-1], np.float32(slack) * length * spread
        hope = _hopes(small, step, centre, centre_unit, reach, start, longest, bound)
        got, least, level = 0, np.float32(-np.inf), hope
        for turn in range(ROUNDS + 1):
            level = np.float32(-np.inf) if turn == ROUNDS or hope <= 0 else max(level * np.float32(STEP), least)
            for k in range(lists):
                if bound[k] < level:
                    continue
                at, end = next_[k], start[k + 1]
                while at < end and reach[k] * longest[at] >= level:
                    if got + BLOCK > len(found):
                        _best_first(found, place, got, n)
                        got, least = n, found[:n].min()
                        level = max(level, least)
                    for r in range(at * BLOCK, (at + 1) * BLOCK):
                        one = np.float32(_product(code, r, small)) * (unit[r] * step[0])
                        if one >= least and number[r] > 0 and (everything or allowed[number[r]]):
                            found[got], place[got] = one, r
                            got += 1
                    looked += BLOCK
                    at += 1
                next_[k] = at
                bound[k] = reach[k] * longest[at] if at < end else np.float32(-np.inf)
            if got >= n:
                _best_first(found, place, got, n)
                got, least = n, found[:n].min()
            if level <= least or level == -np.inf:
                break
        for c in range(got):
            item[b, c], score[b, c] = number[place[c]], found[c]
    return looked
