"""How long was an item watched after it was chosen? The dwells of its user with it, within a day."""

import numpy as np
from numpy.typing import NDArray

from foryou.domain.clock import DAY_MS
from foryou.domain.event import CODE, Action
from foryou.train.dataset import Interactions

UNKNOWN_S = 1.0  # of what was chosen and has no dwell: as much as a candidate that was passed over
LONGEST_S = 14_400.0  # what lies above is a screen that was left on


def dwells(log: Interactions) -> NDArray[np.intp]:
    """Give the rows that say how long somebody stayed, in time order."""
    return np.flatnonzero((log.action == CODE[Action.DWELL]) & (log.value >= 0))


def seconds(log: Interactions) -> NDArray[np.float32]:
    """Give the seconds that each event's user spent with its item from then on, within a day.  float32 [n]

    A dwell counts itself. UNKNOWN_S where nothing is known, LONGEST_S at most.
    """
    found = np.full(len(log), UNKNOWN_S, np.float32)
    rows = dwells(log)
    if not len(rows):
        return found
    pair = log.user.astype(np.int64) * (log.items + 1) + log.item
    known, place = np.unique(pair[rows], return_inverse=True)
    at = log.at_ms - int(log.at_ms.min())
    span = int(at.max()) + DAY_MS + 2
    when = place * span + at[rows]
    order = np.argsort(when, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(log.value[rows][order].astype(np.float64))])
    mine = np.minimum(np.searchsorted(known, pair), len(known) - 1)
    start = np.searchsorted(when[order], mine * span + at)
    end = np.searchsorted(when[order], mine * span + at + DAY_MS)
    told = (known[mine] == pair) & (end > start)
    found[told] = np.minimum(total[end] - total[start], LONGEST_S)[told]
    return found
