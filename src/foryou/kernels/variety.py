"""Which candidates give a list variety? Those that fit the mix of a history, and those that are new."""

# mypy: disable-error-code="untyped-decorator"
import numpy as np
from numba import njit
from numpy.typing import NDArray

from foryou.kernels.arrays import F32, I32, Bool

MIXED = 0.01  # share of the wanted mix that is mixed into a list's own, so that no divergence is infinite


@njit(cache=True, nogil=True)
def calibrate(
    pool: I32, score: F32, pin: NDArray[np.int16], group: I32, kinds: I32, kinds_start: NDArray[np.int64],
    past: I32, past_start: NDArray[np.int64], weight: F32, k: I32, share: float, cap: int, over: Bool,
) -> None:  # fmt: skip
    """Choose k[b] of the best candidates so that the list's mix of kinds is that of the past (Steck 2018, eq. 6, 8).

    pool [B, M] places, best first, -1 = none, with scores at [B, C]; the kinds of candidate j of query b are
    kinds[kinds_start[b·M + j] : …], those of entry h of the history (weight [B, H], 0 = does not count) lie in `past`
    alike. Greedy: maximise (1 - share) · mean score - share · KL(past ‖ list), scores scaled to 0..1 in the pool; the
    mean in place of Steck's sum, so that `share` means the same for lists of any length. Pinned candidates are chosen
    first. A group [B, C] has at most `cap` in the list (0: any number, also of group 0), as long as that leaves enough.
    Marks in over [B, C] what is not chosen and stands before something that is.
    """
    many, width = pool.shape[1], weight.shape[1]
    for b in range(len(k)):
        size = 0
        while size < many and pool[b, size] >= 0:
            size += 1
        names, wanted = _mix(past, past_start[b * width : (b + 1) * width + 1], weight[b])
        if len(names) == 0 or size == 0 or k[b] == 0:
            continue
        row = kinds_start[b * many : b * many + size + 1]
        chosen = _chosen(pool[b, :size], score[b], pin[b], group[b], kinds, row, names, wanted, k[b], share, cap)
        last = size - 1
        while not chosen[last]:
            last -= 1
        for j in range(last):
            over[b, pool[b, j]] = not chosen[j]


@njit(cache=True, nogil=True)
def _mix(past: I32, start: NDArray[np.int64], weight: F32) -> tuple[I32, NDArray[np.float64]]:
    """Give the kinds of a history and the share of each, every item's weight split between its kinds."""
    names, shares = np.empty(start[-1] - start[0], np.int32), np.zeros(start[-1] - start[0])
    size, total = 0, 0.0
    for h in range(len(weight)):
        count = start[h + 1] - start[h]
        if weight[h] <= 0 or count == 0:
            continue
        total += weight[h]
        for at in range(start[h], start[h + 1]):
            place = _place(names[:size], past[at])
            if place < 0:
                place = size
                names[place] = past[at]
                size += 1
            shares[place] += weight[h] / count
    return names[:size], shares[:size] / max(total, 1e-12)


@njit(cache=True, nogil=True)
def _chosen(
    pool: I32, score: F32, pin: NDArray[np.int16], group: I32, kinds: I32, start: NDArray[np.int64],
    names: I32, wanted: NDArray[np.float64], k: int, share: float, cap: int,
) -> Bool:  # fmt: skip
    """Say which of the pool are chosen. Adding one changes few kinds, so only their part of the sum is done anew."""
    chosen, known = np.zeros(len(pool), np.bool_), np.empty(start[-1] - start[0], np.int32)
    for at in range(len(known)):
        known[at] = _place(names, kinds[start[0] + at])
    low, high = np.inf, -np.inf
    for c in pool:
        if pin[c] == 0:
            low, high = min(low, float(score[c])), max(high, float(score[c]))
    full, sums = {np.int32(0): 0}, np.zeros(len(names))
    giving_way = cap == 0
    for length in range(1, min(k, len(pool)) + 1):
        parts = _divergence(sums / length, wanted)
        base = parts.sum()
        best, most = -1, -np.inf
        while best < 0:
            for j in range(len(pool)):
                c = pool[j]
                if chosen[j]:
                    continue
                if pin[c] > 0:
                    best = j
                    break
                if not giving_way and group[c] != 0 and full.get(group[c], 0) >= cap:
                    continue
                found, count = base, start[j + 1] - start[j]
                for at in range(start[j] - start[0], start[j + 1] - start[0]):
                    g = known[at]
                    if g >= 0:
                        own = (sums[g] + 1.0 / count) / length
                        found += wanted[g] * np.log(wanted[g] / ((1 - MIXED) * own + MIXED * wanted[g])) - parts[g]
                value = (1 - share) * ((score[c] - low) / max(high - low, 1e-12)) / length - share * found
                if value > most:
                    best, most = j, value
            if best < 0:
                giving_way = True
        chosen[best] = True
        full[group[pool[best]]] = full.get(group[pool[best]], 0) + 1
        for at in range(start[best] - start[0], start[best + 1] - start[0]):
            if known[at] >= 0:
                sums[known[at]] += 1.0 / (start[best + 1] - start[best])
    return chosen


@njit(cache=True, nogil=True)
def _divergence(own: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the part of each kind in KL(wanted ‖ own), a little of `wanted` mixed into `own`."""
    return wanted * np.log(wanted / ((1 - MIXED) * own + MIXED * wanted))


@njit(cache=True, nogil=True)
def arrivals(
    new: I32, created_ms: NDArray[np.int64], group: I32, now_ms: NDArray[np.int64], span_ms: int, liked: I32, item: I32
) -> None:
    """Fill item [B, n] with new items [m] (newest first) published in the span before now_ms [B]; 0 = no more.

    The first half from groups that are liked [B, H] (0 = none), the rest the newest of all others.
    """
    for b in range(len(item)):
        groups, known = np.empty(liked.shape[1], np.int32), 0
        for name in liked[b]:
            if name > 0 and _place(groups[:known], name) < 0:
                groups[known] = name
                known += 1
        taken, used = np.zeros(len(new), np.bool_), 0
        for turn in range(2):
            room = item.shape[1] // 2 if turn == 0 else item.shape[1]
            for j in range(len(new)):
                if used >= room or (turn == 0 and known == 0):
                    break
                fits = now_ms[b] - span_ms < created_ms[j] <= now_ms[b]
                if fits and not taken[j] and (turn == 1 or _place(groups[:known], group[j]) >= 0):
                    taken[j] = True
                    item[b, used] = new[j]
                    used += 1
        item[b, used:] = 0


@njit(cache=True, nogil=True)
def _place(names: I32, name: int) -> int:
    for place in range(len(names)):
        if names[place] == name:
            return place
    return -1
