"""How does a candidate stand among the others of its slate? An input measured in deviations from the slate's mean."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.ports import Feature
from foryou.domain.slate import QueryBatch

LEAST = 1e-6


class Once:
    """An input that others are made of: worked out once for the same items, then copied."""

    def __init__(self, feature: Feature) -> None:
        self._feature = feature
        self.name, self.of_history = feature.name, feature.of_history

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> None:
        """Fill out [B, C] with the input's values."""
        self._kept(batch, item, out, "fill", self._feature.fill)

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> bool:
        """Fill out [B, L, C] with the input's values if history entry l were not there."""
        return self._kept(batch, item, out, f"without {out.shape[1]}", self._feature.without) is not False

    def _kept(
        self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32], what: str,
        work_out: Callable[[QueryBatch, NDArray[np.int32], NDArray[np.float32]], bool | None],
    ) -> bool | None:  # fmt: skip
        memo, name = batch.memo, f"{self.name}:{what}"
        if memo.get(f"{name} of") is item:
            out[:] = memo[name]
            return True
        found = work_out(batch, item, out)
        if found is not False:
            memo[f"{name} of"], memo[name] = item, out.copy()  # items held, so that no other array stands there
        return found


class Relative:
    """(input - mean) / deviation over all candidates of a query, whichever of them are asked about."""

    def __init__(self, feature: Feature) -> None:
        self._feature = feature
        self.name, self.of_history = f"{feature.name}_z", feature.of_history

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> None:
        """Fill out [B, C]; 0 in empty places."""
        self._feature.fill(batch, item, out)
        if self.name not in batch.measure:
            self._measure(batch, item, out)
        mean, deviation = batch.measure[self.name]
        out -= mean
        out /= deviation
        out[item == 0] = 0

    def _measure(self, batch: QueryBatch, item: NDArray[np.int32], values: NDArray[np.float32]) -> None:
        if batch.candidates is not None and batch.candidates is not item:
            item, values = batch.candidates, np.empty(batch.candidates.shape, np.float32)
            self._feature.fill(batch, item, values)
        batch.measure[self.name] = np.empty((2, len(batch), 1), np.float32)
        kernels.mean_and_deviation(values, item, LEAST, batch.measure[self.name])

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> bool:
        """Fill out [B, L, C] with the values of a history that had not entry l, in the measure of the whole one."""
        if not self._feature.without(batch, item, out):
            return False
        if self.name not in batch.measure:
            self.fill(batch, item, np.empty(item.shape, np.float32))
        mean, deviation = batch.measure[self.name]
        out -= mean[:, :, None]
        out /= deviation[:, :, None]
        return True
