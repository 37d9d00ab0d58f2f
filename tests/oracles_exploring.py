"""The kernels of `foryou.kernels.exploring` in the plainest words, one query at a time."""

import math
from collections.abc import Sequence
from statistics import NormalDist

Ints = Sequence[int]
Numbers = Sequence[float]
MASK = 2**64 - 1


def uniform(state: int) -> tuple[int, float]:
    """Give the next state and number of splitmix64, after Vigna's public-domain C."""
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return state, ((z ^ (z >> 31)) >> 11) * 2.0**-53


def explorable(kept: Sequence[bool], group: Ints, best: Ints, tasted: Ints, share: float, pin: Ints) -> list[int]:
    """Give the candidates that may be tried."""
    shown = [c for c in best if c >= 0]
    free = [place for place, c in enumerate(shown) if not pin[c]]
    given = free[max(0, len(free) - math.ceil(share * len(shown))) :]
    used = {0, *(group[c] for place, c in enumerate(shown) if place not in given)}
    candidates = [c for c in range(len(kept)) if kept[c] and not pin[c] and c not in shown]
    pool = [c for c in candidates if group[c] not in used | set(tasted)]
    pool = pool or [c for c in candidates if group[c] not in used] or candidates
    return pool if math.ceil(share * len(shown)) else []


def hopes(pool: Ints, mean: Numbers, deviation: Numbers, floor: float, most: int, points: int) -> dict[int, float]:
    """Give the chance of each of the pool that it is the best."""
    if not pool:
        return {}
    first = sorted(pool, key=lambda c: (-(mean[c] + deviation[c]), c))[:most]
    low = max(mean[c] - 3 * deviation[c] for c in first)
    high = max(mean[c] + 3 * deviation[c] for c in first)
    first = [c for c in first if mean[c] + 3 * deviation[c] > low]
    chance = dict.fromkeys(first, 0.0)
    for n in range(points):
        x = low + (n + 0.5) * (high - low) / points
        below = {c: max(NormalDist(mean[c], deviation[c]).cdf(x), 1e-12) for c in first}
        for c in first:
            chance[c] += NormalDist(mean[c], deviation[c]).pdf(x) * math.prod(below.values()) / below[c]
    total = sum(chance.values())
    return {c: (1 - floor) * chance.get(c, 0.0) / total + floor / len(pool) for c in pool}


def shares(weight: Numbers, wanted: int) -> list[float]:
    """Give chances in proportion to the weights that sum to `wanted`, none above 1."""
    sure: set[int] = set()
    while len(sure) < wanted:
        rest = [c for c, w in enumerate(weight) if w > 0 and c not in sure]
        total, left = sum(weight[c] for c in rest), wanted - len(sure)
        more = {c for c in rest if weight[c] * left >= total * (1 - 1e-6)}
        if not more:
            return [1.0 if c in sure else w * left / total for c, w in enumerate(weight)]
        sure |= more
    return [float(c in sure) for c in range(len(weight))]


def explore(weight: Numbers, best: Ints, share: float, seed: int, pin: Ints) -> dict[int, tuple[int, float]]:
    """Give the explored candidates: place -> (pinned to which place of the list, with what chance)."""
    shown = [c for c in best if c >= 0]
    state, u = uniform(seed)
    free = [place for place, c in enumerate(shown) if not pin[c]][::-1]
    most, least = min(len(free), sum(w > 0 for w in weight)), math.floor(share * len(shown))
    number, beyond = math.floor(share * len(shown) + u), share * len(shown) - least
    chance, more = shares(weight, min(least, most)), shares(weight, min(least + 1, most))
    if not min(number, most):
        return {}
    state, start = uniform(state)
    picked, passed = [], 0.0
    for c, own in enumerate(chance if number == least else more):
        before, passed = passed, passed + own
        if own > 0 and math.floor(passed - start) > math.floor(before - start):
            picked.append(c)
    for j in range(len(picked)):
        state, u = uniform(state)
        other = j + math.floor(u * (len(picked) - j))
        picked[j], picked[other] = picked[other], picked[j]
    return {c: (free[j] + 1, (1 - beyond) * chance[c] + beyond * more[c]) for j, c in enumerate(picked)}


def dealt(weight: Numbers, best: Ints, share: float, pin: Ints) -> list[dict[int, float]]:
    """Give, for each place of the list, who stands there with what chance."""
    shown = [c for c in best if c >= 0]
    free = [place for place, c in enumerate(shown) if not pin[c]][::-1]
    most, least = min(len(free), sum(w > 0 for w in weight)), math.floor(share * len(shown))
    beyond = share * len(shown) - least
    found = [{c: 1.0} for c in shown]
    for likely, wanted in ((1 - beyond, min(least, most)), (beyond, min(least + 1, most))):
        own = shares(weight, wanted)
        for place in free[:wanted]:
            found[place][shown[place]] -= likely
            for c, chance in enumerate(own):
                found[place][c] = found[place].get(c, 0.0) + likely * chance / wanted
    return found
