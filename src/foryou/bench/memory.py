"""What does remembering hot users save, and how old is what is served? Zipf readers, a real fold in another process.

Reads arrive at random moments at a constant rate (open loop) and are read as the server does: those that wait, 32 at
most. Events of users by the same Zipf go through a log and a `Worker` of another process into the store.
"""

import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from foryou.bench.draws import Drawn, named, spread
from foryou.bench.people import crowd, fold_events
from foryou.config import Config, redis_password
from foryou.domain.clock import Clock
from foryou.domain.errors import Incomplete, Unavailable
from foryou.features.hydrate import Records
from foryou.stores.features_cached import Cached
from foryou.stores.features_redis import Look, RedisFeatures
from foryou.stores.redis_address import address
from foryou.stores.redis_calls import Node
from foryou.stores.redis_ear import Ear, Told
from foryou.stores.redis_servers import Patience, Servers

BATCH = 32
POLL_S = 0.001
STARTED_S = 60
PAGE_KB = 4
KEPT = 10_000
Changed = tuple[str, int, float]  # user, offset that his record will have, monotonic s before its write was sent
Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Who comes: `rate` reads/s and `events` events/s of `users` users, whose number k is drawn like 1/k."""

    users: int
    rate: float
    events: float


@dataclass(slots=True)
class _Read:
    """What a phase of reads gave. asked: users; missed: those that the store was asked for; the rest in ms by batch.

    failed: users who could not be read in time, and would have been answered as strangers.
    """

    asked: int = 0
    missed: int = 0
    failed: int = 0
    hits_ms: list[float] = field(default_factory=list)
    misses_ms: list[float] = field(default_factory=list)
    waited_ms: list[float] = field(default_factory=list)  # from the planned moment to the answer, by read
    cpu_s: float = 0.0

    def told(self, seconds: float) -> dict[str, Any]:
        """Give the figures."""
        return {
            "reads": self.asked, "failed": self.failed, "hit_share": round(1 - self.missed / max(1, self.asked), 4),
            "batch_of_hits_ms": spread(self.hits_ms), "batch_with_misses_ms": spread(self.misses_ms),
            "from_arrival_ms": spread(self.waited_ms), "process_cpu_share": round(self.cpu_s / seconds, 3),
        }  # fmt: skip


class _Watched:
    """A store that counts who was asked for by the thread that reads, so that those who look on do not count."""

    def __init__(self, store: RedisFeatures) -> None:
        self._store, self._reads, self.asked = store, threading.get_ident(), 0

    def look(self, users: Sequence[str]) -> Look:
        if threading.get_ident() == self._reads:
            self.asked += len(users)
        return self._store.look(users)

    def read(self, users: Sequence[str]) -> list[Any]:
        self.asked += len(users)
        return self._store.read(users)

    def listen(self, node: Node, told: Told) -> Ear:
        return self._store.listen(node, told)


def run(config: Config, traffic: Traffic, seconds: float, report: Report) -> dict[str, Any]:
    """Fill a store of its own, measure, and empty it again."""
    stores = config.stores
    patience = Patience(stores.read_ms, stores.write_ms)
    servers = Servers(address(stores.features), redis_password(), patience)
    store = RedisFeatures(servers, Clock(), stores.partitions)
    try:
        filled = fill(store, traffic.users, stores.partitions, report)
        return filled | measure(config, store, traffic, seconds, report)
    finally:
        report("deleting what was written", 0, 0)
        servers.delete(f"{{{servers.where.namespace}*", b"")
        store.close()


def measure(config: Config, store: RedisFeatures, traffic: Traffic, seconds: float, report: Report) -> dict[str, Any]:
    """Measure a store that holds the users: from an empty memory, from a full one, its staleness, and without it."""
    watched, drawn = _Watched(store), Drawn(traffic.users, seed=5)
    stores = config.stores
    cached = Cached(watched, stores.cached_users, stores.cached_mb * 1_000_000)  # type: ignore[arg-type]
    rss_mb, found = _rss_mb(), {}
    with _folding(config, traffic) as told:
        report("from an empty memory", 0, 4)
        found["cold"] = _reading(cached, watched, drawn, traffic.rate, seconds).told(seconds)
        report("filling it", 1, 4)
        for _ in range(8 * stores.cached_users // BATCH):
            _failed(cached, drawn.names(BATCH))
        found["memory"] = {
            "users": len(cached), "estimated_mb": round(cached.bytes / 1e6, 1), "rss_mb": round(_rss_mb() - rss_mb, 1),
        }  # fmt: skip
        cached.delays_ms.clear()
        report("from a full one", 2, 4)
        changed, renewed = cached.dropped, cached.renewed
        found["warm"] = _reading(cached, watched, drawn, traffic.rate, seconds).told(seconds)
        found["warm"] |= {"dropped": cached.dropped - changed, "renewed": cached.renewed - renewed}
        found["write_to_known_ms"] = spread(list(cached.delays_ms))
        report("staleness", 3, 4)
        found["stale_ms"] = spread(_stale(cached, watched, drawn, traffic.rate, seconds, told))
        report("without it", 4, 4)
        found["off"] = _reading(watched, watched, drawn, traffic.rate, seconds).told(seconds)
    cached.close()
    return found


def _reading(records: Records, watched: _Watched, drawn: Drawn, rate: float, seconds: float) -> _Read:
    """Read users as they arrive."""
    read, cpu_s = _Read(), time.process_time()
    planned = drawn.moments(rate, seconds)
    names, start, place = drawn.names(len(planned)), time.perf_counter(), 0
    while place < len(planned):
        now = time.perf_counter() - start
        if now < planned[place]:
            time.sleep(planned[place] - now)
            continue
        end = min(place + BATCH, int(np.searchsorted(planned, now, side="right")))
        before, began = watched.asked, time.perf_counter()
        read.failed += _failed(records, names[place:end])
        done, missed = time.perf_counter(), watched.asked - before
        (read.misses_ms if missed else read.hits_ms).append((done - began) * 1e3)
        read.waited_ms += ((done - start - planned[place:end]) * 1e3).tolist()
        read.asked, read.missed, place = read.asked + end - place, read.missed + missed, end
    read.cpu_s = time.process_time() - cpu_s
    return read


def _failed(records: Records, users: Sequence[str]) -> int:
    """Read users; gives how many of them could not be."""
    try:
        records.read(users)
    except Incomplete as error:
        return len(error.missing)
    except Unavailable:
        return len(users)
    return 0


def _stale(
    cached: Cached, watched: _Watched, drawn: Drawn, rate: float, seconds: float, told: deque[Changed]
) -> list[float]:
    """Give, for each change of a user, ms from before its write was sent until a read from memory gives it.

    Each user who is about to change is read every ms besides, from before the change: so he is remembered when it
    comes, whoever he is. These reads count neither as hits nor as misses.
    """
    stale: list[float] = []
    stop = threading.Event()
    told.clear()

    def look_on() -> None:
        open_: dict[tuple[str, int], float] = {}
        while open_ or not stop.is_set():
            while told:
                user, offset, sent = told.popleft()
                open_[user, offset] = sent
            users = [user for user, _ in open_]
            try:
                known = cached.read(users)
            except Unavailable:  # a stall of the store; it counts as staleness
                continue
            now = time.monotonic()
            for (user, offset), record in zip(list(open_), known, strict=True):
                if record is not None and record.offset >= offset:
                    stale.append((now - open_.pop((user, offset))) * 1e3)
            time.sleep(POLL_S)

    looks = threading.Thread(target=look_on, daemon=True)
    looks.start()
    _reading(cached, watched, drawn, rate, seconds)
    stop.set()
    looks.join(10)
    return stale


@contextmanager
def _folding(config: Config, traffic: Traffic) -> Iterator[deque[Changed]]:
    """Run the fold in another process; gives what it is about to write: user, offset, monotonic s."""
    fork = multiprocessing.get_context("spawn")
    told, tells = fork.Pipe(duplex=False)
    stop = fork.Event()
    process = fork.Process(target=fold_events, args=(config, traffic.users, traffic.events, tells, stop), daemon=True)
    process.start()
    try:
        if not told.poll(STARTED_S):
            raise TimeoutError(f"the process that folds has written nothing in {STARTED_S} s; see what it said")
        news: deque[Changed] = deque(maxlen=KEPT)
        threading.Thread(target=_hear, args=(told, news), daemon=True).start()
        yield news
    finally:
        stop.set()
        process.join(10)


def _hear(told: Connection, news: deque[Changed]) -> None:
    """Take from the other process what it tells, so that it need not wait."""
    with suppress(EOFError, OSError):
        while True:
            news.extend(told.recv())


def fill(store: RedisFeatures, users: int, partitions: int, report: Report) -> dict[str, Any]:
    """Write the records of so many users; gives what they weigh."""
    token, started, weighed = store.lease("bench", 600_000), time.perf_counter(), 0
    for done, (change, size) in enumerate(crowd(users, partitions)):
        store.write(change, token)
        weighed += size
        report("writing users", done, 0)
    store.release_lease(token)
    return {"users": users, "record_bytes": round(weighed / users), "fill_s": round(time.perf_counter() - started, 1),
            "first": named(0)}  # fmt: skip


def _rss_mb() -> float:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_KB / 1e3
