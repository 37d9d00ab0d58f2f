"""Whatever is killed, whenever: nothing acknowledged is lost, nothing counts twice, nothing half-made is seen."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from foryou import config
from foryou.bench.server import Server
from foryou.domain.clock import Clock
from foryou.domain.log import Stream
from foryou.ingest.codec import event_of
from foryou.ingest.importers import run
from foryou.ingest.worker import Worker
from foryou.services import ports
from foryou.simulate.world import World
from foryou.stores.features_sqlite import SqliteFeatures
from foryou.stores.items_sqlite import SqliteItems
from foryou.wiring import launching
from foryou.wiring.home import Home, open_home
from replays import assert_equal_records


class Poster:
    """Posts events without a pause and remembers which were acknowledged; one that failed is sent again."""

    def __init__(self, url: str) -> None:
        self.url, self.acknowledged, self._stop = url, [], threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def has(self, wanted: int) -> bool:
        return len(self.acknowledged) >= wanted

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        number = 0
        while not self._stop.is_set():
            events = [
                {"event_id": f"kill-{number}-{n}", "user_id": f"k{(7 * number + n) % 40}", "item_id": f"i{n}"}
                | {"action": "view"}
                for n in range(10)
            ]
            while not self._stop.is_set():
                if self._sent(events):
                    self.acknowledged += [event["event_id"] for event in events]
                    break
                time.sleep(0.02)
            number += 1

    def _sent(self, events: list[dict]) -> bool:
        body = json.dumps(events).encode()
        request = urllib.request.Request(f"{self.url}/v1/events", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status == 202
        except (OSError, urllib.error.URLError):
            return False


class Running:
    """A served home whose processes can be killed one by one."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, ports.free()[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self._trainer: subprocess.Popen | None = None
        self.start()

    def start(self) -> None:
        settings = config.load(self.home, {}, serve={"port": self.port, "workers": 2})
        command, environment = launching.launch(settings)
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        self.server = Server(self.process, "127.0.0.1", self.port, 0.0)

    def children(self, what: str) -> list[int]:
        found = [pid for pid in self.server.family() if pid != self.process.pid]
        streams = [pid for pid in found if Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").endswith(b"stream")]
        return streams if what == "stream" else [pid for pid in found if pid not in streams]

    def kill(self, what: str) -> None:
        if what == "train":
            self._kill_trainer()
        elif what == "supervisor":
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.start()
        else:
            for pid in self.children(what)[:1]:
                os.kill(pid, signal.SIGKILL)

    def _kill_trainer(self) -> None:
        if self._trainer:
            self._trainer.kill()
            self._trainer.wait()
        command = [sys.executable, "-c", "from foryou.cli import main; main()", "train", "--home", str(self.home)]
        self._trainer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        if self._trainer:
            self._trainer.kill()
            self._trainer.wait()
        self.process.terminate()
        self.process.wait(timeout=60)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    opened = open_home(config.load(tmp_path / "home", {}))
    run(World(now_ms=opened.clock.now_ms(), users=60, items=120, events=1_500), opened.log, lambda *_: None)
    yield opened
    opened.close()


@pytest.mark.drill
def test_nothing_acknowledged_is_lost_or_counted_twice_whatever_is_killed(
    home: Home, tmp_path: Path, kills: int
) -> None:
    running = Running(Path(home.config.home))
    poster = Poster(running.url)
    chance = random.Random(7)
    targets = ["stream", "api", "train", "stream", "api", "train", "supervisor"]
    try:
        for number in range(kills):
            wanted = len(poster.acknowledged) + 20
            _wait(partial(poster.has, wanted), 60)  # events flow again before the next blow
            time.sleep(chance.random() * 1.5)
            running.kill(targets[number % len(targets)])
    finally:
        poster.stop()
        running.stop()
    assert len(poster.acknowledged) > 20 * kills
    _caught_up(home)
    found = Counter(event_of(entry.record.body).event_id for entry in _all(home))
    assert set(poster.acknowledged) <= set(found)
    assert max(found.values()) == 1
    _equal_to_a_clean_replay(home, tmp_path)
    for manifest in home.models.versions():
        home.models.load(manifest.version)
    release = home.models.release()
    if release:
        home.models.load(release.families["main"][0][0])


def _wait(seen, seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < give_up, f"nothing happened for {seconds} s"
        time.sleep(0.02)


def _all(home: Home) -> list:
    return [e for p in home.log.ends(Stream.EVENTS) for e in home.log.read(Stream.EVENTS, p, -1, 1_000_000)]


def _caught_up(home: Home) -> None:
    """Fold what the killed processes left, as the next stream process would (their lease runs out first)."""
    worker = home.worker()
    _wait(lambda: _leased(worker), 20)
    worker.catch_up()
    worker.release()


def _leased(worker: Worker) -> bool:
    from foryou.domain.errors import Conflict

    try:
        worker.lease()
    except Conflict:
        return False
    return True


def _equal_to_a_clean_replay(home: Home, folder: Path) -> None:
    fresh, items = SqliteFeatures(":memory:", Clock()), SqliteItems(folder / "items.db", Clock())
    worker = Worker(home.log, fresh, items)
    worker.lease()
    worker.catch_up()
    assert_equal_records(home.features, fresh, {entry.record.key for entry in _all(home)})
    fresh.close()
    items.close()
