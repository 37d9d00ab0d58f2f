"""How does a candidate stand among the others of its slate? An input measured in deviations from the slate's mean."""

import numpy as np
from numpy.typing import NDArray

from foryou.domain.ports import Feature
from foryou.domain.slate import QueryBatch

LEAST = np.float32(1e-6)


class Relative:
    """(input - mean) / deviation over all candidates of a query, whichever of them are asked about."""

    def __init__(self, feature: Feature) -> None:
        self._feature = feature
        self.name = f"{feature.name}_z"

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> None:
        """Fill out [B, C]; 0 in empty places."""
        self._feature.fill(batch, item, out)
        mean, deviation = self._scale(batch, item, out)
        out -= mean
        out /= deviation
        out[item == 0] = 0

    def _scale(
        self, batch: QueryBatch, item: NDArray[np.int32], values: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if f"{self.name}:mean" not in batch.memo:
            if batch.candidates is not None and batch.candidates is not item:
                item, values = batch.candidates, np.empty(batch.candidates.shape, np.float32)
                self._feature.fill(batch, item, values)
            there = item > 0
            count = np.maximum(there.sum(axis=1), 1)
            mean = np.array([row[on].sum(dtype=np.float64) for row, on in zip(values, there, strict=True)]) / count
            away = (values - mean[:, None]) * there
            deviation = np.sqrt(np.array([(row * row).sum(dtype=np.float64) for row in away]) / count)
            batch.memo[f"{self.name}:mean"] = mean[:, None].astype(np.float32)
            batch.memo[f"{self.name}:deviation"] = np.maximum(deviation, LEAST)[:, None].astype(np.float32)
        return batch.memo[f"{self.name}:mean"], batch.memo[f"{self.name}:deviation"]

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> bool:
        """Fill out [B, L, C] with the values of a history that had not entry l, in the measure of the whole one."""
        if not self._feature.without(batch, item, out):
            return False
        whole = np.empty(item.shape, np.float32)
        self._feature.fill(batch, item, whole)
        mean, deviation = self._scale(batch, item, whole)
        out -= mean[..., None]
        out /= deviation[..., None]
        return True
