"""Which candidates are tried? Those that may be, the chance that each is the best of them, and a draw by chances."""

# mypy: disable-error-code="untyped-decorator"
import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from foryou.kernels.arrays import F32, I32, Bool

CONTENDERS = 64  # candidates for which the chance to be the best is worked out; the others are too far behind
GRID = 24  # points of the integral
TAIL = 3.0  # deviations beyond which a posterior is taken for nothing


@njit(cache=True, nogil=True)
def uniform(state: np.uint64) -> tuple[np.uint64, float]:
    """Give the next state and a number in [0, 1) of splitmix64 (Steele et al. 2014)."""
    state = np.uint64(state + np.uint64(0x9E3779B97F4A7C15))
    z = state
    z = np.uint64((z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9))
    z = np.uint64((z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB))
    z = np.uint64(z ^ (z >> np.uint64(31)))
    return state, (z >> np.uint64(11)) / 9007199254740992.0


@njit(cache=True, nogil=True)
def _length(best: I32, k: int) -> int:
    shown = 0
    while shown < k and best[shown] >= 0:
        shown += 1
    return shown


@njit(cache=True, nogil=True)
def explorable(
    kept: Bool, group: I32, best: I32, k: I32, tasted: I32, share: float, pin: NDArray[np.int16], pool: Bool
) -> None:
    """Fill pool [B, C] with the candidates that may take one of the last free places of the list.

    `best` [B, max k] are the places that would be shown. At most ceil(share·k) of them are given away, the last that
    nobody has pinned. In the pool is what is kept, not shown, and of a group that neither what stays shown nor the
    history has (tasted [B, H] groups, 0 = none); where there is none such, of a group that nothing shown has; else of
    any.
    """
    for b in range(kept.shape[0]):
        pool[b, :] = False
        shown = _length(best[b], k[b])
        given = math.ceil(share * shown)
        if given == 0:
            continue
        free = kept[b].copy()
        used = {np.int32(0): True}
        for place in range(shown - 1, -1, -1):
            free[best[b, place]] = False
            if pin[b, best[b, place]] == 0 and given > 0:
                given -= 1
            else:
                used[group[b, best[b, place]]] = True
        free &= pin[b] == 0
        size = _unlike(free, group[b], used, tasted[b], pool[b])
        if size == 0:
            size = _unlike(free, group[b], used, tasted[b, :0], pool[b])
        if size == 0:
            pool[b, :] = free


@njit(cache=True, nogil=True)
def _unlike(free: Bool, group: I32, used: dict[np.int32, bool], tasted: I32, pool: Bool) -> int:
    """Fill the pool with what is free and of groups that are neither used nor tasted; give how many."""
    known = used.copy()
    for name in tasted:
        known[name] = True
    size = 0
    for c in range(len(free)):
        pool[c] = free[c] and group[c] not in known
        size += pool[c]
    return size


@njit(cache=True, nogil=True)
def hopes(pool: Bool, mean: F32, deviation: F32, floor: float, out: F32) -> None:
    """Fill out [B, C] with the chance that a candidate of the pool is the best, which is that of Thompson sampling.

    What is hoped of each is normal with mean and deviation [B, C]. The chance is an integral over GRID points among the
    CONTENDERS of highest mean + deviation; mixed with `floor` (0..1) of equal chances for all. A row sums to 1, or to 0
    where the pool is empty.
    """
    who, cdf = np.empty(CONTENDERS, np.int32), np.empty(CONTENDERS)
    for b in range(pool.shape[0]):
        size, used, low, high = 0, 0, -np.inf, -np.inf
        for c in range(pool.shape[1]):
            out[b, c] = 0.0
            if not pool[b, c]:
                continue
            size += 1
            reach = mean[b, c] + deviation[b, c]
            if used < CONTENDERS:
                used += 1
            elif reach <= mean[b, who[used - 1]] + deviation[b, who[used - 1]]:
                continue
            at = used - 1
            while at > 0 and reach > mean[b, who[at - 1]] + deviation[b, who[at - 1]]:
                who[at] = who[at - 1]
                at -= 1
            who[at] = c
        if size == 0:
            continue
        for j in range(used):
            low = max(low, mean[b, who[j]] - TAIL * deviation[b, who[j]])
            high = max(high, mean[b, who[j]] + TAIL * deviation[b, who[j]])
        left = 0
        for j in range(used):  # what cannot be the best any more
            if mean[b, who[j]] + TAIL * deviation[b, who[j]] > low:
                who[left] = who[j]
                left += 1
        used, total = left, 0.0
        for n in range(GRID):
            x, every = low + (n + 0.5) * (high - low) / GRID, 1.0
            for j in range(used):
                z = (x - mean[b, who[j]]) / deviation[b, who[j]]
                cdf[j] = max(0.5 * math.erfc(-z * 0.7071067811865476), 1e-12)
                every *= cdf[j]
            for j in range(used):
                z = (x - mean[b, who[j]]) / deviation[b, who[j]]
                part = math.exp(-0.5 * z * z) / deviation[b, who[j]] * every / cdf[j]
                out[b, who[j]] += part
                total += part
        for c in range(pool.shape[1]):
            if pool[b, c]:
                own = out[b, c] / total if total > 0 else 1.0 / size
                out[b, c] = (1 - floor) * own + floor / size


