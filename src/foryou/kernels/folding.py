"""How do new actions enter what is remembered? One pass per user, in log order, so that pieces equal the whole."""

# mypy: disable-error-code="untyped-decorator"
import numpy as np
from numba import njit
from numpy.typing import NDArray

from foryou.kernels.arrays import I32

I64 = NDArray[np.int64]
U32 = NDArray[np.uint32]
Actions = NDArray[np.void]  # records.ACTION_DTYPE


@njit(cache=True, nogil=True)
def remember(
    history: Actions, start: I64, new: Actions, first: I64, most: int, out: Actions, place: I64, size: I64,
    fresh: NDArray[np.bool_],
) -> None:  # fmt: skip
    """Put new[first[u]:first[u+1]] of each user u into history[start[u]:start[u+1]], which is in order without repeats.

    out from place[u] on gets the newest `most` by (at_ms, event), size [U] how many there are. fresh [n] says which
    new ones are no repeats and were ever among them: one whose event is there, or that is older than all, is not.
    """
    for u in range(len(size)):
        base, used = place[u], start[u + 1] - start[u]
        for n in range(used):
            out[base + n] = history[start[u] + n]
        for e in range(first[u], first[u + 1]):
            at_ms, event = new[e].at_ms, new[e].event
            here = used  # before the first that is newer
            while here > 0 and (
                out[base + here - 1].at_ms > at_ms
                or (out[base + here - 1].at_ms == at_ms and out[base + here - 1].event > event)
            ):
                here -= 1
            known = used == most and here == 0
            for n in range(used):
                known = known or out[base + n].event == event
            fresh[e] = not known
            if known:
                continue
            if used == most:
                for n in range(here - 1):
                    out[base + n] = out[base + n + 1]
                here -= 1
            else:
                for n in range(used, here, -1):
                    out[base + n] = out[base + n - 1]
                used += 1
            out[base + here] = new[e]
        size[u] = used


@njit(cache=True, nogil=True)
def see(
    seen: U32, start: I64, item: U32, first: I64, most: int, out: U32, place: I64, size: I64, novel: NDArray[np.bool_]
) -> None:  # fmt: skip
    """Put item[first[u]:first[u+1]] of each user u behind seen[start[u]:start[u+1]], each once, into out from place[u].

    Beyond `most` the oldest goes; one that went may come in again. novel [n] says which items came in.
    """
    for u in range(len(size)):
        base, used = place[u], start[u + 1] - start[u]
        for n in range(used):
            out[base + n] = seen[start[u] + n]
        for e in range(first[u], first[u + 1]):
            known = False
            for n in range(used):
                if out[base + n] == item[e]:
                    known = True
                    break
            novel[e] = not known
            if known:
                continue
            if used == most:
                for n in range(used - 1):
                    out[base + n] = out[base + n + 1]
                used -= 1
            out[base + used] = item[e]
            used += 1
        size[u] = used


@njit(cache=True, nogil=True)
def beginnings(
    seen: U32, start: I64, item: U32, first: I64, fresh: NDArray[np.bool_], most: int, out: NDArray[np.bool_]
) -> None:
    """Say of each fresh item [n] whether it is among the first `most` distinct ones of its user, and new to it."""
    known = np.empty(most, np.uint32)
    for u in range(len(first) - 1):
        used = min(most, start[u + 1] - start[u])
        for n in range(used):
            known[n] = seen[start[u] + n]
        for e in range(first[u], first[u + 1]):
            out[e] = fresh[e] and used < most
            for n in range(used):
                out[e] = out[e] and known[n] != item[e]
            if out[e]:
                known[used] = item[e]
                used += 1


@njit(cache=True, nogil=True)
def latest(history: Actions, place: I64, size: I64, looked: int, out: NDArray[np.uint64], count: I32) -> None:
    """Fill out [U, V] with the newest distinct items among the newest `looked` actions of each user; count [U]."""
    for u in range(len(size)):
        used = 0
        for n in range(min(looked, size[u])):
            item = history[place[u] + size[u] - 1 - n].item
            known = used == out.shape[1]
            for k in range(used):
                known = known or out[u, k] == item
            if not known:
                out[u, used] = item
                used += 1
        count[u] = used
