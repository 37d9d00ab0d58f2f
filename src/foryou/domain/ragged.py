"""How do rows of different lengths lie in two arrays? Mapped ones as CSR, those that changed since beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou import kernels


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
        start = np.empty(len(rows) + 1, np.int64)
        kernels.starts_of_rows(self.start, rows, start)
        new = {place: row for place, row in enumerate(rows.tolist()) if row in self.changed} if self.changed else {}
        if new:
            length = np.diff(start)
            length[list(new)] = [len(self.changed[row]) for row in new.values()]
            np.cumsum(length, out=start[1:])
        out = np.empty(start[-1], self.values.dtype)
        kernels.take_rows(self.start, self.values, rows, start, out)
        for place, row in new.items():
            out[start[place] : start[place + 1]] = self.changed[row]
        return out, start

    def replaced(self, rows: Mapping[int, NDArray[Any]]) -> "Ragged":
        """Give the same with these rows in place of the old ones."""
        return Ragged(self.start, self.values, {**self.changed, **rows}) if rows else self
