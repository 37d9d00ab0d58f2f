"""What was taken up of what was shown? Answers of the past with labels, for rankers to learn from."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foryou.domain.catalog import Catalog
from foryou.domain.clock import DAY_MS
from foryou.domain.event import hashes
from foryou.domain.exposure import Exposure
from foryou.train.dataset import Interactions
from foryou.train.watched import LONGEST_S, UNKNOWN_S, dwells

WITHIN_MS = DAY_MS  # a positive action credits the last answer that showed the item within a day
NEVER_MS = 2**62


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer of the past: item int32 [k] in the order shown, label bool [k] = taken up afterwards.

    seconds float32 [k]: watched until the item was shown again, a day at most; UNKNOWN_S where nothing is known.
    """

    user_id: str
    at_ms: int
    item: NDArray[np.int32]
    label: NDArray[np.bool_]
    seconds: NDArray[np.float32]


def answered(exposures: Iterable[Exposure], log: Interactions, catalog: Catalog, since_ms: int) -> list[Answered]:
    """Give the answers from `since_ms` on, the oldest first, labelled by the positive events of the log.

    An event counts for the last answer that showed its item to its user, if that was at most a day before. Answers
    to nobody, and items that the catalog no longer knows, are left out.
    """
    liked: dict[tuple[str, int], list[int]] = {}
    for row in np.flatnonzero(log.taste > 0).tolist():
        liked.setdefault((log.user_ids[log.user[row]], int(log.item[row])), []).append(int(log.at_ms[row]))
    stayed: dict[tuple[str, int], list[tuple[int, float]]] = {}
    for row in dwells(log).tolist():
        key = log.user_ids[log.user[row]], int(log.item[row])
        stayed.setdefault(key, []).append((int(log.at_ms[row]), float(log.value[row])))
    shown_again: dict[tuple[str, int], int] = {}
    found: list[Answered] = []
    known = [one for one in exposures if one.user_id and one.items and one.now_ms >= since_ms]
    for one in sorted(known, key=lambda exposure: -exposure.now_ms):
        item = catalog.numbers(hashes(list(one.items)))
        label, seconds = np.zeros(len(item), np.bool_), np.full(len(item), UNKNOWN_S, np.float32)
        for place, number in enumerate(item.tolist()):
            key = one.user_id, number
            times = liked.get(key, [])
            first = bisect_left(times, one.now_ms)
            end = min(one.now_ms + WITHIN_MS, shown_again.get(key, NEVER_MS))
            label[place] = number > 0 and first < len(times) and times[first] < end
            if times_of := [value for at, value in stayed.get(key, ()) if one.now_ms <= at < end]:
                seconds[place] = min(sum(times_of), LONGEST_S)
            shown_again[key] = one.now_ms
        found.append(Answered(one.user_id, one.now_ms, item, label, seconds))
    return found[::-1]
