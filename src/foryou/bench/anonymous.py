"""How many strangers does one process answer? Open loop, with a generator that costs less than what it measures."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import uvloop

from foryou.bench import load
from foryou.bench.server import Server

PATH = "/v1/recommendations?context=home&num_results=20"
PROMISE_MS = 5.0
STEPS = (2_000, 5_000, 7_500, 10_000, 12_500, 15_000, 17_500, 20_000, 25_000, 30_000)
FINER = 2  # halvings between the last rate that held and the first that did not
TICK_S = 0.0005
END, LENGTH = b"\r\n\r\n", b"content-length: "


class Line(asyncio.Protocol):
    """One keep-alive connection with one request under way; what is planned meanwhile waits in `queue` for all."""

    def __init__(self, queue: "deque[float]", idle: "deque[Line]", outcome: load.Outcome, request: bytes) -> None:
        self._queue, self._idle, self._outcome, self._request = queue, idle, outcome, request
        self._read, self._planned = bytearray(), 0.0
        self._transport: asyncio.Transport | None = None
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Count the request that is under way as failed."""
        self.open = False
        if self._planned:
            self._outcome.errors += 1

    def ask(self, planned: float) -> None:
        """Send the request that was planned for this time (perf_counter seconds)."""
        assert self._transport is not None
        self._planned = planned
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Note an answer when it is whole, and go on with what waits."""
        self._read += data
        head = self._read.find(END)
        if head < 0:
            return
        at = self._read.find(LENGTH, 0, head)
        size = int(self._read[at + len(LENGTH) : self._read.find(b"\r", at)]) if at >= 0 else 0
        if len(self._read) < head + len(END) + size:
            return
        status = int(self._read[9:12])
        self._read.clear()
        self._outcome.statuses[status] = self._outcome.statuses.get(status, 0) + 1
        self._outcome.latency_ms.append((time.perf_counter() - self._planned) * 1e3)
        self._planned = 0.0
        if self._queue:
            self.ask(self._queue.popleft())
        else:
            self._idle.append(self)


def steady(server: Server, request: bytes, rate: float, seconds: float) -> load.Outcome:
    """Send the request at a constant rate, each counted from its planned time whatever the answers do."""
    outcome = load.Outcome()
    start, before = time.perf_counter(), time.process_time()
    uvloop.run(_run(server, request, rate, seconds, outcome))
    outcome.seconds, outcome.cpu_s = time.perf_counter() - start, time.process_time() - before
    return outcome


async def _run(server: Server, request: bytes, rate: float, seconds: float, outcome: load.Outcome) -> None:
    queue, idle = deque[float](), deque[Line]()
    loop = asyncio.get_running_loop()
    lines = []
    for _ in range(load.CONNECTIONS):
        transport, line = await loop.create_connection(
            lambda: Line(queue, idle, outcome, request), server.host, server.port
        )
        lines.append((transport, line))
    start, sent, count = time.perf_counter(), 0, int(rate * seconds)
    while sent < count:
        now = time.perf_counter()
        while sent < count and (planned := start + sent / rate) <= now:
            sent += 1
            if idle:
                idle.popleft().ask(planned)
            else:
                queue.append(planned)
        outcome.late_ms.append(max(0.0, (now - planned) * 1e3))
        await asyncio.sleep(TICK_S)
    patience = time.perf_counter() + 10
    while len(idle) < len(lines) and time.perf_counter() < patience:
        await asyncio.sleep(0.01)
    outcome.errors += len(queue)
    for transport, _ in lines:
        transport.close()


def find_rate(server: Server, seconds: float, on_progress: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Raise the rate until p99 is over the promise, then halve the gap; gives the best run and all tries."""
    request = load.get(PATH)
    steady(server, request, 1_000, 2)
    tries: list[dict[str, Any]] = []
    held, broke = 0.0, 0.0
    for number, rate in enumerate(STEPS):
        on_progress("rates", number + 1, len(STEPS) + FINER)
        tries.append(_measured(server, request, rate, seconds))
        if not tries[-1]["held"]:
            tries.append(_measured(server, request, rate, seconds))  # one noisy neighbour is forgiven
        if not tries[-1]["held"]:
            broke = rate
            break
        held = rate
    for number in range(FINER if broke else 0):
        on_progress("rates", len(STEPS) + number + 1, len(STEPS) + FINER)
        middle = (held + broke) / 2
        tries.append(_measured(server, request, middle, seconds))
        held, broke = (middle, broke) if tries[-1]["held"] else (held, middle)
    unchanged = load.get(PATH)[:-2] + b"If-None-Match: *\r\n\r\n"
    best = max((one for one in tries if one["held"]), key=lambda one: float(one["rate"]), default=None)
    return {
        "rate_at_promise": held, "promise_p99_ms": PROMISE_MS, "at_promise": best, "tries": tries,
        "not_modified": _measured(server, unchanged, max(held, STEPS[0]), seconds),
    }  # fmt: skip


def _measured(server: Server, request: bytes, rate: float, seconds: float) -> dict[str, Any]:
    before = server.cpu_s()
    run = steady(server, request, rate, seconds)
    used, count, p99 = server.cpu_s() - before, len(run.latency_ms), run.quantile(0.99)
    wrong = run.errors + sum(many for status, many in run.statuses.items() if status not in (200, 304))
    return {
        "rate": rate, "answered_per_s": round(count / run.seconds), "failed": wrong,
        "p50_ms": round(run.quantile(0.5), 2), "p99_ms": round(p99, 2), "p999_ms": round(run.quantile(0.999), 2),
        "held": wrong == 0 and count > 0 and p99 < PROMISE_MS,
        "server_cpu_us_per_request": round(1e6 * used / max(1, count), 1),
        "generator_cpu_us_per_request": round(1e6 * run.cpu_s / max(1, count), 1),
        "generator_late_p99_ms": round(float(np.quantile(run.late_ms, 0.99)), 2),
    }  # fmt: skip
