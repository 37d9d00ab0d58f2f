"""What happens when twice as much is asked as can be answered? Goodput, latency, and how long it is felt afterwards."""

from collections.abc import Callable
from typing import Any

import numpy as np

from foryou.bench import load, serve
from foryou.bench.lines import Seen, steady
from foryou.bench.server import Server

TIMES = 2.0  # of the highest rate
CONNECTIONS = 1_000
AFTER_S = 15.0  # that are watched afterwards, at half of the highest rate
SECOND = 0.5  # width of the windows in which recovery is looked for, s


def measure(
    server: Server, users: list[str], seconds: float, on_progress: Callable[[str, int, int], None]
) -> dict[str, Any]:
    """Find the highest rate, ask for twice as much, then for half of it."""
    most = serve.find_rate(server, users, ["0"], 4.0, on_progress)
    rate = float(most["rate_at_slo"])

    def requests(number: int) -> bytes:
        return load.get(f"/v1/recommendations?user_id={users[(number * 7_919) % len(users)]}&num_results=20")

    on_progress("overload", 0, 1)
    flood = steady(server, requests, max(1.0, TIMES * rate), seconds, CONNECTIONS)
    after = steady(server, requests, max(1.0, rate / 2), AFTER_S)
    return {
        "rate_at_slo": rate, "offered": TIMES * rate, "seconds": seconds, **told(flood, rate, seconds),
        "recovered_after_s": recovered_after(after.whole_at),
        "afterwards_p99_ms": round(after.all.quantile(0.99), 2),
    }  # fmt: skip


def told(flood: Seen, rate: float, seconds: float) -> dict[str, Any]:
    """Give what was seen under the flood. goodput_share: answers per second, of the highest rate."""
    answered = len(flood.answered_ms)
    return {
        "goodput_per_s": round(answered / flood.all.seconds, 1),
        "goodput_share": round(answered / max(1.0, rate * seconds), 3),
        "answers_p50_ms": _quantile(flood.answered_ms, 0.5), "answers_p99_ms": _quantile(flood.answered_ms, 0.99),
        "degraded_share": round(flood.degraded / max(1, answered), 3),
        "statuses": {str(status): count for status, count in sorted(flood.all.statuses.items())},
        "errors": flood.all.errors,
    }  # fmt: skip


def recovered_after(whole_at: list[tuple[float, bool]]) -> float | None:
    """Give the seconds until the first window from which on every answer is whole; None = it never came to that."""
    if not whole_at:
        return None
    start = whole_at[0][0]
    lacking = [at - start for at, whole in whole_at if not whole]
    if not lacking:
        return 0.0
    last = (int(lacking[-1] / SECOND) + 1) * SECOND
    return last if whole_at[-1][0] - start > last else None


def _quantile(values: list[float], q: float) -> float:
    return round(float(np.quantile(values, q)), 2) if values else float("nan")
