"""What goes with what? A linear item-to-item model over the newest items of the history."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.slate import QueryBatch
from foryou.models.recency import Recency


@dataclass(frozen=True, slots=True)
class ItemItemSettings:
    """How the history is weighed; `dislike`: weight per unit of dislike (negative pushes the neighbours away)."""

    recency: Recency = field(default_factory=Recency)
    dislike: float = 0.0


class Links:
    """The links between items: whole (`rows` float32 [N+1, N+1]) for small catalogs, for larger ones the K heaviest
    of each row (`ids` int32 [N+1, K], 0 = none, `values` float32 [N+1, K], largest first)."""

    def __init__(
        self,
        rows: NDArray[np.float32] | None = None,
        ids: NDArray[np.int32] | None = None,
        values: NDArray[np.float32] | None = None,
    ) -> None:
        self.rows = np.zeros((0, 0), np.float32) if rows is None else rows
        self.ids = np.zeros((0, 0), np.int32) if ids is None else ids
        self.values = np.zeros((0, 0), np.float32) if values is None else values
        self.items = max(len(self.rows), len(self.ids))  # N + 1
        self._total = np.zeros(0 if len(self.rows) else self.items, np.float32)

    def best(
        self, history: NDArray[np.int32], weight: NDArray[np.float32], n: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Give the n best positive sums of weight [B, L] · row(history [B, L]), in no order: [B, n], 0 = none."""
        if len(self.rows):
            scores = np.empty((len(history), self.items), np.float32)
            kernels.add_rows(self.rows, history, weight, scores)
            return _best(scores, n)
        item, score = np.zeros((len(history), n), np.int32), np.zeros((len(history), n), np.float32)
        kernels.best_of_sparse_rows(self.ids, self.values, history, weight, self._total, item, score)
        return item, score

    def sums(
        self, history: NDArray[np.int32], weight: NDArray[np.float32], item: NDArray[np.int32], out: NDArray[np.float32]
    ) -> None:
        """Fill out [B, C] with the sums at the candidates."""
        if len(self.rows):
            kernels.sum_at(self.rows, history, weight, item, out)
        else:
            kernels.sum_sparse_at(self.ids, self.values, history, weight, self._total, item, out)

    def between(self, history: NDArray[np.int32], item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Give each link from history [B, L] to item [B, C].  float32 [B, L, C]"""
        out = np.empty((*history.shape, item.shape[1]), np.float32)
        if len(self.rows):
            kernels.links(self.rows, history, item, out)
        else:
            kernels.sparse_links(self.ids, self.values, history, self._total, item, out)
        return out


class ItemItem:
    """Scores by the weighted sum of the rows of the history's items: s_c = Σ_l w_l · B[h_l, c]."""

    name, of_history = "item_to_item", True

    def __init__(self, links: Links, settings: ItemItemSettings) -> None:
        self.links, self.settings = links, settings

    def propose(self, batch: QueryBatch, n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Give the n best items with a positive score per query, in no order: int32 and float32 [B, n], 0 = none."""
        if not len(self.links.rows):
            return self.links.best(batch.history, self._weights(batch), n)
        scores = np.empty((len(batch), self.links.items), np.float32)
        kernels.add_rows(self.links.rows, batch.history, self._weights(batch), scores)
        batch.memo[self.name] = scores
        return _best(scores, n)

    def neighbours(self, anchor: NDArray[np.int32], n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Give the n items that go best with each anchor [B], in no order: int32 and float32 [B, n], 0 = none."""
        return self.links.best(anchor[:, None].copy(), np.ones((len(anchor), 1), np.float32), n)

    def _weights(self, batch: QueryBatch) -> NDArray[np.float32]:
        return self._tastes(batch) * self.settings.recency.places(batch.history.shape[1])

    def _tastes(self, batch: QueryBatch) -> NDArray[np.float32]:
        strength = np.where(batch.taste < 0, np.float32(-self.settings.dislike) * batch.taste, batch.taste)
        return np.multiply(strength, self.settings.recency.ages(batch))

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> None:
        """Fill out [B, C] with the sums at the candidates."""
        scores = batch.memo.get(self.name)
        if scores is not None:
            kernels.gather_rows(scores, item, out)
        else:
            self.links.sums(batch.history, self._weights(batch), item, out)

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> bool:
        """Fill out [B, L, C] with the sums of a history that had not entry l: the older ones move up by one."""
        width = batch.history.shape[1]
        moved = np.concatenate([np.zeros(1, np.float32), self.settings.recency.places(width)[: width - 1]])
        tastes = self._tastes(batch)
        weight = tastes * self.settings.recency.places(width)
        kernels.sums_without(self.links.between(batch.history, item), weight, tastes * moved, out)
        return True


def _best(scores: NDArray[np.float32], n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Give the n best positive entries of each row, in no order; 0 where there are fewer."""
    n = min(n, scores.shape[1] - 1)
    scores[:, 0] = 0
    item = np.argpartition(-scores, n, axis=1)[:, :n].astype(np.int32)
    score = scores[np.arange(len(item))[:, None], item]
    item[score <= 0] = 0
    return item, score
