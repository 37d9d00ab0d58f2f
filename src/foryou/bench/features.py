"""How big are the records of real users, and how fast does a feature store give them? MovieLens 100K, any store."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from foryou.bench.draws import spread
from foryou.domain.event import hash64
from foryou.domain.log import Stream, partition_of
from foryou.domain.ports import FeatureStore
from foryou.domain.records import Change, UserRecord, pack
from foryou.ingest.codec import event_of
from foryou.ingest.worker import Worker
from foryou.stores.features_sqlite import SqliteFeatures
from foryou.wiring.home import Home

PAGE = 10_000
LEASE_MS = 600_000
HOURS_MS = 3_600_000
SINGLE, TRENDS = 500, 50  # reads of one user, looks at the trends


def folded(home: Home) -> dict[str, UserRecord]:
    """Give the record of every user of a home, folded from its log."""
    store = SqliteFeatures(":memory:", home.clock)
    worker = Worker(home.log, store, None, batch=PAGE)
    worker.lease()
    worker.catch_up()
    users: set[str] = set()
    for partition, end in home.log.ends(Stream.EVENTS).items():
        for start in range(-1, end, PAGE):
            entries = home.log.read(Stream.EVENTS, partition, start, PAGE)
            users.update(event_of(entry.record.body).user_id for entry in entries)
    names = sorted(users)
    found = {name: record for name, record in zip(names, store.read(names), strict=True) if record}
    store.close()
    return found


def measure(
    features: FeatureStore, records: dict[str, UserRecord], partitions: int, batch: int, batches: int
) -> dict[str, Any]:
    """Write all records, then read users by chance, so many at a time.

    Gives sizes in bytes and times in ms, each as p50, p99 and max: `read` of a batch, `read_one` of one user, `write`
    of a partition with its counters, `trends` where nothing has changed and `trends_news` after a write.
    """
    sizes = [[len(part) for part in pack(record)] for record in records.values()]
    names, random = list(records), np.random.default_rng(7)
    token = features.lease("bench", LEASE_MS)
    parts = _by_partition(records, partitions)
    writes = [_timed(features.write, change, token) for change in _changes(features, parts)]
    asked = [[names[n] for n in random.integers(len(names), size=batch)] for _ in range(batches)]
    for some in asked[:20]:
        features.read(some)  # connections, caches of the machine
    found: dict[str, Any] = {
        "users": len(records), "partitions": partitions, "batch": batch,
        "core_bytes": spread([core for core, *_ in sizes]),
        "record_bytes": spread([sum(parts) for parts in sizes]),
        "read_ms": spread([_timed(features.read, some) for some in asked]),
        "read_one_ms": spread([_timed(features.read, some[:1]) for some in asked[:SINGLE]]),
        "write_ms": spread(writes),
    }  # fmt: skip
    features.trending()
    found["trends_ms"] = spread([_timed(features.trending) for _ in range(TRENDS)])
    news = []
    for change in _changes(features, dict(list(parts.items())[:TRENDS])):
        features.write(change, token)
        news.append(_timed(features.trending))
    found["trends_news_ms"] = spread(news)
    features.release_lease(token)
    return found


def _by_partition(records: dict[str, UserRecord], partitions: int) -> dict[int, dict[str, UserRecord]]:
    parts: dict[int, dict[str, UserRecord]] = {}
    for name, record in records.items():
        parts.setdefault(partition_of(name, partitions), {})[name] = record
    return parts


def _changes(features: FeatureStore, parts: dict[int, dict[str, UserRecord]]) -> list[Change]:
    """Give a change of each partition from where it stands; each user counts for the item that he acted on last."""
    hour = time.time_ns() // 1_000_000 // HOURS_MS
    changes = []
    for partition, users in parts.items():
        stands = features.position(partition).get(Stream.EVENTS, -1)
        items = [record.core.views[0] if record.core.views else hash64(name) for name, record in users.items()]
        counts = {(hour - n % 24, item): 100 for n, item in enumerate(items)}
        changes.append(Change(partition, {Stream.EVENTS: stands}, {Stream.EVENTS: stands + 1}, users, counts))
    return changes


def _timed(act: Callable[..., Any], *what: Any) -> float:
    started = time.perf_counter()
    act(*what)
    return (time.perf_counter() - started) * 1e3
