"""How fast do events become records? First as many as a worker can catch up with, then a steady stream of them.

Steady: an open loop posts arrays at a constant rate to a running server; of every so many events one is looked for in
the feature store, again and again, until the record of its user holds it. That is when an answer could know it.
"""

import asyncio
import itertools
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import uvloop

from foryou.bench import draws, load
from foryou.bench.server import Server
from foryou.domain.errors import Unavailable
from foryou.domain.event import Action, Event, hash64
from foryou.domain.log import Stream
from foryou.domain.ports import EventLog, FeatureStore
from foryou.ingest.codec import event_record
from foryou.ingest.worker import Worker

USERS, ITEMS = 1_000_000, 100_000
PAGE = 5_000
ARRAY = 20  # events per request of the steady stream
LOOK_S = 0.002
GIVE_UP_S = 10.0
WARM_S = 5.0  # of the same stream, before it is looked at
BUSY = frozenset(map(draws.named, range(100)))  # so many events that a record soon forgets one
ACTIONS = (Action.VIEW, Action.CLICK, Action.LIKE, Action.ADD_TO_CART, Action.PURCHASE)


class _Told(NamedTuple):
    """An event that was acknowledged, and when (perf_counter seconds)."""

    user: str
    event: int
    at_s: float


def fill(log: EventLog, events: int, report: Callable[[str, int, int], None], seed: int = 7) -> None:
    """Append events of distinct users by Zipf(1.0) on items by chance."""
    drawn, random = draws.Drawn(USERS, seed), np.random.default_rng(seed)
    name, now_ms = uuid.uuid4().hex, int(time.time() * 1e3)
    for start in range(0, events, PAGE):
        n = min(PAGE, events - start)
        users, items = drawn.names(n), random.integers(ITEMS, size=n).tolist()
        log.append(Stream.EVENTS, [
            event_record(Event(
                f"{name}-{start + k}", users[k], ACTIONS[k % len(ACTIONS)], now_ms + start + k,
                f"item-{items[k]}", received_ms=now_ms, session_id=f"session-{users[k]}",
            ))
            for k in range(n)
        ])  # fmt: skip
        report("append", start + n, events)


def catch_up(worker: Worker) -> dict[str, Any]:
    """Fold all that waits; gives events_per_s of this one process."""
    worker.lease()
    waiting = worker.behind()[Stream.EVENTS]
    start, cpu_s = time.perf_counter(), time.process_time()
    done = worker.catch_up()
    wall_s, used_s = time.perf_counter() - start, time.process_time() - cpu_s
    worker.release()
    return {
        "events": done.events, "waited": waiting, "seconds": round(wall_s, 2),
        "events_per_s": round(done.events / wall_s), "cpu_us_per_event": round(1e6 * used_s / max(1, done.events), 1),
    }  # fmt: skip


def steady(server: Server, features: FeatureStore, rate: int, seconds: float, sampled: int) -> dict[str, Any]:
    """Post `rate` events per second; gives ms from the 202 until the record holds the event, of one in `sampled`.

    The first WARM_S do not count: a stream process that has just started joins its group and looks where topics end.
    """
    uvloop.run(_post(server, rate, WARM_S, sampled, lambda told: None))
    looker = _Looker(features)
    posted, late = uvloop.run(_post(server, rate, seconds, sampled, looker.told.append))
    taken = looker.stop()
    if len(taken) < looker.seen:
        raise Unavailable(
            f"{looker.seen - len(taken)} events were acknowledged and not in the records {GIVE_UP_S} s on"
        )
    return {
        "events": posted, "rate": rate, "achieved_rate": round(posted / seconds), "looked_for": len(taken),
        "p50_ms": _ms(taken, 0.5), "p99_ms": _ms(taken, 0.99), "max_ms": _ms(taken, 1.0),
        "late_p99_ms": _ms(late, 0.99), "warm_up_s": WARM_S,
        "counted": f"from the 202 until a read of the store shows the event, looked every {LOOK_S * 1e3:g} ms",
    }  # fmt: skip


class _Looker:
    """Looks for acknowledged events in the records, in a thread of its own."""

    def __init__(self, features: FeatureStore) -> None:
        self._features = features
        self.told: deque[_Told] = deque()
        self.seen = 0
        self._taken: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def stop(self) -> list[float]:
        """Wait for what is still looked for; gives seconds."""
        self._stop.set()
        self._thread.join()
        return self._taken

    def _look(self) -> None:
        waiting: list[_Told] = []
        give_up = time.perf_counter() + 3_600
        while (waiting or self.told or not self._stop.is_set()) and time.perf_counter() < give_up:
            while self.told:
                waiting.append(self.told.popleft())
                self.seen += 1
                give_up = time.perf_counter() + GIVE_UP_S
            try:
                records = self._features.read([one.user for one in waiting]) if waiting else []
            except Unavailable:  # a read that took too long; the next one tells
                time.sleep(LOOK_S)
                continue
            now, left = time.perf_counter(), []
            for one, record in zip(waiting, records, strict=True):
                if record is not None and one.event in record.history["event"]:
                    self._taken.append(now - one.at_s)
                else:
                    left.append(one)
            waiting = left
            time.sleep(LOOK_S)


async def _post(
    server: Server, rate: int, seconds: float, sampled: int, tell: Callable[[_Told], None]
) -> tuple[int, list[float]]:
    """Post arrays at their times whatever the answers do; gives events accepted and how late each was sent, s."""
    drawn, random, late = draws.Drawn(USERS, seed=11), np.random.default_rng(11), []
    start, number, posts = time.perf_counter(), itertools.count(), set()
    free: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()

    async def post(events: list[dict[str, Any]]) -> int:
        reader, writer = free.popleft() if free else await asyncio.open_connection(server.host, server.port)
        said = await load.posted(reader, writer, "/v1/events", events)
        now = time.perf_counter()
        free.append((reader, writer))
        for event in events:
            if next(number) % sampled == 0 and event["user_id"] not in BUSY:
                tell(_Told(event["user_id"], hash64(event["event_id"]), now))
        return int(said["accepted"])

    for turn in range(int(seconds * rate / ARRAY)):
        due = start + turn * ARRAY / rate
        await asyncio.sleep(max(0, due - time.perf_counter()))
        late.append(time.perf_counter() - due)
        items = random.integers(ITEMS, size=ARRAY).tolist()
        events = draws.posted(drawn.names(ARRAY), items, [ACTIONS[n % len(ACTIONS)] for n in range(ARRAY)])
        posts.add(asyncio.ensure_future(post(events)))
    accepted = sum(await asyncio.gather(*posts))
    for _, writer in free:
        writer.close()
    return accepted, late


def _ms(seconds: list[float], share: float) -> float:
    return round(float(np.quantile(seconds, share)) * 1e3, 1)
