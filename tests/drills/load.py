"""Who uses the servers while they fail? A constant load that does not wait for answers, and remembers each one."""

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

import numpy as np
from client import FAILURES, Answer, Pool, get, post

ASKED, POSTED = 30, 20  # per second
EVENTS = 3  # of one post
PATIENCE_S = 90.0  # for what was posted to be acknowledged, once the load ends
RETRY_S = 0.2
PAUSE_S = 0.05  # before a second try: each API process listens for itself, a dying one some moments longer
Doing = Callable[[int, float], Coroutine[None, None, None]]  # at each tick: its number, and when it was due


@dataclass(slots=True)
class Seen:
    """What the callers saw. Latencies are counted from the moment at which a call was due."""

    calls: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    retried: int = 0
    ms: list[float] = field(default_factory=list)
    degraded: Counter[str] = field(default_factory=Counter)
    degraded_calls: int = 0
    versions: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)  # posts that were not acknowledged at once: why
    retry_after: int = 0  # of these said when to come again
    acknowledged: set[str] = field(default_factory=set)
    given_up: set[str] = field(default_factory=set)


def quantile(values: list[float], q: float) -> float:
    return round(float(np.quantile(values, q)), 1) if values else 0.0


class Load:
    """Asks for recommendations and posts events from a thread of its own until it is stopped.

    `tries`: of a call for recommendations, one after the other; events are posted until they are acknowledged, the
    same ones again, as clients do.
    """

    def __init__(self, name: str, url: str, users: int, items: int, tries: int = 1) -> None:
        self.name, self.seen = name, Seen()
        self.pool, self._users, self._items, self._tries = Pool(url), users, items, tries
        self._chance = random.Random(name)
        self._stop = threading.Event()
        self._until = float("inf")
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")
        self._thread.start()

    def stop(self) -> Seen:
        """End, as soon as everything posted is acknowledged; gives what was seen."""
        self._until = time.monotonic() + PATIENCE_S
        self._stop.set()
        self._thread.join()
        return self.seen

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tick(group, ASKED, self._ask))
            group.create_task(self._tick(group, POSTED, self._post))
        await self.pool.close()

    async def _tick(self, group: asyncio.TaskGroup, rate: float, do: Doing) -> None:
        start = time.perf_counter()
        number = 0
        while not self._stop.is_set():
            due = start + number / rate
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            group.create_task(do(number, due))
            number += 1

    async def _ask(self, number: int, due: float) -> None:  # noqa: ARG002
        request = get(f"/v1/recommendations?user_id=user-{self._chance.randrange(self._users) + 1}&num_results=10")
        seen, why = self.seen, ""
        seen.calls += 1
        for again in range(self._tries):
            if again:
                seen.retried += 1
                await asyncio.sleep(PAUSE_S)
            try:
                answer = await self.pool.ask(request)
            except FAILURES as error:
                why = repr(error)
                continue
            why = self._noted(answer)
            if not why:
                break
        seen.ms.append((time.perf_counter() - due) * 1e3)
        if why:
            seen.failed[why] += 1

    def _noted(self, answer: Answer) -> str:
        """Note an answer; gives what is wrong with it."""
        if answer.status != 200:
            return f"{answer.status} {answer.body[:200]!r}"
        said = json.loads(answer.body)
        if not said["items"]:
            return f"no items, degraded {said['degraded']}"
        self.seen.degraded.update(said["degraded"])
        self.seen.degraded_calls += bool(said["degraded"])
        self.seen.versions[said["model_version"]] += 1
        return ""

    async def _post(self, number: int, due: float) -> None:  # noqa: ARG002
        events = [
            {"event_id": f"{self.name}-{number}-{n}", "user_id": f"user-{self._chance.randrange(self._users) + 1}"}
            | {"item_id": f"item-{self._chance.randrange(self._items) + 1}", "action": "view"}
            for n in range(EVENTS)
        ]
        request, ids = post("/v1/events", json.dumps(events).encode()), {event["event_id"] for event in events}
        while time.monotonic() < self._until:
            try:
                answer = await self.pool.ask(request)
            except FAILURES as error:
                self.seen.refusals[type(error).__name__] += 1
                await asyncio.sleep(RETRY_S)
                continue
            if answer.status == 202:
                self.seen.acknowledged |= ids
                return
            self.seen.refusals[str(answer.status)] += 1
            self.seen.retry_after += answer.retry_after_s > 0
            await asyncio.sleep(answer.retry_after_s or RETRY_S)
        self.seen.given_up |= ids
