"""For which items is an expression true? Array operations over the catalog's columns and ragged rows."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.domain.catalog import Catalog
from foryou.domain.clock import DAY_MS
from foryou.domain.event import hashes
from foryou.domain.expression import Both, Compare, Either, Expression, Has, Not, attribute_of
from foryou.domain.ragged import Ragged
from foryou.domain.terms import Kind, term

Bool = NDArray[np.bool_]
_SIGNS: dict[str, Callable[[Any, float], Bool]] = {
    "=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def matches(expression: Expression, catalog: Catalog, item: NDArray[np.int32], now_ms: NDArray[np.int64]) -> Bool:
    """Say for which items [B, C] the expression is true at the times [B].  bool [B, C]

    Categories, brands and ids as they are written; tags and attributes by their terms, so without regard to case.
    """
    match expression:
        case Has(field, values):
            return _has(field, values, catalog, item)
        case Compare(measure, sign, value):
            return _compared(measure, sign, value, catalog, item, now_ms)
        case Not(part):
            return ~matches(part, catalog, item, now_ms)
        case Both(parts):
            return np.asarray(np.logical_and.reduce([matches(part, catalog, item, now_ms) for part in parts]))
        case Either(parts):
            return np.asarray(np.logical_or.reduce([matches(part, catalog, item, now_ms) for part in parts]))


def _has(field: str, values: Sequence[str], catalog: Catalog, item: NDArray[np.int32]) -> Bool:
    if name := attribute_of(field):
        return _any(catalog.terms, item, [term(Kind.ATTRIBUTE, f"{name}={value}") for value in values])
    match field:
        case "category":
            return _any(catalog.categories, item, [catalog.category_numbers.get(value, -1) for value in values])
        case "tag":
            return _any(catalog.terms, item, [term(Kind.TAG, value) for value in values])
        case "brand":
            wanted = [catalog.brand_numbers.get(value, -1) for value in values]
            return np.asarray(np.isin(catalog.brand[item], wanted))
        case _:
            return np.asarray(np.isin(catalog.hash[item], hashes(list(values))))


def _any(rows: Ragged, item: NDArray[np.int32], wanted: Sequence[int]) -> Bool:
    """Say whose rows hold one of the values."""
    held, start = rows.take(item)
    count = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.isin(held, np.array(wanted)))])
    return np.asarray(count[start[1:]] > count[start[:-1]]).reshape(item.shape)


def _compared(
    measure: str, sign: str, value: float, catalog: Catalog, item: NDArray[np.int32], now_ms: NDArray[np.int64]
) -> Bool:
    compare = _SIGNS[sign]
    if measure == "price":
        return np.asarray(compare(catalog.price[item], float(np.float32(value))))  # rounded as the column is
    created = catalog.created_ms[item]
    if measure == "published":
        found = compare(created // DAY_MS * DAY_MS, value)  # a date is a day: "=" means on that day
    else:
        found = compare((now_ms[:, None] - created) / DAY_MS, value)
    return np.asarray(found & (created > 0))
