"""Who are the users of the bench of the cache? Drawn like 1/k, with records folded from events as the worker does."""

import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event as Flag
from typing import Any

import numpy as np

from foryou.bench.draws import Drawn, named
from foryou.config import Config
from foryou.domain.errors import Unavailable
from foryou.domain.event import Action, Event
from foryou.domain.log import Stream, partition_of
from foryou.domain.records import Change, UserRecord, pack
from foryou.features.fold import fold
from foryou.ingest.codec import event_record
from foryou.ingest.worker import Worker
from foryou.stores.features_redis import RedisFeatures
from foryou.wiring.home import open_home

ITEMS = 100_000
PATTERNS, EVENTS = 200, (2, 60)  # kinds of users, and the number of events that each has had
WRITTEN = 500  # users per change
POLL_S = 0.005
RENEW_S = 1.0
MADE = "made"  # the stream of this bench in the positions: those of the log stay where a new log begins
ACTIONS = (Action.VIEW, Action.VIEW, Action.VIEW, Action.CLICK, Action.LIKE)


def crowd(users: int, partitions: int) -> Iterator[tuple[Change, int]]:
    """Give changes that write everybody, each with the bytes of its records."""
    patterns = _patterns()
    sizes = [sum(map(len, pack(record))) for record in patterns]
    parts: dict[int, list[int]] = {partition: [] for partition in range(partitions)}
    stands = dict.fromkeys(range(partitions), -1)
    for number in range(users):
        partition = partition_of(named(number), partitions)
        parts[partition].append(number)
        if len(parts[partition]) == WRITTEN or number >= users - 1:
            for full in [partition] if number < users - 1 else list(parts):
                records = {named(one): patterns[one % PATTERNS] for one in parts[full]}
                after = stands[full]
                stands[full] = after + 1
                yield (
                    Change(full, {MADE: after}, {MADE: after + 1}, records, {}),
                    sum(sizes[one % PATTERNS] for one in parts[full]),
                )
                parts[full] = []


def _patterns() -> list[UserRecord]:
    random, now_ms = np.random.default_rng(11), time.time_ns() // 1_000_000
    events = [
        _event(random, f"pattern-{pattern}", now_ms - 60_000 * (60 - n))
        for pattern in range(PATTERNS) for n in range(int(random.integers(*EVENTS)))
    ]  # fmt: skip
    records = fold({}, events, [-1] * len(events)).records
    return list(records.values())


def _event(random: np.random.Generator, user: str, at_ms: int) -> Event:
    action = ACTIONS[int(random.integers(len(ACTIONS)))]
    name = f"{user}-{random.integers(1 << 60):x}"
    item = f"item-{random.integers(ITEMS)}"
    return Event(name, user, action, at_ms, item, at_ms, session_id=f"session-{user}")


class _Telling:
    """A store that says what it is about to write."""

    def __init__(self, store: RedisFeatures, tells: Connection) -> None:
        self._store, self._tells = store, tells
        self.read, self.position, self.lease = store.read, store.position, store.lease
        self.release_lease = store.release_lease

    def write_all(self, changes: Sequence[Change], token: int) -> list[Unavailable | None]:
        sent = time.monotonic()
        self._tells.send([(user, one.offset, sent) for change in changes for user, one in change.records.items()])
        return self._store.write_all(changes, token)


def fold_events(config: Config, users: int, rate: float, tells: Connection, stop: Flag) -> None:
    """Append events of users at a constant rate and fold them, until it is stopped."""
    home = open_home(config)
    features: Any = _Telling(home.features, tells)  # type: ignore[arg-type]
    worker = Worker(home.log, features, None)
    worker.lease()
    drawn, random = Drawn(users, seed=17), np.random.default_rng(23)
    start = renewed = time.monotonic()
    done = 0
    while not stop.is_set():
        now = time.monotonic()
        due = int((now - start) * rate) - done
        if due > 0:
            now_ms = home.clock.now_ms()
            home.log.append(Stream.EVENTS, [event_record(_event(random, one, now_ms)) for one in drawn.names(due)])
            done += due
            worker.step((Stream.EVENTS,))
        if now - renewed > RENEW_S:
            worker.lease()
            renewed = now
        time.sleep(POLL_S)
    worker.release()
    home.close()
