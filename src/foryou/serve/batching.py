"""How do single requests become batches? Greedily, without a timer: who is free takes what already waits."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from foryou.domain.errors import Unavailable
from foryou.domain.slate import Answer, Query, Trace
from foryou.serve.live import Arm
from foryou.serve.pipeline import Pipeline

Ticket = TypeVar("Ticket")
BATCH = 32  # B_max: queries answered in one go
WAITING = 2_000  # queries that may wait; beyond it the door says 503


@dataclass(frozen=True, slots=True)
class Job(Generic[Ticket]):
    """A query on its way: who answers it, where, by when (perf_counter seconds), and whom to tell."""

    arm: Arm
    placement: str
    pipeline: Pipeline  # as it was when the query came: an experiment may change or end before it is answered
    query: Query
    deadline: float
    ticket: Ticket


class Batcher(Generic[Ticket]):
    """Answers in batches: whoever submits while a batch is being answered is in the next one.

    `soon` runs a function after what is ready now: an event loop's `call_soon`, so that all requests that arrived
    meanwhile have submitted by then. `deliver` is called once per batch with (ticket, answer or error). One thread
    only: requests and answers never change hands between threads (measured: docs/journal.md).
    """

    def __init__(
        self,
        soon: Callable[[Callable[[], None]], object],
        deliver: Callable[[Sequence[tuple[Ticket, Answer | Exception]]], None],
        traced: Callable[[Arm, str, Trace, int], None],
    ) -> None:
        self._soon, self._deliver, self._traced = soon, deliver, traced
        self._waiting: deque[Job[Ticket]] = deque()
        self._due = False

    def submit(self, job: Job[Ticket]) -> None:
        """Queue a query; Unavailable when too many wait already."""
        if len(self._waiting) >= WAITING:
            raise Unavailable(f"{len(self._waiting)} requests wait (limit {WAITING}); try again in a second")
        self._waiting.append(job)
        self._wake()

    def _wake(self) -> None:
        if self._waiting and not self._due:
            self._due = True
            self._soon(self._work)

    def _work(self) -> None:
        """Answer what waits, at most BATCH of it; the rest after those who became ready meanwhile."""
        self._due = False
        jobs = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        groups: dict[tuple[int, str, int], list[Job[Ticket]]] = {}
        for job in jobs:
            groups.setdefault((id(job.arm), job.placement, id(job.pipeline)), []).append(job)
        self._deliver([pair for group in groups.values() for pair in self._answer(group)])
        self._wake()

    def close(self) -> None:
        """Answer what waits."""
        while self._waiting:
            self._work()

    def _answer(self, group: list[Job[Ticket]]) -> list[tuple[Ticket, Answer | Exception]]:
        first = group[0]
        try:
            answers, trace = first.pipeline.run([job.query for job in group], min(job.deadline for job in group))
        except Exception as error:  # noqa: BLE001 - whatever it was, the next one must still be answered
            return [(job.ticket, error) for job in group]
        self._traced(first.arm, first.placement, trace, len(group))
        return [(job.ticket, answer) for job, answer in zip(group, answers, strict=True)]


def deadline_in(ms: float) -> float:
    """Give the deadline that is so many ms away, in perf_counter seconds."""
    return time.perf_counter() + ms / 1e3
