"""Which candidates are shown, and in which order? The best of them, pins and caps."""

# mypy: disable-error-code="untyped-decorator"
import numpy as np
from numba import njit
from numpy.typing import NDArray

from foryou.kernels.arrays import F32, I32, Bool


@njit(cache=True, nogil=True)
def _before(score: np.float32, item: int, other_score: np.float32, other_item: int) -> bool:
    return bool(score > other_score or (score == other_score and item < other_item))


@njit(cache=True, nogil=True)
def top(item: I32, score: F32, dropped: NDArray[np.uint8], pin: NDArray[np.int16], k: I32) -> I32:
    """Give the places of the best k[b] candidates, best first, pins at their place.  int32 [B, max k], -1 = none.

    A score that is not finite is never selected, pinned or not. Two pins for one place: the better score wins.
    """
    widest = 0
    for b in range(len(k)):
        widest = max(widest, k[b])
    found = np.full((item.shape[0], widest), -1, np.int32)
    free = np.empty(widest, np.int32)
    for b in range(item.shape[0]):
        for c in range(item.shape[1]):
            place = pin[b, c] - 1
            if item[b, c] > 0 and dropped[b, c] == 0 and 0 <= place < k[b] and np.isfinite(score[b, c]):
                held = found[b, place]
                if held < 0 or _before(score[b, c], item[b, c], score[b, held], item[b, held]):
                    found[b, place] = c
        pinned = 0
        for place in range(k[b]):
            pinned += found[b, place] >= 0
        wanted, used = k[b] - pinned, 0
        for c in range(item.shape[1]):
            if item[b, c] <= 0 or dropped[b, c] != 0 or pin[b, c] > 0 or not np.isfinite(score[b, c]):
                continue
            if used == wanted and (
                wanted == 0 or not _before(score[b, c], item[b, c], score[b, free[used - 1]], item[b, free[used - 1]])
            ):
                continue
            used = min(used + 1, wanted)
            at = used - 1
            while at > 0 and _before(score[b, c], item[b, c], score[b, free[at - 1]], item[b, free[at - 1]]):
                free[at] = free[at - 1]
                at -= 1
            free[at] = c
        _fill(found[b], k[b], free, used)
    return found


@njit(cache=True, nogil=True)
def _fill(row: I32, k: int, free: I32, used: int) -> None:
    """Put the free candidates into the gaps between pins and close what stays empty."""
    taken = 0
    for place in range(k):
        if row[place] < 0 and taken < used:
            row[place] = free[taken]
            taken += 1
    end = 0
    for place in range(k):
        if row[place] >= 0:
            row[end] = row[place]
            end += 1
    for place in range(end, k):
        row[place] = -1


@njit(cache=True, nogil=True)
def beyond_cap(item: I32, score: F32, dropped: NDArray[np.uint8], group: I32, cap: int, k: I32) -> Bool:
    """Say which candidates stand behind `cap` better ones of their group [B, C] on the way to k[b] items.

    Group 0 is no group and never capped. Greedy by score, so the answer is the best list that keeps the cap: once a
    group has its `cap` items and the list is not full, all others of the group are beyond.
    """
    over = np.zeros(item.shape, np.bool_)
    free = np.zeros((1, item.shape[1]), np.int16)
    many = np.empty(1, np.int32)
    for b in range(item.shape[0]):
        many[0] = min(item.shape[1], 4 * k[b])
        while True:
            best = top(item[b : b + 1], score[b : b + 1], dropped[b : b + 1], free, many)[0]
            full, listed = _walk(best, group[b], cap, k[b])
            if listed >= k[b] or many[0] == item.shape[1]:
                break
            many[0] = item.shape[1]  # the best 4k were of too few groups: look at all
        for c in range(item.shape[1]):
            over[b, c] = item[b, c] > 0 and dropped[b, c] == 0 and _contains(full, group[b, c])
        listed = 0
        counts = np.zeros(len(full), np.int32)
        for c in best:  # those that were listed stay
            if c < 0 or listed >= k[b]:
                break
            place = _place(full, group[b, c])
            if place < 0 or counts[place] < cap:
                over[b, c] = False
                listed += 1
            if place >= 0:
                counts[place] += 1
    return over


@njit(cache=True, nogil=True)
def _walk(best: I32, group: I32, cap: int, k: int) -> tuple[I32, int]:
    """Walk down the best places until k are listed; gives the groups that became full on the way, and how many."""
    names, counts = np.zeros(len(best), np.int32), np.zeros(len(best), np.int32)
    known, listed = 0, 0
    for c in best:
        if c < 0 or listed >= k:
            break
        if group[c] == 0:
            listed += 1
            continue
        place = _place(names[:known], group[c])
        if place < 0:
            place = known
            names[place] = group[c]
            known += 1
        if counts[place] < cap:
            counts[place] += 1
            listed += 1
    return names[:known][counts[:known] >= cap], listed


@njit(cache=True, nogil=True)
def _place(names: I32, name: int) -> int:
    for place in range(len(names)):
        if names[place] == name:
            return place
    return -1


@njit(cache=True, nogil=True)
def _contains(names: I32, name: int) -> bool:
    return _place(names, name) >= 0
