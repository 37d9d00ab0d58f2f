"""Which lists has somebody put together by hand? Ordered items for a time and a place, editorial or sponsored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from foryou.domain.catalog import EMPTY, Catalog
from foryou.domain.event import hashes

MAX_LISTS = 200
MAX_ITEMS = 1_000  # of one list
MAX_QUOTA = 50


class Kind(StrEnum):
    """What a list is for. Sponsored items are labelled wherever they are shown for money."""

    EDITORIAL = "editorial"
    SPONSORED = "sponsored"


class ItemList(msgspec.Struct, frozen=True, kw_only=True):
    """A list as its editor describes it. Empty `placements`: all; start and end in ms since 1970, 0 = open.

    `quota`: places of each answer that the list may take; `label`: what stands beside its items.
    `impressions_per_day`: of a sponsored list, spread over the day (UTC); 0 = wherever it has a place.
    """

    name: str
    kind: Kind = Kind.EDITORIAL
    item_ids: tuple[str, ...] = ()
    start_ms: int = 0
    end_ms: int = 0
    placements: tuple[str, ...] = ()
    quota: int = 1
    label: str = ""
    impressions_per_day: int = 0

    def holds(self, placement: str, now_ms: int) -> bool:
        """Say whether the list counts there and then: from start_ms on, until just before end_ms."""
        here = not self.placements or placement in self.placements
        return here and self.start_ms <= now_ms and (not self.end_ms or now_ms < self.end_ms)


class ListChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record of the stream `lists`: the list as it is from now on, None where it is deleted."""

    name: str
    received_ms: int = 0
    now: ItemList | None = None


@dataclass(frozen=True, slots=True)
class Lists:
    """All lists as of a position of the stream `lists`; replaced whole, never changed."""

    by_name: Mapping[str, ItemList] = field(default_factory=dict)
    position: Mapping[int, int] = field(default_factory=dict)

    def changed(self, changes: Sequence[ListChange], position: Mapping[int, int]) -> "Lists":
        """Give the lists after the changes."""
        found = dict(self.by_name)
        for change in changes:
            if change.now is None:
                found.pop(change.name, None)
            else:
                found[change.name] = change.now
        return Lists(dict(sorted(found.items())), dict(position))


@dataclass(frozen=True, slots=True)
class Shelf:
    """The lists with their items as numbers of one catalog.  name -> int32 [n]; an item that it lacks is left out."""

    lists: Lists
    catalog: Catalog
    numbers: Mapping[str, NDArray[np.int32]]

    def active(self, kind: Kind, placement: str, now_ms: int) -> list[ItemList]:
        """Give the lists that count there and then, in the order of their names."""
        known = self.lists.by_name.values()
        return [one for one in known if one.kind == kind and one.holds(placement, now_ms)]

    def renewed(self, lists: Lists, catalog: Catalog) -> "Shelf":
        """Give the shelf of these lists and this catalog: the same one if neither has changed."""
        return self if lists is self.lists and catalog is self.catalog else shelf(lists, catalog)


def shelf(lists: Lists, catalog: Catalog) -> Shelf:
    """Give the lists as numbers of the catalog."""
    numbers = {}
    for name, one in lists.by_name.items():
        found = catalog.numbers(_hashes(one.item_ids))
        numbers[name] = found[found > 0]
    return Shelf(lists, catalog, numbers)


@lru_cache(MAX_LISTS)
def _hashes(item_ids: tuple[str, ...]) -> NDArray[np.uint64]:
    return hashes(list(item_ids))


NO_LISTS = Lists()
EMPTY_SHELF = Shelf(NO_LISTS, EMPTY, {})
