"""What goes with what? A linear item-to-item model over the newest items of the history."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.slate import QueryBatch


@dataclass(frozen=True, slots=True)
class ItemItemSettings:
    """How the history is weighed.

    length: distinct items looked at. decay: weight of an entry against the one newer by one. dislike: weight of a
    disliked item, per unit of dislike (negative pushes its neighbours away).
    """

    length: int = 20
    decay: float = 1.0
    dislike: float = 0.0


class ItemItem:
    """Scores by the sum of the rows of the history's items: s_c = Σ_l w_l · B[h_l, c].

    Small catalogs hold B whole (`rows` float32 [N+1, N+1]); larger ones the K heaviest entries of each row
    (`ids` int32 [N+1, K], 0 = none, `values` float32 [N+1, K]).
    """

    name = "item_to_item"

    def __init__(
        self,
        settings: ItemItemSettings,
        rows: NDArray[np.float32] | None = None,
        ids: NDArray[np.int32] | None = None,
        values: NDArray[np.float32] | None = None,
    ) -> None:
        self.settings = settings
        self._decay = (settings.decay ** np.arange(settings.length + 1)).astype(np.float32)
        self.rows = np.zeros((0, 0), np.float32) if rows is None else rows
        self.ids = np.zeros((0, 0), np.int32) if ids is None else ids
        self.values = np.zeros((0, 0), np.float32) if values is None else values
        self.items = max(len(self.rows), len(self.ids))
        self._total = np.zeros(0 if rows is not None else self.items, np.float32)

    def weights(self, batch: QueryBatch) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Give the items looked at and their weights, decay left out: int32 and float32 [B, length + 1].

        The last column is the item that moves into the window when another one is left out.
        """
        window = min(self.settings.length + 1, batch.history.shape[1])
        taste = batch.taste[:, :window]
        weight = np.where(taste < 0, -self.settings.dislike * taste, taste).astype(np.float32)
        return np.ascontiguousarray(batch.history[:, :window]), weight

    def propose(self, batch: QueryBatch, n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Give the n best items with a positive score per query, in no order: int32 and float32 [B, n], 0 = none."""
        history, weight = self._decayed(batch)
        if len(self.rows):
            scores = np.empty((len(batch), self.items), np.float32)
            kernels.add_rows(self.rows, history, weight, scores)
            return _best(scores, n)
        item, score = np.zeros((len(batch), n), np.int32), np.zeros((len(batch), n), np.float32)
        kernels.best_of_sparse_rows(self.ids, self.values, history, weight, self._total, item, score)
        return item, score

    def neighbours(self, anchor: NDArray[np.int32], n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Give the n items that go best with each anchor [B], in no order: int32 and float32 [B, n], 0 = none."""
        known = np.where(anchor < self.items, anchor, 0)
        if len(self.rows):
            return _best(self.rows[known].copy(), n)
        width = min(n, self.ids.shape[1])
        return np.ascontiguousarray(self.ids[known][:, :width]), np.ascontiguousarray(self.values[known][:, :width])

    def _decayed(self, batch: QueryBatch) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        history, weight = self.weights(batch)
        width = min(self.settings.length, history.shape[1])
        return np.ascontiguousarray(history[:, :width]), weight[:, :width] * self._decay[:width]

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> None:
        """Fill out [B, C] with the sums at the candidates."""
        history, weight = self._decayed(batch)
        if len(self.rows):
            kernels.sum_at(self.rows, history, weight, item, out)
        else:
            kernels.sum_sparse_at(self.ids, self.values, history, weight, self._total, item, out)

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> bool:
        """Fill out [B, L, C] with the sums of a history that had not entry l: the older ones move up by one."""
        history, weight = self.weights(batch)
        self.fill(batch, item, out[:, 0])
        out[:] = out[:, :1]
        for left_out in range(min(self.settings.length, history.shape[1])):
            rest = (
                np.delete(history, left_out, axis=1),
                np.delete(weight, left_out, axis=1) * self._decay[: history.shape[1] - 1],
            )
            if len(self.rows):
                kernels.sum_at(self.rows, *rest, item, out[:, left_out])
            else:
                kernels.sum_sparse_at(self.ids, self.values, *rest, self._total, item, out[:, left_out])
        return True


def _best(scores: NDArray[np.float32], n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Give the n best positive entries of each row, in no order; 0 where there are fewer."""
    n = min(n, scores.shape[1] - 1)
    scores[:, 0] = 0
    item = np.argpartition(-scores, n, axis=1)[:, :n].astype(np.int32)
    score = np.take_along_axis(scores, item, axis=1)
    item[score <= 0] = 0
    return item, score
