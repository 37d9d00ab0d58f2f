"""What lies near the history on the graph of users and items? A linear filter: vectors, and links for details.

The score is linear in the history, so an event counts at once and leaving one entry out is exact (Shen et al., "How
powerful is graph convolution for recommendation?", 2021, serve such a filter whole; here it is cut to D and K).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.slate import QueryBatch
from foryou.models.index import Index
from foryou.models.item_item import ItemItemSettings, Links


@dataclass(frozen=True, slots=True)
class Filter:
    """The operator between items, B = into · outᵀ + links.

    into, out float32 [N+1, D]: what is smooth on the graph · links: the K heaviest of what they leave, per row
    """

    into: NDArray[np.float32]
    out: NDArray[np.float32]
    links: Links


class Graph:
    """Scores by s_c = Σ_l w_l · B[h_l, c] over the newest items of the history."""

    name, of_history = "graph", True

    def __init__(self, operator: Filter, index: Index, settings: ItemItemSettings) -> None:
        self._filter, self._index, self._settings = operator, index, settings

    def propose(self, batch: QueryBatch, n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Give the n best of what the vectors and the links find, in no order: int32 and float32 [B, n], 0 = none.

        Nothing for who has no history.
        """
        weight = self._weights(batch)
        linked, _ = self._filter.links.best(batch.history, weight, n)
        near, _ = self._index.search(self.users(batch), n)
        item = np.sort(np.concatenate([linked, near], axis=1), axis=1)
        item[:, 1:][item[:, 1:] == item[:, :-1]] = 0
        item[~(weight * (batch.history > 0)).any(axis=1)] = 0
        score = np.empty(item.shape, np.float32)
        self.fill(batch, item, score)
        score[item == 0] = -np.inf
        best = np.argpartition(-score, min(n, len(item[0])) - 1, axis=1)[:, :n]
        item, score = np.take_along_axis(item, best, axis=1), np.take_along_axis(score, best, axis=1)
        score[item == 0] = 0
        return item, score

    def users(self, batch: QueryBatch) -> NDArray[np.float32]:
        """Give the user vectors float32 [B, D]: the weighted sum of the history's."""
        user = np.empty((len(batch), self._filter.into.shape[1]), np.float32)
        kernels.add_rows(self._filter.into, batch.history, self._weights(batch), user)
        return user

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> None:
        """Fill out [B, C] with the scores of the candidates."""
        kernels.dots(self.users(batch), self._filter.out, item, out)
        part = np.empty_like(out)
        self._filter.links.sums(batch.history, self._weights(batch), item, part)
        out += part

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> bool:
        """Fill out [B, L, C] with the scores of a history that had not entry l: the older ones move up by one."""
        link: NDArray[np.float32] = np.empty((*batch.history.shape, item.shape[1]), np.float32)
        kernels.dots_between(self._filter.into, self._filter.out, batch.history, item, link)
        link += self._filter.links.between(batch.history, item)
        width = batch.history.shape[1]
        places = self._settings.recency.places(width)
        moved = np.concatenate([np.zeros(1, np.float32), places[:-1]])
        tastes = self._tastes(batch)
        kernels.sums_without(link, tastes * places, tastes * moved, out)
        return True

    def _weights(self, batch: QueryBatch) -> NDArray[np.float32]:
        return self._tastes(batch) * self._settings.recency.places(batch.history.shape[1])

    def _tastes(self, batch: QueryBatch) -> NDArray[np.float32]:
        low = np.float32(-self._settings.dislike) * batch.taste
        return np.multiply(np.where(batch.taste < 0, low, batch.taste), self._settings.recency.ages(batch))
