"""What can be recommended? Items as columns, ids as numbers; item number 0 is nobody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.event import hash64, hashes
from foryou.domain.item import ITEM_FIELDS, Item, ItemChange, Variant
from foryou.domain.ragged import Ragged
from foryou.domain.terms import Kind, kinds, terms_of
from foryou.domain.variants import NO_VARIANTS, Variants


@dataclass(frozen=True, slots=True)
class Arena:
    """Many strings in two arrays, so that 10 M of them are mapped, not loaded. bytes uint8 · start int64 [n+1]."""

    bytes: NDArray[np.uint8]
    start: NDArray[np.int64]

    @staticmethod
    def of(texts: Sequence[str]) -> "Arena":
        """Pack the strings, in order."""
        encoded = [text.encode() for text in texts]
        start = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(part) for part in encoded], out=start[1:])
        return Arena(np.frombuffer(b"".join(encoded), np.uint8), start)

    def __len__(self) -> int:
        return len(self.start) - 1

    def __getitem__(self, place: int) -> str:
        return self.bytes[self.start[place] : self.start[place + 1]].tobytes().decode()


LISTED = 20_000  # of the newest items that stand in order
REMEMBERED = 20_000  # ids and titles kept decoded per view
COLUMNS = ("hash", "price", "created_ms", "expires_ms", "available", "category", "brand")
ARENAS = ("ids", "titles", "category_names", "brand_names")
RAGGED = ("categories", "terms", "embeddings")
ARRAYS = (*COLUMNS, "order", *(f"{name}{part}" for name in (*ARENAS, *RAGGED) for part in ("", "_start")))


@dataclass(frozen=True)
class Catalog:
    """An immutable view of all items: a mapped part, and above it what arrived since (a copy with more rows).

    Columns have N + 1 rows; row 0 is nobody. Numbers only grow; a removed item stays as unavailable.
    hash        uint64   hash64 of the id          price       float32
    created_ms  int64    0 = unknown               expires_ms  int64, 0 = never
    available   bool     status says so            category    int32, number of the first category, 0 = none
    brand       int32    number of the brand, 0 = none
    order       int32    numbers of the mapped part in the order of their hashes
    categories  int32    numbers of all categories · terms uint32, see `domain.terms` · embeddings float32
    """

    version: str
    position: Mapping[int, int]
    hash: NDArray[np.uint64]
    price: NDArray[np.float32]
    created_ms: NDArray[np.int64]
    expires_ms: NDArray[np.int64]
    available: NDArray[np.bool_]
    category: NDArray[np.int32]
    brand: NDArray[np.int32]
    order: NDArray[np.int32]
    ids: Arena
    titles: Arena
    category_names: Arena
    brand_names: Arena
    categories: Ragged
    terms: Ragged
    embeddings: Ragged
    new_numbers: Mapping[int, int] = field(default_factory=dict)  # hash -> number, above the mapped part
    new_ids: tuple[str, ...] = ()
    new_titles: Mapping[int, str] = field(default_factory=dict)
    new_categories: tuple[str, ...] = ()
    new_brands: tuple[str, ...] = ()
    variants: Variants = NO_VARIANTS  # of the items that have some

    def __len__(self) -> int:
        """Give the highest item number; numbers run from 1 to here."""
        return len(self.hash) - 1

    @cached_property
    def hash32(self) -> NDArray[np.uint32]:
        """Give the low halves of the hashes, as the records of seen items hold them: uint32 [N+1], a view."""
        return np.asarray(self.hash, "<u8").view("<u4")[::2]

    def numbers(self, item_hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Give the number of each hash, 0 = unknown.  uint64 [...] -> int32 [...]"""
        found = np.zeros(item_hashes.shape, np.int32)
        kernels.numbers_of(self.hash, self.order, np.ascontiguousarray(item_hashes).ravel(), found.reshape(-1))
        if self.new_numbers:
            for index in np.flatnonzero((found == 0) & (item_hashes != 0)):
                found.flat[index] = self.new_numbers.get(int(item_hashes.flat[index]), 0)
        return found

    def number(self, item_id: str) -> int:
        """Give the number of an id, 0 = unknown."""
        return int(self.numbers(np.array([hash64(item_id)], np.uint64))[0])

    @cached_property
    def newest_first(self) -> NDArray[np.int32]:
        """Give the items that were published last, newest first, equal ones by number.  int32 [<= LISTED]"""
        known = self.created_ms[1:]
        most = np.argpartition(-known, LISTED)[:LISTED] if len(known) > LISTED else np.arange(len(known))
        numbers = most[known[most] > 0] + 1
        return numbers[np.lexsort((numbers, -self.created_ms[numbers]))].astype(np.int32)

    @cached_property
    def _known_ids(self) -> dict[int, str]:
        """Ids that were asked for, so that popular ones are decoded once; bounded by REMEMBERED."""
        return {}

    def id_of(self, number: int) -> str:
        """Give the id of a number (1..N)."""
        known = self._known_ids.get(number)
        if known is None:
            known = self._id_of(number)
            if len(self._known_ids) < REMEMBERED:
                self._known_ids[number] = known
        return known

    def _id_of(self, number: int) -> str:
        mapped = len(self.ids)
        return self.ids[number - 1] if number <= mapped else self.new_ids[number - 1 - mapped]

    @cached_property
    def _known_titles(self) -> dict[int, str]:
        return {}

    def title_of(self, number: int) -> str:
        """Give the title of a number, its id where it has none."""
        known = self._known_titles.get(number)
        if known is None:
            known = self._title_of(number)
            if len(self._known_titles) < REMEMBERED:
                self._known_titles[number] = known
        return known

    def _title_of(self, number: int) -> str:
        mapped = len(self.titles)
        title = self.new_titles.get(number, "") or (self.titles[number - 1] if number <= mapped else "")
        return title or self.id_of(number)

    def category_name(self, category: int) -> str:
        """Give the name of a category number, "" for 0."""
        return _name(self.category_names, self.new_categories, category)

    def brand_name(self, brand: int) -> str:
        """Give the name of a brand number, "" for 0."""
        return _name(self.brand_names, self.new_brands, brand)

    @cached_property
    def category_numbers(self) -> Mapping[str, int]:
        """Give the number of each category name."""
        return _numbered(self.category_names, self.new_categories)

    @cached_property
    def brand_numbers(self) -> Mapping[str, int]:
        """Give the number of each brand name."""
        return _numbered(self.brand_names, self.new_brands)

    def extended(self, changes: Sequence[ItemChange], position: Mapping[int, int]) -> "Catalog":
        """Give a new view with the changes in; this one stays as it is. Columns are copied once per call."""
        return _extended(self, changes, position) if changes else replace(self, position=dict(position))


