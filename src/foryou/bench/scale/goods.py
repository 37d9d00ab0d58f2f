"""What does a generated catalog look like? Ids, categories, brands and prices, made as columns, never as objects."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.domain.catalog import Arena, Catalog
from foryou.domain.clock import DAY_MS
from foryou.domain.event import hashes
from foryou.domain.ragged import Ragged
from foryou.domain.terms import Kind, term

CATEGORIES, BRANDS = 1_000, 2_000
OLDEST_DAYS = 730  # over which the items were published, evenly
SOLD_OUT = 0.01  # share of the items
CHUNK = 250_000


def named(number: int) -> str:
    """Give the id of an item."""
    return f"i{number}"


def goods(list_: NDArray[np.int32], version: str, now_ms: int, seed: int) -> Catalog:
    """Give the catalog of items [N]: a category per group of neighbouring lists, int32 [N], the rest drawn."""
    random, items = np.random.default_rng(seed), len(list_)
    category = _headed((list_ % CATEGORIES + 1).astype(np.int32))
    brand = _headed((category[1:].astype(np.int64) * 7 + random.integers(12, size=items)) % BRANDS + 1).astype(np.int32)
    price = _headed(np.exp(random.normal(3.0, 1.0, items)).astype(np.float32))
    created = now_ms - random.integers(DAY_MS, OLDEST_DAYS * DAY_MS, items)
    ids, hash_ = _ids(items)
    return Catalog(
        version=version, position={}, hash=hash_, price=price, created_ms=_headed(created),
        expires_ms=np.zeros(items + 1, np.int64), available=_headed(random.random(items) >= SOLD_OUT),
        category=category, brand=brand, order=(np.argsort(hash_[1:], kind="stable") + 1).astype(np.int32), ids=ids,
        titles=Arena(np.zeros(0, np.uint8), np.zeros(items + 1, np.int64)),
        category_names=Arena.of([f"c{n}" for n in range(1, CATEGORIES + 1)]),
        brand_names=Arena.of([f"b{n}" for n in range(1, BRANDS + 1)]),
        categories=Ragged(np.maximum(0, np.arange(-1, items + 1, dtype=np.int64)), category[1:]),
        terms=_terms(category, brand, price), embeddings=Ragged(np.zeros(1, np.int64), np.zeros(0, np.float32)),
    )  # fmt: skip


def _headed(column: NDArray[Any]) -> NDArray[Any]:
    """Give a column with a row of zeros before it: item 0 is nobody."""
    return np.concatenate([np.zeros(1, column.dtype), column])


def _ids(items: int) -> tuple[Arena, NDArray[np.uint64]]:
    start, hash_ = np.zeros(items + 1, np.int64), np.zeros(items + 1, np.uint64)
    parts = []
    for first in range(1, items + 1, CHUNK):
        names = [named(number) for number in range(first, min(items, first + CHUNK - 1) + 1)]
        part = slice(first, first + len(names))
        start[part], hash_[part] = [len(name) for name in names], hashes(names)
        parts.append("".join(names).encode())
    np.cumsum(start, out=start)
    return Arena(np.frombuffer(b"".join(parts), np.uint8), start), hash_


def _terms(category: NDArray[np.int32], brand: NDArray[np.int32], price: NDArray[np.float32]) -> Ragged:
    """Give the terms of each item as the catalog would work them out: category, brand and band of price."""
    of_category = np.array([term(Kind.CATEGORY, f"c{n}") for n in range(CATEGORIES + 1)], np.uint32)
    of_brand = np.array([term(Kind.BRAND, f"b{n}") for n in range(BRANDS + 1)], np.uint32)
    band = np.rint(2 * np.log2(1 + price.astype(np.float64))).astype(np.int64)
    of_band = np.array([term(Kind.PRICE, str(n)) for n in range(int(band.max()) + 1)], np.uint32)
    values = np.stack([of_category[category[1:]], of_brand[brand[1:]], of_band[band[1:]]], axis=1)
    return Ragged(3 * np.maximum(0, np.arange(-1, len(category), dtype=np.int64)), values.ravel())
