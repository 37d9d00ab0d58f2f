"""What do the other processes of a contract do? Each function runs in a process of its own, started afresh."""

import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from backends import At, Backend

from foryou.domain.clock import Clock
from foryou.domain.errors import Conflict
from foryou.domain.log import Record, Stream
from foryou.domain.release import Release

RACERS = 2
NONE = Release(0, {})

_start: Any = None  # the barrier of this process


class Course:
    """Processes that are started once and wait for races."""

    def __init__(self) -> None:
        context = get_context("spawn")
        barrier = context.Barrier(RACERS)
        self._pool = ProcessPoolExecutor(RACERS, context, initializer=_line_up, initargs=(barrier,))

    def race(self, work: Callable[[Backend, int], Any], backend: Backend) -> list[Any]:
        """Give what `work(backend, racer)` gives in each of RACERS processes, which start it together."""
        return list(self._pool.map(_run, [work] * RACERS, [backend] * RACERS, range(RACERS)))

    def close(self) -> None:
        """Send the processes home."""
        self._pool.shutdown()


def _line_up(barrier: Any) -> None:
    global _start
    _start = barrier


def _run(work: Callable[[Backend, int], Any], backend: Backend, racer: int) -> Any:
    _start.wait(30)
    return work(backend, racer)


def append(backend: Backend, racer: int) -> int:
    """Append 40 times five records: own keys, ids that nobody else uses."""
    with closing(backend.open()) as log:
        stored = 0
        for number in range(40):
            records = [Record(f"user-{racer}-{key}", f"{racer}-{number}-{key}", b"%d" % number) for key in range(5)]
            stored += log.append(Stream.EVENTS, records).stored
        return stored


def append_the_same(backend: Backend, racer: int) -> int:
    """Append 20 records that every racer appends; gives how many of them were new."""
    del racer
    with closing(backend.open()) as log:
        return sum(log.append(Stream.EVENTS, [Record("user", f"id-{number}", b"")]).stored for number in range(20))


def promote(backend: Backend, racer: int) -> list[int]:
    """Try to put ten releases in force, each after the one that all racers wait for; gives those won."""
    models = backend.open()
    won = []
    deadline = time.monotonic() + 20
    for expected in range(10):
        while expected and (models.release() or NONE).generation < expected:
            assert time.monotonic() < deadline
        try:
            models.replace_release(Release(expected + 1, {}, reason=f"racer {racer}"), expected)
        except Conflict:
            continue
        won.append(expected + 1)
    return won


def take_lease(backend: Backend, racer: int) -> int:
    """Try to take the lease; gives the token, 0 if another was first."""
    with closing(backend.open()) as features:
        try:
            return features.lease(f"racer {racer}", 60_000)
        except Conflict:
            return 0


def append_until_killed(name: str, place: str, url: str) -> None:
    """Append pairs of records for ever; each id is printed once `append` has returned."""
    log = Backend("log", name, At(Path(place), Clock(), url)).open()
    for number in count():
        log.append(Stream.EVENTS, [Record(f"user-{number % 7}", f"id-{number}-{half}", b"x" * 100) for half in (0, 1)])
        print(number, flush=True)  # noqa: T201


if __name__ == "__main__":
    append_until_killed(*sys.argv[1:])
