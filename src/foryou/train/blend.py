"""How much should each input of the ranker count? Weights learned from what users did next.

Each event is a choice among the candidates that were kept. The weights that maximise its likelihood under a
multinomial logit (McFadden 1974; convex, so there is one answer) are where coordinate ascent on NDCG@10 starts: the
likelihood also pays for the order of the tail, which nobody sees. No weight is negative, so that no input can turn
against what it means when the next data set is different.
"""

# mypy: disable-error-code="untyped-decorator"
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.optimize
from numba import njit
from numpy.typing import NDArray

RIDGE = 1e-4
ROUNDS = 3
STEPS = (0.3, -0.3, 0.8, -0.8)  # of a weight, halved each round


@dataclass(slots=True)
class Choices:
    """Lists of candidates and what was chosen from them.

    inputs: one float32 [F, c] per list · chosen: one int per event, its place in the list, -1 = not a candidate ·
    lists: which list each event belongs to · worth: of each event, 1, or the seconds that were watched
    known_ms: of each list, when it was known what was chosen; they stand in this order
    """

    inputs: list[NDArray[np.float32]] = field(default_factory=list)
    position: list[NDArray[np.int16]] = field(default_factory=list)  # of each candidate; -1 = was not shown
    user: list[str] = field(default_factory=list)  # of each list
    warm: list[bool] = field(default_factory=list)  # of each list: whether its user had a history
    lists: list[int] = field(default_factory=list)
    chosen: list[int] = field(default_factory=list)
    worth: list[float] = field(default_factory=list)
    known_ms: list[int] = field(default_factory=list)

    def add(
        self, inputs: NDArray[np.float32], chosen: Sequence[int], warm: bool = True,
        position: NDArray[np.int16] | None = None, user: str = "",
        worth: Sequence[float] = (), known_ms: int = 0,
    ) -> None:  # fmt: skip
        """Add a list with the places that were chosen from it; `position` where its candidates were shown, if so."""
        self.warm.append(warm)
        self.user.append(user or f"list {len(self.inputs)}")
        self.position.append(np.full(inputs.shape[1], -1, np.int16) if position is None else position)
        self.lists += [len(self.inputs)] * len(chosen)
        self.chosen += chosen
        self.worth += worth or [1.0] * len(chosen)
        self.inputs.append(inputs)
        self.known_ms.append(known_ms)


@njit(cache=True)
def _loss(
    inputs: NDArray[np.float32], start: NDArray[np.int64], lists: NDArray[np.int64], chosen: NDArray[np.int64],
    weight: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:  # fmt: skip
    """Give the mean negative log likelihood and its gradient. inputs [T, F]; list q is start[q]..start[q+1]."""
    width = inputs.shape[1]
    gradient, mean = np.zeros(width), np.zeros(width)
    loss, last, best, total = 0.0, -1, 0.0, 0.0
    for e in range(len(lists)):
        first, end = start[lists[e]], start[lists[e] + 1]
        if lists[e] != last:
            last, best, total = lists[e], -np.inf, 0.0
            mean[:] = 0.0
            for t in range(first, end):
                best = max(best, np.dot(inputs[t].astype(np.float64), weight))
            for t in range(first, end):
                p = np.exp(np.dot(inputs[t].astype(np.float64), weight) - best)
                total += p
                for f in range(width):
                    mean[f] += p * inputs[t, f]
        mine = inputs[first + chosen[e]]
        score = 0.0
        for f in range(width):
            score += weight[f] * mine[f]
            gradient[f] += mean[f] / total - mine[f]
        loss += np.log(total) + best - score
    return loss / len(lists), gradient / len(lists)


def learn(choices: Choices, prior: NDArray[np.float32], among: NDArray[np.intp] | None = None) -> NDArray[np.float32]:
    """Give the weights float32 [F] that put the events `among` (all) highest; inputs are standardised inside.

    An input that never varies keeps its weight of `prior` [F]: a signal that the log has not shown yet.
    """
    lists, chosen = np.array(choices.lists), np.array(choices.chosen)
    rows = np.arange(len(lists)) if among is None else among
    rows = rows[chosen[rows] >= 0]
    used, position = np.unique(lists[rows], return_inverse=True)
    width = len(choices.inputs[0]) if choices.inputs else 0
    if not len(rows):
        return prior
    stacked = np.concatenate([choices.inputs[q].T for q in used]).astype(np.float32)
    start = np.zeros(len(used) + 1, np.int64)
    np.cumsum([choices.inputs[q].shape[1] for q in used], out=start[1:])
    scale = stacked.std(axis=0).astype(np.float64)
    silent = scale < 1e-6
    scale[silent] = 1
    stacked[:, silent] = 0
    stacked = np.ascontiguousarray(stacked / scale.astype(np.float32))

    def objective(weight: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        loss, gradient = _loss(stacked, start, position, chosen[rows], weight)
        return loss + RIDGE * float(weight @ weight), gradient + 2 * RIDGE * weight

    bounds = [(0.0, None)] * width
    found = scipy.optimize.minimize(objective, np.full(width, 0.1), jac=True, method="L-BFGS-B", bounds=bounds)
    weight = _ascended(stacked, start, position, chosen[rows], np.asarray(found.x))
    return np.where(silent, prior, weight / scale).astype(np.float32)


def _ascended(
    inputs: NDArray[np.float32], start: NDArray[np.int64], lists: NDArray[np.int64], chosen: NDArray[np.int64],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """Give the weights after coordinate ascent on NDCG@10 (Metzler, Croft 2007), from `weight` on."""
    scores = inputs @ weight.astype(np.float32)
    best = float(ndcg(scores, start, lists, chosen))
    for round_ in range(ROUNDS):
        for place in range(len(weight)):
            for step in STEPS:
                move = step / 2**round_ * max(weight[place], 0.1)
                move = max(move, -weight[place])
                tried = scores + np.float32(move) * inputs[:, place]
                value = float(ndcg(tried, start, lists, chosen))
                if value > best + 1e-5:
                    best, scores = value, tried
                    weight[place] += move
    return weight


@njit(cache=True)
def ndcg(
    scores: NDArray[np.float32], start: NDArray[np.int64], lists: NDArray[np.int64], chosen: NDArray[np.int64]
) -> float:
    """Give mean NDCG@10 of events: the place `chosen` in their list; scores [T], list q is start[q]..start[q+1]."""
    total = 0.0
    for e in range(len(lists)):
        first, end = start[lists[e]], start[lists[e] + 1]
        mine, rank = scores[first + chosen[e]], -0.5  # equal scores share their mean rank, the item with itself, too
        for t in range(first, end):
            rank += 1.0 if scores[t] > mine else 0.5 if scores[t] == mine else 0.0
        if rank < 10:
            total += 1.0 / np.log2(rank + 2.0)
    return total / len(lists)


def rank_of(scores: NDArray[np.float32], place: int) -> int:
    """Give how many candidates stand before one; equal ones share their mean rank."""
    mine = scores[place]
    return int(np.count_nonzero(scores > mine) + (np.count_nonzero(scores == mine) - 1) // 2)
