"""What should each kernel of `foryou.kernels.terms` compute? The slow, obvious version, for one query, in float64."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

Numbers = Sequence[float]
Ints = Sequence[int]
Rows = Sequence[Ints]


def profile(names: Ints, idf: Numbers, rows: Rows, weight: Numbers, most: int) -> list[tuple[int, float]]:
    """Give the heaviest known terms as (place, strength), heaviest first, equal ones by place."""
    strength: dict[int, float] = {}
    for row, w in zip(rows, weight, strict=True):
        known = [list(names).index(name) for name in row if name in names]
        norm = math.sqrt(sum(idf[place] ** 2 for place in known))
        for place in known if w else ():
            strength[place] = strength.get(place, 0.0) + w * idf[place] / norm
    return sorted(strength.items(), key=lambda pair: (-pair[1] * idf[pair[0]], pair[0]))[:most]


def best_of_postings(
    postings: Sequence[Sequence[tuple[int, float]]], profiled: Sequence[tuple[int, float]], n: int
) -> list[float]:
    """Give the n best sums of strength times weight, best first."""
    total: Counter[int] = Counter()
    for place, strength in profiled:
        for item, value in postings[place] if place >= 0 and strength > 0 else ():
            total[item] += strength * value  # type: ignore[assignment]
    return sorted(total.values(), reverse=True)[:n]


def encode(names: Ints, idf: Numbers, projection: np.ndarray, row: Ints) -> np.ndarray:
    """Give the unit vector of a row of terms, zero where none is known."""
    known = [list(names).index(name) for name in row if name in names]
    total = sum((idf[place] * projection[place].astype(float) for place in known), np.zeros(projection.shape[1]))
    return total / (float(np.linalg.norm(total)) or 1)


def vector(base: np.ndarray, fresh: np.ndarray, place: Ints, item: int) -> np.ndarray:
    """Give the vector of an item, from the second table where it has a place there."""
    if item < len(place) and place[item] >= 0:
        return fresh[place[item]].astype(float)
    return base[item].astype(float) if 0 < item < len(base) else np.zeros(base.shape[1])


def dots_of_two(user: np.ndarray, base: np.ndarray, fresh: np.ndarray, place: Ints, items: Ints) -> list[float]:
    return [float(user @ vector(base, fresh, place, item)) for item in items]


def sum_of_vectors(base: np.ndarray, fresh: np.ndarray, place: Ints, history: Ints, weight: Numbers) -> np.ndarray:
    return sum(one * vector(base, fresh, place, item) for item, one in zip(history, weight, strict=True))


def affinity(rows: Rows, weight: Numbers, groups: int) -> list[float]:
    """Give the share of all weight that went to each group; nothing goes to group 0."""
    told = [(row, w) for row, w in zip(rows, weight, strict=True) if len(row)]
    found = [sum(w * list(row).count(g) / len(row) for row, w in told) for g in range(groups)]
    whole = sum(abs(w) for _, w in told)
    return [0.0, *(value / (whole or 1) for value in found[1:])]


def sum_of_groups(table: Numbers, rows: Rows) -> list[float]:
    """Give the sum of the table over the groups of each candidate."""
    return [sum(table[group] for group in row if group < len(table)) for row in rows]


def group_links(rows: Rows, others: Rows) -> list[list[float]]:
    """Give the share of each row's groups that each of the others has, too."""
    return [[sum(group in other for group in row) / max(1, len(row)) for other in others] for row in rows]


def share_of_same(mine: Ints, weight: Numbers, theirs: Ints) -> list[float]:
    """Give the share of the weight of entries that are something which went to what each candidate is."""
    told = [(m, w) for m, w in zip(mine, weight, strict=True) if m]
    whole = sum(abs(w) for _, w in told)
    return [sum(w for m, w in told if m == their) / (whole or 1) for their in theirs]


def share_of_terms(wanted: Rows, idf: Numbers, rows: Rows) -> list[float]:
    """Give the share of the wanted words that each row has in one way or another."""
    return [
        sum(one for ways, one in zip(wanted, idf, strict=True) if set(ways) & set(row)) / (sum(idf) or 1)
        for row in rows
    ]


def times(hash32: Ints, item: Ints, shown: Ints) -> list[int]:
    """Give how often each candidate was shown."""
    return [list(shown).count(hash32[name]) for name in item]
