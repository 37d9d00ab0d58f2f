"""In which variant is an item shown? The one that is most likely the best for users like this one, drawn by chances."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.item import Variant
from foryou.domain.records import Core
from foryou.domain.slate import Query, QueryBatch, Slate
from foryou.domain.variants import Dressed, Wardrobe, Worn, keys_of, mark_of
from foryou.features.dressed import strikes

FLOOR = 0.02  # of the chance is the same for all variants, so that none is ever without
TEMPER = 0.5  # of the posterior's deviation: the whole of it tries too much
AGES = (25, 40, 60)  # ends of the age groups that tell users apart
Item = tuple[str, tuple[Variant, ...]]


def segment_of(query: Query, core: Core) -> str:
    """Give which users this one is like, as far as variants go: by gender, age group and device."""
    group = sum(core.age >= end for end in AGES) if core.age else ""
    return f"{core.gender}/{group}/{query.device or core.device}"


def chances(items: Sequence[Item], marks: Sequence[str], known: Dressed) -> NDArray[np.float32]:
    """Give the chance of each variant of each item to be the best for a segment: float32 [m, most variants].

    marks: of the segments (`mark_of`). Thompson sampling, whose chances are an integral (`kernels.hopes`); an item's
    chances sum to 1.
    """
    count = np.array([len(variants) for _, variants in items])
    there = np.arange(count.max()) < count[:, None]
    said = [f"{item_id}\0{one.name}" for item_id, variants in items for one in variants]
    own = [
        f"{item_id}\0{one.name}{mark}"
        for (item_id, variants), mark in zip(items, marks, strict=True) for one in variants
    ]  # fmt: skip
    found = []
    for column in known.of(keys_of(said + own)):
        for part in (column[: len(said)], column[len(said) :]):
            found.append(np.zeros(there.shape))
            found[-1][there] = part
    taken, own_taken, expected, own_expected = found
    mean, deviation = strikes(taken, expected, own_taken, own_expected, there)
    weight = np.empty(there.shape, np.float32)
    kernels.hopes(there, mean, np.float32(TEMPER) * deviation, FLOOR, weight)
    return weight


def drawn(chance: NDArray[np.float32], seeds: Sequence[int]) -> list[int]:
    """Give for each item the place that one number of its seed falls on. chance float32 [m, n], a row sums to 1"""
    number = np.array([kernels.uniform(np.uint64(seed))[1] for seed in seeds])
    last = (chance > 0).sum(axis=1) - 1  # what rounding leaves over falls to the last one
    found: list[int] = np.minimum((chance.cumsum(axis=1) <= number[:, None]).sum(axis=1), last).tolist()
    return found


class Dresser:
    """Chooses variants for what is shown. settled: the most promising one for everybody, where nothing is logged."""

    def __init__(self, settled: bool = False) -> None:
        self._settled = settled

    def __call__(self, batch: QueryBatch, slate: Slate, best: NDArray[np.int32]) -> Wardrobe:
        """Give how those of the candidates best [B, k] (-1 = none) are shown that have variants."""
        catalog, places, items, marks = batch.view.catalog, [], list[Item](), list[str]()
        seeds, numbers = list[int](), np.where(best < 0, 0, np.take_along_axis(slate.item, np.maximum(best, 0), axis=1))
        for b, (row, own) in enumerate(zip(best.tolist(), numbers.tolist(), strict=True)):
            mark = ""
            for c, number in zip(row, own, strict=True):
                variants = catalog.variants.of(number) if number else ()
                if variants:
                    mark = mark or mark_of(segment_of(batch.query[b], batch.core[b]))
                    places.append((b, c, number))
                    items.append((catalog.id_of(number), variants))
                    marks.append(mark)
                    seeds.append((batch.query[b].seed ^ int(catalog.hash[number])) & 0xFFFFFFFFFFFFFFFF)
        if not places:
            return {}
        weight, found = chances(items, marks, batch.view.tried.dressed), Wardrobe()
        chosen = np.argmax(weight, axis=1).tolist() if self._settled else drawn(weight, seeds)
        for row, ((b, c, number), at) in enumerate(zip(places, chosen, strict=True)):
            one = items[row][1][at]
            name, chance = (one.name, 1.0) if self._settled else (one.name + marks[row], float(weight[row, at]))
            found[b, c] = Worn(name, one.title or catalog.title_of(number), one.image, chance)
        return found
