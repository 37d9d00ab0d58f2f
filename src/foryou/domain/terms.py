"""Which terms describe an item, and which does a search mean? Hashed words, categories, brand, price band, tags."""

import math
import re
from collections.abc import Iterable, Sequence
from enum import IntEnum
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

WORDS = 64  # distinct words of a text that count
MOST_WORDS = 16  # distinct words of a search that count
_WORD = re.compile(r"\w{2,}")
_KIND_BITS = 7


class Kind(IntEnum):
    """What a term is: the low 3 bits of its hash."""

    TITLE = 0  # a word of the title
    CATEGORY = 1
    BRAND = 2
    PRICE = 3  # a band of prices, half an octave wide
    TAG = 4
    ATTRIBUTE = 5
    TEXT = 6  # a word of the text


SEARCHED = (Kind.TITLE, Kind.TEXT, Kind.CATEGORY, Kind.BRAND, Kind.TAG)


def term(kind: Kind, text: str) -> int:
    """Give the hash of a term, uint32: the same in every process and release."""
    return crc32(text.strip().lower().encode()) & ~_KIND_BITS | kind


def kinds(terms: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Give the kind of each term.  uint8 [n]"""
    return (terms & _KIND_BITS).astype(np.uint8)


def words(text: str, limit: int = WORDS) -> list[str]:
    """Give the first distinct words of a text, lower case."""
    return list(dict.fromkeys(_WORD.findall(text.lower())))[:limit]


def price_band(price: float) -> str:
    """Give the band of a price: half an octave, so 10 and 12 share one, 10 and 20 do not."""
    return str(round(2 * math.log2(1 + price)))


def terms_of(kind: Kind, value: str | float | Iterable[str] | dict[str, str]) -> list[int]:
    """Give the terms that one field of an item adds."""
    if isinstance(value, (int, float)):
        return [term(kind, price_band(value))] if value > 0 else []
    if kind in (Kind.TITLE, Kind.TEXT):
        return [term(kind, word) for word in words(str(value))]
    if isinstance(value, str):
        return [term(kind, value)] if value else []
    if isinstance(value, dict):
        return [term(kind, f"{name}={said}") for name, said in value.items()]
    return list(dict.fromkeys(term(kind, one) for one in value if one))


def searched(text: str) -> list[int]:
    """Give the terms that a search means: each word, and the whole, as any kind that has such a name."""
    return [one for name in dict.fromkeys([*words(text, MOST_WORDS), text.strip().lower()]) for one in meant(name)]


def meant(name: str) -> list[int]:
    """Give what a searched name can be: a word of title or text, a category, a brand, a tag."""
    return [term(kind, name) for kind in SEARCHED]


def named(names: Sequence[str]) -> list[int]:
    """Give the terms of interests: each name as a category, a brand or a tag."""
    return [term(kind, name) for name in names for kind in (Kind.CATEGORY, Kind.BRAND, Kind.TAG)]
