"""Which actions count, and what would a score be without one of them? One place per entry of a history."""

# mypy: disable-error-code="untyped-decorator"
import numpy as np
from numba import njit
from numpy.typing import NDArray

from foryou.kernels.arrays import F32, I32


@njit(cache=True, nogil=True)
def recent(
    number: I32, taste: F32, action: NDArray[np.uint8], at_ms: NDArray[np.int64], start: NDArray[np.int64],
    row: NDArray[np.int64], gone: I32, history: I32, tastes: F32, actions: NDArray[np.uint8], times: NDArray[np.int64],
) -> None:  # fmt: skip
    """Fill history, tastes, actions, times [B, H] with the distinct items of flat actions (oldest first), newest first.

    An item stands where its newest action stands and has the taste of its strongest one (the newest of equals).
    Actions of query b are those of user row[b], start[row[b]]..start[row[b]+1]; item 0 is left out, and so are those in
    gone [B, G] (0 = none). What is older than the first item that finds no place is not looked at.
    """
    size = 4
    while size < 2 * history.shape[1]:
        size *= 2
    slot = np.empty(size, np.int32)  # a hash table: item -> its place + 1
    for b in range(history.shape[0]):
        slot[:] = 0
        used = 0
        for at in range(start[row[b] + 1] - 1, start[row[b]] - 1, -1):
            left_out = number[at] == 0
            for g in range(gone.shape[1]):
                left_out = left_out or number[at] == gone[b, g]
            if left_out:
                continue
            here = number[at] & (size - 1)
            while slot[here] > 0 and history[b, slot[here] - 1] != number[at]:
                here = (here + 1) & (size - 1)
            place = slot[here] - 1
            if place < 0:
                if used == history.shape[1]:
                    break
                place = used
                used += 1
                slot[here] = used
                history[b, place], tastes[b, place] = number[at], taste[at]
                actions[b, place], times[b, place] = action[at], at_ms[at]
            elif abs(taste[at]) > abs(tastes[b, place]):
                tastes[b, place], actions[b, place] = taste[at], action[at]
        for place in range(used, history.shape[1]):
            history[b, place], tastes[b, place], actions[b, place], times[b, place] = 0, 0.0, 0, 0


@njit(cache=True, nogil=True)
def links(rows: F32, history: I32, item: I32, out: F32) -> None:
    """Fill out [B, L, C] with rows [N+1, N+1] at (history [B, L], item [B, C]); 0 where either has no row."""
    for b in range(item.shape[0]):
        for h in range(history.shape[1]):
            known = 0 < history[b, h] < rows.shape[0]
            for c in range(item.shape[1]):
                inside = known and item[b, c] < rows.shape[1]
                out[b, h, c] = rows[history[b, h], item[b, c]] if inside else np.float32(0.0)


@njit(cache=True, nogil=True)
def sparse_links(ids: I32, values: F32, history: I32, total: F32, item: I32, out: F32) -> None:
    """Do what `links` does for rows that keep only their heaviest entries. `total` [N+1] is scratch, zero around."""
    for b in range(item.shape[0]):
        for h in range(history.shape[1]):
            name = history[b, h] if 0 < history[b, h] < ids.shape[0] else 0
            for j in range(ids.shape[1]):
                total[ids[name, j]] = values[name, j]
            total[0] = 0.0
            for c in range(item.shape[1]):
                out[b, h, c] = total[item[b, c]] if item[b, c] < total.shape[0] else np.float32(0.0)
            for j in range(ids.shape[1]):
                total[ids[name, j]] = 0.0


@njit(cache=True, nogil=True)
def sums_without(link: F32, weight: F32, moved: F32, out: F32) -> None:
    """Fill out [B, L, C] with the weighted sums over the history that had not entry l.

    link [B, M, C], M >= L entries; weight [B, M] where each stands, moved [B, M] if it stood one place newer: leaving
    l out moves all older ones up. Entries of weight 0 beyond the window come in by their moved weight.
    """
    for b in range(link.shape[0]):
        for c in range(link.shape[2]):
            older = np.float32(0.0)
            for m in range(link.shape[1]):
                older += moved[b, m] * link[b, m, c]
            newer = np.float32(0.0)
            for m in range(link.shape[1]):
                older -= moved[b, m] * link[b, m, c]
                if m < out.shape[1]:
                    out[b, m, c] = newer + older
                newer += weight[b, m] * link[b, m, c]


@njit(cache=True, nogil=True)
def means_without(worth: F32, weight: F32, least: float, out: F32) -> None:
    """Fill out [B, L, C] with Σ weight · worth / Σ |weight| over the entries of a history that had not entry l.

    worth [B, M, C], weight [B, M], M >= L. `least`: of the divisor. In float64: sums that cancel leave noise else.
    """
    for b in range(out.shape[0]):
        size = 0.0
        for m in range(worth.shape[1]):
            size += abs(np.float64(weight[b, m]))
        for c in range(out.shape[2]):
            total = 0.0
            for m in range(worth.shape[1]):
                total += np.float64(weight[b, m]) * worth[b, m, c]
            for left in range(out.shape[1]):
                mine = np.float64(weight[b, left])
                out[b, left, c] = (total - mine * worth[b, left, c]) / max(size - abs(mine), least)


@njit(cache=True, nogil=True)
def largest(fall: F32, entry: I32, value: F32) -> None:
    """Fill entry and value [B, C, n] with the n largest of fall [B, L, C] along L, largest first, early ones first."""
    for b in range(fall.shape[0]):
        for c in range(fall.shape[2]):
            for j in range(entry.shape[2]):
                entry[b, c, j], value[b, c, j] = -1, -np.inf
            for h in range(fall.shape[1]):
                at = entry.shape[2]
                while at > 0 and fall[b, h, c] > value[b, c, at - 1]:
                    at -= 1
                for j in range(entry.shape[2] - 1, at, -1):
                    entry[b, c, j], value[b, c, j] = entry[b, c, j - 1], value[b, c, j - 1]
                if at < entry.shape[2]:
                    entry[b, c, at], value[b, c, at] = h, fall[b, h, c]
