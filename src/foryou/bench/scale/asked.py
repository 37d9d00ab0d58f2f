"""What is asked of a server of a generated world, and how fast may it be asked? Open loop, users by Zipf(1.0)."""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from foryou.bench import load
from foryou.bench.scale import crowd, goods
from foryou.bench.server import Server

SLO_MS = 50.0
EVENTS = 100.0  # per second, beside the questions
STRANGERS = 0.3  # of the questions of mixed traffic
FIRST, STEP = 150.0, 1.4  # questions per second to begin with; how much faster each try is
LACKING = 0.01  # share of the answers that may lack a stage, or come from a cheaper pipeline
FINER = 3  # halvings between the last rate that held and the first that did not
IDLE = 200  # questions, one after another
DRAWN = 200_000
Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Who asks: of so many users and items, which share of the questions comes from nobody known."""

    users: int
    items: int
    strangers: float = 0.0
    seed: int = 7

    def requests(self, rate: float) -> Callable[[int], bytes]:
        """Give request number i where `rate` questions and EVENTS events leave per second, evenly mixed."""
        random = np.random.default_rng(self.seed)
        below = np.cumsum(1 / np.arange(1, self.users + 1))
        order = random.permutation(self.users)  # who asks most is drawn, too
        who = order[np.searchsorted(below, random.random(DRAWN) * below[-1])]
        what = random.integers(1, self.items + 1, DRAWN)
        strange = random.random(DRAWN) < self.strangers
        share = EVENTS / (rate + EVENTS)

        def request(number: int) -> bytes:
            at = number % DRAWN
            if int((number + 1) * share) > int(number * share):
                return load.post("/v1/events", json.dumps({
                    "event_id": uuid.uuid4().hex, "user_id": crowd.named(int(who[at])),
                    "item_id": goods.named(int(what[at])), "action": "view",
                }).encode())  # fmt: skip
            user = "" if strange[at] else f"user_id={crowd.named(int(who[at]))}&"
            return load.get(f"/v1/recommendations?{user}num_results=20")

        return request


def find_rate(server: Server, traffic: Traffic, seconds: float, report: Report) -> dict[str, Any]:
    """Raise the rate until p99 reaches 50 ms or a request fails, then halve the gap; gives the best run and all tries.

    A run that broke is tried once more before it counts.
    """
    load.open_loop(server.host, server.port, traffic.requests(100), 100 + EVENTS, 4)  # connections, pages
    tries: list[dict[str, Any]] = []
    held, rate, broke = 0.0, FIRST, 0.0
    while not broke or len(tries) < 20:
        report("rates", len(tries), 16)
        run = once(server, traffic, rate, seconds)
        tries.append(run)
        if not run["held"]:
            run = once(server, traffic, rate, seconds)
            tries.append(run)
        held, broke = (rate, broke) if run["held"] else (held, rate)
        if broke and broke - held < max(10.0, (STEP - 1) * broke / 2**FINER):
            break
        rate = (held + broke) / 2 if broke else rate * STEP
    best = max((run for run in tries if run["held"]), key=lambda run: float(run["rate"]), default=None)
    return {"rate_at_slo": held, "slo_p99_ms": SLO_MS, "at_slo": best, "tries": tries}


def once(server: Server, traffic: Traffic, rate: float, seconds: float) -> dict[str, Any]:
    """Give what happened at one rate of questions. CPU is that of all processes of the server, events included."""
    before = server.cpu_s()
    run = load.open_loop(server.host, server.port, traffic.requests(rate), rate + EVENTS, seconds)
    used, asked = server.cpu_s() - before, len(run.asked_ms)
    p50, p99, p999 = np.quantile(run.asked_ms, [0.5, 0.99, 0.999]) if asked else [np.nan] * 3
    return {
        "rate": round(rate, 1), "requests": asked, "failed": run.failed, "p50_ms": round(float(p50), 2),
        "p99_ms": round(float(p99), 2), "p999_ms": round(float(p999), 2),
        "lacking_share": round(run.lacking / max(1, asked), 4),
        "held": run.failed == 0 and asked > 0 and float(p99) < SLO_MS and run.lacking <= LACKING * asked,
        "cpu_ms_per_request": round(1e3 * used / max(1, asked), 3),
        "events_p99_ms": round(float(np.quantile(run.posted_ms, 0.99)), 2) if run.posted_ms else None,
        "generator_cpu_ms_per_request": round(1e3 * run.cpu_s / max(1, asked), 3),
        "generator_late_p99_ms": round(float(np.quantile(run.late_ms, 0.99)), 2),
        "statuses": {str(status): count for status, count in run.statuses.items()},
    }  # fmt: skip


def idle(server: Server, traffic: Traffic) -> dict[str, float]:
    """Give how long single questions of known users take, one after another."""
    random = np.random.default_rng(traffic.seed + 1)
    users = [crowd.named(int(user)) for user in random.integers(traffic.users, size=IDLE)]
    time.sleep(1)
    found = load.closed(f"{server.url}/v1/recommendations?num_results=20&user_id={{user}}", users)
    return {name: round(value, 3) for name, value in found.items()}
