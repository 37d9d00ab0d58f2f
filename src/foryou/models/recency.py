"""How much does an action of yesterday still say? Weights that fall with the place in the history and with age."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from foryou.domain.slate import QueryBatch

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Recency:
    """weight = (1 + place)^-place_power · (1 + age in minutes)^-age_power for the `length` newest distinct items."""

    length: int = 20
    place_power: float = 0.0
    age_power: float = 0.0

    def places(self, width: int) -> NDArray[np.float32]:
        """Give the weight of each place 0 (newest) .. width - 1; 0 beyond the length.  float32 [width]"""
        return _places(self.length, self.place_power, width)

    def ages(self, batch: QueryBatch) -> NDArray[np.float32]:
        """Give the weight of each entry's age at the time of the query.  float32 [B, H]"""
        name = f"age^{self.age_power}"
        weight = batch.memo.get(name)
        if weight is None:
            weight = batch.memo[name] = np.power(1 + minutes(batch), np.float32(-self.age_power))
        return weight


def minutes(batch: QueryBatch) -> NDArray[np.float32]:
    """Give how long ago each history entry was, at the time of the query.  float32 [B, H]"""
    known = batch.memo.get("minutes")
    if known is None:
        now = np.array([query.now_ms for query in batch.query], np.int64)[:, None]
        known = batch.memo["minutes"] = (np.maximum(0, now - batch.at_ms) / MINUTE_MS).astype(np.float32)
    return known


@lru_cache
def _places(length: int, power: float, width: int) -> NDArray[np.float32]:
    place = np.arange(width)
    weight = np.where(place < length, (1.0 + place) ** -power, 0.0).astype(np.float32)
    weight.setflags(write=False)
    return weight
