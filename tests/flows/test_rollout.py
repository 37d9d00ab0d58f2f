"""Does a bad bundle come back by itself, under load, with no call failed and the reason shown?"""

import json
import re
import socket
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

import worlds
from foryou.cli import commands
from foryou.config import load
from foryou.domain import catalog as catalogs
from foryou.domain.bundle import ModelBundle
from foryou.domain.event import Action, Event
from foryou.domain.item import ItemChange
from foryou.domain.log import Stream
from foryou.domain.release import Release
from foryou.ingest.codec import event_record, item_record
from foryou.wiring import training
from foryou.wiring.home import Home, open_home
from foryou.wiring.launching import launch
from foryou.wiring.models import FEATURES

pytestmark = pytest.mark.xdist_group("rollout")
WITHIN_S = 60.0
WIDE = 1_024  # units of a layer that takes a hundred times as long as all the rest


def with_arrays(version: str, ranker: str = "blend", **arrays: np.ndarray) -> ModelBundle:
    made = worlds.bundle(version)
    named = {name.replace("__", "-").replace("_of_", "."): array for name, array in arrays.items()}
    return ModelBundle(msgspec.structs.replace(made.manifest, ranker=ranker), dict(made.arrays) | named)


def not_finite(version: str) -> ModelBundle:
    return with_arrays(version, blend=np.full(len(FEATURES), np.nan, np.float32))


def raising(version: str) -> ModelBundle:
    return with_arrays(version, "mlp", **linear(len(FEATURES) - 1))


def linear(inputs: int) -> dict[str, np.ndarray]:
    plain = {"mean": np.zeros(inputs), "scale": np.ones(inputs), "wide": np.ones(inputs), "bias": np.zeros(1)}
    own = {f"mlp__{name}": array.astype(np.float32) for name, array in plain.items()}
    return own | {"mlp__calibration": np.array([1, 0], np.float32)}


def slow(version: str) -> ModelBundle:
    random, inputs = np.random.default_rng(5), len(FEATURES)
    layers = {
        f"mlp__layer{n}_of_{part}": random.normal(0, 0.01, shape).astype(np.float32)
        for n, (units, width) in enumerate([(WIDE, inputs), (WIDE, WIDE), (1, WIDE)])
        for part, shape in (("weight", (units, width)), ("bias", (units,)))
    }
    return with_arrays(version, "mlp", **layers, **linear(inputs))


def rarely_wrong(version: str) -> ModelBundle:
    """Give a bundle that goes wrong for those only who have war-1 in their history."""
    links = worlds.links().copy()
    links[1] = np.nan
    return with_arrays(version, links=links)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Give a home that is served by one process over sixty films, and its address."""
    folder = tmp_path_factory.mktemp("rollout")
    filled(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command, environment = launch(load(folder, {}, serve={"port": port, "workers": 1}))
    process = subprocess.Popen(command, env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: ready(url), "the server is ready", 120)
        yield folder, url
    finally:
        process.terminate()
        process.wait(timeout=30)


def filled(folder: Path) -> None:
    home, now_ms = open_home(load(folder, {})), int(time.time() * 1e3)
    films = [ItemChange(item_id=one.item_id, op="put", title=one.title, categories=one.categories, published_ms=1)
             for one in worlds.films()]  # fmt: skip
    home.log.append(Stream.ITEMS, [item_record(one) for one in films])
    seen = [("ann", "war-1"), ("ann", "love-2"), ("bob", "space-2"), ("bob", "space-3"), ("cem", "crime-4")]
    events = [Event(f"{user}-{item}", user, Action.LIKE, now_ms - 90_000, item, now_ms) for user, item in seen]
    home.log.append(Stream.EVENTS, [event_record(one) for one in events])
    worker = home.worker()
    worker.lease()
    worker.catch_up()
    worker.release()
    home.models.publish_catalog(catalogs.build(worlds.films(), "films", home.items.position()))
    home.models.publish(worlds.bundle("good"))
    home.models.replace_release(worlds.release("good", 1), 0)
    home.close()


def ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5):
            return True
    except OSError:
        return False


def until(true: Callable[[], bool], what: str, within_s: float) -> float:
    """Wait for something; gives the seconds that it took."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < within_s, f"not within {within_s} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - started


