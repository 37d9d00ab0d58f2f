"""Who are the users of a generated world? Records with their clicks, written as the worker would."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from foryou.domain.event import ACTIONS, Action
from foryou.domain.log import partition_of
from foryou.domain.records import ACTION_DTYPE, VIEWS, Change, Core, UserRecord
from foryou.wiring.home import Home

WRITTEN = 5_000  # users per change
MADE = "made"  # the stream of this bench in the positions: those of the log stay where a new log begins
PAUSE_MS = 600_000  # between two clicks
TRENDING = 5_000  # items with counters


def named(number: int) -> str:
    """Give the id of a user."""
    return f"u{number}"


def settle(home: Home, clicks: NDArray[np.int32], hash_: NDArray[np.uint64], now_ms: int,
           on_progress: Callable[[str, int, int], None]) -> None:  # fmt: skip
    """Write a record per row of clicks [U, C], and counters of what trends. hash_ uint64 [N+1] of the items."""
    token = home.features.lease("bench", 600_000)
    done = 0
    for change in _changes(home.log.partitions(), clicks, hash_, now_ms):
        home.features.write(change, token)
        done += len(change.records)
        on_progress("users", done, len(clicks))
    home.features.release_lease(token)


def _changes(partitions: int, clicks: NDArray[np.int32], hash_: NDArray[np.uint64], now_ms: int) -> Iterator[Change]:
    parts: dict[int, dict[str, UserRecord]] = {partition: {} for partition in range(partitions)}
    stands = dict.fromkeys(range(partitions), -1)
    counts = _trending(clicks, hash_, now_ms)
    for number in range(len(clicks)):
        partition = partition_of(named(number), partitions)
        parts[partition][named(number)] = _record(number, hash_[clicks[number]], now_ms)
        if len(parts[partition]) == WRITTEN or number == len(clicks) - 1:
            for full in [partition] if number < len(clicks) - 1 else list(parts):
                after, stands[full] = stands[full], stands[full] + 1
                yield Change(full, {MADE: after}, {MADE: after + 1}, parts[full], counts)
                parts[full], counts = {}, {}


def _record(number: int, item: NDArray[np.uint64], now_ms: int) -> UserRecord:
    history = np.zeros(len(item), ACTION_DTYPE)
    history["at_ms"] = now_ms - PAUSE_MS * np.arange(len(item), 0, -1)
    history["event"] = (np.uint64(number) << np.uint64(8)) + np.arange(len(item), dtype=np.uint64)
    history["item"], history["value"], history["action"] = item, np.nan, ACTIONS.index(Action.CLICK)
    core = Core(views=tuple(item[: -VIEWS - 1 : -1].tolist()), last_ms=int(history["at_ms"][-1]))
    return UserRecord(core, history, item.astype(np.uint32))


def _trending(clicks: NDArray[np.int32], hash_: NDArray[np.uint64], now_ms: int) -> dict[tuple[int, int], int]:
    item, count = np.unique(clicks[:200_000, -1], return_counts=True)
    best = np.argsort(-count, kind="stable")[:TRENDING]
    hour = now_ms // 3_600_000
    return {(hour - n % 24, int(hash_[item[at]])): 100 * int(count[at]) for n, at in enumerate(best.tolist())}
