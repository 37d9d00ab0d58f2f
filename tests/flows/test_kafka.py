"""Does a home whose log is Kafka hear of everything: items everywhere, events acknowledged while Kafka is away?"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient
from prometheus_client import CollectorRegistry

from foryou.api import rest
from foryou.bench.server import running
from foryou.config import Config, load
from foryou.domain.clock import Clock
from foryou.domain.log import Stream
from foryou.observe.metrics import Metrics
from foryou.stores.log_kafka import Address, KafkaLog
from foryou.wiring import serving
from foryou.wiring.home import open_home, spooled
from proxy import Proxy

SOON_S = 20
RECOMMENDED_S = 2.0


class Site:
    """A broker behind a proxy, and API processes with homes of their own on its topics."""

    def __init__(self, url: str, folder: Path, proxy: Proxy, opened: ExitStack) -> None:
        self.folder, self.proxy, self._opened = folder, proxy, opened
        prefix = f"{folder.parent.name}-{folder.name}"
        self.url, self.cut_url = f"{url}/{prefix}", f"kafka://{proxy.url.removeprefix('http://')}/{prefix}"
        self.metrics = Metrics(CollectorRegistry())

    def config(self, name: str, log: str, spool_mb: int = 256) -> Config:
        stores = {"log": log, "look_ms": 100, "spool_mb": spool_mb}
        return load(self.folder / name, {}, stores=stores, serve={"refresh_ms": 100, "deadline_ms": 60_000})

    def client(self, spool_mb: int = 256) -> "TestClient[Any]":
        config = self.config("a", self.cut_url, spool_mb)
        app = rest.app(lambda: serving.service(spooled(open_home(config)), self.metrics), self.metrics, bytes)
        return self._opened.enter_context(TestClient(app, raise_server_exceptions=False))

    def events(self) -> set[str]:
        """Give the ids of the events that are in Kafka."""
        with closing(KafkaLog(self.url, Clock())) as log:
            parts = range(log.partitions())
            return {one.record.record_id for part in parts for one in log.read(Stream.EVENTS, part, -1, 100_000)}


@pytest.fixture
def site(services: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for module in ("topics", "writing", "reading"):
        monkeypatch.setattr(f"foryou.stores.log_kafka.{module}.PATIENCE_S", 1.0)
    url = services("kafka")
    with closing(Proxy(f"http://{Address.of(url).servers}")) as proxy, ExitStack() as opened:
        yield Site(url, tmp_path, proxy, opened)


def until(seen: Callable[[], bool], within_s: float = SOON_S) -> None:
    end = time.monotonic() + within_s
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.02)


def viewed(*names: str) -> list[dict[str, str]]:
    return [{"event_id": name, "user_id": f"user-{name}", "item_id": "i", "action": "view"} for name in names]


@pytest.mark.slow
def test_a_new_item_is_recommended_by_every_process_within_two_seconds(site: Site) -> None:
    with (
        running(site.config("a", site.url), workers=1) as one, running(site.config("b", site.url), workers=1) as two,
        httpx.Client(timeout=30) as http,  # one: each that is made takes a while
    ):  # fmt: skip
        for number in range(3):
            name, item = f"new-{number}", {"title": f"New {number}", "published_ms": Clock().now_ms()}
            assert http.put(f"{one.url}/v1/items/{name}", json=item).status_code < 300
            end = time.monotonic() + RECOMMENDED_S
            for server in (two, one):
                while name not in http.get(f"{server.url}/v1/recommendations?user_id=ann").text:
                    assert time.monotonic() < end


def test_events_are_acknowledged_while_kafka_is_away_and_get_there(site: Site) -> None:
    client = site.client()
    until(lambda: client.post("/v1/events", json=viewed("before")).json()["accepted"] == 1)
    site.proxy.cut()
    answer = client.post("/v1/events", json=viewed("a", "b"))
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
    until(lambda: site.metrics.spool_records._value.get() == 2)
    assert site.metrics.spool_bytes._value.get() > 100
    assert client.get("/v1/recommendations?user_id=ann").status_code == 200
    away = client.put("/v1/items/x", json={"title": "X"})
    assert (away.status_code, away.headers["retry-after"]) == (503, "1")
    site.proxy.mend()
    until(lambda: site.events() == {"before", "a", "b"})
    until(lambda: site.metrics.spool_records._value.get() == 0)


def test_a_process_that_starts_while_kafka_is_away_takes_events_and_answers_later(site: Site) -> None:
    site.proxy.cut()
    client = site.client()
    assert client.post("/v1/events", json=viewed("a")).status_code == 202
    assert client.get("/readyz").status_code == 503
    answer = client.get("/v1/recommendations?user_id=ann")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "No bundle serves yet, as the log with the items was never reached" in answer.json()["detail"]
    site.proxy.mend()
    until(lambda: client.get("/readyz").status_code == 200)
    assert client.get("/v1/recommendations?user_id=ann").status_code == 200
    until(lambda: site.events() == {"a"})


def test_beyond_the_limit_of_the_spool_events_are_refused_until_there_is_room(site: Site) -> None:
    client = site.client(spool_mb=1)
    site.proxy.cut()
    text = "x" * 200
    many = [event | {"session_id": text[:100], "query": text} for event in viewed(*(f"{n}" for n in range(1_000)))]
    answers = [client.post("/v1/events", json=many) for _ in range(6)]
    assert [one.status_code for one in answers] == sorted(one.status_code for one in answers)
    assert (answers[0].status_code, answers[-1].status_code, answers[-1].headers["retry-after"]) == (202, 503, "1")
    assert "limit 1.0 MB; mend the log, or raise stores.spool_mb" in answers[-1].json()["detail"]
    site.proxy.mend()
    until(lambda: client.post("/v1/events", json=viewed("after")).status_code == 202)
    until(lambda: len(site.events()) == 1_001)


def test_without_a_spool_events_are_refused_while_kafka_is_away(site: Site) -> None:
    client = site.client(spool_mb=0)
    site.proxy.cut()
    assert client.post("/v1/events", json=viewed("a")).status_code == 503
    site.proxy.mend()
    until(lambda: client.post("/v1/events", json=viewed("a")).status_code == 202)
