"""How is a server loaded by a generator that costs less than what it measures? Open loop, over raw protocols."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import uvloop

from foryou.bench import load
from foryou.bench.server import Server

TICK_S = 0.0005
PATIENCE_S = 30.0  # for the last answers, after the last request was planned
OVERLOAD = b'"overload:'
Job = tuple[float, bytes]  # when it was planned (perf_counter seconds), the request
END, LENGTH = b"\r\n\r\n", b"content-length: "


@dataclass(slots=True)
class Seen:
    """What came back: all of it, the latencies of whole and degraded answers (2xx), and when each answer came."""

    all: load.Outcome
    answered_ms: list[float] = field(default_factory=list)
    degraded: int = 0
    whole_at: list[tuple[float, bool]] = field(default_factory=list)  # perf_counter seconds, whether it was whole

    def note(self, status: int, now: float, took_ms: float, degraded: bool) -> None:
        """Count an answer."""
        self.all.statuses[status] = self.all.statuses.get(status, 0) + 1
        self.all.latency_ms.append(took_ms)
        if status < 400:
            self.answered_ms.append(took_ms)
            self.degraded += degraded
        self.whole_at.append((now, status < 400 and not degraded))


class Line(asyncio.Protocol):
    """One keep-alive connection with one request under way; what is planned meanwhile waits in `queue` for all."""

    def __init__(self, queue: "deque[Job]", idle: "deque[Line]", outcome: Seen) -> None:
        self._queue, self._idle, self._outcome = queue, idle, outcome
        self._read, self._planned = bytearray(), 0.0
        self._transport: asyncio.Transport | None = None
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self._transport = cast(asyncio.Transport, transport)  # that of uvloop is none by birth
        self._idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Count the request that is under way as failed."""
        self.open = False
        if self._planned:
            self._outcome.all.errors += 1

    def ask(self, planned: float, request: bytes) -> None:
        """Send the request that was planned for this time (perf_counter seconds)."""
        assert self._transport is not None
        self._planned = planned
        self._transport.write(request)

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
        status, now = int(self._read[9:12]), time.perf_counter()
        self._outcome.note(status, now, (now - self._planned) * 1e3, OVERLOAD in self._read)
        self._read.clear()
        self._planned = 0.0
        if self._queue:
            self.ask(*self._queue.popleft())
        else:
            self._idle.append(self)


def steady(
    server: Server, requests: Callable[[int], bytes], rate: float, seconds: float, connections: int = load.CONNECTIONS
) -> Seen:
    """Send request number i at i / rate seconds, each counted from its planned time whatever the answers do."""
    seen = Seen(load.Outcome())
    start, before = time.perf_counter(), time.process_time()
    uvloop.run(_run(server, requests, rate, seconds, seen, connections))
    seen.all.seconds, seen.all.cpu_s = time.perf_counter() - start, time.process_time() - before
    return seen


async def _run(
    server: Server, requests: Callable[[int], bytes], rate: float, seconds: float, seen: Seen, connections: int
) -> None:
    queue, idle, outcome = deque[Job](), deque[Line](), seen.all
    loop = asyncio.get_running_loop()
    lines = []
    for _ in range(connections):
        transport, line = await loop.create_connection(lambda: Line(queue, idle, seen), server.host, server.port)
        lines.append((transport, line))
    start, sent, count = time.perf_counter(), 0, int(rate * seconds)
    while sent < count:
        now = time.perf_counter()
        while sent < count and (planned := start + sent / rate) <= now:
            request = requests(sent)
            sent += 1
            if idle:
                idle.popleft().ask(planned, request)
            else:
                queue.append((planned, request))
        outcome.late_ms.append(max(0.0, (now - planned) * 1e3))
        await asyncio.sleep(TICK_S)
    patience = time.perf_counter() + PATIENCE_S
    while len(idle) < len(lines) and time.perf_counter() < patience:
        await asyncio.sleep(0.01)
    outcome.errors += len(queue)
    for transport, _ in lines:
        transport.close()
