"""How fast are the best items of a large catalog found, and how many of them? Each kind of index, one thread."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.models import index
from foryou.models.index import building
from foryou.simulate.vectors import Shape, vectors

USERS = 3_000
TUNED_WITH = 500  # users that the effort is chosen and judged with, as in training
ASKED = 1_000  # other users, whom the figures are of
WARM = 100
CHUNK = 250_000
EXACT_UP_TO = 1_000_000  # items up to which the exact scan is measured, too
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class World:
    """table float16 [N+1, D], mapped · tune and asked float32 [U, D] · exact int64 [U, 500] of asked, best first."""

    table: NDArray[Any]
    tune: NDArray[np.float32]
    asked: NDArray[np.float32]
    exact: NDArray[np.int64]


def measure(folder: Path, shape: Shape, kinds: Sequence[str], threads: int, on_progress: Progress) -> dict[str, Any]:
    """Give the figures of each kind; the world and what was built stay in the folder and are found again."""
    folder.mkdir(parents=True, exist_ok=True)
    world = _world(folder, shape, on_progress)
    rows, curves = [], []
    for kind in kinds:
        if kind == "exact":
            if shape.items <= EXACT_UP_TO:
                exact = index.Exact(np.asarray(world.table, np.float32))
                rows.append({"kind": kind, **_figures(world, exact, 100), "build_s": 0.0, "bytes": 0})
            continue
        built, seconds = _built(folder, world, kind, threads, on_progress)
        for effort in building.EFFORTS[kind]:
            chosen = effort == built.effort
            searched = building.of_file(built.file, world.table, effort)
            curves.append({"kind": kind, "effort": effort, **_figures(world, searched, ASKED if chosen else 300)})
            on_progress(f"retrieval: {kind}", len(curves), len(building.EFFORTS[kind]))
            if chosen:
                size = built.file.stat().st_size
                rows.append(curves[-1] | {"build_s": seconds, "bytes": size})
    return {"items": shape.items, "width": shape.width, "threads": 1, "chosen": rows, "curve": curves}


def _world(folder: Path, shape: Shape, on_progress: Progress) -> World:
    if not (folder / "exact.npy").exists():
        on_progress("retrieval: world", 0, 2)
        vectors(shape, folder)
        made = np.load(folder / "items.npy", mmap_mode="r")
        table = np.lib.format.open_memmap(folder / "table.npy", "w+", np.float16, (shape.items + 1, shape.width))
        for at in range(0, shape.items, CHUNK):
            table[at + 1 : at + 1 + CHUNK] = made[at : at + CHUNK]
        (folder / "items.npy").unlink()
        on_progress("retrieval: world", 1, 2)
        np.save(folder / "exact.part.npy", index.best(table, np.load(folder / "users.npy")[-ASKED:], index.DEPTH))
        (folder / "exact.part.npy").rename(folder / "exact.npy")
        on_progress("retrieval: world", 2, 2)
    users = np.load(folder / "users.npy")
    table = np.load(folder / "table.npy", mmap_mode="r").view(np.ndarray)
    return World(table, users[:TUNED_WITH], users[-ASKED:], np.load(folder / "exact.npy"))


def _built(folder: Path, world: World, kind: str, threads: int, on_progress: Progress) -> tuple[index.Built, float]:
    said = folder / f"{kind}.npz"
    if not said.exists():
        start = time.perf_counter()
        built = index.build(world.table, world.tune, folder / "index", kind, threads, on_progress=on_progress)
        figures = {name: value for name, value in asdict(built).items() if name != "file"}
        np.savez(said, seconds=time.perf_counter() - start, **figures)
    with np.load(said) as found:
        kept = {name: float(found[name]) for name in found.files}
    seconds = round(kept.pop("seconds"), 1)
    return index.Built(folder / f"index.{kind}", **kept), seconds


def _figures(world: World, searched: index.Index, users: int) -> dict[str, float]:
    """Give ms per user, by the clock and of the processor, and the recall of the exact top 20 and top 500."""
    took, found = [], []
    for run in range(-min(WARM, users), users):
        user = world.asked[run % users][None]
        start = time.perf_counter_ns(), time.thread_time_ns()
        item, _ = searched.search(user, index.DEPTH)
        if run >= 0:
            took.append((time.perf_counter_ns() - start[0], time.thread_time_ns() - start[1]))
            found.append(item[0])
    wall, cpu = np.array(took).T / 1e6
    at_20, at_500 = building.shares(found, world.exact[:users])
    return {
        "p50_ms": round(float(np.median(wall)), 4), "p99_ms": round(float(np.percentile(wall, 99)), 4),
        "cpu_p50_ms": round(float(np.median(cpu)), 4),
        "recall_at_20": round(at_20, 4), "recall_at_500": round(at_500, 4),
    }  # fmt: skip
