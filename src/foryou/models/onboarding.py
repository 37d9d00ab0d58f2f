"""What should a newcomer be asked? Items and categories whose answers say most, chosen from a bundle when it loads.

Items: sequential Bayesian design (A-optimality; Cohn, Ghahramani, Jordan 1996; for recommenders Rubens et al. 2015).
Before any answer a user's vector has the covariance P of the popular item vectors. An answer to item i
takes P v vᵀ P / (noise + vᵀ P v) away from it, so what is like an item that was asked about already tells little.
The next item is the one whose answer, times the chance that the user knows the item, takes most from the variance of
the scores of all popular items. That the user knows it is as likely as the item is popular.

Categories: greedy too, by share of all actions x (1 - likeness to the nearest chosen one). The likeness of two
categories is that of their audiences: the cosine of the mean vectors of their items, as far as they differ from all.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foryou.domain.catalog import Catalog
from foryou.domain.terms import named
from foryou.models.popularity import Popularity

POOL = 500  # most popular items, from which questions are chosen and by which they are judged
ITEMS = 100  # questions that are kept, so that some are left when items are gone or many are asked for
CATEGORIES = 64
Numbers = NDArray[np.int32]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Questions:
    """What to ask about, the best first; the same for everybody.

    items  int32 [<= ITEMS] · categories  int32 [<= CATEGORIES] · examples  int32 [<= POOL] popular items in order ·
    terms  uint32 [V] what items are described by, sorted: what an interest can name
    """

    items: Numbers = field(default_factory=lambda: np.zeros(0, np.int32))
    categories: Numbers = field(default_factory=lambda: np.zeros(0, np.int32))
    examples: Numbers = field(default_factory=lambda: np.zeros(0, np.int32))
    terms: NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))

    def describes(self, name: str) -> bool:
        """Say whether a category, a brand or a tag that items had at training has this name."""
        return bool(np.isin(np.array(named([name]), np.uint32), self.terms).any())


def choose(catalog: Catalog, popular: Popularity, vectors: Vectors, terms: NDArray[np.uint32]) -> Questions:
    """Give the questions of a bundle: of its catalog, popularity, item vectors [N+1, D] and terms."""
    pool = popular.top[:POOL]
    pool = pool[pool < len(vectors)]
    if not len(pool):
        return Questions(terms=terms)
    count = np.expm1(popular.column[pool]).astype(np.float64)
    mean = (count @ vectors[pool].astype(np.float64)) / count.sum()
    away = vectors[pool].astype(np.float64) - mean
    return Questions(pool[informative(away, count, ITEMS)], _categories(catalog, pool, away, count), pool, terms)


def informative(vectors: NDArray[np.float64], count: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Give rows in the order in which to ask about them.  vectors [n, D] centred · count [n] actions, > 0"""
    known = count / count.max()
    usual = vectors.T @ vectors / len(vectors)  # of users, to begin with; and what the variance of the scores counts
    left, free = usual.copy(), np.ones(len(vectors), np.bool_)
    noise = max(float(np.einsum("id,de,ie->i", vectors, usual, vectors).mean()), 1e-12)  # an answer is half chance
    chosen: list[int] = []
    for _ in range(min(most, len(vectors))):
        moved = vectors @ left  # P v
        sure = noise + np.einsum("id,id->i", moved, vectors)
        gain = known * np.einsum("id,de,ie->i", moved, usual, moved) / sure
        best = int(np.argmax(np.where(free, gain, -1.0)))
        chosen.append(best)
        free[best] = False
        left -= known[best] * np.outer(moved[best], moved[best]) / sure[best]
    return np.array(chosen, np.int64)


def _categories(catalog: Catalog, pool: Numbers, away: NDArray[np.float64], count: NDArray[np.float64]) -> Numbers:
    values, start = catalog.categories.take(pool)
    row = np.repeat(np.arange(len(pool)), np.diff(start))
    names, place = np.unique(values, return_inverse=True)
    share, audience = np.zeros(len(names)), np.zeros((len(names), away.shape[1]))
    np.add.at(share, place, count[row])
    np.add.at(audience, place, away[row] * count[row, None])
    norm = np.sqrt((audience**2).sum(axis=1, keepdims=True))
    unit = audience / np.maximum(norm, 1e-12)
    return np.asarray(names[diverse(share, unit, CATEGORIES)], np.int32)


def diverse(share: NDArray[np.float64], unit: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Give rows in order: each time the best share x (1 - cosine to the nearest row chosen).  unit [n, D]"""
    nearest, free = np.zeros(len(share)), np.ones(len(share), np.bool_)
    chosen: list[int] = []
    for _ in range(min(most, len(share))):
        best = int(np.argmax(np.where(free, share * np.maximum(1 - nearest, 1e-3), -1.0)))
        chosen.append(best)
        free[best] = False
        nearest = np.maximum(nearest, unit @ unit[best])
    return np.array(chosen, np.int64)


def most_frequent(catalog: Catalog, most: int = CATEGORIES) -> Numbers:
    """Give the categories that most items have: what is asked before anything was learned.  int32 [<= most]"""
    size = np.bincount(catalog.categories.take(np.flatnonzero(catalog.available).astype(np.int32))[0])
    size[:1] = 0
    order = np.argsort(-size, kind="stable")
    return np.asarray(order[size[order] > 0][:most], np.int32)
