"""What do the tallies say of the variants of an item? Which strikes whom, for all users and for a segment of them."""

import numpy as np
from numpy.typing import NDArray

from foryou.domain.clock import DAY_MS
from foryou.domain.records import EXPECTED_UNIT, Firsts, Tallies
from foryou.domain.variants import Dressed

Floats = NDArray[np.float64]
HALF_LIFE_DAYS = 30.0  # after which what came of showing a variant counts half
PRIOR = 4.0  # clicks that a variant is taken to have had, as many as its item's variants have of those expected
PRIOR_SEGMENT = 2.0  # the same for a segment, as many as the variant has of all


def dressed(tallies: Tallies, now_ms: int) -> Dressed:
    """Give what came of showing variants, for a moment."""
    taken, expected = tallies.of("variant_taken"), tallies.of("variant_expected")
    if not len(expected.item):
        return Dressed()
    keys = np.unique(np.concatenate([taken.item, expected.item]))
    return Dressed(keys, _faded(keys, taken, now_ms), _faded(keys, expected, now_ms) / EXPECTED_UNIT)


def _faded(keys: NDArray[np.uint64], tally: Firsts, now_ms: int) -> Floats:
    """Give Σ count · 2^(-age / half-life) per key, in a fixed order: equal counts, equal bits."""
    age, found = np.maximum(0, now_ms // DAY_MS - tally.day), np.zeros(len(keys))
    place = np.searchsorted(keys, tally.item)
    order = np.lexsort((tally.day, place))
    np.add.at(found, place[order], (tally.count * np.exp2(-age / HALF_LIFE_DAYS))[order])
    return found


def strikes(
    taken: Floats, expected: Floats, own_taken: Floats, own_expected: Floats, there: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give mean and deviation of the logarithm of what each variant has of its expected clicks: float32 [m, n] each.

    taken, expected: of all users; own_…: of a segment; there: where an item has that variant; float64, bool [m, n].
    Gamma posteriors of Poisson counts: a variant begins as its item's variants are, a segment as the variant is.
    """
    item = (taken.sum(axis=1) + PRIOR) / (expected.sum(axis=1) + PRIOR)
    variant = (PRIOR + taken) / (PRIOR / item[:, None] + expected)
    shape = PRIOR_SEGMENT + own_taken
    mean = np.log(shape) - 1 / (2 * shape) - np.log(PRIOR_SEGMENT / variant + own_expected)
    deviation = np.sqrt(1 / shape + 1 / (2 * shape**2))
    return np.where(there, mean, 0).astype(np.float32), np.where(there, deviation, 1).astype(np.float32)
