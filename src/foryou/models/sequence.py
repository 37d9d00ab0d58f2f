"""What comes next? Vectors of the newest items, faded by place and age, against the vectors of the candidates."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.event import ACTIONS, Action
from foryou.domain.slate import QueryBatch
from foryou.models.recency import minutes

_RATING = ACTIONS.index(Action.RATING)


@dataclass(frozen=True, slots=True)
class Fading:
    """weight_g = (1 + place)^-power_g · (1 + minutes)^-age_power for the `length` newest distinct items.

    One power for each group of dimensions. `rated_low`: what a low rating weighs beside a high one. It says where
    somebody is in his way through the catalog, and what comes next is another question than what is liked; all other
    dislikes are no entries (ADR 0014).
    """

    powers: tuple[float, ...] = (0.5, 1.0)
    age_power: float = 0.1
    length: int = 49  # one less than a batch holds, so that leaving one out can bring in the one behind it
    rated_low: float = 1.0

    def places(self, width: int) -> NDArray[np.float32]:
        """Give the weight of each place 0 (newest) .. width - 1 per group.  float32 [G, width]"""
        return _places(self, width)

    def tastes(
        self, taste: NDArray[np.float32], action: NDArray[np.uint8], minutes: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Give what each entry weighs wherever it stands, in any shape."""
        low = np.where(action == _RATING, np.float32(-self.rated_low) * taste, np.float32(0))
        return np.where(taste < 0, low, taste) * self.ages(minutes)

    def ages(self, minutes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the weight of each age, in any shape."""
        return np.asarray(np.power(1 + minutes, np.float32(-self.age_power)), np.float32)


@lru_cache
def _places(fading: Fading, width: int) -> NDArray[np.float32]:
    place = np.arange(width)
    weight = np.power(1.0 + place, -np.array(fading.powers)[:, None]) * (place < fading.length)
    found = np.asarray(weight, np.float32)
    found.setflags(write=False)
    return found


class Sequence:
    """Scores by b_c + Σ_g u_g · out_gc with u_g = Σ_l weight_g · taste · into_g[h_l].

    into float32 [N+1, D] and out float32 [N+1, D+1] of `train.sequence`; the last column of `out` is b.
    """

    name, of_history = "sequence", True

    def __init__(self, into: NDArray[np.float32], out: NDArray[np.float32], fading: Fading) -> None:
        groups, width = len(fading.powers), into.shape[1]
        self._into = [np.ascontiguousarray(part) for part in np.split(into, groups, axis=1)]
        self._out = [np.ascontiguousarray(part) for part in np.split(out[:, :width], groups, axis=1)]
        self._bias = np.ascontiguousarray(out[:, width])
        self._fading = fading

    def _tastes(self, batch: QueryBatch) -> NDArray[np.float32]:
        """Give what each entry weighs wherever it stands.  float32 [B, H]"""
        return self._fading.tastes(batch.taste, batch.action, minutes(batch))

    def _places(self, batch: QueryBatch) -> NDArray[np.float32]:
        return self._fading.places(batch.history.shape[1])

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> None:
        """Fill out [B, C] with the scores of the candidates."""
        kernels.gather(self._bias, item, out)
        part = np.empty_like(out)
        tastes = self._tastes(batch)
        for places, into, vectors in zip(self._places(batch), self._into, self._out, strict=True):
            user = np.empty((len(batch), into.shape[1]), np.float32)
            kernels.add_rows(into, batch.history, tastes * places, user)
            kernels.dots(user, vectors, item, part)
            out += part

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> bool:
        """Fill out [B, L, C] with the scores of a history that had not entry l: the older ones move up by one."""
        plain = np.empty(item.shape, np.float32)
        kernels.gather(self._bias, item, plain)
        out[:] = plain[:, None, :]
        tastes, part = self._tastes(batch), np.empty_like(out)
        link = np.empty((*batch.history.shape, item.shape[1]), np.float32)
        for places, into, vectors in zip(self._places(batch), self._into, self._out, strict=True):
            kernels.dots_between(into, vectors, batch.history, item, link)
            moved = np.concatenate([np.zeros(1, np.float32), places[:-1]])
            kernels.sums_without(link, tastes * places, tastes * moved, part)
            out += part
        return True
