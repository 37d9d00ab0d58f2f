"""Is a policy worth what the log of another one says? Chance and learning judged by each other's logs of the arena."""

from typing import Any

import numpy as np

from foryou.bench.exploration import POLICIES, Played, Progress
from foryou.config import Placement
from foryou.simulate.arena import LOOKED, Arena
from foryou.trial.ope import Evaluated, Logged, evaluate

DAYS, LISTS = 4, 5_000  # of each log
ESTIMATES = ("ips", "snips", "doubly_robust")


def logged(arena: Arena, policy: str, target: int) -> tuple[Evaluated, float, float]:
    """Play an arena by one policy and judge the other one by its log: estimates, the truth, what the log earned.

    The other one knows what came of the log so far, as a configuration that is judged does.
    """
    side = Played(arena, policy, target)
    other = Played(arena, next(name for name in POLICIES if name != policy), target)
    columns: list[list[np.ndarray[Any, Any]]] = []
    for day in range(arena.days):
        side.begin()
        for number in range(arena.rounds_per_day()):
            lists = arena.round(day, number)
            other.taken, other.expected, other.shown = side.taken, side.expected, side.shown
            own, wanted = side.weights(lists, number).astype(float), other.weights(lists, number).astype(float)
            hoped, rows = LOOKED / (1 + np.exp(-lists.score)), np.arange(len(own))
            chosen, clicked = side.play(lists, number)
            columns.append([
                clicked.astype(float), own[rows, chosen], wanted[rows, chosen], hoped[rows, chosen],
                (wanted * hoped).sum(axis=1), (wanted * lists.chance()).sum(axis=1),
            ])  # fmt: skip
    *log, true = (np.concatenate(column) for column in zip(*columns, strict=True))
    return evaluate(Logged(*log)), float(true.mean()), float(log[0].mean())


def judged_arenas(seeds: int, first: int, on_progress: Progress, lists: int = LISTS) -> dict[str, Any]:
    """Give, for either way, errors (root mean square, relative to the truth) and how often the truth was inside."""
    target, found = Placement().new_impressions, dict[str, Any]()
    for policy in POLICIES:
        runs = []
        for seed in range(first, first + seeds):
            runs.append(logged(Arena(seed, days=DAYS, lists=lists), policy, target))
            on_progress(f"log by {policy}", len(runs), seeds)
        found[f"log_by_{policy}"] = {
            "logs": seeds, "rounds": DAYS * lists,
            "truth": float(np.mean([true for _, true, _ in runs])),
            "logged": float(np.mean([earned for *_, earned in runs])),
            "worth": float(np.mean([one.effective for one, *_ in runs])),
            "error": {
                name: float(np.sqrt(np.mean([(getattr(one, name).value / true - 1) ** 2 for one, true, _ in runs])))
                for name in ESTIMATES
            },
            "covers": {
                name: float(np.mean([getattr(one, name).low <= true <= getattr(one, name).high
                                     for one, true, _ in runs]))
                for name in ESTIMATES
            },
        }  # fmt: skip
    return found
