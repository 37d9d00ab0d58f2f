"""Does every alert of deploy/prometheus reach somebody, told by a real Prometheus and Alertmanager?

Faults are real where they take seconds; two figures that take days are played (PLAYED).
"""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec
import pytest
from machines import Machines
from served import Served
from watchers import Watchers

from foryou.domain.errors import Unavailable
from foryou.observe.alerts import ALERTS
from foryou.services.install import program
from foryou.wiring import jobs
from proxy import Proxy
from servers import absent

pytestmark = [pytest.mark.drill, pytest.mark.xdist_group("drills")]
ITEMS, VISITORS = 30, 8
TRAIN = [sys.executable, "-c", "from foryou.cli import main; main()", "train", "--daily", "--deadline", "0.00001"]
SHOWN, CLICKS = (
    f'foryou_outcomes_total{{placement="played",arm="main",outcome="{one}"}}' for one in ("shown", "clicks")
)
PLAYED = {  # what takes days: a bundle of 3 days; clicks of one in ten items, and after 40 s of one in a hundred
    "foryou_bundle_age_s": lambda s: 3 * 86_400 + s,
    SHOWN: lambda s: 2_000 * s,
    CLICKS: lambda s: 200 * min(s, 40) + 20 * max(0, s - 40),
}  # fmt: skip


def call(url: str, body: object = None, method: str = "") -> bytes:
    data = None if body is None else msgspec.json.encode(body)
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method or None)
    with urllib.request.urlopen(request, timeout=20) as answer:
        found: bytes = answer.read()
        return found


class Visitors:
    """Newcomers who look at what they are shown for ten seconds, and buy nothing."""

    def __init__(self, url: str) -> None:
        self._url, self._over, self.resting = url, threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(n,)) for n in range(VISITORS)]
        for thread in self._threads:
            thread.start()

    def _visit(self, who: int) -> None:
        number = 0
        while not self._over.wait(0.1):
            if self.resting.is_set():
                continue
            number += 1
            user = f"visitor-{who}-{number}"
            with suppress(OSError):
                where = f"{self._url}/v1/recommendations?user_id={user}&num_results=20"
                answer = msgspec.json.decode(call(where))
                told = [
                    {"user_id": user, "action": "dwell", "item_id": item["item_id"], "value": 10.0}
                    | {"recommendation_id": answer["recommendation_id"]}
                    for item in answer["items"][:5]
                ]
                time.sleep(0.3)  # until the answer is in the log
                if told:
                    call(f"{self._url}/v1/events", told)

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Give a Redis of our own, where all programs are to be had."""
    try:
        for name in ("prometheus", "prometheus-alertmanager"):
            program(name, name, lambda _: None)
        found = Machines(tmp_path_factory.mktemp("alerts") / "services", ("redis",))
    except Unavailable as error:
        absent(f"no drill of alerts: {error}")
    with closing(found):
        yield found


@pytest.mark.long
def test_somebody_hears_of_every_alert(machines: Machines, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with closing(Proxy(machines.urls["redis"])) as proxy, closing(_served(home, proxy)) as served:
        _stock(served)
        jobs._keep(home, jobs.Job(begun_s=time.time() - 7 * 3_600))
        host = served.url.removeprefix("http://")
        with closing(Watchers(tmp_path / "watch", host, PLAYED)) as watch, closing(Visitors(served.url)) as visitors:
            _play(watch, served, proxy, home, visitors)
            assert watch.heard == {one.name: one.severity for one in ALERTS}


def _served(home: Path, proxy: Proxy) -> Served:
    """Serve a home without a bundle, its records behind the proxy, of whom one is remembered."""
    features = proxy.url.replace("http://", "redis://")
    stores = {"features": features, "read_ms": 150, "cached_users": 1}
    made = Served(home, {"stores": stores, "observe": {"expected_requests": 10_000}, "fold": {"lease_ms": 1_000}})
    made.ready()
    return made


def _stock(served: Served) -> None:
    """Give it items of one category, all of which trend."""
    for number in range(ITEMS):
        call(f"{served.url}/v1/items/i{number}", {"title": "Thing", "categories": ["things"]}, "PUT")
    bought = [{"user_id": f"first-{n}", "action": "purchase", "item_id": f"i{n}"} for n in range(ITEMS)]
    call(f"{served.url}/v1/events", bought)


def _play(watch: Watchers, served: Served, proxy: Proxy, home: Path, visitors: Visitors) -> None:
    watch.wait("ModelCacheLow", "RequestsLow", "UserCacheLow", "TrainingStuck", "ModelOld", "ClickThroughFell")
    watch.wait("ClickThroughLow", "ConversionLow", "DwellLow", "VarietyLow")
    proxy.slow(0.02)
    watch.wait("StoreLatencyHigh")
    proxy.slow(0.12)
    watch.wait("LatencyHigh", "TimeoutsHigh")
    proxy.mend()
    proxy.cut()
    time.sleep(6)  # a batch waits for read_ms now, and who asks for the meters waits for batches: they may come late
    proxy.mend()
    watch.wait("StoreDown", "ColdStartCoverageLow")
    done = subprocess.run([*TRAIN, "--home", str(home)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 4, done.stderr
    watch.wait("TrainingFailed")
    visitors.resting.set()  # posts that wait take the threads that the meters are read by
    time.sleep(1)
    _while_locked(home, served, lambda: watch.wait("ErrorsHigh"))
    visitors.resting.clear()
    stream = served.streams()[0]
    os.kill(stream, signal.SIGSTOP)
    watch.wait("FoldBehind")
    os.kill(stream, signal.SIGCONT)
    served.stop()
    watch.wait("ProcessDown")


def _while_locked(home: Path, served: Served, work: Callable[[], None]) -> None:
    """Work while nobody can write to the log, though many try."""
    over = threading.Event()

    def post() -> None:
        while not over.is_set():
            with suppress(OSError):
                call(f"{served.url}/v1/events", {"user_id": "ann", "action": "view", "item_id": "i1"})

    with closing(sqlite3.connect(home / "log" / "events.db")) as log:
        log.execute("begin immediate")
        threads = [threading.Thread(target=post) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            work()
        finally:
            log.rollback()
            over.set()
            for thread in threads:
                thread.join()
