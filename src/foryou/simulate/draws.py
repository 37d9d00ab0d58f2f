"""How can a random number be the same whoever asks, and when? It is a hash of what it is for, not the next of a row.

So two arms of an experiment meet the same fate at the same place, batches do not matter, and a world can be made from
its middle.
"""

from enum import IntEnum

import numpy as np
from numba import uint64, vectorize
from numpy.typing import ArrayLike, NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_TINY = 2.0**-54


@vectorize([uint64(uint64, uint64)], cache=True)  # type: ignore[no-untyped-call, untyped-decorator]
def _stirred(bits: np.uint64, key: np.uint64) -> np.uint64:
    """Stir a key into the bits: one round of SplitMix64 (Steele, Lea, Flood 2014)."""
    bits = (bits ^ key) + _GOLDEN
    bits = (bits ^ (bits >> np.uint64(30))) * _FIRST
    bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
    return bits ^ (bits >> np.uint64(31))


class For(IntEnum):
    """What a number is drawn for. Append only: the values are part of every seeded world."""

    CATEGORY = 1
    SECOND = 2
    TOPIC = 3
    BRAND = 4
    PRICE = 5
    QUALITY = 6
    BAIT = 7
    STYLE = 8
    REGION = 9
    PUBLISHED = 10
    STOCK = 11
    TITLE = 12
    SEGMENT = 13
    PEOPLE = 14
    TASTE = 15
    LEVEL = 16
    ACTIVITY = 17
    DEVICE = 18
    LIKED_TOPIC = 20
    DAYPART = 21
    CENTRE = 22
    HOT = 23
    VISITS = 24
    INTENT = 25
    SEARCH = 26
    PAGES = 27
    EXAMINED = 28
    CLICKED = 29
    AFTER = 30
    SHELVES = 31
    OUTSIDE = 32
    EVENT = 33
    AWAY = 34
    BUDGET = 35


def mixed(seed: int, part: int, *keys: ArrayLike) -> NDArray[np.uint64]:
    """Give 64 well mixed bits of the keys, which are broadcast.  uint64 [...]"""
    bits = _stirred(np.uint64(seed % 2**64), np.uint64(part))
    for key in keys:
        bits = _stirred(bits, np.asarray(key).astype(np.int64).view(np.uint64))
    return np.asarray(bits)


def uniform(seed: int, part: int, *keys: ArrayLike) -> NDArray[np.float64]:
    """Give numbers above 0 and below 1.  float64 [...]"""
    return np.asarray((mixed(seed, part, *keys) >> np.uint64(11)) * 2.0**-53 + _TINY)


def normal(seed: int, part: int, *keys: ArrayLike) -> NDArray[np.float64]:
    """Give numbers of mean 0 and deviation 1.  float64 [...] (Box, Muller 1958)"""
    radius = np.sqrt(-2 * np.log(uniform(seed, part, *keys, 1)))
    return np.asarray(radius * np.cos(2 * np.pi * uniform(seed, part, *keys, 2)))


def gumbel(seed: int, part: int, *keys: ArrayLike) -> NDArray[np.float64]:
    """Give numbers whose largest, added to log weights, is a draw by these weights.  float64 [...]"""
    return np.asarray(-np.log(-np.log(uniform(seed, part, *keys))))


def whole(seed: int, part: int, below: int, *keys: ArrayLike) -> NDArray[np.int64]:
    """Give whole numbers from 0 to below - 1, all as likely.  int64 [...]"""
    return np.asarray((uniform(seed, part, *keys) * below).astype(np.int64))
