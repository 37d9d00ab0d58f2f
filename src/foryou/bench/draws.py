"""Who does what in a bench? Users drawn like 1/k, and events as a shop would post them."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Drawn:
    """Users and moments by chance."""

    def __init__(self, users: int, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._below = np.cumsum(1 / np.arange(1, users + 1))

    def names(self, count: int) -> list[str]:
        """Give users, number k with a probability like 1/k."""
        drawn = np.searchsorted(self._below, self._random.random(count) * self._below[-1])
        return [named(number) for number in drawn.tolist()]

    def moments(self, rate: float, seconds: float) -> NDArray[np.float64]:
        """Give moments of a Poisson process, s from the start."""
        return np.sort(self._random.random(self._random.poisson(rate * seconds)) * seconds)


def named(number: int) -> str:
    """Give the id of a user."""
    return f"user-{number:07}"


def posted(users: Sequence[str], items: Sequence[int], actions: Sequence[str]) -> list[dict[str, Any]]:
    """Give events of just now as they are posted, one per user, item and action."""
    name, now_ms = uuid.uuid4().hex, int(time.time() * 1e3)
    return [
        {
            "event_id": f"{name}-{n}", "user_id": user, "item_id": f"item-{item}", "action": action, "at_ms": now_ms,
            "session_id": f"session-{user}",
        }
        for n, (user, item, action) in enumerate(zip(users, items, actions, strict=True))
    ]  # fmt: skip


def spread(values: Sequence[float]) -> dict[str, float]:
    """Give count, median, p99 and maximum."""
    if not len(values):
        return {"count": 0}
    p50, p99, most = np.quantile(values, [0.5, 0.99, 1.0]).tolist()
    return {"count": len(values), "p50": round(p50, 3), "p99": round(p99, 3), "max": round(most, 3)}
