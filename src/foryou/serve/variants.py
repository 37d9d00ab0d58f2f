"""In which variant is an item shown? The one that is most likely the best for users like this one, drawn by chances."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.event import hash64
from foryou.domain.item import Variant
from foryou.domain.records import Core
from foryou.domain.slate import Query, QueryBatch, Slate
from foryou.domain.variants import Dressed, Wardrobe, Worn, key_of, marked
from foryou.features.dressed import strikes

FLOOR = 0.02  # of the chance is the same for all variants, so that none is ever without
TEMPER = 0.5  # of the posterior's deviation: the whole of it tries too much
AGES = (25, 40, 60)  # ends of the age groups that tell users apart
Item = tuple[str, tuple[Variant, ...]]


def segment_of(query: Query, core: Core) -> str:
    """Give which users this one is like, as far as variants go: by gender, age group and device."""
    group = sum(core.age >= end for end in AGES) if core.age else ""
    return f"{core.gender}/{group}/{query.device or core.device}"


def chances(items: Sequence[Item], segments: Sequence[str], known: Dressed) -> NDArray[np.float32]:
    """Give the chance of each variant of each item to be the best for a segment: float32 [m, most variants].

    Thompson sampling, whose chances are an integral (`kernels.hopes`); an item's chances sum to 1.
    """
    shape = len(items), max(len(variants) for _, variants in items)
    there = np.zeros(shape, np.bool_)
    keys, own = np.zeros(shape, np.uint64), np.zeros(shape, np.uint64)
    for row, ((item_id, variants), segment) in enumerate(zip(items, segments, strict=True)):
        there[row, : len(variants)] = True
        for place, variant in enumerate(variants):
            keys[row, place] = key_of(item_id, variant.name)
            own[row, place] = key_of(item_id, marked(variant.name, segment))
    mean, deviation = strikes(*known.of(keys), *known.of(own), there)
    weight = np.empty(shape, np.float32)
    kernels.hopes(there, mean, np.float32(TEMPER) * deviation, FLOOR, weight)
    return weight


def drawn(chance: NDArray[np.float32], seed: int) -> int:
    """Give the place that one number of the seed falls on. chance float32 [n] sums to 1"""
    found = int(np.searchsorted(np.cumsum(chance), kernels.uniform(np.uint64(seed))[1], "right"))
    return min(found, len(chance) - 1)


class Dresser:
    """Chooses variants for what is shown. settled: the most promising one for everybody, where nothing is logged."""

    def __init__(self, settled: bool = False) -> None:
        self._settled = settled

    def __call__(self, batch: QueryBatch, slate: Slate, best: NDArray[np.int32]) -> Wardrobe:
        """Give how those of the candidates best [B, k] (-1 = none) are shown that have variants."""
        catalog, places, items, segments = batch.view.catalog, [], list[Item](), list[str]()
        for b, row in enumerate(best.tolist()):
            segment = ""
            for c in row:
                variants = catalog.variants.of(int(slate.item[b, c])) if c >= 0 else ()
                if variants:
                    segment = segment or segment_of(batch.query[b], batch.core[b])
                    places.append((b, c))
                    items.append((catalog.id_of(int(slate.item[b, c])), variants))
                    segments.append(segment)
        if not places:
            return {}
        weight, found = chances(items, segments, batch.view.tried.dressed), Wardrobe()
        for place, (item_id, variants), segment, chance in zip(places, items, segments, weight, strict=True):
            seed = (batch.query[place[0]].seed ^ hash64(item_id)) & 0xFFFFFFFFFFFFFFFF
            at = int(np.argmax(chance)) if self._settled else drawn(chance[: len(variants)], seed)
            one, title = variants[at], variants[at].title or catalog.title_of(int(slate.item[place]))
            name = one.name if self._settled else marked(one.name, segment)
            found[place] = Worn(name, title, one.image, 1.0 if self._settled else float(chance[at]))
        return found
