"""Which of two rankers do users prefer when both fill one list? Team-draft interleaving, and the test of its clicks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from foryou.trial.estimate import ALPHA, always_valid_p, sequential


@dataclass(frozen=True, slots=True)
class Mixed:
    """One list of two rankers; team: 0 or 1 for each item, whose pick it was."""

    items: tuple[str, ...]
    team: tuple[int, ...]

    def wins(self, clicked: Iterable[str]) -> int:
        """Give clicks on picks of the second team less those of the first."""
        return sum(2 * self.team[self.items.index(item)] - 1 for item in set(clicked) if item in self.items)


@dataclass(frozen=True, slots=True)
class Preference:
    """How far users prefer the second ranker: mean over users of their winning clicks' share, -1 to 1, and bounds."""

    value: float
    low: float
    high: float
    p: float
    users: int


def team_draft(first: Sequence[str], second: Sequence[str], k: int, seed: int) -> Mixed:
    """Give k items that the rankers picked in turn, each its best one left; who picks first is drawn for each pair.

    Radlinski et al. 2008, algorithm 2. A team without items left passes.
    """
    random, lists = Random(seed), (list(first), list(second))
    items: list[str] = []
    team: list[int] = []
    taken: set[str] = set()
    place = [0, 0]
    while len(items) < k:
        picked = False
        order = (0, 1) if random.random() < 0.5 else (1, 0)
        for one in order:
            while place[one] < len(lists[one]) and lists[one][place[one]] in taken:
                place[one] += 1
            if len(items) < k and place[one] < len(lists[one]):
                item, picked = lists[one][place[one]], True
                items.append(item)
                team.append(one)
                taken.add(item)
        if not picked:
            break
    return Mixed(tuple(items), tuple(team))


def preference(wins: NDArray[np.float64], clicks: NDArray[np.float64], effect: float = 0.1) -> Preference:
    """Give the preference of users who clicked. wins: of the second team less the first; clicks: all; float64 [n]

    Users are the unit; the bounds hold at all looks together, and are narrowest for a preference of `effect`.
    """
    used = clicks > 0
    share = wins[used] / clicks[used]
    if len(share) < 2:
        return Preference(0.0, -1.0, 1.0, 1.0, len(share))
    value, variance = float(share.mean()), float(share.var(ddof=1)) / len(share)
    low, high = sequential(value, variance, effect, ALPHA)
    return Preference(value, max(low, -1.0), min(high, 1.0), always_valid_p(value, variance, effect), len(share))
