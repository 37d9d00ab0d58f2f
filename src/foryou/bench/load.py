"""How is a running server loaded? Open loop: requests leave at their planned times, whatever the answers do.

Latency is counted from the planned time, so a server that stalls cannot hide it by slowing the generator down
(coordinated omission).
"""

import asyncio
import resource
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import uvloop

from foryou.domain.errors import Unavailable

CONNECTIONS = 64
LINE = b"\r\n"
LACKS = (b"deadline:", b"overload", b"hydrate", b"represent", b"rank", b"explain")  # of what `degraded` says


@dataclass(slots=True)
class Outcome:
    """What one run of the generator saw: latency_ms from the planned time; late_ms is the generator's own.

    posted_ms and asked_ms: those of latency_ms that belong to POST requests, and all others.
    """

    latency_ms: list[float] = field(default_factory=list)
    posted_ms: list[float] = field(default_factory=list)
    asked_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    errors: int = 0
    lacking: int = 0  # answers that lack something because there was no time
    seconds: float = 0.0
    cpu_s: float = 0.0

    @property
    def failed(self) -> int:
        """Give how many requests had no 2xx answer."""
        return self.errors + sum(count for status, count in self.statuses.items() if not 200 <= status < 300)

    def quantile(self, q: float) -> float:
        """Give a quantile of the latencies, ms."""
        return float(np.quantile(self.latency_ms, q)) if self.latency_ms else float("nan")


def open_loop(host: str, port: int, requests: Callable[[int], bytes], rate: float, seconds: float) -> Outcome:
    """Send request number i at i / rate seconds over keep-alive connections; `requests(i)` gives raw HTTP bytes."""
    outcome = Outcome()
    start_cpu, start = _cpu(), time.perf_counter()
    uvloop.run(_run(host, port, requests, rate, int(rate * seconds), outcome))
    outcome.seconds, outcome.cpu_s = time.perf_counter() - start, _cpu() - start_cpu
    return outcome


async def _run(
    host: str, port: int, requests: Callable[[int], bytes], rate: float, count: int, outcome: Outcome
) -> None:
    waiting: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
    workers = [asyncio.create_task(_connection(host, port, waiting, outcome)) for _ in range(CONNECTIONS)]
    start = time.perf_counter() + 0.05
    for number in range(count):
        planned = start + number / rate
        ahead = planned - time.perf_counter()
        if ahead > 0:
            await asyncio.sleep(ahead)
        outcome.late_ms.append(max(0.0, (time.perf_counter() - planned) * 1e3))
        waiting.put_nowait((planned, requests(number)))
    for _ in workers:
        waiting.put_nowait(None)
    await asyncio.gather(*workers)


async def _connection(
    host: str, port: int, waiting: "asyncio.Queue[tuple[float, bytes] | None]", outcome: Outcome
) -> None:
    streams = None
    while (job := await waiting.get()) is not None:
        planned, request = job
        try:
            streams = streams or await asyncio.open_connection(host, port)
            streams[1].write(request)
            status, lacks = await _answer(streams[0])
            outcome.lacking += lacks
            outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
        except (OSError, asyncio.IncompleteReadError, ValueError):
            outcome.errors += 1
            streams = None
        took_ms = (time.perf_counter() - planned) * 1e3
        outcome.latency_ms.append(took_ms)
        (outcome.posted_ms if request.startswith(b"POST") else outcome.asked_ms).append(took_ms)
    if streams:
        streams[1].close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Read one answer to its end; gives the status, and whether it lacks something for want of time."""
    head = (await reader.readuntil(LINE + LINE)).split(LINE)
    length = next((int(line[15:]) for line in head if line[:15].lower() == b"content-length:"), 0)
    body = await reader.readexactly(length) if length else b""
    said = body.rpartition(b'"degraded":[')[2]
    return int(head[0].split(b" ", 2)[1]), any(word in said[: said.find(b"]")] for word in LACKS)


async def posted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: object) -> dict[str, Any]:
    """Post JSON and give the answer, which must be a 202. Raises Unavailable."""
    writer.write(post(path, msgspec.json.encode(body)))
    head = await reader.readuntil(LINE * 2)
    length = next(int(one[15:]) for one in head.split(LINE) if one[:15].lower() == b"content-length:")
    said: dict[str, Any] = msgspec.json.decode(await reader.readexactly(length))
    if not head.startswith(b"HTTP/1.1 202"):
        raise Unavailable(f"POST {path} was answered {head[9:12].decode()}: {said.get('detail', said)}")
    return said


def get(path: str, host: str = "127.0.0.1") -> bytes:
    """Give a GET request as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def post(path: str, body: bytes, host: str = "127.0.0.1") -> bytes:
    """Give a POST request with a JSON body as bytes."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def closed(url: str, users: Sequence[str]) -> dict[str, float]:
    """Call one after another, each as soon as the last has answered; gives p50 and p99 in ms."""
    taken = []
    for user in users:
        start = time.perf_counter()
        with urllib.request.urlopen(url.format(user=user), timeout=30) as answer:
            answer.read()
        taken.append((time.perf_counter() - start) * 1e3)
    return {"calls": len(taken), "p50_ms": float(np.quantile(taken, 0.5)), "p99_ms": float(np.quantile(taken, 0.99))}


def wait_ready(url: str, server: "subprocess.Popen[bytes]", seconds: float) -> float:
    """Wait until /readyz says yes; gives the seconds. Raises Unavailable if the server ends or time runs out."""
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        if server.poll() is not None:
            raise Unavailable(f"The server ended with status {server.returncode}; is the port of {url} taken?")
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=1) as answer:
                if answer.status == 200:
                    return time.perf_counter() - start
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    raise Unavailable(f"{url} was not ready after {seconds:.0f} s")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
