"""How are the vectors learned that say what comes next? Softmax over the items after each page, by Adam.

s_c = b_c + Σ_g u_g · out_gc, u_g = Σ_l w_g(place, age) · into_g[h_l]: the D dimensions are split into groups, each
with a fading of its own, a slow and a fast one. The weights are fixed, so a page is a sparse row
per group and all gradients are a few matrix products (the loss of Covington et al. 2016 on a bag of items that knows
recency). Entries of the history and dimensions of the user are dropped at random while learning.
"""

# mypy: disable-error-code="untyped-decorator"
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numba import njit
from numpy.typing import NDArray

from foryou.models.recency import MINUTE_MS
from foryou.models.sequence import Fading
from foryou.train.dataset import Interactions

F32 = NDArray[np.float32]
PAGES = 128  # per step
AT_MOST = 1_000_000  # newest pages that are learned from
SHARED = 4_000  # items that a step's choices are compared with, where there are more
BETAS = (0.9, 0.999)
START = 0.1  # spread of the first vectors


@dataclass(frozen=True, slots=True)
class SequenceSettings:
    """D `width` in all, passes over the log, step size, share of entries and dimensions that are dropped, seed."""

    width: int = 64
    epochs: int = 12
    rate: float = 0.003
    dropout: float = 0.5
    seed: int = 42


@dataclass(frozen=True, slots=True)
class Pages:
    """What was known before each of Q pages, and what came next.

    history int32 [Q, H] distinct items newest first, 0 = none · weight float32 [Q, H] of taste and age ·
    target int32 [n] items · those of page q are start[q]..start[q+1], int64 [Q+1]
    """

    history: NDArray[np.int32]
    weight: F32
    target: NDArray[np.int32]
    start: NDArray[np.int64]


@njit(cache=True)
def _before(
    start: NDArray[np.int64], begin: NDArray[np.int64], item: NDArray[np.int32], taste: F32, history: NDArray[np.int32],
    row: NDArray[np.int64], strongest: NDArray[np.int64],
) -> None:  # fmt: skip
    """Fill history [Q, H] with the distinct items before each page, and the newest and the strongest row of each."""
    for q in range(len(begin)):
        used = 0
        for at in range(start[q] - 1, begin[q] - 1, -1):
            place = 0
            while place < used and history[q, place] != item[at]:
                place += 1
            if place == used:
                if used == history.shape[1]:
                    break
                used += 1
                history[q, place], row[q, place], strongest[q, place] = item[at], at, at
            elif abs(taste[at]) > abs(taste[strongest[q, place]]):
                strongest[q, place] = at


def pages(log: Interactions, fading: Fading) -> Pages:
    """Give the newest pages with the history before them; a dislike, too, can be what came next."""
    second = log.at_ms // 1_000
    order = np.lexsort((np.arange(len(log)), second, log.user))
    user, item, at_ms, taste = log.user[order], log.item[order], log.at_ms[order], log.taste[order]
    new = np.diff(user, prepend=-1).astype(bool) | np.diff(second[order], prepend=-1).astype(bool)
    first = np.flatnonzero(new)
    size = np.diff(first, append=len(item))
    newest = np.sort(np.argsort(at_ms[first], kind="stable")[-AT_MOST:])
    first, size = first[newest], size[newest]
    begin = np.searchsorted(user, user[first])  # of each page's user
    shape = (len(first), fading.length)
    history, row, strongest = np.zeros(shape, np.int32), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    _before(first, begin, item, taste, history, row, strongest)
    minutes = (np.maximum(0, at_ms[first][:, None] - at_ms[row]) / MINUTE_MS).astype(np.float32)
    start = np.append(0, np.cumsum(size)).astype(np.int64)
    rows = np.repeat(first - start[:-1], size) + np.arange(start[-1])
    weight = fading.tastes(taste[strongest], log.action[order][strongest], minutes)
    return Pages(history, np.where(history > 0, weight, np.float32(0)), item[rows], start)


class _Adam:
    """Adam (Kingma, Ba 2015) that touches only the rows with a gradient."""

    def __init__(self, value: F32, rate: float) -> None:
        self.value, self._rate, self._steps = value, rate, 0
        self._mean, self._square = np.zeros_like(value), np.zeros_like(value)

    def step(self, rows: NDArray[np.integer] | slice, gradient: F32, share: float) -> None:
        """Move the rows against their gradient; `share` of the rate counts."""
        self._steps += 1
        one, two = BETAS
        mean = self._mean[rows] = one * self._mean[rows] + (1 - one) * gradient
        square = self._square[rows] = two * self._square[rows] + (1 - two) * gradient * gradient
        rate = self._rate * share * (1 - two**self._steps) ** 0.5 / (1 - one**self._steps)
        self.value[rows] -= np.float32(rate) * mean / (np.sqrt(square) + np.float32(1e-8))


