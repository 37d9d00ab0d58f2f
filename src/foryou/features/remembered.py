"""What do users remember of what they have just done? The actions of all users of a batch go in at once, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.clock import DAY_MS, HOUR_MS
from foryou.domain.event import ABOUT_ITEMS, CODE, Action, EventColumns, interest
from foryou.domain.records import ACTION_DTYPE, FIRST, VIEWS, UserRecord

_REMEMBERED = np.array([action in ABOUT_ITEMS and action is not Action.IMPRESSION for action in Action])
_COUNT_UNIT = 100  # counters hold hundredths of an interest
Counts = dict[tuple[int, int], int]


@dataclass(frozen=True, slots=True)
class Remembered:
    """History and items seen of each user [U], as before where `acted` is false; `views`: newest distinct items."""

    history: list[NDArray[np.void]]
    seen: list[NDArray[np.uint32]]
    views: list[tuple[int, ...]]
    acted: list[bool]
    counts: list[Counts]  # of each group, (hour, item hash) -> hundredths of an interest
    firsts: list[Counts]  # of each group, (day, item hash) -> how many newcomers began with it
    taken: list[Counts]  # of each group, (day, item hash) -> how many took it up, where an answer is named
    bought: dict[int, list[tuple[int, int]]]  # of users who did: (day, low half of the item), in log order
    worn: list[tuple[int, int, int]]  # group, day and place of the events that are in `taken` and name a variant


def remembered(
    records: Sequence[UserRecord], places: Sequence[Sequence[int]], arrays: EventColumns, most: int, most_seen: int,
    group: NDArray[np.int64], groups: int,
) -> Remembered:  # fmt: skip
    """Put the events at places[u], in log order, into the record of each user u, who is of group[u].

    most, most_seen: entries that are kept of the history and of the items seen.
    """
    flat = np.array([place for some in places for place in some], np.int64)
    owner = np.repeat(np.arange(len(records)), [len(some) for some in places])
    kept = _REMEMBERED[arrays.action[flat]] & (arrays.item[flat] != 0)
    flat, owner = flat[kept], owner[kept]
    first = _starts(np.bincount(owner, minlength=len(records)))
    new = np.empty(len(flat), ACTION_DTYPE)
    for name in ("at_ms", "event", "item", "value", "action"):
        new[name] = getattr(arrays, name)[flat]
    low = new["item"].astype(np.uint32)

    history, start = _joined([record.history for record in records])
    ends, size = _room(start, first, most)
    merged, fresh = np.empty(ends[-1], ACTION_DTYPE), np.empty(len(new), np.bool_)
    kernels.remember(history, start, new, first, most, merged, ends, size, fresh)
    views, count = np.empty((len(records), VIEWS), np.uint64), np.empty(len(records), np.int32)
    kernels.latest(merged, ends, size, 4 * VIEWS, views, count)

    seen, seen_start = _joined([record.seen for record in records])
    seen_ends, seen_size = _room(seen_start, first, most_seen)
    both = np.empty(seen_ends[-1], np.uint32)
    novel = np.empty(len(new), np.bool_)
    kernels.see(seen, seen_start, low, first, most_seen, both, seen_ends, seen_size, novel)

    taste = interest(new["action"], new["value"])
    began = np.empty(len(new), np.bool_)
    kernels.beginnings(seen, seen_start, low, first, fresh, FIRST, began)
    weight = np.rint(_COUNT_UNIT * taste).astype(np.int64)
    counted, liked = fresh & (weight > 0), began & (taste > 0)
    hour, day = new["at_ms"] // HOUR_MS, new["at_ms"] // DAY_MS
    taken = fresh & novel & (taste > 0) & arrays.caused[flat]
    bought: dict[int, list[tuple[int, int]]] = {}
    for place in np.flatnonzero(fresh & (new["action"] == CODE[Action.PURCHASE])).tolist():
        bought.setdefault(int(owner[place]), []).append((int(day[place]), int(low[place])))
    group = group[owner]
    worn = np.flatnonzero(taken & arrays.worn[flat])
    return Remembered(
        history=[merged[at : at + n].copy() for at, n in zip(ends.tolist(), size.tolist(), strict=False)],
        seen=[both[at : at + n].copy() for at, n in zip(seen_ends.tolist(), seen_size.tolist(), strict=False)],
        views=[tuple(row[:n]) for row, n in zip(views.tolist(), count.tolist(), strict=True)],
        acted=(np.diff(first) > 0).tolist(),
        counts=_counted(groups, group[counted], hour[counted], new["item"][counted], weight[counted]),
        firsts=_counted(groups, group[liked], day[liked], new["item"][liked], np.ones(liked.sum(), np.int64)),
        taken=_counted(groups, group[taken], day[taken], new["item"][taken], np.ones(taken.sum(), np.int64)),
        bought=bought,
        worn=list(zip(group[worn].tolist(), day[worn].tolist(), flat[worn].tolist(), strict=True)),
    )


def _joined(parts: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    flat = np.frombuffer(b"".join(part.tobytes() for part in parts), parts[0].dtype)  # concatenate promotes each field
    return flat, _starts(np.array([len(part) for part in parts], np.int64))


def _starts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    start = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=start[1:])
    return start


def _room(start: NDArray[np.int64], first: NDArray[np.int64], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give where each user's part begins, with the end of all, and an array for the sizes."""
    return _starts(np.minimum(most, np.diff(start) + np.diff(first))), np.empty(len(start) - 1, np.int64)


def _counted(
    groups: int, group: NDArray[np.int64], bucket: NDArray[np.int64], item: NDArray[np.uint64], count: NDArray[np.int64]
) -> list[Counts]:
    """Give the sum of each (bucket, item), group by group."""
    found: list[Counts] = [{} for _ in range(groups)]
    if not len(bucket):
        return found
    order = np.lexsort((item, bucket, group))
    group, bucket, item, count = group[order], bucket[order], item[order], count[order]
    differs = (group[1:] != group[:-1]) | (bucket[1:] != bucket[:-1]) | (item[1:] != item[:-1])
    begins = np.flatnonzero(np.concatenate(([True], differs)))
    sums = np.add.reduceat(count, begins).tolist()
    names = zip(bucket[begins].tolist(), item[begins].tolist(), strict=True)
    for one, name, total in zip(group[begins].tolist(), names, sums, strict=True):
        found[one][name] = total
    return found
