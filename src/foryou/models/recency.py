"""How much does an action of yesterday still say? Weights that fall with the place in the history and with age."""

from dataclasses import dataclass

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
        place = np.arange(width)
        return np.where(place < self.length, (1.0 + place) ** -self.place_power, 0.0).astype(np.float32)

    def ages(self, batch: QueryBatch) -> NDArray[np.float32]:
        """Give the weight of each entry's age at the time of the query.  float32 [B, H]"""
        if self.age_power == 0:
            return np.ones(batch.at_ms.shape, np.float32)
        now = np.array([query.now_ms for query in batch.query], np.int64)[:, None]
        minutes = np.maximum(0, now - batch.at_ms) / MINUTE_MS
        return ((1.0 + minutes) ** -self.age_power).astype(np.float32)
