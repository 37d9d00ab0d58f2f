"""What do users take up at this point of their way? Popularity among those who had seen about as many items."""

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.slate import QueryBatch

EDGES = np.array([1, 3, 6, 11, 21, 36, 61, 101, 161, 251])  # items seen before: where a stage begins, the first is 0


def stage_of(seen: NDArray[np.integer]) -> NDArray[np.intp]:
    """Give the stage, 0 .. len(EDGES), of users who had seen so many items."""
    return np.searchsorted(EDGES, seen, side="right")


class Stage:
    """An input that is one number per stage and item.  table float32 [S, N+1]"""

    def __init__(self, name: str, table: NDArray[np.float32]) -> None:
        self.name, self._table, self.of_history = name, table, False

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> None:
        """Fill out [B, C] with the table at the user's stage and the candidates."""
        rows = np.ascontiguousarray(self._table[stage_of(np.diff(batch.seen_start))])
        kernels.gather_rows(rows, item, out)

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> bool:  # noqa: ARG002
        """Say that no history entry matters: one item more or less is about the same stage."""
        return False