@njit(cache=True, nogil=True)
def _shares(weight: F32, wanted: int, out: F32) -> None:
    """Fill out [C] with chances in proportion to weight that sum to `wanted`, none of them above 1."""
    left, total, sure = wanted, 0.0, 0
    for c in range(len(weight)):
        total += weight[c]
        out[c] = 0.0
    turned = True
    while turned and total > 0:
        turned = False
        for c in range(len(weight)):
            if weight[c] > 0 and out[c] < 1 and weight[c] * left >= total * (1 - 1e-6):
                out[c], turned = 1.0, True
                sure += 1
        if turned:
            left, total = wanted - sure, 0.0
            for c in range(len(weight)):
                total += weight[c] if out[c] < 1 else 0.0
            if left <= 0:
                break
    for c in range(len(weight)):
        if out[c] < 1 and weight[c] > 0 and left > 0:
            out[c] = weight[c] * left / total


@njit(cache=True, nogil=True)
def explore(
    weight: F32, best: I32, k: I32, share: float, seed: NDArray[np.uint64], pin: NDArray[np.int16], propensity: F32
) -> None:
    """Pin candidates drawn by weight [B, C] to the last free places of the list, and note their chance.

    Of k[b] places floor(share·k + u) are given away, u random: share·k on average; those that are pinned stay. Drawn is
    with one number for all places (systematic sampling, Madow 1949), so the chance of each candidate is exactly places
    · weight, up to 1; which of the places it gets is drawn, too. propensity: that chance, over both numbers of places.
    Mutates pin and propensity.
    """
    place_of, picked = np.empty(best.shape[1], np.int32), np.empty(best.shape[1], np.int32)
    chance, more = np.empty(weight.shape[1], np.float32), np.empty(weight.shape[1], np.float32)
    for b in range(weight.shape[0]):
        shown = _length(best[b], k[b])
        state, u = uniform(seed[b])
        size, open_, least = 0, 0, int(share * shown)
        beyond = share * shown - least
        for place in range(shown - 1, -1, -1):
            if pin[b, best[b, place]] == 0:
                place_of[open_] = place
                open_ += 1
        for c in range(weight.shape[1]):
            size += weight[b, c] > 0
        _shares(weight[b], min(least, open_, size), chance)
        _shares(weight[b], min(least + 1, open_, size), more)
        wanted = min(int(share * shown + u), open_, size)
        if wanted == 0:
            continue
        own = chance if int(share * shown + u) == least else more
        state, start = uniform(state)
        passed, used = 0.0, 0
        for c in range(weight.shape[1]):
            before, passed = passed, passed + own[c]
            if own[c] > 0 and used < wanted and math.floor(passed - start) > math.floor(before - start):
                picked[used] = c
                used += 1
        for j in range(used):
            state, u = uniform(state)
            other = j + int(u * (used - j))
            picked[j], picked[other] = picked[other], picked[j]
            pin[b, picked[j]] = place_of[j] + 1
            propensity[b, picked[j]] = (1 - beyond) * chance[picked[j]] + beyond * more[picked[j]]


@njit(cache=True, nogil=True)
def dealt(weight: F32, best: I32, k: I32, share: float, pin: NDArray[np.int16], chance: F32) -> None:
    """Fill chance [B, C, L] with that of each candidate to stand at each of the L places of `best`, as `explore` draws.

    Nothing is drawn: what is not given away stays for certain.
    """
    place_of, own = np.empty(best.shape[1], np.int32), np.empty(weight.shape[1], np.float32)
    for b in range(weight.shape[0]):
        shown = _length(best[b], k[b])
        size, open_, least = 0, 0, int(share * shown)
        beyond = share * shown - least
        chance[b] = 0.0
        for place in range(shown - 1, -1, -1):
            chance[b, best[b, place], place] = 1.0
            if pin[b, best[b, place]] == 0:
                place_of[open_] = place
                open_ += 1
        for c in range(weight.shape[1]):
            size += weight[b, c] > 0
        for more in range(2):
            likely, wanted = beyond if more else 1 - beyond, min(least + more, open_, size)
            _shares(weight[b], wanted, own)
            for place in place_of[:wanted]:
                chance[b, best[b, place], place] = max(0.0, chance[b, best[b, place], place] - likely)
                for c in range(weight.shape[1]):
                    chance[b, c, place] += likely * own[c] / wanted
