"""What does everybody like? All-time popularity of the bundle, and the live trend of the view."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.slate import QueryBatch


class Column:
    """An input that is one number per item, the same for everybody.  column float32 [N+1]"""

    def __init__(self, name: str, column: NDArray[np.float32]) -> None:
        self.name, self.column = name, column

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> None:  # noqa: ARG002
        """Fill out [B, C] with the column at the candidates."""
        kernels.gather(self.column, item, out)

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> bool:  # noqa: ARG002
        """Say that no history entry matters."""
        return False


@dataclass(frozen=True, slots=True)
class Popularity:
    """log(1 + interactions in training), and the best items in order.  column float32 [N+1], top int32 [n]"""

    column: NDArray[np.float32]
    top: NDArray[np.int32]


class Trend:
    """Scores by log(1 + decayed interest of the last 24 h), as the view of the batch knows it."""

    name = "trending"

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> None:
        """Fill out [B, C] with the trend of the candidates."""
        kernels.gather(batch.view.trending, item, out)
        np.log1p(out, out=out)

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> bool:  # noqa: ARG002
        """Say that no history entry matters."""
        return False


def popularity_of(counts: NDArray[np.float32], top: int = 1_000) -> Popularity:
    """Give the model of these interaction counts [N+1]."""
    column = np.log1p(counts).astype(np.float32)
    order = np.argsort(-column, kind="stable")[: top + 1].astype(np.int32)
    return Popularity(column, order[(order > 0) & (column[order] > 0)][:top])
