"""What is popular with newcomers, with those who have seen ten items, with those who have seen hundreds?"""

import numpy as np
from numpy.typing import NDArray

from foryou.models.stage import EDGES, stage_of
from foryou.train.dataset import Interactions

HALF_LIFE_MS = 14 * 86_400_000
BESIDE = 0.4  # what an event counts for the next stage; the one behind it 0.4 of that, and so on
PRIOR = 20.0  # usual events that each stage starts with


def recent(log: Interactions) -> NDArray[np.float64]:
    """Give 2^(-age / 14 days) of each event, as of the end of the log.  float64 [n]"""
    return np.exp2(-(log.at_ms[-1] - log.at_ms) / HALF_LIFE_MS) if len(log) else np.zeros(0)


def lately(log: Interactions) -> NDArray[np.float32]:
    """Give log(1 + decayed number of events) per item.  float32 [N+1]"""
    counts = np.bincount(log.item, recent(log), minlength=log.items + 1)
    return np.log1p(counts).astype(np.float32)


def fit(log: Interactions) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give log(1 + decayed count) and its log lift over all stages, per stage and item.  float32 [S, N+1] each"""
    order = np.lexsort((np.arange(len(log)), log.user))
    user = log.user[order]
    place = np.arange(len(log)) - np.searchsorted(user, user)
    stages = len(EDGES) + 1
    counts = np.zeros((stages, log.items + 1))
    np.add.at(counts, (stage_of(place), log.item[order]), recent(log)[order])
    apart = np.abs(np.subtract.outer(np.arange(stages), np.arange(stages)))
    mixed = BESIDE**apart @ counts
    usual = (mixed.sum(axis=0) + 1) / (mixed.sum() + log.items + 1)
    share = (mixed + PRIOR * usual) / (mixed.sum(axis=1, keepdims=True) + PRIOR)
    return np.log1p(mixed).astype(np.float32), np.log(share / usual).astype(np.float32)
