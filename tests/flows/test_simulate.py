"""Does the command write worlds, and do visitors of one use a running server as people would?"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from foryou import config
from foryou.bench.server import Server, running
from foryou.bench.traffic import Driver
from foryou.cli import commands
from foryou.domain.errors import Conflict, Invalid
from foryou.domain.event import Event
from foryou.domain.exposure import Exposure
from foryou.domain.log import Stream
from foryou.ingest.codec import event_of, exposure_of
from foryou.simulate.market import Market
from foryou.wiring.home import Home, open_home
from foryou.wiring.simulated import NAME, found

SMALL = ("--users", "40", "--items", "60", "--events", "400", "--days", "3")
UNTIL = ("--until", "2026-01-31T12:00:00+00:00")
NOW_MS = 1_769_860_800_000


def foryou(*words: str) -> str:
    """Give what the command prints. Raises what it raises."""
    done = CliRunner().invoke(commands(), words)
    if done.exception:
        raise done.exception
    return done.stdout


def quiet(*_: object) -> None:
    """Report progress to nobody."""


def test_a_world_is_written_into_a_home_and_its_people_are_known_there(tmp_path: Path) -> None:
    told = json.loads(foryou("simulate", "--home", str(tmp_path), *SMALL, *UNTIL, "--json"))
    assert (told["items"], told["users"], told["now_ms"]) == (60, 40, NOW_MS)
    assert found(tmp_path) == Market(NOW_MS, 40, 60, 400, 3)
    home = open_home(config.load(tmp_path, {}))
    assert len(read(home, Stream.EVENTS)) == told["events"] > 100
    assert len(read(home, Stream.EXPOSURES)) == told["exposures"] > 50
    acted = {event.user_id for event in read(home, Stream.EVENTS)}
    assert all(record and record.core.age for record in home.features.read(sorted(acted)))
    home.close()
    with pytest.raises(Conflict, match="holds other events already; name an empty one with --home"):
        foryou("simulate", "--home", str(tmp_path), *SMALL, *UNTIL, "--seed", "8")


def read(home: Home, stream: Stream) -> list[Event | Exposure]:
    decode = {Stream.EVENTS: event_of, Stream.EXPOSURES: exposure_of}[stream]
    entries = [entry for part in home.log.ends(stream) for entry in home.log.read(stream, part, -1, 100_000)]
    return [decode(entry.record.body) for entry in entries]


def test_files_hold_the_same_world_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        foryou("simulate", "--out", str(tmp_path / name), *SMALL, *UNTIL)
    for name in ("items.jsonl", "users.jsonl", "events.jsonl", "exposures.jsonl", NAME):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    events = [json.loads(line) for line in (tmp_path / "a" / "events.jsonl").read_text().splitlines()]
    assert [event["at_ms"] for event in events[:-20]] == sorted(event["at_ms"] for event in events)[:-20]
    assert {"event_id", "user_id", "action", "at_ms"} <= set(events[0])


def test_a_time_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(Invalid, match=r"--until: .*; write it as 2026-01-31T12:00:00\+00:00"):
        foryou("simulate", "--until", "yesterday")


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "127.0.0.1:8000", "http://"])
def test_a_server_must_have_an_http_address(url: str) -> None:
    with pytest.raises(Invalid, match=r"--server: .* is no http address; say http://127.0.0.1:8000"):
        Driver(Market(NOW_MS, 40, 60, 400, 3), url)


def test_a_server_that_is_not_there_is_counted_and_the_next_visitor_comes() -> None:
    told = Driver(Market(NOW_MS, 40, 60, 400, 3), "http://127.0.0.1:9").drive(50, 0.2, quiet)
    assert (told["failed"], told["lists"]) == (10, 0)
    assert sum(told["problems"].values()) == 10


def wait_for_visitors(server: Server) -> None:
    """Wait until the server has been asked for another list."""
    first, until = asked(server), time.monotonic() + 60
    while asked(server) == first:
        assert time.monotonic() < until, "nobody asked for a list"
        time.sleep(0.1)


def asked(server: Server) -> float:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("foryou_stage_ms_count"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    with running(config.load(folder, {}), workers=1) as started:
        yield started


@pytest.mark.slow
def test_visitors_ask_act_and_search_and_items_appear(server: Server) -> None:
    with closing(Driver(Market(time.time_ns() // 1_000_000, 40, 60, 400, 3), server.url)) as driver:
        driver.furnish(quiet)
        told = driver.drive(20, 6, quiet)
    assert (told["failed"], told["rejected"], told["problems"]) == (0, 0, {})
    assert (told["visits"], told["new_items"]) == (120, 2)
    assert told["lists"] >= 120
    assert told["shown"] > 6 * told["lists"]
    assert 0 < told["clicks"] < told["shown"]
    assert told["events"] > told["clicks"] + told["searches"] > told["clicks"]


@pytest.mark.slow
def test_ctrl_c_ends_the_visits_and_says_what_happened(server: Server, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(msgspec.json.encode(Market(time.time_ns() // 1_000_000, 40, 60, 400, 3)))
    command = [
        "simulate",
        "--home",
        str(tmp_path),
        "--server",
        server.url,
        "--rate",
        "20",
        "--seconds",
        "600",
        "--json",
    ]
    start = [sys.executable, "-c", "from foryou.cli import main; main()", *command]
    process = subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ)
    wait_for_visitors(server)
    process.send_signal(signal.SIGINT)
    said, problems = process.communicate(timeout=30)
    assert process.returncode == 0, problems
    assert 0 < json.loads(said)["visits"] < 600 * 20
