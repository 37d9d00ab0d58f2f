"""What do the users of a generated world click? Items near a few tastes of theirs, long ones (the popular) first."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLICKS, TASTES = 12, 3  # of each user
STEEPNESS = 3.0  # how much the front of a list is preferred: place = u^STEEPNESS of the list
APART = 3  # clicks that far from one another belong together
LINKS = 16  # kept per item


@dataclass(frozen=True, slots=True)
class Lists:
    """Which items are neighbours: item int32 [N] list after list, longest first · start int64 [L+1] · of int32 [N+1]"""

    item: NDArray[np.int32]
    start: NDArray[np.int64]
    of: NDArray[np.int32]


def lists_of(number: NDArray[np.int32], block_start: NDArray[np.int64], block: int) -> Lists:
    """Give the lists of an index: number int32 [R], 0 = empty place · block_start int64 [L+1]."""
    row_list = np.repeat(np.arange(len(block_start) - 1, dtype=np.int32), np.diff(block_start) * block)
    there = number > 0
    item, mine = number[there], row_list[there]
    start = np.zeros(len(block_start), np.int64)
    np.cumsum(np.bincount(mine, minlength=len(block_start) - 1), out=start[1:])
    of = np.zeros(len(item) + 1, np.int32)
    of[item] = mine
    return Lists(item, start, of)


def clicked(lists: Lists, popularity: NDArray[np.float64], users: int, seed: int) -> NDArray[np.int32]:
    """Give what each user clicked, oldest first: int32 [U, CLICKS]. Tastes are drawn by popularity [N]."""
    random = np.random.default_rng(seed)
    below = np.cumsum(popularity)
    taste = np.searchsorted(below, random.random((users, TASTES)) * below[-1]).astype(np.int32) + np.int32(1)
    which = np.take_along_axis(taste, random.integers(TASTES, size=(users, CLICKS)), axis=1)
    mine = lists.of[which]
    size = lists.start[mine + 1] - lists.start[mine]
    place = lists.start[mine] + (size * random.random(mine.shape) ** STEEPNESS).astype(np.int64)
    found: NDArray[np.int32] = lists.item[place]
    found[:, :TASTES] = taste
    return found


def linked(clicks: NDArray[np.int32], items: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Give the LINKS heaviest cosines of clicks that stood together: ids int32 [N+1, K], 0 = none, and values."""
    near = [(clicks[:, :-step], clicks[:, step:]) for step in range(1, APART + 1)]
    one = np.concatenate([part.ravel() for pair in near for part in pair]).astype(np.int64)
    other = np.concatenate([part.ravel() for pair in near for part in pair[::-1]])
    key, count = np.unique((one * (items + 1) + other)[one != other], return_counts=True)
    del one, other
    total = np.maximum(1, np.bincount(clicks.ravel(), minlength=items + 1))
    from_, to = (key // (items + 1)).astype(np.int32), (key % (items + 1)).astype(np.int32)
    weight = (count / np.sqrt(total[from_] * total[to])).astype(np.float32)
    order = np.lexsort((-weight, from_))
    from_, to, weight = from_[order], to[order], weight[order]
    place = np.arange(len(from_)) - np.searchsorted(from_, from_)
    kept = place < LINKS
    ids, values = np.zeros((items + 1, LINKS), np.int32), np.zeros((items + 1, LINKS), np.float32)
    ids[from_[kept], place[kept]], values[from_[kept], place[kept]] = to[kept], weight[kept]
    return ids, values
