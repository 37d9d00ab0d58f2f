"""How long from an event to a changed answer? One user after another acts; the answer is asked for until it differs."""

import http.client
import json
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

import numpy as np

GIVE_UP_S = 5.0


def measure(url: str, events: int, seed: int = 7) -> dict[str, Any]:
    """Post so many likes, each by a user of its own, and ask until the liked item is gone from the answer.

    Gives events, changed, p50_ms, p99_ms, max_ms, counted from before the POST to after the first changed answer.
    """
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    random = np.random.default_rng(seed)
    items = [item["item_id"] for item in _call(connection, "GET", "/v1/recommendations?num_results=100")["items"]]
    taken, unchanged = [], 0
    for number in range(events):
        user, item = f"fresh-{uuid.uuid4().hex}", items[random.integers(len(items))]
        path = f"/v1/recommendations?user_id={user}&num_results=100&explain=false"
        before = _ids(_call(connection, "GET", path))
        event = {"event_id": f"{user}-{number}", "user_id": user, "item_id": item, "action": "like"}
        start = time.perf_counter()
        _call(connection, "POST", "/v1/events", json.dumps(event))
        after = before
        while (item in after or after == before) and time.perf_counter() - start < GIVE_UP_S:
            after = _ids(_call(connection, "GET", path))
        taken.append((time.perf_counter() - start) * 1e3)
        unchanged += after == before
    connection.close()
    return {
        "events": events, "changed": events - unchanged, "p50_ms": float(np.quantile(taken, 0.5)),
        "p99_ms": float(np.quantile(taken, 0.99)), "max_ms": max(taken),
    }  # fmt: skip


def _ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def _call(connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None) -> dict[str, Any]:
    connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    return dict(json.loads(connection.getresponse().read()))
