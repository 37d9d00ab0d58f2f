"""What can be recommended? Items as columns, ids as numbers; item number 0 is nobody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from foryou.domain.event import hash64, hashes


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An item as its owner describes it. `price` in the shop's currency; times in ms since 1970 UTC."""

    item_id: str
    title: str = ""
    categories: tuple[str, ...] = ()
    attributes: dict[str, str] = {}
    text: str = ""
    price: float = 0.0
    brand: str = ""
    published_ms: int = 0
    expires_ms: int = 0
    status: str = "available"


class ItemChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record of the stream `items`: op `put` replaces, `patch` changes what is set, `delete` removes."""

    item_id: str
    op: str
    received_ms: int = 0
    title: str | UnsetType = UNSET
    categories: tuple[str, ...] | UnsetType = UNSET
    attributes: dict[str, str] | UnsetType = UNSET
    text: str | UnsetType = UNSET
    price: float | UnsetType = UNSET
    brand: str | UnsetType = UNSET
    published_ms: int | UnsetType = UNSET
    expires_ms: int | UnsetType = UNSET
    status: str | UnsetType = UNSET


ITEM_FIELDS = tuple(name for name in Item.__struct_fields__ if name != "item_id")


def changed(item: Item | None, change: ItemChange) -> Item | None:
    """Give the item after the change; None = it does not exist (any more)."""
    if change.op == "delete":
        return None
    start = Item(item_id=change.item_id) if item is None or change.op == "put" else item
    said = {name: value for name in ITEM_FIELDS if (value := getattr(change, name)) is not UNSET}
    return msgspec.structs.replace(start, **said)


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


REMEMBERED = 20_000  # ids and titles kept decoded per view
COLUMNS = ("hash", "price", "created_ms", "expires_ms", "available", "category")
ARRAYS = (*COLUMNS, "order", "ids", "ids_start", "titles", "titles_start", "categories", "categories_start")


@dataclass(frozen=True)
class Catalog:
    """An immutable view of all items: a mapped part, and above it what arrived since (a copy with more rows).

    Columns have N + 1 rows; row 0 is nobody. Numbers only grow; a removed item stays as unavailable.
    hash        uint64   hash64 of the id          price       float32
    created_ms  int64    0 = unknown               expires_ms  int64, 0 = never
    available   bool     status says so            category    int32, number of the first category, 0 = none
    order       int32    numbers of the mapped part in the order of their hashes
    """

    version: str
    position: Mapping[int, int]
    hash: NDArray[np.uint64]
    price: NDArray[np.float32]
    created_ms: NDArray[np.int64]
    expires_ms: NDArray[np.int64]
    available: NDArray[np.bool_]
    category: NDArray[np.int32]
    order: NDArray[np.int32]
    ids: Arena
    titles: Arena
    category_names: Arena
    new_numbers: Mapping[int, int] = field(default_factory=dict)  # hash -> number, above the mapped part
    new_ids: tuple[str, ...] = ()
    new_titles: Mapping[int, str] = field(default_factory=dict)
    new_categories: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Give the highest item number; numbers run from 1 to here."""
        return len(self.hash) - 1

    @cached_property
    def hash32(self) -> NDArray[np.uint32]:
        """Give the low halves of the hashes, as the records of seen items hold them.  uint32 [N+1]"""
        return self.hash.astype(np.uint32)

    @cached_property
    def _sorted_hash(self) -> NDArray[np.uint64]:
        return self.hash[self.order]

    def numbers(self, item_hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Give the number of each hash, 0 = unknown.  uint64 [...] -> int32 [...]"""
        found = np.zeros(item_hashes.shape, np.int32)
        if len(self.order):
            place = np.searchsorted(self._sorted_hash, item_hashes)
            place[place == len(self.order)] = 0
            found = np.where(self._sorted_hash[place] == item_hashes, self.order[place], found)
        if self.new_numbers:
            for index in np.flatnonzero((found == 0) & (item_hashes != 0)):
                found.flat[index] = self.new_numbers.get(int(item_hashes.flat[index]), 0)
        return found

    def number(self, item_id: str) -> int:
        """Give the number of an id, 0 = unknown."""
        return int(self.numbers(np.array([hash64(item_id)], np.uint64))[0])

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
        mapped = len(self.category_names)
        if category == 0:
            return ""
        return self.category_names[category - 1] if category <= mapped else self.new_categories[category - 1 - mapped]

    def extended(self, changes: Sequence[ItemChange], position: Mapping[int, int]) -> "Catalog":
        """Give a new view with the changes in; this one stays as it is. Columns are copied once per call."""
        return _extended(self, changes, position) if changes else replace(self, position=dict(position))


EMPTY = Catalog(
    version="", position={}, hash=np.zeros(1, np.uint64), price=np.zeros(1, np.float32),
    created_ms=np.zeros(1, np.int64), expires_ms=np.zeros(1, np.int64), available=np.zeros(1, np.bool_),
    category=np.zeros(1, np.int32), order=np.zeros(0, np.int32),
    ids=Arena.of([]), titles=Arena.of([]), category_names=Arena.of([]),
)  # fmt: skip


def _extended(old: Catalog, changes: Sequence[ItemChange], position: Mapping[int, int]) -> Catalog:
    found = old.numbers(hashes([change.item_id for change in changes]))
    new_numbers, new_ids, new_titles = dict(old.new_numbers), list(old.new_ids), dict(old.new_titles)
    names = _CategoryNumbers(old)
    numbers = []
    for change, number in zip(changes, found.tolist(), strict=True):
        key = hash64(change.item_id)
        number = number or new_numbers.get(key, 0)
        if not number and change.op != "delete":
            new_ids.append(change.item_id)
            number = new_numbers[key] = len(old.ids) + len(new_ids)
        numbers.append(number)
    rows = len(old.ids) + len(new_ids) + 1
    columns: dict[str, Any] = {name: _grown(getattr(old, name), rows) for name in COLUMNS}
    for change, number in zip(changes, numbers, strict=True):
        if number:
            columns["hash"][number] = hash64(change.item_id)
            _apply(columns, new_titles, names, change, number)
    return replace(
        old, position=dict(position), new_numbers=new_numbers, new_ids=tuple(new_ids), new_titles=new_titles,
        new_categories=tuple(names.new), **columns,
    )  # fmt: skip


def _grown(column: NDArray[Any], rows: int) -> NDArray[Any]:
    grown = np.zeros(rows, column.dtype)
    grown[: len(column)] = column
    return grown


class _CategoryNumbers:
    """Numbers of category names, those of the view first."""

    def __init__(self, catalog: Catalog) -> None:
        mapped = [catalog.category_names[place] for place in range(len(catalog.category_names))]
        self._number = {name: place + 1 for place, name in enumerate([*mapped, *catalog.new_categories])}
        self.new = list(catalog.new_categories)

    def of(self, categories: Sequence[str]) -> int:
        """Give the number of the first category, a new one where it has none yet; 0 for no category."""
        if not categories:
            return 0
        if categories[0] not in self._number:
            self._number[categories[0]] = len(self._number) + 1
            self.new.append(categories[0])
        return self._number[categories[0]]


def _apply(
    columns: dict[str, NDArray[Any]], titles: dict[int, str], names: _CategoryNumbers, change: ItemChange, number: int
) -> None:
    if change.op == "delete":
        columns["available"][number] = False
        return
    put = change.op == "put"
    said = {name: getattr(change, name) for name in ITEM_FIELDS}
    item = Item(item_id=change.item_id)
    value = {
        name: getattr(item, name) if said[name] is UNSET else said[name]
        for name in ITEM_FIELDS
        if put or said[name] is not UNSET
    }
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
    if "categories" in value:
        columns["category"][number] = names.of(value["categories"])
    if "title" in value:
        titles[number] = value["title"]


def build(items: Sequence[Item], version: str, position: Mapping[int, int]) -> Catalog:
    """Build the view of items in the order of their numbers (the first gets 1); all of it can be mapped."""
    names = _CategoryNumbers(EMPTY)
    hash_ = np.concatenate([np.zeros(1, np.uint64), hashes([item.item_id for item in items])])
    return Catalog(
        version=version,
        position=dict(position),
        hash=hash_,
        price=np.array([0.0, *(item.price for item in items)], np.float32),
        created_ms=np.array([0, *(item.published_ms for item in items)], np.int64),
        expires_ms=np.array([0, *(item.expires_ms for item in items)], np.int64),
        available=np.array([False, *(item.status == "available" for item in items)], np.bool_),
        category=np.array([0, *(names.of(item.categories) for item in items)], np.int32),
        order=(np.argsort(hash_[1:], kind="stable") + 1).astype(np.int32),
        ids=Arena.of([item.item_id for item in items]),
        titles=Arena.of([item.title for item in items]),
        category_names=Arena.of(names.new),
    )
