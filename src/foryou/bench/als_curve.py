"""How good does ALS become with its width? Gowalla: regularisers chosen on validation, test looked at once per width.

Up to the width NARROW every pair of GRID is fitted on `fit.txt` and judged on users of `valid.txt` after every few
sweeps; a wider model takes over the pair that was best at the widest of those, and chooses only how often it sweeps.
Then it is fitted on `train.txt` and judged on `test.txt`. What is done is kept, and not done again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from foryou.bench.accuracy import gowalla, lists
from foryou.domain.ragged import Ragged
from foryou.train import als
from foryou.train.dataset import Interactions
from foryou.train.ranking import Ranking, rank_all

WIDTHS = (64, 128, 256, 512)
NARROW = 128  # widths up to which all pairs are tried
GRID = ((0.02, 0.002), (0.01, 0.003), (0.01, 0.006), (0.005, 0.006), (0.005, 0.01), (0.003, 0.008))  # α, λ; ν = 1
SWEEPS, EVERY, STEPS = 8, 1, 3
JUDGED = 6_000  # users of validation, drawn once
Floats = NDArray[np.float32]
Progress = Callable[[str, int, int], None]
Found = TypeVar("Found", "Course", "Row")


class Point(msgspec.Struct, frozen=True):
    """What so many sweeps gave, and the seconds of wall and of CPU that they took."""

    sweeps: int
    recall_at_20: float
    ndcg_at_20: float
    wall_s: float
    cpu_s: float


class Course(msgspec.Struct, frozen=True):
    """A pair of regularisers at a width, judged after every few sweeps."""

    width: int
    unobserved: float
    regularisation: float
    points: tuple[Point, ...]

    @property
    def best(self) -> Point:
        """Give the point of the best NDCG@20; of equal ones the first."""
        return max(self.points, key=lambda point: point.ndcg_at_20)


class Row(msgspec.Struct, frozen=True):
    """A width: what was chosen for it, its figures on validation, and on test after a fit on all of train."""

    width: int
    unobserved: float
    regularisation: float
    sweeps: int
    validation_recall_at_20: float
    validation_ndcg_at_20: float
    recall_at_20: float
    ndcg_at_20: float
    fit_s: float
    fit_cpu_s: float


@dataclass(frozen=True, slots=True)
class Split:
    """What is learned from and what is sought: lists by user, the first as a log, too."""

    seen: Ragged
    held: Ragged
    log: Interactions
    users: NDArray[np.int64]

    def judge(self, users: Floats, items: Floats, on_progress: Callable[[int, int], None]) -> Ranking:
        """Rank all items but the seen ones for the users who are judged."""
        score = lambda block: users[block] @ items.T  # noqa: E731
        return rank_all(score, self.seen, self.held, gowalla.K, self.users, on_progress)


def measure(
    folder: Path, widths: tuple[int, ...], work: Path, on_progress: Progress, tell: Callable[[Row], None]
) -> dict[str, Any]:
    """Give a row per width, and all courses; `tell` hears of each row when it is there.

    `work`: where finished courses and rows lie. Raises Invalid where the data is not found or damaged.
    """
    place = lists.located(folder, "gowalla", gowalla.FILES)
    parts = {name.removesuffix(".txt"): lists.read(place / name) for name in gowalla.FILES}
    items = int(max(part.values.max(initial=0) for part in parts.values()))
    tuning = _split(parts["fit"], parts["valid"], items, JUDGED)
    whole = _split(parts["train"], parts["test"], items, None)
    kept = Kept(work, [crc32(part.values.tobytes()) for part in parts.values()])
    tuned: dict[int, list[Course]] = {}
    courses: list[Course] = []
    rows = []
    for width in sorted(widths):
        at = width if width <= NARROW else max((one for one in widths if one <= NARROW), default=NARROW)
        if at not in tuned:
            tuned[at] = [kept.course(tuning, at, *pair, on_progress) for pair in GRID]
            courses += tuned[at]
        best = _best(tuned[at])
        if at != width:
            best = kept.course(tuning, width, best.unobserved, best.regularisation, on_progress)
            courses.append(best)
        row = kept.row(whole, best, on_progress)
        tell(row)
        rows.append(row)
    return {
        "protocol": gowalla.PROTOCOL, "users_judged_on_validation": len(tuning.users),
        "widths": [msgspec.to_builtins(row) for row in rows],
        "courses": [msgspec.to_builtins(course) for course in courses],
    }  # fmt: skip


def _split(seen: Ragged, held: Ragged, items: int, judged: int | None) -> Split:
    able = np.flatnonzero(np.diff(held.start[: len(seen.start)]))  # who is only held has no vector
    some = able if judged is None else np.random.default_rng(0).choice(able, min(judged, len(able)), replace=False)
    return Split(seen, held, lists.as_log(seen, items), np.sort(some))


def _best(courses: list[Course]) -> Course:
    return max(courses, key=lambda course: course.best.ndcg_at_20)


@dataclass(frozen=True, slots=True)
class Kept:
    """Courses and rows that are done, as files of a folder that are named after all they depend on."""

    folder: Path
    data: list[int]  # checksums

    def course(
        self, split: Split, width: int, unobserved: float, regularisation: float, on_progress: Progress
    ) -> Course:
        """Give the course of a pair; runs it if it never ran."""
        settings = als.AlsSettings(width, SWEEPS, unobserved, regularisation, 1.0, steps=STEPS)
        path = self._path("course", settings, EVERY, len(split.users))
        if path.exists():
            return msgspec.json.decode(path.read_bytes(), type=Course)
        points: list[Point] = []
        name = f"{width}-D {unobserved} {regularisation}"
        clock = Clock()

        def swept(sweep: int, users: Floats, items: Floats) -> None:
            on_progress(name, sweep, SWEEPS)
            if sweep % EVERY == 0:
                clock.stop()
                found = split.judge(users, items, lambda done, total: None)
                points.append(Point(sweep, float(found.recall.mean()), float(found.ndcg.mean()), *clock.spent))
                clock.start()

        als.factorise(split.log, replace(settings, width=4, iterations=1))  # compiles
        clock.start()
        als.factors(split.log, settings, swept)
        return self._written(path, Course(width, unobserved, regularisation, tuple(points)))

    def row(self, split: Split, course: Course, on_progress: Progress) -> Row:
        """Give the row of a width; fits and looks at test if that was never done."""
        best = course.best
        settings = als.AlsSettings(
            course.width, best.sweeps, course.unobserved, course.regularisation, 1.0, steps=STEPS
        )  # fmt: skip
        path = self._path("row", settings)
        if path.exists():
            return msgspec.json.decode(path.read_bytes(), type=Row)
        name = f"{course.width}-D"
        clock = Clock()
        als.factorise(split.log, replace(settings, width=4, iterations=1))  # compiles
        clock.start()
        users, items = als.factors(
            split.log, settings, lambda sweep, *_: on_progress(f"{name} train", sweep, best.sweeps)
        )
        clock.stop()
        found = split.judge(users, items, partial(on_progress, f"{name} test"))
        return self._written(path, Row(
            course.width, course.unobserved, course.regularisation, best.sweeps, best.recall_at_20,
            best.ndcg_at_20, float(found.recall.mean()), float(found.ndcg.mean()), *clock.spent,
        ))  # fmt: skip

    def _path(self, kind: str, settings: als.AlsSettings, *more: int) -> Path:
        said = repr((settings, self.data, more)).encode()
        return self.folder / f"{kind}-{settings.width}-{blake2b(said, digest_size=8).hexdigest()}.json"

    def _written(self, path: Path, found: Found) -> Found:
        part = path.with_suffix(".part")
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(msgspec.json.encode(found))
        part.replace(path)
        return found


class Clock:
    """Seconds of wall and of CPU between `start` and `stop`, added up."""

    def __init__(self) -> None:
        self.spent = (0.0, 0.0)
        self._began = (0.0, 0.0)

    def start(self) -> None:
        """Let it run."""
        self._began = (time.perf_counter(), time.process_time())

    def stop(self) -> None:
        """Let it stand."""
        now = (time.perf_counter(), time.process_time())
        wall, cpu = (round(was + at - began, 2) for was, at, began in zip(self.spent, now, self._began, strict=True))
        self.spent = (wall, cpu)
