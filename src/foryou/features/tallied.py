"""What came of showing items, in integers? Increments of the tallies, from answers alone and from events alone.

No tally joins the two streams, so none depends on which of them was read further: pieces equal the whole.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from foryou.domain.clock import DAY_MS
from foryou.domain.event import hashes
from foryou.domain.exposure import Exposure
from foryou.domain.records import BOUGHT, EXPECTED_UNIT
from foryou.domain.variants import key_of, unmarked

Counts = dict[tuple[int, int], int]
EXAMINATION = 0.6  # a place r = 0, 1, … is looked at with chance (1 + r)^-0.6, as in most logs of lists
USUAL = 0.05  # chance of a click where the ranker that answered cannot tell


def examined(places: int) -> NDArray[np.float64]:
    """Give the chance that each place of a list is looked at.  float64 [places]"""
    return np.asarray((1.0 + np.arange(places)) ** -EXAMINATION)


def tally(total: Counts, more: Counts) -> None:
    """Add increments to a tally, in place."""
    for key, count in more.items():
        total[key] = total.get(key, 0) + count


def shown_tallies(exposures: Iterable[Exposure]) -> dict[str, Counts]:
    """Give what these answers add to the tallies shown, sponsored and expected."""
    found: dict[str, Counts] = {}
    for exposure in exposures:
        if not exposure.items:
            continue
        day, items = exposure.now_ms // DAY_MS, hashes(list(exposure.items)).tolist()
        chance = np.frombuffer(exposure.expected, np.float16).astype(np.float64)
        chance = chance if len(chance) == len(items) else np.full(len(items), USUAL)
        expected = np.rint(EXPECTED_UNIT * chance * examined(len(items))).astype(np.int64).tolist()
        shown, hoped = found.setdefault("shown", {}), found.setdefault("expected", {})
        for item, clicks, source in zip(items, expected, exposure.sources, strict=True):
            key = day, item
            shown[key] = shown.get(key, 0) + 1
            hoped[key] = hoped.get(key, 0) + clicks
            if source == "sponsored":
                paid = found.setdefault("sponsored", {})
                paid[key] = paid.get(key, 0) + 1
        if exposure.variants:
            worn = found.setdefault("variant_expected", {})
            for item_id, variant, clicks in zip(exposure.items, exposure.variants, expected, strict=True):
                count_variant(worn, day, item_id, variant, clicks)
    return found


def count_variant(counts: Counts, day: int, item_id: str, variant: str, more: int) -> None:
    """Count a variant that was chosen for a segment, in place: for all users, and for the segment. Others count not."""
    if name := unmarked(variant):
        for said in (name, variant):
            key = day, key_of(item_id, said)
            counts[key] = counts.get(key, 0) + more


def together(bought: tuple[int, ...], new: Sequence[tuple[int, int]], pairs: Counts) -> tuple[int, ...]:
    """Count what was bought by one user, both ways, in place; give what the user bought last, newest first.

    bought: low hash halves, newest first; new: (day, low half) in log order. What is bought again counts once.
    """
    for day, item in new:
        if item not in bought:
            for other in bought:
                for key in (item << 32 | other, other << 32 | item):
                    pairs[day, key] = pairs.get((day, key), 0) + 1
        bought = (item, *(other for other in bought if other != item))[:BOUGHT]
    return bought
