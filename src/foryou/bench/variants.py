"""Is each item soon shown in the variant that strikes whom it is shown to? Regret against chance, where it is known.

Regret: the true chance of a click with the best variant for this user, less that with the variant that was shown, added
up over all items of all lists.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.event import hash64
from foryou.features.dressed import HALF_LIFE_DAYS, strikes
from foryou.serve.variants import FLOOR, TEMPER
from foryou.simulate.artwork import SEGMENTS, VARIANTS, Gallery, Shows

POLICIES = ("random", "for_all", "thompson")  # for_all: what strikes everybody, without segments
Progress = Callable[[str, int, int], None]


class Dressing:
    """One policy at work: what it counted per item, variant and segment, and what came of it."""

    def __init__(self, gallery: Gallery, policy: str) -> None:
        self._policy, self.clicks = policy, 0
        shape = gallery.items, VARIANTS, len(SEGMENTS)
        self.taken, self.expected = np.zeros(shape), np.zeros(shape)
        self.regret: list[float] = []

    def begin(self) -> None:
        """Begin another day: what was counted before fades."""
        self.taken *= 2 ** (-1 / HALF_LIFE_DAYS)
        self.expected *= 2 ** (-1 / HALF_LIFE_DAYS)
        self.regret.append(0.0)

    def play(self, shows: Shows, seed: int) -> None:
        """Choose the variants of the items of a round, and count what came of them."""
        item, segment = shows.item.ravel(), np.repeat(shows.segment, shows.item.shape[1])
        weight = self._weights(item, segment)
        luck = np.random.default_rng(seed).random(len(item))
        chosen = np.minimum((weight.cumsum(axis=1) < luck[:, None]).sum(axis=1), VARIANTS - 1)
        chance, rows = shows.chance.reshape(-1, VARIANTS), np.arange(len(item))
        self.regret[-1] += float((chance.max(axis=1) - chance[rows, chosen]).sum())
        clicked = shows.luck.ravel() < chance[rows, chosen]
        self.clicks += int(clicked.sum())
        np.add.at(self.taken, (item, chosen, segment), clicked)
        np.add.at(self.expected, (item, chosen, segment), shows.expected.ravel())

    def _weights(self, item: NDArray[np.int32], segment: NDArray[np.int32]) -> NDArray[np.float32]:
        there = np.ones((len(item), VARIANTS), np.bool_)
        if self._policy == "random":
            return np.full(there.shape, 1 / VARIANTS, np.float32)
        taken, expected = self.taken.sum(axis=2)[item], self.expected.sum(axis=2)[item]
        own = self.taken[item, :, segment], self.expected[item, :, segment]
        if self._policy == "for_all":
            own = taken, expected
        mean, deviation = strikes(taken, expected, *own, there)
        weight = np.empty(there.shape, np.float32)
        kernels.hopes(there, mean, np.float32(TEMPER) * deviation, FLOOR, weight)
        return weight


def played(gallery: Gallery, on_progress: Progress) -> dict[str, Any]:
    """Give what came of all policies in one world."""
    sides = {policy: Dressing(gallery, policy) for policy in POLICIES}
    for day in range(gallery.days):
        for side in sides.values():
            side.begin()
        for number in range(gallery.rounds_per_day()):
            shows = gallery.round(day, number)
            for side in sides.values():
                side.play(shows, hash64(f"{gallery.seed}/{day}/{number}"))
        on_progress(f"gallery {gallery.seed}", day + 1, gallery.days)
    chance, third = sides["random"], -max(1, gallery.days // 3)
    return {
        "seed": gallery.seed,
        "clicks": {policy: side.clicks for policy, side in sides.items()},
        "ratio": {policy: sum(side.regret) / sum(chance.regret) for policy, side in sides.items()},
        "ratio_last_third": {
            policy: sum(side.regret[third:]) / sum(chance.regret[third:]) for policy, side in sides.items()
        },
    }


def measured_variants(seeds: int, first: int, days: int, on_progress: Progress) -> dict[str, Any]:
    """Give regret and clicks of all policies over several worlds, relative to chance alone."""
    found = [played(Gallery(seed, days=days), on_progress) for seed in range(first, first + seeds)]
    means: dict[str, dict[str, float]] = defaultdict(dict)
    for policy in POLICIES:
        for name in ("ratio", "ratio_last_third"):
            means[name][policy] = float(np.mean([one[name][policy] for one in found]))
        gained = [one["clicks"][policy] / one["clicks"]["random"] - 1 for one in found]
        means["clicks_gained"][policy] = float(np.mean(gained))
    return dict(means) | {"lists": seeds * days * Gallery(0).lists, "galleries": found}
