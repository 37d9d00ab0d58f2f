"""Was this event archived before, on whatever day? Its id is looked up in sorted files that are mapped, not loaded.

Log-structured merging (O'Neil et al. 1996): every part adds a run of its ids; a run that is not twice as long as the
next one is merged with it, so that there are few, and each id is written again a logarithmic number of times. 8 bytes
per event of disk; of memory only the pages that are looked at. Two of n ids have the same 64-bit hash with a chance of
about n² / 2^65: for a billion events 3 %, and then one of them is taken for a repeat.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from foryou.domain.archive import IDS, Run
from foryou.domain.ports import Archive, Sink

PIECE = 1_000_000  # ids merged at a time


def known(store: Archive, runs: Sequence[Run], ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Say which of these ids lie in one of the runs.  uint64 [n] -> bool [n]"""
    found = np.zeros(len(ids), np.bool_)
    for held in _mapped(store, runs):
        if len(held):
            place = np.minimum(np.searchsorted(held, ids), len(held) - 1)
            found |= held[place] == ids
    return found


def remember(
    store: Archive, runs: Sequence[Run], ids: NDArray[np.uint64], plan: tuple[int, int, int]
) -> tuple[Run, ...]:
    """Give the runs with these new ids added, the longest first. No object of the old ones is touched."""
    if not len(ids):
        return tuple(runs)
    partition, first, last = plan
    kept, merged, count = list(runs), [np.sort(ids)], len(ids)
    for held in reversed(_mapped(store, runs)):
        if len(held) >= 2 * count:
            break
        kept.pop()
        merged.append(held)
        count += len(held)
    level = len(kept)
    name = f"{IDS}/partition={partition}/{first:014}-{last:014}-{level}.u64"
    checksum = store.put(name, lambda sink: _merge(merged, sink))
    return (*kept, Run(name, checksum, count))


def _mapped(store: Archive, runs: Sequence[Run]) -> list[NDArray[np.uint64]]:
    paths = store.fetched({run.name: run.checksum for run in runs})
    return [np.memmap(path, "<u8", "r") for path in paths]


def _merge(sorted_: Sequence[NDArray[np.uint64]], sink: Sink) -> None:
    for piece in _pieces(sorted_):
        sink.write(piece.astype("<u8").tobytes())


def _pieces(sorted_: Sequence[NDArray[np.uint64]]) -> Iterator[NDArray[np.uint64]]:
    """Give the union of sorted arrays in order, some PIECE of each at a time."""
    at = [0] * len(sorted_)
    while any(start < len(ids) for start, ids in zip(at, sorted_, strict=True)):
        ends = [
            ids[min(start + PIECE, len(ids)) - 1] for start, ids in zip(at, sorted_, strict=True) if start < len(ids)
        ]
        least = min(ends)
        until = [int(np.searchsorted(ids, least, "right")) for ids in sorted_]
        yield np.sort(np.concatenate([ids[a:b] for ids, a, b in zip(sorted_, at, until, strict=True)]))
        at = until
