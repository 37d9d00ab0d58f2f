"""What does training cost on this machine, and on Spark? The same Parquet through tables and ALS, in processes apart.

Users and items by Zipf(1.0), events as an archive has them. Memory is the peak of the sum of PSS (pages that processes
share count once) of an engine's process and all it started, the JVM too, looked at twice a second.
"""

import multiprocessing
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from foryou.bench.draws import named
from foryou.config import Config
from foryou.domain.clock import DAY_MS
from foryou.domain.errors import Unavailable
from foryou.domain.event import CODE, Action, hashes
from foryou.domain.tables import Wanted
from foryou.ingest.archive import SCHEMA
from foryou.train.als import AlsSettings
from foryou.train.dataset import Interactions
from foryou.wiring.engines import engine_of

PART = 500_000  # events of a part
DAYS = 30
ACTIONS = (Action.VIEW, Action.CLICK, Action.LIKE, Action.ADD_TO_CART, Action.PURCHASE)
SHARES = (0.6, 0.25, 0.05, 0.06, 0.04)
LOOK_S = 0.5
LONGEST_S = 6 * 3_600
Report = Callable[[str, int, int], None]


def measure(config: Config, events: int, users: int, items: int, report: Report) -> dict[str, Any]:
    """Give seconds, CPU seconds and peak memory of both engines, and whether their tables are equal."""
    folder = Path(config.home)
    parts = tuple(str(path) for path in _archive(folder / "archive", events, users, items, report))
    found: dict[str, Any] = {"events": events, "users": users, "items": items}
    for place, engine in enumerate(("local", "spark")):
        train = msgspec.structs.replace(config.train, engine=engine)
        one = msgspec.structs.replace(config, home=str(folder / engine), train=train)
        found[engine] = _apart(one, parts, items)
        report("engines", place + 1, 2)
    tables = [_digests(folder / engine / "work") for engine in ("local", "spark")]
    found["tables_equal"] = tables[0] == tables[1]
    return found


def _archive(folder: Path, events: int, users: int, items: int, report: Report, seed: int = 7) -> Iterator[Path]:
    """Write the parts of an archive; gives their paths."""
    random, start_ms = np.random.default_rng(seed), 1_760_000_000_000
    people, things = (np.cumsum(1 / np.arange(1, count + 1)) for count in (users, items))
    names = np.array([named(n) for n in range(users)])
    hash_ = hashes(names.tolist()).view(np.int64)
    codes = np.array([CODE[action] for action in ACTIONS], np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    for first in range(0, events, PART):
        n = min(PART, events - first)
        who = np.searchsorted(people, random.random(n) * people[-1])
        what = np.searchsorted(things, random.random(n) * things[-1])
        at_ms = start_ms + np.sort(random.integers(0, DAYS * DAY_MS, n))
        table = pl.DataFrame({
            "event_id": pl.Series(np.arange(first, first + n)).cast(pl.String).str.pad_start(36, "0"),
            "user_id": names[who], "user_hash": hash_[who], "item_id": pl.Series(what).cast(pl.String),
            "action": codes[random.choice(len(codes), n, p=SHARES)], "at_ms": at_ms, "received_ms": at_ms,
            "session_id": names[who], "offset": np.arange(first, first + n),
        }).with_columns(quantity=pl.lit(1), position=pl.lit(-1), partition=pl.lit(0), value=pl.lit(None))  # fmt: skip
        table = table.with_columns(pl.lit("").alias(name) for name in SCHEMA if name not in table.columns)
        path = folder / f"part-{first:014}.parquet"
        table.select(list(SCHEMA)).cast(pl.Schema(SCHEMA)).write_parquet(path)
        report("archive", first + n, events)
        yield path


def _apart(config: Config, parts: tuple[str, ...], items: int) -> dict[str, Any]:
    """Run an engine in a process of its own and watch what it takes."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(config, parts, items, theirs))
    process.start()
    theirs.close()
    assert process.pid
    with Watch(process.pid) as watch:
        try:
            found: dict[str, Any] = ours.recv() if ours.poll(LONGEST_S) else {}
        except EOFError:  # it is dead
            found = {}
        if not found:
            process.terminate()
        process.join()
    if not found:
        raise Unavailable(f"The engine {config.train.engine} ended without figures; what it said stands above")
    return found | {"peak_pss_mb": round(watch.peak_mb), "cpu_s": round(watch.cpu_s, 1)}


def _run(config: Config, parts: tuple[str, ...], items: int, answer: Any) -> None:
    wanted = Wanted(parts, parts, Path(config.home) / "work", {})
    train = config.train
    how = AlsSettings(
        train.width, train.iterations, train.unobserved, train.regularisation, train.power, train.dislike, train.seed
    )
    with closing(engine_of(config)) as engine:
        seconds = [time.perf_counter()]
        tables = engine.tables(wanted, lambda *_: None)
        seconds.append(time.perf_counter())
        log = _numbered(tables.interactions, items)
        seconds.append(time.perf_counter())
        vectors = engine.factorise(log, how, lambda *_: None)
        seconds.append(time.perf_counter())
    spent = np.diff(seconds).round(1).tolist()
    answer.send({
        **dict(zip(("tables_s", "read_s", "als_s"), spent, strict=True)), "rows": len(log),
        "users": len(log.user_ids), "vectors": int(np.any(vectors, axis=1).sum()), "width": train.width,
        "sweeps": train.iterations, "left_out": {one.reason: one.events for one in tables.cleaned},
    })  # fmt: skip
    answer.close()


def _numbered(path: Path, items: int) -> Interactions:
    """Give a table as numbers, without the names that ALS does not ask for."""
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    table = pl.concat([pl.read_parquet(one, columns=["user_id", "item_id", "action", "at_ms"]) for one in files])
    user = table["user_id"].rank("dense").cast(pl.Int32).to_numpy() - 1
    taste = np.array([0, 0.5, 0.7, 1, -1, 0.7, 0.9, 1, 1, 0, -1, 0, 0], np.float32)[table["action"].to_numpy()]
    return Interactions(
        user.astype(np.int32), table["item_id"].cast(pl.Int32).to_numpy() + 1, table["at_ms"].to_numpy(), taste,
        table["action"].to_numpy(), np.full(len(table), np.nan, np.float32), [],
        table["user_id"].unique().to_list(), items,
    )  # fmt: skip


def _digests(folder: Path) -> list[int]:
    """Give a number per table that tells whether all of its rows are the same, in the same order."""
    found = []
    for name in ("snapshot.parquet", "users.parquet"):
        path = folder / name
        files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
        table = pl.concat([pl.read_parquet(one) for one in files])
        action = [pl.col("action").cast(pl.Int16)] if "action" in table.columns else []
        hashed = table.with_columns(action).hash_rows(seed=0).to_numpy()
        found.append(hash(hashed.tobytes()))
    return found


class Watch:
    """Looks at a process and all below it: the peak of their memory, MB, and the CPU that they took, s."""

    def __init__(self, pid: int) -> None:
        self.peak_mb = self.cpu_s = 0.0
        self._pid, self._over = pid, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            memory = cpu = 0.0
            for pid in _below(self._pid):
                try:
                    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                except OSError:  # it has just ended
                    continue
                found = re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)
                memory += int(found[1]) / 1_024 if found else 0
                cpu += sum(map(int, stat[11:15])) / os.sysconf("SC_CLK_TCK")
            self.peak_mb, self.cpu_s = max(self.peak_mb, memory), max(self.cpu_s, cpu)


def _below(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(path.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found
