"""What do the tallies say of the items of a catalog? How much better or worse they do than was expected of them."""

import numpy as np
from numpy.typing import NDArray

from foryou.domain.catalog import Catalog
from foryou.domain.clock import DAY_MS
from foryou.domain.records import EXPECTED_UNIT, Firsts, Tallies
from foryou.domain.tried import Pairs, Tried
from foryou.features.dressed import dressed

HALF_LIFE_DAYS = 14.0  # after which what came of showing an item counts half
PRIOR = 2.0  # clicks that an untried item is taken to have had, as many as were expected
RATE_PRIOR = 20.0  # the same for the rate of clicks over expected ones of all items together
PAIRS_HALF_LIFE_DAYS = 2.0
PAIRS_MOST = 50  # kept per item


def tried(catalog: Catalog, tallies: Tallies, now_ms: int) -> Tried:
    """Give the tallies as columns of the catalog, for a moment.

    The lift of an item has a gamma posterior: PRIOR clicks as expected to begin with, then what was counted; its
    logarithm is taken for normal with the first terms of the digamma and trigamma series.
    """
    taken = _summed(catalog, tallies.of("taken"), now_ms, HALF_LIFE_DAYS)
    expected = _summed(catalog, tallies.of("expected"), now_ms, HALF_LIFE_DAYS) / EXPECTED_UNIT
    rate = (taken.sum() + RATE_PRIOR) / (expected.sum() + RATE_PRIOR)
    mean, deviation = lifts(taken, expected, float(rate))
    shown, today = tallies.of("shown"), now_ms // DAY_MS
    lately = shown.count[shown.day >= today - 1].sum()
    paid = tallies.of("sponsored")
    paid = Firsts(*(column[paid.day == today] for column in (paid.day, paid.item, paid.count)))
    return Tried(
        tallies, now_ms, mean.astype(np.float32), deviation.astype(np.float32), _counted(catalog, shown),
        _counted(catalog, paid), float(lately) / ((DAY_MS + now_ms % DAY_MS) / 1e3), pairs(catalog, tallies, now_ms),
        dressed(tallies, now_ms),
    )  # fmt: skip


def lifts(
    taken: NDArray[np.float64], expected: NDArray[np.float64], rate: float, prior: float = PRIOR
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give mean and deviation of the logarithm of each item's lift.  float64 [n] each"""
    shape = prior + taken
    mean = np.log(shape) - 1 / (2 * shape) - np.log(prior / rate + expected)
    return mean, np.sqrt(1 / shape + 1 / (2 * shape**2))


def _summed(catalog: Catalog, tally: Firsts, now_ms: int, half_life: float) -> NDArray[np.float64]:
    """Give Σ count · 2^(-age / half-life) per item, float64 [N+1], in a fixed order: equal counts, equal bits."""
    age = now_ms // DAY_MS - tally.day
    past = age >= 0
    number, found = catalog.numbers(tally.item[past]), np.zeros(len(catalog) + 1, np.float64)
    order = np.lexsort((tally.day[past], number))
    np.add.at(found, number[order], (tally.count[past] * np.exp2(-age[past] / half_life))[order])
    found[0] = 0
    return found


def _counted(catalog: Catalog, tally: Firsts) -> NDArray[np.int64]:
    found = np.zeros(len(catalog) + 1, np.int64)
    np.add.at(found, catalog.numbers(tally.item), tally.count)
    found[0] = 0
    return found


def pairs(catalog: Catalog, tallies: Tallies, now_ms: int) -> Pairs:
    """Give what was bought together, the PAIRS_MOST heaviest of each item; items of a pair that are unknown go."""
    tally = tallies.of("together")
    halves = [(tally.item >> np.uint64(32)).astype(np.uint32), tally.item.astype(np.uint32)]
    wanted = np.unique(np.concatenate(halves))
    if not len(wanted):
        return Pairs(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))
    place = np.minimum(np.searchsorted(wanted, catalog.hash32), len(wanted) - 1)
    here = np.flatnonzero(wanted[place] == catalog.hash32)
    here = here[here > 0]
    number = np.zeros(len(wanted), np.int32)
    number[place[here]] = here
    item, other = (number[np.searchsorted(wanted, half)] for half in halves)
    age = np.maximum(0, now_ms // DAY_MS - tally.day)
    key = item.astype(np.int64) << 32 | other
    order = np.lexsort((tally.day, key))
    known, first = np.unique(key[order], return_index=True)
    weight = np.add.reduceat((tally.count * np.exp2(-age / PAIRS_HALF_LIFE_DAYS))[order], first)
    item, other = (known >> 32).astype(np.int32), (known & 0xFFFFFFFF).astype(np.int32)
    order = np.lexsort((other, -weight, item))
    order = order[(item[order] > 0) & (other[order] > 0)]
    rank = np.arange(len(order)) - np.searchsorted(item[order], item[order], "left")
    order = order[rank < PAIRS_MOST]
    return Pairs(item[order], other[order], weight[order].astype(np.float32))
