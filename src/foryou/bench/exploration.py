"""Does exploration learn? Regret in the arena against chance alone, with the kernels and tallies that serve.

Regret: the true chance of a click on the best candidate of a list less that of the one that was shown, added up over
all lists. Both policies give away one place in each of the same lists.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.config import Placement
from foryou.domain.clock import DAY_MS
from foryou.domain.event import hash64
from foryou.domain.tried import Pacer
from foryou.features.tried import HALF_LIFE_DAYS, RATE_PRIOR, lifts
from foryou.serve.exploration import LEAD, paced, thompson
from foryou.simulate.arena import LOOKED, NEW_DAYS, Arena, Round

POLICIES = ("random", "thompson")
Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]


@dataclass
class Played:
    """One policy at work: what it counted per item, and what came of it. `early`: impressions in its first NEW_DAYS."""

    arena: Arena
    policy: str
    target: int
    regret: list[float] = field(default_factory=list)
    clicks: int = 0

    def __post_init__(self) -> None:
        """Begin with nothing counted."""
        self.shown = np.zeros(self.arena.all_items, np.int64)
        self.early = np.zeros(self.arena.all_items, np.int64)
        self.taken, self.expected = np.zeros(self.arena.all_items), np.zeros(self.arena.all_items)
        self._pacer = Pacer(self.target, LEAD * NEW_DAYS * DAY_MS)
        self._born = self.arena.born()

    def begin(self) -> None:
        """Begin another day: what was counted before fades."""
        self.taken *= 2 ** (-1 / HALF_LIFE_DAYS)
        self.expected *= 2 ** (-1 / HALF_LIFE_DAYS)
        self.regret.append(0.0)

    def play(self, lists: Round, number: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Choose for the lists of a round, and count what came of them; gives both: int64 [n], bool [n]."""
        chosen = self._chosen(lists, number)
        rows, item = np.arange(len(chosen)), lists.item[np.arange(len(chosen)), chosen]
        chance = lists.chance()
        self.regret[-1] += float((chance.max(axis=1) - chance[rows, chosen]).sum())
        clicked = lists.luck[rows, chosen] < chance[rows, chosen]
        self.clicks += int(clicked.sum())
        np.add.at(self.shown, item, 1)
        np.add.at(self.early, item[lists.day < self._born[item] + NEW_DAYS], 1)
        np.add.at(self.taken, item, clicked)
        np.add.at(self.expected, item, LOOKED / (1 + np.exp(-lists.score[rows, chosen])))
        return chosen, clicked

    def weights(self, lists: Round, number: int) -> NDArray[np.float32]:
        """Give the chance of each candidate of the lists: float32 [n, p], a row sums to 1."""
        n, pool = lists.item.shape
        weight = np.full((n, pool), 1 / pool, np.float32)
        if self.policy == "thompson":
            rate = (self.taken.sum() + RATE_PRIOR) / (self.expected.sum() + RATE_PRIOR)
            mean, deviation = lifts(self.taken, self.expected, float(rate))
            hoped = (mean[lists.item] + lists.score).astype(np.float32)
            weight = thompson(np.ones((n, pool), np.bool_), hoped, deviation[lists.item].astype(np.float32))
            weight = self._paced(lists, number, weight, hoped)
        return weight

    def _chosen(self, lists: Round, number: int) -> NDArray[np.int64]:
        weight, n = self.weights(lists, number), len(lists.item)
        place = np.concatenate([np.zeros((n, 1), np.float32), weight], axis=1)  # the list of one that is given away
        pin, propensity = np.zeros(place.shape, np.int16), np.ones(place.shape, np.float32)
        seed = np.array([hash64(f"{lists.day}/{number}/{row}") for row in range(n)], np.uint64)
        kernels.explore(place, np.zeros((n, 1), np.int32), np.ones(n, np.int32), 1.0, seed, pin, propensity)
        return np.asarray(np.argmax(pin, axis=1) - 1)

    def _paced(
        self, lists: Round, number: int, weight: NDArray[np.float32], hoped: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        now_ms = int((lists.day + number / self.arena.rounds_per_day()) * DAY_MS)
        new = np.flatnonzero((self._born >= 0) & (self._born <= lists.day))
        due = np.zeros(self.arena.all_items, np.float32)
        due[new] = self._pacer.due(self._born[new] * DAY_MS, now_ms, self.shown[new])
        return paced(weight, due[lists.item], float(due.sum()), self.arena.lists * 1e3 / DAY_MS, hoped)


def played(arena: Arena, target: int, on_progress: Progress) -> dict[str, Any]:
    """Give the regret of both policies in one arena, and what became of its new items."""
    sides = [Played(arena, policy, target) for policy in POLICIES]
    for day in range(arena.days):
        for side in sides:
            side.begin()
        for number in range(arena.rounds_per_day()):
            lists = arena.round(day, number)
            for side in sides:
                side.play(lists, number)
        on_progress(f"arena {arena.seed}", day + 1, arena.days)
    chance, learned = sides
    whole = (arena.born() >= 0) & (arena.born() <= arena.days - NEW_DAYS)
    return {
        "seed": arena.seed, "regret_random": sum(chance.regret), "regret_thompson": sum(learned.regret),
        "ratio": sum(learned.regret) / sum(chance.regret),
        "ratio_last_third": sum(learned.regret[-arena.days // 3 :]) / sum(chance.regret[-arena.days // 3 :]),
        "clicks_random": chance.clicks, "clicks_thompson": learned.clicks, "new_items": int(whole.sum()),
        "new_items_served": int((learned.early[whole] >= target).sum()),
        "least_impressions": int(learned.early[whole].min()),
        "least_impressions_random": int(chance.early[whole].min()),
    }  # fmt: skip


def measured_exploration(seeds: int, first: int, days: int, on_progress: Progress) -> dict[str, Any]:
    """Give regret and impressions over several arenas; the target is what a placement gives a new item by default."""
    target = Placement().new_impressions
    found = [played(Arena(seed, days=days), target, on_progress) for seed in range(first, first + seeds)]
    learned, chance = (sum(one[f"regret_{policy}"] for one in found) for policy in ("thompson", "random"))
    return {
        "ratio": learned / chance, "ratio_worst": max(one["ratio"] for one in found),
        "lists": seeds * days * Arena(0).lists, "target": target,
        "new_items": sum(one["new_items"] for one in found),
        "new_items_served": sum(one["new_items_served"] for one in found), "arenas": found,
    }  # fmt: skip
