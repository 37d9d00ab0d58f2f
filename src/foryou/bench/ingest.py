"""How many events per second are taken in? A few connections post arrays, each as soon as its last one was answered.

Counted are events that an answer 202 calls accepted, so durable in the log, from the first request to the last answer;
afterwards they are counted again in the log itself.
"""

import asyncio
import time
from typing import Any

import numpy as np
import uvloop

from foryou.bench import draws, load
from foryou.bench.server import Server
from foryou.domain.errors import Unavailable
from foryou.domain.log import Stream
from foryou.domain.ports import EventLog

USERS, ITEMS = 100_000, 10_000
WARM_S = 2.0
ACTIONS = ("view", "click", "like", "add_to_cart", "purchase", "impression")


def measure(server: Server, log: EventLog, seconds: float, connections: int, size: int) -> dict[str, Any]:
    """Post arrays of `size` events for so long; gives events_per_s, latencies and CPU per event of the server."""
    uvloop.run(_run(server, WARM_S, connections, size))
    before, cpu_s = _stored(log), server.cpu_s()
    accepted, taken, wall_s = uvloop.run(_run(server, seconds, connections, size))
    used_s, stored = server.cpu_s() - cpu_s, _stored(log) - before
    if stored < accepted:
        raise Unavailable(f"{accepted:,} events were acknowledged and {stored:,} are in the log; look at its log")
    return {
        "events_per_s": round(accepted / wall_s), "accepted": accepted, "in_the_log": stored,
        "seconds": round(wall_s, 2), "connections": connections, "events_per_request": size,
        "p50_ms": round(float(np.quantile(taken, 0.5)), 1), "p99_ms": round(float(np.quantile(taken, 0.99)), 1),
        "server_cpu_us_per_event": round(1e6 * used_s / max(1, accepted), 1),
        "counted": "events that a 202 called accepted, first request to last answer; all processes of `serve` run",
    }  # fmt: skip


async def _run(server: Server, seconds: float, connections: int, size: int) -> tuple[int, list[float], float]:
    """Give events accepted, ms per request, and seconds until the last answer."""
    taken: list[float] = []
    start = time.perf_counter()
    posting = [_post(server, start + seconds, size, taken, seed) for seed in range(connections)]
    accepted = sum(await asyncio.gather(*posting))
    return accepted, taken, time.perf_counter() - start


async def _post(server: Server, until: float, size: int, taken: list[float], seed: int) -> int:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    random, accepted = np.random.default_rng(seed), 0
    while (started := time.perf_counter()) < until:
        accepted += (await load.posted(reader, writer, "/v1/events", _events(random, size)))["accepted"]
        taken.append((time.perf_counter() - started) * 1e3)
    writer.close()
    return accepted


def _events(random: np.random.Generator, size: int) -> list[dict[str, Any]]:
    users, items, actions = (random.integers(most, size=size).tolist() for most in (USERS, ITEMS, len(ACTIONS)))
    return draws.posted([draws.named(user) for user in users], items, [ACTIONS[action] for action in actions])


def _stored(log: EventLog) -> int:
    return sum(end + 1 for end in log.ends(Stream.EVENTS).values())
