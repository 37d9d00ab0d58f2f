"""Does "also bought" follow a purchase, through a real process: events, fold, tallies, the item page?"""

import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from foryou.bench.server import Server, running
from foryou.config import load as configured

ITEMS = 60


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    config = configured(tmp_path_factory.mktemp("together"), {}, serve={"deadline_ms": 10_000})
    with running(config, workers=1) as server:
        for number in range(ITEMS):
            body = {"title": f"Item {number}", "categories": [f"c{number % 7}"], "published_ms": 1_600_000_000_000}
            asked(server, f"/v1/items/i{number}", "PUT", body)
        yield server


def asked(server: Server, path: str, method: str = "GET", body: dict[str, Any] | None = None) -> dict[str, Any]:
    sent = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{server.url}{path}", sent, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.loads(answer.read())
        return found


def similar(server: Server, item: str) -> list[str]:
    return [one["item_id"] for one in asked(server, f"/v1/items/{item}/similar?num_results=5")["items"]]


def buys(server: Server, user: str, item: str) -> None:
    event = {"event_id": f"{user}-{item}", "user_id": user, "action": "purchase", "item_id": item}
    asked(server, "/v1/events", "POST", event)


def test_what_two_users_bought_together_stands_first_on_the_page_of_either_within_a_minute(served: Server) -> None:
    for number in range(5):
        buys(served, f"other-{number}", "i7")  # what trends more than anything else
    began = time.monotonic()
    while similar(served, "i3")[:1] != ["i7"]:
        assert time.monotonic() - began < 60
        time.sleep(0.1)
    for user in ("ann", "ben"):
        buys(served, user, "i3")
        buys(served, user, "i50")
    began = time.monotonic()
    while similar(served, "i3")[:1] != ["i50"]:
        assert time.monotonic() - began < 60
        time.sleep(0.1)
    assert similar(served, "i50")[:1] == ["i3"]
