"""What is asked, and by whom? Inputs that are the same for all candidates, for rankers that combine inputs."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foryou.domain import session
from foryou.domain.clock import HOUR_MS
from foryou.domain.slate import QueryBatch
from foryou.models.recency import minutes

PAUSE_MINUTES = 30.0  # a longer pause between two actions ends a session
Values = NDArray[np.float32]


class OfQuery:
    """An input that is one number per query."""

    def __init__(self, name: str, value: Callable[[QueryBatch], Values], of_history: bool = False) -> None:
        self.name, self._value, self.of_history = name, value, of_history

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: Values) -> None:  # noqa: ARG002
        """Fill out [B, C] with the number of each query."""
        out[:] = self._value(batch)[:, None]

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: Values) -> bool:  # noqa: ARG002
        """Say that no history entry matters: the same user, asked why."""
        return False


def history_length(batch: QueryBatch) -> Values:
    """Give log(1 + distinct items of the history that are looked at).  float32 [B]"""
    return np.asarray(np.log1p((batch.history > 0).sum(axis=1)), np.float32)


def gap(batch: QueryBatch) -> Values:
    """Give log(1 + minutes since the newest action), that of a year where there is none.  float32 [B]"""
    newest = np.where(batch.history[:, 0] > 0, minutes(batch)[:, 0], np.float32(525_600))
    return np.asarray(np.log1p(newest), np.float32)


def session_length(batch: QueryBatch) -> Values:
    """Give log(1 + newest items that follow one another without a pause).  float32 [B]"""
    ago = minutes(batch)
    close = batch.history > 0
    close[:, 0] &= ago[:, 0] <= PAUSE_MINUTES
    close[:, 1:] &= ago[:, 1:] - ago[:, :-1] <= PAUSE_MINUTES
    return np.asarray(np.log1p(np.logical_and.accumulate(close, axis=1).sum(axis=1)), np.float32)


def _angle(batch: QueryBatch) -> list[float]:
    return [query.now_ms % (24 * HOUR_MS) / (24 * HOUR_MS) * 2 * math.pi for query in batch.query]


def _of_core(batch: QueryBatch, value: Callable[[int], float]) -> Values:
    return np.array([value(b) for b in range(len(batch))], np.float32)


INPUTS = (
    OfQuery("history_length", history_length, True),
    OfQuery("gap", gap, True),
    OfQuery("session_length", session_length, True),
    OfQuery("hour_sin", lambda batch: np.array([math.sin(angle) for angle in _angle(batch)], np.float32)),
    OfQuery("hour_cos", lambda batch: np.array([math.cos(angle) for angle in _angle(batch)], np.float32)),
    OfQuery("user_age", lambda batch: _of_core(batch, lambda b: batch.core[b].age / 50)),
    OfQuery("user_female", lambda batch: _of_core(batch, lambda b: batch.core[b].gender.upper() == "F")),
    OfQuery("user_male", lambda batch: _of_core(batch, lambda b: batch.core[b].gender.upper() == "M")),
    OfQuery("on_mobile", lambda batch: np.array([one == "mobile" for one in session.devices(batch)], np.float32)),
)
