"""How do single requests become batches? Greedily, without a timer: a free thread takes what already waits."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from foryou.domain.errors import Unavailable
from foryou.domain.slate import Answer, Query, Trace
from foryou.serve.live import Arm

Ticket = TypeVar("Ticket")
BATCH = 32  # B_max: queries answered in one go
WAITING = 2_000  # queries that may wait; beyond it the door says 503


@dataclass(frozen=True, slots=True)
class Job(Generic[Ticket]):
    """A query on its way: who answers it, where, by when (perf_counter seconds), and whom to tell."""

    arm: Arm
    placement: str
    query: Query
    deadline: float
    ticket: Ticket


class Batcher(Generic[Ticket]):
    """One compute thread; `deliver` is called from it once per batch with (ticket, answer or error)."""

    def __init__(
        self,
        deliver: Callable[[Sequence[tuple[Ticket, Answer | Exception]]], None],
        traced: Callable[[Arm, str, Trace, int], None],
    ) -> None:
        self._deliver, self._traced = deliver, traced
        self._waiting: deque[Job[Ticket]] = deque()
        self._wake = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._work, name="compute", daemon=True)
        self._thread.start()

    def submit(self, job: Job[Ticket]) -> None:
        """Queue a query; Unavailable when too many wait already."""
        with self._wake:
            if not self._open or len(self._waiting) >= WAITING:
                raise Unavailable(f"{len(self._waiting)} requests wait (limit {WAITING}); try again in a second")
            self._waiting.append(job)
            self._wake.notify()

    def close(self) -> None:
        """Answer what waits, then stop."""
        with self._wake:
            self._open = False
            self._wake.notify()
        self._thread.join()

    def _work(self) -> None:
        while jobs := self._take():
            done: list[tuple[Ticket, Answer | Exception]] = []
            groups: dict[tuple[int, str], list[Job[Ticket]]] = {}
            for job in jobs:
                groups.setdefault((id(job.arm), job.placement), []).append(job)
            for group in groups.values():
                done += self._answer(group)
            self._deliver(done)

    def _take(self) -> list[Job[Ticket]]:
        with self._wake:
            while self._open and not self._waiting:
                self._wake.wait()
            return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]

    def _answer(self, group: list[Job[Ticket]]) -> list[tuple[Ticket, Answer | Exception]]:
        first = group[0]
        try:
            answers, trace = first.arm.pipelines[first.placement].run(
                [job.query for job in group], min(job.deadline for job in group)
            )
        except Exception as error:  # noqa: BLE001 - whatever it was, this thread must answer the next one
            return [(job.ticket, error) for job in group]
        self._traced(first.arm, first.placement, trace, len(group))
        return [(job.ticket, answer) for job, answer in zip(group, answers, strict=True)]


def deadline_in(ms: float) -> float:
    """Give the deadline that is so many ms away, in perf_counter seconds."""
    return time.perf_counter() + ms / 1e3
