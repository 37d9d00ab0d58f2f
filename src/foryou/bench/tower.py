"""How long does the user tower take per request? The vector of one user from a full history, on one thread.

The weights are drawn: what they are does not change how long they take.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from foryou.domain.records import Core
from foryou.models.tower import Tower, person
from foryou.train.two_tower import TowerSettings, drawn

RUNS = 2_000
WARM = 50
PERSON = Core(age=35, gender="f", location="Bern", device="phone")


def measure(settings: TowerSettings, items: int, history: int, seed: int = 1) -> dict[str, Any]:
    """Give how long a user vector takes, for one user at a time and for 32 at once: see `_timed`."""
    tower = Tower(drawn(settings, items, seed))
    random = np.random.default_rng(seed)
    asked = random.integers(1, items + 1, (RUNS, history)).astype(np.int32)
    length = np.full(1, history, np.int32)

    def one(run: int) -> None:
        tower.users(asked[run : run + 1], length, tower.start([person(PERSON)]))

    def many(run: int) -> None:
        rows = np.resize(np.roll(asked, run, axis=0), (32, history))
        tower.users(rows, np.repeat(length, 32), tower.start([person(PERSON)] * 32))

    return {
        "items": items, "history": history, "vectors": settings.vectors, "width": settings.width,
        "blocks": settings.blocks, "heads": settings.heads, "wide": settings.wide, "threads": 1,
        "one_user": _timed(one, RUNS), "each_of_32_users": _timed(many, RUNS // 32, 32),
    }  # fmt: skip


def _timed(work: Callable[[int], None], runs: int, share: int = 1) -> dict[str, float]:
    """Give ms by the clock, and of the processor, which does not count while others have it."""
    took = []
    for run in range(-min(WARM, runs), runs):
        start = time.perf_counter_ns(), time.thread_time_ns()
        work(run % runs)
        if run >= 0:
            took.append((time.perf_counter_ns() - start[0], time.thread_time_ns() - start[1]))
    wall, cpu = np.array(took).T / 1e6 / share
    figures = {"p50_ms": np.median(wall), "p99_ms": np.percentile(wall, 99), "least_ms": wall.min(),
               "cpu_p50_ms": np.median(cpu), "cpu_p99_ms": np.percentile(cpu, 99)}  # fmt: skip
    return {name: round(float(value), 4) for name, value in figures.items()}
