"""What should each kernel of `foryou.kernels` compute? The slow, obvious version, for one query at a time, in float64.

Names are those of the kernels; what a kernel fills, the oracle gives.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

Numbers = Sequence[float]
Ints = Sequence[int]


def merge(places: list[list[float]], start: int, new: Ints, new_prior: Numbers, bit: int) -> int:
    """Add candidates to the places [item, prior, origin], which are mutated; give how many may be in use now."""
    end = min(len(places), start + len(new))
    for item, prior in zip(new, new_prior, strict=True):
        held = [place for place in places if place[0] == item]
        room = [place for place in places[start:end] if place[0] == 0]
        if item > 0 and held:
            held[0][2] = int(held[0][2]) | bit
        elif item > 0 and room:
            room[0][:] = [item, prior, bit]
    return end


def count_kept(item: Ints, dropped: Ints) -> int:
    """Give how many candidates no rule has dropped."""
    return sum(name > 0 and not rule for name, rule in zip(item, dropped, strict=True))


def best_first(item: Ints, score: Numbers, kept: Sequence[bool]) -> list[int]:
    """Give the places of the candidates that can be shown, best first, equal scores by item number."""
    fit = [c for c in range(len(item)) if kept[c] and math.isfinite(score[c])]
    return sorted(fit, key=lambda c: (-score[c], item[c]))


def top(item: Ints, score: Numbers, dropped: Ints, pin: Ints, k: int) -> list[int]:
    """Give the places of the best k candidates, pinned ones at their place (1..k)."""
    order = best_first(item, score, [name > 0 and not rule for name, rule in zip(item, dropped, strict=True)])
    held: dict[int, int] = {}
    for c in order:
        if 0 < pin[c] <= k:
            held.setdefault(pin[c], c)
    free = [c for c in order if pin[c] <= 0]
    row = [held[place] if place in held else free.pop(0) if free else -1 for place in range(1, k + 1)]
    return [c for c in row if c >= 0]


def dots(user: Numbers, vectors: np.ndarray, item: Ints) -> list[float]:
    """Give user · vector of each candidate."""
    return [float(np.dot(user, vectors[name])) if 0 < name < len(vectors) else 0.0 for name in item]


def all_dots(user: Numbers, vectors: np.ndarray) -> list[float]:
    """Give user · vector of every row."""
    return [float(np.dot(user, vector)) for vector in vectors]


def dots_between(into: np.ndarray, vectors: np.ndarray, history: Ints, item: Ints) -> list[list[float]]:
    """Give the product of the rows of each pair of history item and candidate."""
    return [dots(into[h], vectors, item) if 0 < h < len(into) else [0.0] * len(item) for h in history]


def weighted(inputs: np.ndarray, weight: Numbers) -> np.ndarray:
    """Give the sum of weight times input."""
    return sum((w * column for w, column in zip(weight, inputs, strict=True)), np.zeros(inputs.shape[1]))


def take_rows(table: Sequence[Ints], row: Ints) -> list[Ints]:
    """Give these rows of a table, empty ones for those beyond its end."""
    return [table[r] if r < len(table) else [] for r in row]


def starts_of_rows(table: Sequence[Ints], row: Ints) -> list[int]:
    """Give where each of these rows begins if they follow one another, and where the last one ends."""
    return [sum(map(len, take_rows(table, row[:n]))) for n in range(len(row) + 1)]


def mean_and_deviation(value: Numbers, item: Ints) -> tuple[float, float]:
    """Give mean and deviation of the values of those that are somebody."""
    there = [v for v, i in zip(value, item, strict=True) if i] or [0.0]
    return float(np.mean(there)), float(np.std(there))


def means_without(worth: np.ndarray, weight: Numbers, least: float) -> list[np.ndarray]:
    """Give the weighted mean of the rows for each one that is left out."""
    rows = range(len(worth))
    return [
        sum((weight[m] * worth[m] for m in rows if m != left), np.zeros(worth.shape[1]))
        / max(least, sum(abs(weight[m]) for m in rows if m != left))
        for left in rows
    ]


def gather(column: Numbers, item: Ints) -> list[float]:
    """Give the column at each candidate."""
    return [column[name] if name < len(column) else 0.0 for name in item]


def gather_rows(row: Numbers, item: Ints) -> list[float]:
    """Give a query's own row at each candidate."""
    return gather(row, item)


