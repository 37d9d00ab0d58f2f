"""How long does ALS take to be as good as implicit's at its best? Both in one process, on the same data and width.

Fitted on Gowalla's `fit.txt`, judged on `valid.txt` by NDCG@20. Each solver has its own small grid; implicit's best
figure is the mark, and the clock of ours stops after the first sweep that reaches it. Judging does not count.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.bench.accuracy import gowalla, lists
from foryou.domain.errors import Unavailable
from foryou.train import als
from foryou.train.dataset import Interactions
from foryou.train.ranking import rank_all

ITERATIONS = 12
JUDGED = 6_000  # users of validation that sweeps are judged by, drawn once
GRID = ((1.0, 10.0), (30.0, 10.0), (30.0, 100.0), (300.0, 100.0))  # implicit: regularisation, confidence
OURS = ((0.01, 0.003, 1.0), (0.01, 0.005, 1.0), (0.005, 0.006, 1.0), (0.01, 3.0, 0.0))  # α, λ, ν
Floats = NDArray[np.float32]
Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Course:
    """NDCG@20 after each sweep, with the seconds of wall and of CPU that the sweeps took up to there."""

    settings: dict[str, float]
    ndcg_at_20: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Watch:
    """Notes a course: runs between `start` and `stop`, and stands while a sweep is judged."""

    course: Course
    judge: Callable[[Floats, Floats], float]
    began: tuple[float, float] = (0.0, 0.0)
    spent: tuple[float, float] = (0.0, 0.0)

    def start(self) -> None:
        """Let the clock run."""
        self.began = (time.perf_counter(), time.process_time())

    def swept(self, users: Floats, items: Floats) -> None:
        """Stop the clock, judge the factors, let it run again."""
        now = (time.perf_counter(), time.process_time())
        self.spent = (self.spent[0] + now[0] - self.began[0], self.spent[1] + now[1] - self.began[1])
        self.course.wall_s.append(round(self.spent[0], 3))
        self.course.cpu_s.append(round(self.spent[1], 3))
        self.course.ndcg_at_20.append(self.judge(users, items))
        self.start()


def compare(folder: Path, widths: tuple[int, ...], on_progress: Progress) -> dict[str, Any]:
    """Give, for each width, the mark, the seconds of either solver to reach it, and all courses.

    Raises Unavailable where implicit is not installed, Invalid where the data is not found.
    """
    place = lists.located(folder, "gowalla", gowalla.FILES)
    fit, held = lists.read(place / "fit.txt"), lists.read(place / "valid.txt")
    log = lists.as_log(fit, int(max(fit.values.max(), held.values.max())))
    able = np.flatnonzero(np.diff(held.start))
    users = np.sort(np.random.default_rng(0).choice(able, min(JUDGED, len(able)), replace=False))

    def judge(user: Floats, item: Floats) -> float:
        found = rank_all(lambda block: user[block] @ item.T, fit, held, gowalla.K, users)
        return float(found.ndcg.mean())

    return {
        "protocol": "Gowalla fit/valid, NDCG@20 of users drawn once; clocks stand while judging",
        "threads": len(os.sched_getaffinity(0)), "users_judged": len(users),
        "widths": [_at(width, log, judge, on_progress) for width in widths],
    }  # fmt: skip


def _at(
    width: int, log: Interactions, judge: Callable[[Floats, Floats], float], on_progress: Progress
) -> dict[str, Any]:
    theirs = []
    for number, (ridge, confidence) in enumerate(GRID):
        theirs.append(implicit_course(log, width, ridge, confidence, judge))
        on_progress(f"implicit {width}", number + 1, len(GRID))
    best = max(theirs, key=lambda course: max(course.ndcg_at_20))
    mark = max(best.ndcg_at_20)
    all_ours = []
    for number, (unobserved, ridge, power) in enumerate(OURS):
        settings = als.AlsSettings(width, ITERATIONS, unobserved, ridge, power, steps=3)
        all_ours.append(our_course(log, settings, judge))
        on_progress(f"ours {width}", number + 1, len(OURS))
    ours = max(all_ours, key=lambda course: max(course.ndcg_at_20))
    them, us = reached(best, mark), reached(ours, mark)
    return {
        "width": width, "mark_ndcg_at_20": mark, "implicit": them, "ours": us,
        "ours_best_ndcg_at_20": max(ours.ndcg_at_20),
        "wall_ratio": round(us["wall_s"] / them["wall_s"], 3) if us else None,
        "cpu_ratio": round(us["cpu_s"] / them["cpu_s"], 3) if us else None,
        "courses": [*[_told("ours", course) for course in all_ours], *[_told("implicit", course) for course in theirs]],
    }  # fmt: skip


def reached(course: Course, mark: float) -> dict[str, Any]:
    """Give sweeps and seconds until a course first reached the mark; nothing where it did not."""
    for sweep, value in enumerate(course.ndcg_at_20):
        if value >= mark:
            return {"sweeps": sweep + 1, "wall_s": course.wall_s[sweep], "cpu_s": course.cpu_s[sweep]}
    return {}


def our_course(log: Interactions, settings: als.AlsSettings, judge: Callable[[Floats, Floats], float]) -> Course:
    """Give the course of our solver."""
    course = Course({
        "unobserved": settings.unobserved, "regularisation": settings.regularisation, "power": settings.power,
        "steps": settings.steps,
    })  # fmt: skip
    als.factorise(log, replace(settings, width=4, iterations=1))  # compiles
    watch = Watch(course, judge)
    watch.start()
    als.factors(log, settings, lambda _, users, items: watch.swept(users, items))
    return course


def implicit_course(
    log: Interactions, width: int, ridge: float, confidence: float, judge: Callable[[Floats, Floats], float]
) -> Course:  # fmt: skip
    """Give the course of implicit's solver. Raises Unavailable where it is not installed."""
    try:
        import implicit
        import threadpoolctl
    except ImportError as error:
        raise Unavailable("implicit is not installed; `pip install implicit`") from error
    matrix = als.matrix(log)
    course = Course({"regularisation": ridge, "confidence": confidence})
    watch = Watch(course, judge)
    with threadpoolctl.threadpool_limits(1, "blas"):  # as implicit asks for: it has threads of its own
        model = implicit.cpu.als.AlternatingLeastSquares(
            factors=width, regularization=ridge, alpha=confidence, iterations=ITERATIONS, random_state=42
        )
        watch.start()
        model.fit(matrix, show_progress=False, callback=lambda *_: watch.swept(model.user_factors, model.item_factors))
    return course


def _told(solver: str, course: Course) -> dict[str, Any]:
    return {
        "solver": solver, **course.settings, "ndcg_at_20": course.ndcg_at_20, "wall_s": course.wall_s,
        "cpu_s": course.cpu_s,
    }  # fmt: skip