class Load:
    """Asks all the time, and counts what is answered, by status and bundle."""

    def __init__(self, url: str, users: tuple[str, ...]) -> None:
        self._url, self.users = url, users
        self.answers: Counter[tuple[int, str]] = Counter()
        self.empty = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,), daemon=True) for n in range(2)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def _ask(self, number: int) -> None:
        while not self._stop.wait(0.01):
            number += 1
            user = self.users[number % len(self.users)]
            try:
                with urllib.request.urlopen(f"{self._url}/v1/recommendations?user_id={user}", timeout=30) as answer:
                    body = json.load(answer)
            except OSError as error:
                self.answers[getattr(error, "code", 0), repr(error)] += 1
                continue
            self.answers[answer.status, body["model_version"]] += 1
            self.empty += not body["items"]

    def failed(self) -> dict[tuple[int, str], int]:
        return {what: count for what, count in self.answers.items() if what[0] != 200}


def in_force(home: Home) -> Release:
    found = home.models.release()
    assert found is not None
    return found


def told(folder: Path, *words: str) -> str:
    done = CliRunner().invoke(commands(), ["models", *words, "--home", str(folder)])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


BAD = {
    "not_finite": (not_finite, "NaN or infinite"),
    "raising": (raising, "rank: Invalid|broken: ValueError"),
    "slow": (slow, "ms"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_bundle_promoted_under_load_returns_and_no_call_fails(served: tuple[Path, str], kind: str) -> None:
    folder, url = served
    made, why = BAD[kind]
    home = open_home(load(folder, {}))
    home.models.publish(made(kind))
    with Load(url, ("ann", "bob", "cem", "stranger")) as load_:
        until(lambda: sum(load_.answers.values()) > 60, "calls are answered", 60)
        training.release(home, kind, "promoted by hand")
        took = until(lambda: bool(in_force(home).rollout and in_force(home).rollout.ended), "it returns", WITHIN_S)
        asked = sum(load_.answers.values())
        until(lambda: sum(load_.answers.values()) > asked + 20, "calls are answered by the old one", 60)
    assert took < WITHIN_S
    assert (load_.failed(), load_.empty) == ({}, 0)
    assert in_force(home).families == {"main": (("good", 1.0),)}
    assert re.search(why, in_force(home).reason)
    said = told(folder, "show")
    assert f"{kind} was taken back" in said
    assert re.search(why, said)
    home.close()


def test_what_goes_wrong_for_a_few_is_answered_by_the_old_bundle_in_the_same_call(served: tuple[Path, str]) -> None:
    folder, url = served
    home = open_home(load(folder, {}))
    home.models.publish(rarely_wrong("rarely"))
    with Load(url, ("bob", "cem")) as load_:
        until(lambda: sum(load_.answers.values()) > 300, "calls are answered", 120)
        training.release(home, "rarely", "promoted by hand")
        until(lambda: load_.answers[200, "rarely"] > 10, "the new bundle answers those for whom it can", 60)
        assert told(folder, "show").count("rollout of rarely in place of good") == 1
        load_.users = ("ann",)
        until(lambda: bool(in_force(home).rollout and in_force(home).rollout.ended), "it returns", WITHIN_S)
        asked = load_.answers[200, "good"]
        until(lambda: load_.answers[200, "good"] > asked, "the old one answers", 60)
    assert (load_.failed(), load_.empty) == ({}, 0)
    assert "not_finite" in in_force(home).reason
    home.close()


def test_a_good_bundle_goes_by_its_steps_and_back_by_hand(served: tuple[Path, str]) -> None:
    folder, url = served
    home = open_home(load(folder, {}))
    home.models.publish(worlds.bundle("better"))
    told(folder, "rollout", "better", "--schedule", "shadow:1h,50:1h,100:1h")
    users = tuple(f"u{n}" for n in range(40))
    with Load(url, users) as load_:
        until(lambda: "in the shadow" in told(folder, "show") and rehearsed(folder) > 20, "it is rehearsed", 60)
        assert load_.answers[200, "better"] == 0, "nobody is shown what is answered in the shadow"
        told(folder, "next")
        until(lambda: load_.answers[200, "better"] > 40, "half of the users have it", 60)
        told(folder, "pause", "--why", "lunch")
        assert "paused" in told(folder, "show")
        told(folder, "back", "--why", "I do not like it")
        until(lambda: live_version(url) == {"good"}, "all have the old one", 60)
    assert load_.failed() == {}
    assert "better was taken back: I do not like it" in told(folder, "show")
    home.close()


def rehearsed(folder: Path) -> int:
    found = json.loads(CliRunner().invoke(commands(), ["models", "show", "--json", "--home", str(folder)]).output)
    return sum(one["rehearsed"] for one in found["evidence"])


def live_version(url: str) -> set[str]:
    found = set()
    for n in range(40):
        with urllib.request.urlopen(f"{url}/v1/recommendations?user_id=u{n}", timeout=30) as answer:
            found.add(json.load(answer)["model_version"])
    return found