def largest(fall: np.ndarray, n: int) -> list[list[tuple[int, float]]]:
    """Give for each column of fall [L, C] its n largest finite values as (row, value), the largest first."""
    found = []
    for column in fall.T.tolist():
        order = sorted((h for h, value in enumerate(column) if not math.isnan(value)), key=lambda h: -column[h])
        best = [(h, column[h]) for h in order if column[h] > -math.inf][:n]
        found.append(best + [(-1, -math.inf)] * (n - len(best)))
    return found


def add_rows(rows: np.ndarray, history: Ints, weight: Numbers) -> np.ndarray:
    """Give the weighted sum of the rows of the history."""
    known = [(h, w) for h, w in zip(history, weight, strict=True) if 0 < h < len(rows)]
    return sum((w * rows[h].astype(float) for h, w in known), np.zeros(rows.shape[1]))


def sum_at(rows: np.ndarray, history: Ints, weight: Numbers, item: Ints) -> list[float]:
    """Give that sum at each candidate."""
    return gather(add_rows(rows, history, weight).tolist(), item)


def whole(ids: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Give sparse rows (ids, values [N+1, K]) as a whole matrix."""
    rows = np.zeros((len(ids), len(ids)))
    for name in range(len(ids)):
        for column, value in zip(ids[name], values[name], strict=True):
            if column > 0:
                rows[name, column] += value
    return rows


def sum_sparse_at(ids: np.ndarray, values: np.ndarray, history: Ints, weight: Numbers, item: Ints) -> list[float]:
    """Give what `sum_at` gives for the whole matrix."""
    return sum_at(whole(ids, values), history, weight, item)


def best_of_sparse_rows(
    ids: np.ndarray, values: np.ndarray, history: Ints, weight: Numbers, n: int
) -> list[tuple[int, float]]:
    """Give the n best positive sums as (item, sum), best first."""
    sums = add_rows(whole(ids, values), history, weight)
    found = [(name, float(value)) for name, value in enumerate(sums) if value > 0]
    return sorted(found, key=lambda pair: -pair[1])[:n]


def numbers_of(hashes: Sequence[int], wanted: Ints) -> list[int]:
    """Give the number of each wanted hash, 0 = is not there; number 0 is nobody's."""
    return [list(hashes).index(one, 1) if one in hashes[1:] else 0 for one in wanted]


def member(hash32: Ints, item: Ints, seen: Ints) -> list[bool]:
    """Say which candidates were seen."""
    return [hash32[name] in set(seen) for name in item]


def beyond_cap(item: Ints, score: Numbers, kept: Sequence[bool], group: Ints, cap: int, k: int) -> list[bool]:
    """Say which candidates are left out because `cap` of their group stand among the k shown."""
    shown: list[int] = []
    count: Counter[int] = Counter()
    for c in best_first(item, score, kept):
        if len(shown) < k and (group[c] == 0 or count[group[c]] < cap):
            shown.append(c)
            count[group[c]] += 1
    return [bool(kept[c]) and group[c] != 0 and count[group[c]] >= cap and c not in shown for c in range(len(item))]


def mix(items: Sequence[Ints], weight: Numbers) -> dict[int, float]:
    """Give the share of each kind, every item's weight split between its kinds."""
    found: Counter[int] = Counter()
    for kinds, w in zip(items, weight, strict=True):
        for kind in kinds:
            found[kind] += w / len(kinds)  # type: ignore[assignment]
    return dict(found)


def divergence(wanted: dict[int, float], own: dict[int, float], mixed: float = 0.01) -> float:
    """Give KL(wanted ‖ own) with a little of the wanted mixed into the own."""
    return sum(p * math.log(p / ((1 - mixed) * own.get(kind, 0) + mixed * p)) for kind, p in wanted.items() if p > 0)


def calibrate(
    score: Numbers, pinned: Sequence[bool], group: Ints, kinds: Sequence[Ints], past: Sequence[Ints],
    weight: Numbers, k: int, share: float, cap: int,
) -> list[int]:  # fmt: skip
    """Give the places of the pool (best first) that are chosen, in the order of the choice."""
    counts = [w if mine else 0.0 for w, mine in zip(weight, past, strict=True)]
    wanted = mix(past, [w / max(sum(counts), 1e-12) for w in counts])
    free = [s for s, p in zip(score, pinned, strict=True) if not p] or [0.0]
    scaled = [(s - min(free)) / max(max(free) - min(free), 1e-12) for s in score]
    chosen = [j for j in range(len(score)) if pinned[j]][:k]
    while len(chosen) < min(k, len(score)):
        left = [j for j in range(len(score)) if j not in chosen]
        count = Counter(group[j] for j in chosen)
        fit = [j for j in left if not cap or group[j] == 0 or count[group[j]] < cap] or left

        def value(j: int) -> float:
            own = mix([kinds[i] for i in [*chosen, j]], [1 / (len(chosen) + 1)] * (len(chosen) + 1))
            return (1 - share) * scaled[j] / (len(chosen) + 1) - share * divergence(wanted, own)

        chosen.append(max(fit, key=value))
    return chosen


def arrivals(new: Ints, created_ms: Ints, group: Ints, now_ms: int, span_ms: int, liked: Ints, n: int) -> list[int]:
    """Give the n newest of the span: half of them from liked groups where there are so many, then the others."""
    fresh = [j for j in range(len(new)) if now_ms - span_ms < created_ms[j] <= now_ms]
    first = [j for j in fresh if group[j] > 0 and group[j] in liked][: n // 2]
    return [new[j] for j in (first + [j for j in fresh if j not in first])[:n]]


def fold_in(
    vectors: np.ndarray, history: Ints, confidence: Numbers, preference: Numbers, unobserved: float, ridge: float
) -> np.ndarray:
    """Give the user vector by the normal equations of Hu et al. 2008: (u·YᵀY + Yₙᵀ C Yₙ + λI) x = Yₙᵀ C p."""
    wide = vectors.astype(float)
    matrix, right = unobserved * wide.T @ wide + ridge * np.eye(wide.shape[1]), np.zeros(wide.shape[1])
    for h, c, p in zip(history, confidence, preference, strict=True):
        if 0 < h < len(wide) and c > 0:
            matrix += c * np.outer(wide[h], wide[h])
            right += c * p * wide[h]
    return np.linalg.solve(matrix, right)


def without_each(
    vectors: np.ndarray, history: Ints, confidence: Numbers, preference: Numbers, unobserved: float, ridge: float
) -> list[np.ndarray]:
    """Give the user vector for each entry of the history that is left out, by solving anew."""
    return [
        fold_in(vectors, history, [c * (l != h) for h, c in enumerate(confidence)], preference, unobserved, ridge)
        for l in range(len(history))  # noqa: E741
    ]


def recent(
    actions: list[tuple[int, float, int, int]], width: int, gone: Ints = ()
) -> list[tuple[int, float, int, int]]:
    """Give the newest `width` distinct items but those gone of actions (item, taste, action, at_ms), oldest first.

    Actions older than the first item that finds no place are not looked at.
    """
    newest_first = [one for one in reversed(actions) if one[0] and one[0] not in gone]
    while len({one[0] for one in newest_first}) > width:
        newest_first.pop()
    found = []
    for item in dict.fromkeys(one[0] for one in newest_first):
        own = [one for one in newest_first if one[0] == item]
        strongest = max(own, key=lambda one: abs(one[1]))  # of equals the first: the newest
        found.append((item, strongest[1], strongest[2], own[0][3]))
    return found


def links(rows: np.ndarray, history: Ints, item: Ints) -> list[list[float]]:
    """Give the matrix at each pair of history item and candidate."""
    return [[float(rows[h, name]) if 0 < h < len(rows) and name < len(rows) else 0.0 for name in item] for h in history]


def sparse_links(ids: np.ndarray, values: np.ndarray, history: Ints, item: Ints) -> list[list[float]]:
    """Give what `links` gives for the whole matrix."""
    return links(whole(ids, values), history, item)


def sums_without(link: np.ndarray, weight: Numbers, moved: Numbers, entries: int) -> list[np.ndarray]:
    """Give for each entry that is left out the sum of the others: newer ones as they were, older ones moved up."""
    width = len(link)
    return [
        sum((link[m] * (weight[m] if m < left else moved[m]) for m in range(width) if m != left), 0 * link[0])
        for left in range(entries)
    ]