def _name(mapped: Arena, new: Sequence[str], number: int) -> str:
    if number == 0:
        return ""
    return mapped[number - 1] if number <= len(mapped) else new[number - 1 - len(mapped)]


def _numbered(mapped: Arena, new: Sequence[str]) -> dict[str, int]:
    return {name: place + 1 for place, name in enumerate([*(mapped[n] for n in range(len(mapped))), *new])}


_NO_ROWS = Ragged(np.zeros(1, np.int64), np.zeros(0, np.int32))
EMPTY = Catalog(
    version="", position={}, hash=np.zeros(1, np.uint64), price=np.zeros(1, np.float32),
    created_ms=np.zeros(1, np.int64), expires_ms=np.zeros(1, np.int64), available=np.zeros(1, np.bool_),
    category=np.zeros(1, np.int32), brand=np.zeros(1, np.int32), order=np.zeros(0, np.int32),
    ids=Arena.of([]), titles=Arena.of([]), category_names=Arena.of([]), brand_names=Arena.of([]),
    categories=_NO_ROWS, terms=Ragged(np.zeros(1, np.int64), np.zeros(0, np.uint32)),
    embeddings=Ragged(np.zeros(1, np.int64), np.zeros(0, np.float32)),
)  # fmt: skip


class _Names:
    """Numbers of names, 1 and up, those of the view first."""

    def __init__(self, known: Mapping[str, int], new: Sequence[str]) -> None:
        self._number, self.new = dict(known), list(new)

    def of(self, name: str) -> int:
        """Give the number of a name, a new one where it has none yet; 0 for no name."""
        if not name:
            return 0
        if name not in self._number:
            self._number[name] = len(self._number) + 1
            self.new.append(name)
        return self._number[name]


class _Growth:
    """A copy of a view's columns that changes are written into."""

    def __init__(self, old: Catalog, rows: int) -> None:
        self.columns: dict[str, Any] = {name: _grown(getattr(old, name), rows) for name in COLUMNS}
        self.titles = dict(old.new_titles)
        self.category_names = _Names(old.category_numbers, old.new_categories)
        self.brand_names = _Names(old.brand_numbers, old.new_brands)
        self._old = old
        self.rows: dict[str, dict[int, NDArray[Any]]] = {name: {} for name in RAGGED}
        self.variants: dict[int, tuple[Variant, ...]] = {}

    def apply(self, change: ItemChange, number: int) -> None:
        """Write one change into the row of an item."""
        columns = self.columns
        columns["hash"][number] = hash64(change.item_id)
        if change.op == "delete":
            columns["available"][number] = False
            return
        value = _said(change)
        if not columns["created_ms"][number]:
            columns["created_ms"][number] = change.received_ms
            columns["available"][number] = True
        for name, column in (("price", "price"), ("published_ms", "created_ms"), ("expires_ms", "expires_ms")):
            if value.get(name):
                columns[column][number] = value[name]
            elif name in value and name != "published_ms":
                columns[column][number] = 0
        if "status" in value:
            columns["available"][number] = value["status"] == "available"
        if "title" in value:
            self.titles[number] = value["title"]
        if "brand" in value:
            columns["brand"][number] = self.brand_names.of(value["brand"])
        if "categories" in value:
            numbers = np.array([self.category_names.of(name) for name in dict.fromkeys(value["categories"])], np.int32)
            columns["category"][number] = numbers[0] if len(numbers) else 0
            self.rows["categories"][number] = numbers
        if "embedding" in value:
            self.rows["embeddings"][number] = np.array(value["embedding"], np.float32)
        if "variants" in value and (value["variants"] or self._old.variants.of(number) or number in self.variants):
            self.variants[number] = value["variants"]
        self._describe(value, number)

    def _describe(self, value: dict[str, Any], number: int) -> None:
        """Replace the terms of the fields that were said; the others stay."""
        said = {kind: value[name] for name, kind in _DESCRIBED if name in value}
        known = self.rows["terms"].get(number)
        known = self._old.terms.of(number) if known is None else known
        kept = known[~np.isin(kinds(known), list(said))]
        new = np.array([term for kind, what in said.items() for term in terms_of(kind, what)], np.uint32)
        row = np.concatenate([kept, new])
        if "embedding" in value or not np.array_equal(np.sort(row), np.sort(known)):
            self.rows["terms"][number] = row  # a new row says that the vector must be worked out anew


