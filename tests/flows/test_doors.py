"""Do the doors of a real process hold: gRPC, lists for strangers, and a flood that it cannot answer?"""

import json
import sqlite3
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from foryou.bench import load
from foryou.bench.lines import steady
from foryou.bench.server import Server, running
from foryou.config import load as configured
from foryou.services import ports
from foryou.v1 import foryou_pb2, foryou_pb2_grpc

ITEMS = 300


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("doors")


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[tuple[Server, int]]:
    port = ports.free()[0]
    config = configured(home, {}, serve={"grpc_port": port, "deadline_ms": 50})
    with running(config, workers=2) as server:
        for number in range(ITEMS):
            put(server, f"i{number}", title=f"Item {number}", published_ms=1_700_000_000_000, status="available")
        yield server, port


def put(server: Server, item_id: str, **item: Any) -> None:
    request = urllib.request.Request(f"{server.url}/v1/items/{item_id}", json.dumps(item).encode(), method="PUT")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def get(server: Server, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{server.url}{path}", timeout=10) as answer:
        said: dict[str, Any] = json.loads(answer.read())
        return said


def soon(holds: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.perf_counter() + seconds
    while not (held := holds()) and time.perf_counter() < end:
        time.sleep(0.05)
    return held


def test_both_workers_answer_grpc_on_one_port_what_rest_answers(served: tuple[Server, int]) -> None:
    _, port = served
    for _ in range(8):  # a connection each: the kernel spreads them
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = foryou_pb2_grpc.EventsStub(channel)
            event = foryou_pb2.Event(event_id="e1", user_id="ann", action="view", item_id="i7")
            done = stub.Record(foryou_pb2.RecordRequest(events=[event]), timeout=20)
            assert done.accepted + done.duplicates == 1
            ask = foryou_pb2.RecommendRequest(user_id="ann", num_results=5, deadline_ms=10_000)
            assert foryou_pb2_grpc.RecommenderStub(channel).Recommend(ask, timeout=20).model_version == "untrained"


def test_an_item_that_is_sold_out_leaves_the_lists_for_strangers(served: tuple[Server, int]) -> None:
    server, _ = served
    for user in range(30):
        body = {"user_id": f"u{user}", "action": "purchase", "item_id": "i42"}
        request = urllib.request.Request(f"{server.url}/v1/events", json.dumps(body).encode(), method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def shown() -> bool:
        answers = [get(server, "/v1/recommendations") for _ in range(6)]
        return any("i42" in [item["item_id"] for item in answer["items"]] for answer in answers)

    assert soon(shown)
    assert get(server, "/v1/recommendations")["recommendation_id"].startswith("list-")
    put(server, "i42", title="Item 42", status="unavailable")
    assert soon(lambda: not shown())


def test_variants_are_learned_across_processes_and_a_click_sent_twice_counts_once(served: tuple[Server, int]) -> None:
    server, _ = served
    put(server, "i9", title="Plain", published_ms=1, variants=[{"name": "calm"}, {"name": "wild", "title": "Wild"}])
    for number in range(20):  # it trends, so everybody is shown it
        post(server, "/v1/events", {"user_id": f"fan{number}", "action": "purchase", "item_id": "i9"})

    def ask(user: str) -> tuple[str, dict[str, Any]]:
        answer = get(server, f"/v1/recommendations?user_id={user}&deadline_ms=10000")
        return answer["recommendation_id"], next((one for one in answer["items"] if one["item_id"] == "i9"), {})

    assert soon(lambda: all("variant" in ask("somebody")[1] for _ in range(8)))
    for number in range(40):
        name, item = ask(f"v{number}")
        if item.get("title") == "Wild":
            click = {"user_id": f"v{number}", "action": "click", "item_id": "i9", "recommendation_id": name,
                     "event_id": f"click-{number}", "context": {"variant": item["variant"]}}  # fmt: skip
            for _ in range(2):
                post(server, "/v1/events", click)

    def wild() -> float:
        return sum(ask(f"later-{number}")[1].get("title") == "Wild" for number in range(20)) / 20

    assert soon(lambda: wild() >= 0.9)


def post(server: Server, path: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(f"{server.url}{path}", json.dumps(body).encode(), method="POST")
    urllib.request.urlopen(request, timeout=10).close()


def test_meters_are_told_while_many_events_wait_for_the_log(served: tuple[Server, int], home: Path) -> None:
    server, _ = served
    body = json.dumps({"user_id": "ann", "action": "view", "item_id": "i1"}).encode()

    def post() -> None:
        with suppress(OSError), urllib.request.urlopen(f"{server.url}/v1/events", body, timeout=30):
            pass

    waiting = [threading.Thread(target=post) for _ in range(24)]  # more than the threads of both processes
    with closing(sqlite3.connect(home / "log" / "events.db", isolation_level=None)) as held:
        held.execute("BEGIN IMMEDIATE")
        for one in waiting:
            one.start()
        time.sleep(0.5)
        for _ in range(6):
            with urllib.request.urlopen(f"{server.url}/metrics", timeout=4) as answer:
                assert b"foryou_requests_total" in answer.read()
        held.execute("ROLLBACK")
    for one in waiting:
        one.join()


def test_a_flood_is_answered_in_part_and_forgotten_soon(served: tuple[Server, int]) -> None:
    server, _ = served
    path = "/v1/recommendations?num_results=20&deadline_ms=1000&user_id=u{}"
    flood = steady(server, lambda number: load.get(path.format(number)), 20_000, 0.2, connections=1_000)
    assert flood.all.errors == 0
    assert set(flood.all.statuses) <= {200, 503}
    assert sum(flood.all.statuses.values()) == 4_000
    assert flood.all.statuses[200] > 100
    assert flood.degraded + flood.all.statuses.get(503, 0) > 0
    assert soon(lambda: not any("overload" in one for one in get(server, path.format("x"))["degraded"]))
