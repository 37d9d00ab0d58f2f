"""How do single requests become batches? Greedily, without a timer: who is free takes what already waits."""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from foryou.domain.errors import Unavailable
from foryou.domain.slate import Answer, Query, Trace
from foryou.serve.live import Arm
from foryou.serve.overload import Ladder, Verdict, on_rung
from foryou.serve.pipeline import Pipeline
from foryou.serve.standby import answered

Ticket = TypeVar("Ticket")
BATCH = 32  # B_max: queries answered in one go
WAITING = 2_000  # queries that may wait; beyond it the door says 503
LATER = "try again in a second"


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
    `spare` gives an answer that needs no pipeline, `gone` says that nobody waits for a ticket any more.
    """

    def __init__(
        self,
        soon: Callable[[Callable[[], None]], object],
        deliver: Callable[[Sequence[tuple[Ticket, Answer | Exception]]], None],
        traced: Callable[[Arm, str, Trace, Sequence[Job[Ticket]]], None],
        ladder: Ladder | None = None,
        spare: Callable[[Query, str], Answer | None] = lambda query, placement: None,
        gone: Callable[[Ticket], bool] = lambda ticket: False,
    ) -> None:
        self._soon, self._deliver, self._traced = soon, deliver, traced
        self.ladder, self._spare = ladder or Ladder(math.inf), spare
        self._gone = gone
        self._waiting: deque[tuple[float, Job[Ticket]]] = deque()
        self._due = False

    def submit(self, job: Job[Ticket]) -> None:
        """Queue a query. With a queue that is too long it is answered from what is ready; Unavailable beyond that."""
        now = time.perf_counter()
        verdict = self.ladder.verdict(len(self._waiting), now)
        if verdict is Verdict.PREPARED and (answer := self._spare(job.query, job.placement)):
            self._deliver([(job.ticket, answer)])
            return
        if verdict is not Verdict.ADMIT:
            raise Unavailable(f"{len(self._waiting)} requests wait, more than can be answered in time; {LATER}")
        if len(self._waiting) >= WAITING:
            raise Unavailable(f"{len(self._waiting)} requests wait (limit {WAITING}); {LATER}")
        self._waiting.append((now, job))
        self._wake()

    def refuses(self) -> bool:
        """Say whether whoever came now would be refused, whatever the question."""
        return self.ladder.verdict(len(self._waiting), time.perf_counter()) is Verdict.REFUSE

    def _wake(self) -> None:
        if self._waiting and not self._due:
            self._due = True
            self._soon(self._work)

    def _work(self) -> None:
        """Answer what waits, at most BATCH of it; the rest after those who became ready meanwhile."""
        self._due = False
        taken = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        started = time.perf_counter()
        if taken:
            self.ladder.waited(started - taken[0][0], started)
        jobs = [job for _, job in taken if not self._gone(job.ticket)]
        groups: dict[tuple[int, str, int], list[Job[Ticket]]] = {}
        for job in jobs:
            groups.setdefault((id(job.arm), job.placement, id(job.pipeline)), []).append(job)
        self._deliver([pair for group in groups.values() for pair in self._answer(group)])
        if jobs:
            self.ladder.answered(len(jobs), time.perf_counter() - started)
        self._wake()

    def close(self) -> None:
        """Answer what waits."""
        while self._waiting:
            self._work()

    def _answer(self, group: list[Job[Ticket]]) -> list[tuple[Ticket, Answer | Exception]]:
        first = group[0]
        try:
            rung, cheaper = self.ladder.rung, first.arm.pipelines
            pipeline = cheaper.get(on_rung(rung, first.placement), first.pipeline) if rung else first.pipeline
            queries, deadline = [job.query for job in group], min(job.deadline for job in group)
            answers, trace = answered(first.arm, first.placement, pipeline, queries, deadline)
        except Exception as error:  # noqa: BLE001 - whatever it was, the next one must still be answered
            return [(job.ticket, error) for job in group]
        self._traced(first.arm, first.placement, trace, group)
        return [(job.ticket, answer) for job, answer in zip(group, answers, strict=True)]


def deadline_in(ms: float) -> float:
    """Give the deadline that is so many ms away, in perf_counter seconds."""
    return time.perf_counter() + ms / 1e3
