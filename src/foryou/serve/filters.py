"""What may be shown here, and to this question? The expression of the placement, and that of the query."""

import numpy as np
from numpy.typing import NDArray

from foryou.domain.catalog import Catalog
from foryou.domain.expression import Both, Compare, Either, Expression, Not, parse
from foryou.domain.matches import matches
from foryou.domain.slate import QueryBatch, Slate

WHOLE_UP_TO = 1_000_000  # items up to which a selective filter is worked out for all of them: some tens of ms, once
KEPT = 8  # masks of filters that are remembered, of one byte per item each


class Filters:
    """The filter of a placement (an expression, "" = none) together with those of queries."""

    def __init__(self, placement: str = "") -> None:
        self._placement = placement
        self._masks: dict[str, tuple[Catalog, NDArray[np.bool_]]] = {}

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

    def within(self, batch: QueryBatch, b: int, item: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Say which items [C] the filters of one query let through.  bool [C]"""
        query, fit = batch.query[b], np.ones((1, len(item)), np.bool_)
        for text in {self._placement, query.filter} - {""}:
            fit &= matches(parse(text), batch.view.catalog, item[None], np.array([query.now_ms], np.int64))
        return np.asarray(fit[0])

    def whole(self, batch: QueryBatch, b: int) -> NDArray[np.bool_] | None:
        """Say which of all items the filters of one query let through: bool [N+1].

        None where that would take too long, or depends on the time of the query and so cannot be kept for the next.
        """
        catalog, found = batch.view.catalog, None
        for text in {self._placement, batch.query[b].filter} - {""}:
            if len(catalog) > WHOLE_UP_TO or _of_age(parse(text)):
                return None
            mask = self._mask(text, catalog)
            found = mask if found is None else found & mask
        return found

    def _mask(self, text: str, catalog: Catalog) -> NDArray[np.bool_]:
        known = self._masks.pop(text, None)
        if not known or known[0] is not catalog:
            every = np.arange(len(catalog) + 1, dtype=np.int32)[None]
            known = catalog, matches(parse(text), catalog, every, np.zeros(1, np.int64))[0]
            known[1][0] = False
        if len(self._masks) == KEPT:
            del self._masks[next(iter(self._masks))]
        self._masks[text] = known
        return known[1]


def _of_age(expression: Expression) -> bool:
    match expression:
        case Compare(measure, _, _):
            return measure == "age_days"
        case Not(part):
            return _of_age(part)
        case Both(parts) | Either(parts):
            return any(_of_age(part) for part in parts)
    return False


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