def fit(log: Interactions, fading: Fading, settings: SequenceSettings) -> tuple[F32, F32]:
    """Give `into` float32 [N+1, D] and `out` float32 [N+1, D+1], whose last column is what an item has by itself."""
    random = np.random.default_rng(settings.seed)
    shape = (log.items + 1, settings.width)
    into = _Adam(random.normal(0, START, shape).astype(np.float32), settings.rate)
    out = _Adam(random.normal(0, START, shape).astype(np.float32), settings.rate)
    count = np.bincount(log.item, minlength=log.items + 1).astype(np.float32)
    bias = _Adam(np.log1p(count), settings.rate)
    found, places = pages(log, fading), fading.places(fading.length)
    steps = settings.epochs * -(-(len(found.start) - 1) // PAGES)
    done = 0
    for _ in range(settings.epochs):
        order = random.permutation(len(found.start) - 1)
        for at in range(0, len(order), PAGES):
            share = min(1.0, 10 * (done + 1) / steps, 1.05 - done / steps)  # up for a tenth, then down to nought
            _step(found, order[at : at + PAGES], places, (into, out, bias), (settings.dropout, share), random)
            done += 1
    into.value[0] = out.value[0] = bias.value[0] = 0
    return into.value, np.column_stack([out.value, bias.value]).astype(np.float32)


def _step(
    found: Pages, chosen: NDArray[np.intp], places: F32, learned: tuple[_Adam, _Adam, _Adam],
    how: tuple[float, float], random: np.random.Generator,
) -> None:  # fmt: skip
    """Learn from the chosen pages; `how`: dropout, and the share of the rate that counts."""
    (into, out, bias), (dropout, share) = learned, how
    size = found.start[chosen + 1] - found.start[chosen]
    flat = np.repeat(found.start[chosen] - np.r_[0, np.cumsum(size)[:-1]], size) + np.arange(size.sum())
    target, page = found.target[flat], np.repeat(np.arange(len(chosen)), size)
    items = _compared(len(into.value), target, random)
    bags, names = _bags(found, chosen, places, dropout, random)
    width = into.value.shape[1] // len(bags)
    user = np.hstack([bag @ into.value[names, g * width : (g + 1) * width] for g, bag in enumerate(bags)])
    kept = (random.random(user.shape) >= dropout).astype(np.float32) / np.float32(1 - dropout)
    user *= kept
    score = user @ out.value[items].T + bias.value[items]
    score[:, items == 0] = -np.inf
    score -= score.max(axis=1, keepdims=True)
    gradient = np.exp(score, out=score)
    gradient *= (size / gradient.sum(axis=1))[:, None].astype(np.float32)
    np.subtract.at(gradient, (page, np.searchsorted(items, target)), np.float32(1))
    gradient /= np.float32(len(chosen))
    back = (gradient @ out.value[items]) * kept
    out.step(items, gradient.T @ user, share)
    bias.step(items, gradient.sum(axis=0), share)
    parts = [bag.T @ back[:, g * width : (g + 1) * width] for g, bag in enumerate(bags)]
    into.step(names, np.hstack(parts), share)


def _compared(items: int, target: NDArray[np.int32], random: np.random.Generator) -> NDArray[np.int32]:
    """Give, in order, the items that the choices of a step are compared with: all, or those chosen and some others."""
    if items <= SHARED:
        return np.arange(items, dtype=np.int32)
    others = random.integers(1, items, SHARED, dtype=np.int32)
    return np.unique(np.concatenate([target, others]))


def _bags(
    found: Pages, chosen: NDArray[np.intp], places: F32, dropout: float, random: np.random.Generator
) -> tuple[list[scipy.sparse.csr_array], NDArray[np.int32]]:
    """Give the pages as sparse rows float32 [Q, M] per group, over the M items named second."""
    history, weight = found.history[chosen], found.weight[chosen]
    kept = (history > 0) & (weight != 0) & (random.random(history.shape) >= dropout)
    names, column = np.unique(history[kept], return_inverse=True)
    row, place = np.nonzero(kept)
    flat = weight[kept] / np.float32(1 - dropout)
    shape = (len(chosen), len(names))
    return [scipy.sparse.csr_array((flat * group[place], (row, column)), shape=shape) for group in places], names
