"""How do rows of different lengths lie in two arrays? Mapped ones as CSR, those that changed since beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ragged:
    """Row n is values[start[n]:start[n + 1]], or changed[n] where it changed since it was mapped; other rows are empty.

    start int64 [n + 1] · values [v]
    """

    start: NDArray[np.int64]
    values: NDArray[Any]
    changed: Mapping[int, NDArray[Any]] = field(default_factory=dict)

    @staticmethod
    def of_rows(rows: Sequence[Sequence[int]], dtype: Any) -> "Ragged":
        """Pack the rows, in order."""
        start = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=start[1:])
        flat = np.fromiter((value for row in rows for value in row), dtype, int(start[-1]))
        return Ragged(start, flat)

    def of(self, row: int) -> NDArray[Any]:
        """Give one row; empty for a row beyond the last."""
        found = self.changed.get(row)
        if found is not None:
            return found
        if row + 1 >= len(self.start):
            return self.values[:0]
        return self.values[self.start[row] : self.start[row + 1]]

    def take(self, rows: NDArray[np.integer[Any]]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Give these rows one after the other: their values [v], and start int64 [len(rows) + 1]."""
        rows = rows.ravel()
        mapped = len(self.start) - 1
        inside = np.where(rows < mapped, rows, 0) if mapped else np.zeros(len(rows), np.int64)
        first = self.start[inside] if mapped else np.zeros(len(rows), np.int64)
        length = np.where(rows < mapped, self.start[inside + 1] - first, 0) if mapped else np.zeros(len(rows), np.int64)
        new = (
            {place: self.changed[row] for place, row in enumerate(rows.tolist()) if row in self.changed}
            if (self.changed)
            else {}
        )
        for place, row in new.items():
            length[place] = len(row)
        start = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(length, out=start[1:])
        index = np.arange(start[-1]) - np.repeat(start[:-1] - first, length)
        if new:
            index[np.repeat(np.isin(np.arange(len(rows)), list(new)), length)] = 0
        out = self.values[index] if len(self.values) else np.zeros(len(index), self.values.dtype)
        for place, row in new.items():
            out[start[place] : start[place + 1]] = row
        return out, start

    def replaced(self, rows: Mapping[int, NDArray[Any]]) -> "Ragged":
        """Give the same with these rows in place of the old ones."""
        return Ragged(self.start, self.values, {**self.changed, **rows}) if rows else self
