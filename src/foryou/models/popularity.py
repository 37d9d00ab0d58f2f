"""What does everybody like? All-time popularity of the bundle, and the live trend of the view."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.slate import QueryBatch


class Column:
    """An input that is one number per item, the same for everybody.  column float32 [N+1]"""

    def __init__(self, name: str, column: NDArray[np.float32]) -> None:
        self.name, self.column, self.of_history = name, column, False

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> None:  # noqa: ARG002
        """Fill out [B, C] with the column at the candidates."""
        kernels.gather(self.column, item, out)

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> bool:  # noqa: ARG002
        """Say that no history entry matters."""
        return False


class Welcome:
    """What newcomers begin with, for newcomers: log(1 + decayed count) / √(1 + n) for a history of n items."""

    name, of_history = "welcome", True

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> None:
        """Fill out [B, C] with the scaled column at the candidates."""
        kernels.gather(batch.view.welcome, item, out)
        np.log1p(out, out=out)
        out /= _root((batch.history > 0).sum(axis=1))[:, None]

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> bool:
        """Fill out [B, L, C] with the values for a history that is shorter by one."""
        plain = np.zeros(item.shape, np.float32)
        kernels.gather(batch.view.welcome, item, plain)
        np.log1p(plain, out=plain)
        length = np.maximum((batch.history > 0).sum(axis=1) - 1, 0)
        out[:] = (plain / _root(length)[:, None])[:, None, :]
        return True


def _root(length: NDArray[np.integer]) -> NDArray[np.float32]:
    return np.asarray(np.sqrt(1 + length), np.float32)


@dataclass(frozen=True)
class Popularity:
    """log(1 + interactions in training), and the best items in order.  column float32 [N+1], top int32 [n]"""

    column: NDArray[np.float32]
    top: NDArray[np.int32]

    @cached_property
    def order(self) -> NDArray[np.int32]:
        """Give all items, the most popular first.  int32 [N]"""
        return np.argsort(-self.column[1:], kind="stable").astype(np.int32) + np.int32(1)


class Trend:
    """Scores by log(1 + decayed interest of the last 24 h), as the view of the batch knows it."""

    name, of_history = "trending", False

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
