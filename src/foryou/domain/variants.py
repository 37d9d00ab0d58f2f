"""Which items can be shown in several ways, and what came of each way? Few have variants; the others cost nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from foryou.domain.event import hash64, hashes
from foryou.domain.item import Variant
from foryou.domain.ragged import Ragged

U64 = NDArray[np.uint64]
Floats = NDArray[np.float64]
REMEMBERED = 20_000  # items whose variants are kept decoded
MARK = "."  # between the name of a variant and the mark of a segment; names may hold it
_decoder = msgspec.json.Decoder(tuple[Variant, ...])


def key_of(item_id: str, variant: str) -> int:
    """Give the key under which a variant of an item is counted, for all (its name) or for a segment (`marked`)."""
    return hash64(f"{item_id}\0{variant}")


def keys_of(said: list[str]) -> U64:
    """Give the keys of many, each said as `item_id`, NUL, `variant`: `key_of` at once.  uint64 [n]"""
    return hashes(said)


def mark_of(segment: str) -> str:
    """Give what stands behind the name of a variant that was chosen for a segment: four digits of its hash."""
    return f"{MARK}{hash64(segment) & 0xFFFF:04x}"


def marked(name: str, segment: str) -> str:
    """Give how a variant is called that was chosen for a segment."""
    return name + mark_of(segment)


def unmarked(variant: str) -> str:
    """Give the name of a variant that was chosen for a segment; empty where no segment is marked."""
    name, mark, segment = variant.rpartition(MARK)
    return name if mark and len(segment) == 4 else ""


@dataclass(frozen=True, slots=True)
class Variants:
    """The variants of the items that have some: number int32 [m], in order, and what was said, JSON as uint8 rows.

    changed: item number -> variants, where they changed since the catalog was built.
    """

    number: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    said: Ragged = field(default_factory=lambda: Ragged(np.zeros(1, np.int64), np.zeros(0, np.uint8)))
    changed: Mapping[int, tuple[Variant, ...]] = field(default_factory=dict)
    known: dict[int, tuple[Variant, ...]] = field(default_factory=dict, compare=False)  # decoded already

    @staticmethod
    def of_rows(rows: Sequence[tuple[Variant, ...]]) -> "Variants":
        """Pack the variants of items 1, 2, …"""
        some = [place for place, row in enumerate(rows) if row]
        encoded = [msgspec.json.encode(rows[place]) for place in some]
        return Variants(np.array(some, np.int32) + np.int32(1), Ragged.of_rows(encoded, np.uint8))

    def __bool__(self) -> bool:
        """Say whether any item has variants, or had."""
        return bool(self.changed) or len(self.number) > 0

    def of(self, number: int) -> tuple[Variant, ...]:
        """Give the variants of an item, in their order."""
        if (found := self.changed.get(number)) is not None or (found := self.known.get(number)) is not None:
            return found
        place = int(np.searchsorted(self.number, number))
        if place == len(self.number) or self.number[place] != number:
            return ()
        decoded = _decoder.decode(self.said.of(place).tobytes())
        if len(self.known) < REMEMBERED:
            self.known[number] = decoded
        return decoded

    def replaced(self, rows: Mapping[int, tuple[Variant, ...]]) -> "Variants":
        """Give the same with these rows in place of the old ones."""
        return Variants(self.number, self.said, {**self.changed, **rows}, self.known) if rows else self


NO_VARIANTS = Variants()


@dataclass(frozen=True, slots=True)
class Worn:
    """The variant in which an item is shown, by the name that events give back, and the chance that it had."""

    variant: str
    title: str
    image: str
    propensity: float


Wardrobe = dict[tuple[int, int], Worn]  # (query, candidate place) -> how it is shown


@dataclass(frozen=True, slots=True)
class Dressed:
    """What came of showing variants: keys (`key_of`) uint64 [n] in order, clicks and those that were to be expected,
    float64 [n], faded.
    """

    key: U64 = field(default_factory=lambda: np.zeros(0, np.uint64))
    taken: Floats = field(default_factory=lambda: np.zeros(0))
    expected: Floats = field(default_factory=lambda: np.zeros(0))

    def of(self, key: U64) -> tuple[Floats, Floats]:
        """Give clicks and expected clicks of keys, 0 where nothing is known; of any shape."""
        if not len(self.key):
            return np.zeros(key.shape), np.zeros(key.shape)
        place = np.minimum(np.searchsorted(self.key, key), len(self.key) - 1)
        there = self.key[place] == key
        return np.where(there, self.taken[place], 0.0), np.where(there, self.expected[place], 0.0)


NOT_DRESSED = Dressed()
