"""What may be shown here, and to this question? The expression of the placement, and that of the query."""

import numpy as np
from numpy.typing import NDArray

from foryou.domain.expression import parse
from foryou.domain.matches import matches
from foryou.domain.slate import QueryBatch, Slate


class Filters:
    """The filter of a placement (an expression, "" = none) together with those of queries."""

    def __init__(self, placement: str = "") -> None:
        self._placement = placement

    def some(self, batch: QueryBatch) -> NDArray[np.bool_]:
        """Say which queries have a filter at all.  bool [B]"""
        if self._placement:
            return np.ones(len(batch), np.bool_)
        return np.array([bool(query.filter) for query in batch.query], np.bool_)

    def let_through(self, batch: QueryBatch, item: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Say which items [B, C] the filters of their queries let through.  bool [B, C]"""
        catalog, now_ms = batch.view.catalog, np.array([query.now_ms for query in batch.query], np.int64)
        fit = np.ones(item.shape, np.bool_)
        if self._placement:
            fit &= matches(parse(self._placement), catalog, item, now_ms)
        for text in {query.filter for query in batch.query} - {""}:
            rows = [b for b, query in enumerate(batch.query) if query.filter == text]
            fit[rows] &= matches(parse(text), catalog, item[rows], now_ms[rows])
        return fit


class Filter:
    """Drops what a filter does not let through. Essential: who asks for no violence must not get it by accident.

    It never empties an answer in silence: an answer that it leaves too short says `filter_exhausted`.
    """

    name = "filter"
    essential = True

    def __init__(self, filters: Filters) -> None:
        self._filters = filters

    def apply(self, batch: QueryBatch, slate: Slate) -> None:
        """Drop the items of which an expression is false."""
        if self._filters.some(batch).any():
            slate.drop(~self._filters.let_through(batch, slate.item), self.name)