_DESCRIBED = (
    ("title", Kind.TITLE), ("text", Kind.TEXT), ("categories", Kind.CATEGORY), ("tags", Kind.TAG),
    ("brand", Kind.BRAND), ("price", Kind.PRICE), ("attributes", Kind.ATTRIBUTE),
)  # fmt: skip


def _said(change: ItemChange) -> dict[str, Any]:
    """Give the fields that a change sets: all for `put`, what is sent for `patch`."""
    fresh = Item(item_id=change.item_id)
    return {
        name: getattr(fresh, name) if value is UNSET else value
        for name in ITEM_FIELDS
        if (value := getattr(change, name)) is not UNSET or change.op == "put"
    }


def _extended(old: Catalog, changes: Sequence[ItemChange], position: Mapping[int, int]) -> Catalog:
    found = old.numbers(hashes([change.item_id for change in changes]))
    new_numbers, new_ids = dict(old.new_numbers), list(old.new_ids)
    numbers = []
    for change, number in zip(changes, found.tolist(), strict=True):
        key = hash64(change.item_id)
        number = number or new_numbers.get(key, 0)
        if not number and change.op != "delete":
            new_ids.append(change.item_id)
            number = new_numbers[key] = len(old.ids) + len(new_ids)
        numbers.append(number)
    growth = _Growth(old, len(old.ids) + len(new_ids) + 1)
    for change, number in zip(changes, numbers, strict=True):
        if number:
            growth.apply(change, number)
    return replace(
        old, position=dict(position), new_numbers=new_numbers, new_ids=tuple(new_ids), new_titles=growth.titles,
        new_categories=tuple(growth.category_names.new), new_brands=tuple(growth.brand_names.new),
        variants=old.variants.replaced(growth.variants),
        **growth.columns, **{name: getattr(old, name).replaced(rows) for name, rows in growth.rows.items()},
    )  # fmt: skip


def _grown(column: NDArray[Any], rows: int) -> NDArray[Any]:
    grown = np.zeros(rows, column.dtype)
    grown[: len(column)] = column
    return grown


def build(items: Sequence[Item], version: str, position: Mapping[int, int]) -> Catalog:
    """Build the view of items in the order of their numbers (the first gets 1); all of it can be mapped."""
    categories, brands = _Names({}, ()), _Names({}, ())
    hash_ = np.concatenate([np.zeros(1, np.uint64), hashes([item.item_id for item in items])])
    lists = [[categories.of(name) for name in dict.fromkeys(item.categories)] for item in items]
    described = [[term for name, kind in _DESCRIBED for term in terms_of(kind, getattr(item, name))] for item in items]
    return Catalog(
        version=version,
        position=dict(position),
        hash=hash_,
        price=np.array([0.0, *(item.price for item in items)], np.float32),
        created_ms=np.array([0, *(item.published_ms for item in items)], np.int64),
        expires_ms=np.array([0, *(item.expires_ms for item in items)], np.int64),
        available=np.array([False, *(item.status == "available" for item in items)], np.bool_),
        category=np.array([0, *(row[0] if row else 0 for row in lists)], np.int32),
        brand=np.array([0, *(brands.of(item.brand) for item in items)], np.int32),
        order=(np.argsort(hash_[1:], kind="stable") + 1).astype(np.int32),
        ids=Arena.of([item.item_id for item in items]),
        titles=Arena.of([item.title for item in items]),
        category_names=Arena.of(categories.new),
        brand_names=Arena.of(brands.new),
        categories=Ragged.of_rows([[], *lists], np.int32),
        terms=Ragged.of_rows([[], *described], np.uint32),
        embeddings=_embeddings(items),
        variants=Variants.of_rows([item.variants for item in items]),
    )


def _embeddings(items: Sequence[Item]) -> Ragged:
    rows = [(), *(item.embedding for item in items)]
    start = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=start[1:])
    return Ragged(start, np.array([value for row in rows for value in row], np.float32))
