"""How do the tests of the pages see them? A real server over the films, and headless Chromium before it."""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from browsing import ADMIN_KEY, Seen, opened
from playwright.sync_api import Browser, sync_playwright

import worlds
from foryou.config import load
from foryou.domain import catalog as catalogs
from foryou.domain.bundle import ModelBundle
from foryou.domain.errors import Unavailable
from foryou.domain.event import Action, Event
from foryou.domain.item import ItemChange, Variant
from foryou.domain.log import Stream
from foryou.ingest.codec import event_record, item_record
from foryou.services import install
from foryou.wiring.home import open_home
from foryou.wiring.launching import launch
from servers import absent

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run", "--disable-dev-shm-usage"]  # fmt: skip
PICTURED = (Variant("badge", "", "/web/icon.svg"),)  # of crime-1


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of `foryou serve` over sixty films, of which crime trends."""
    folder = tmp_path_factory.mktemp("cinema")
    _filled(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = load(folder, {}, serve={"port": port, "workers": 1, "deadline_ms": 30_000, "viewed": "watched"})
    command, environment = launch(config)
    environment |= {"FORYOU_SERVE__DEADLINE_MS": "30000", "FORYOU_SERVE__VIEWED": "watched"}
    environment |= {"FORYOU_ADMIN_KEY": ADMIN_KEY, "FORYOU_ROLLOUT__SCHEDULE": "shadow:1h,10:1h,100:1h"}
    process = subprocess.Popen(command, env=environment)
    try:
        yield _ready(f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _filled(folder: Path) -> None:
    home, now_ms = open_home(load(folder, {})), int(time.time() * 1e3)
    worn = {"crime-1": PICTURED}
    stock = [msgspec.structs.replace(one, variants=worn.get(one.item_id, ())) for one in worlds.films()]
    films = [
        ItemChange(
            item_id=one.item_id, op="put", title=one.title, categories=one.categories, price=one.price, published_ms=1,
            variants=one.variants,
        )
        for one in stock
    ]  # fmt: skip
    home.log.append(Stream.ITEMS, [item_record(one) for one in films])
    events = [
        Event(f"crowd-{n}", f"u{n}", Action.CLICK, now_ms - 60_000, f"crime-{n % 15 + 1}", now_ms) for n in range(60)
    ]
    events += [
        Event(f"{user}-{n}", user, Action.VIEW, now_ms - 90_000, f"war-{n}", now_ms)
        for user in ("ann", "bea") for n in (1, 2, 3)
    ]  # fmt: skip
    home.log.append(Stream.EVENTS, [event_record(one) for one in events])
    worker = home.worker()
    worker.lease()
    worker.catch_up()
    worker.release()
    home.models.publish_catalog(catalogs.build(stock, "films", home.items.position()))
    home.models.publish(worlds.bundle("v1", trending=0.5, category_match=0.3, search_match=3.0, welcome=0.1))
    home.models.replace_release(worlds.release("v1", 1), 0)
    page = folder / "report.html"
    page.write_text("<h1>How v2 was judged</h1>", encoding="utf-8")
    second = worlds.bundle("v2", trending=0.5, category_match=0.3, search_match=3.0, welcome=0.1)
    home.models.publish(ModelBundle(second.manifest, second.arrays, {page.name: page}))
    home.close()


def _ready(url: str, process: "subprocess.Popen[bytes]") -> str:
    for _ in range(1_200):
        assert process.poll() is None, "the server ended before it was ready"
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return url
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server was not ready within two minutes")


@pytest.fixture(scope="module")  # it runs an event loop, which other tests of this process must not find running
def browser() -> Iterator[Browser]:
    """Give headless Chromium; its Debian package is installed where it is missing and can be."""
    try:
        program = install.program("chromium", "chromium", print)
    except Unavailable as error:
        absent(f"no Chromium: {error}")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield made
        made.close()


@pytest.fixture
def seen(browser: Browser, server: str) -> Iterator[Seen]:
    """Give a fresh browser; at the end nothing went wrong in it, and nothing was asked of anybody else."""
    context, made = opened(browser, server)
    yield made
    context.close()
    assert made.faults() == []
    assert [url for url in made.asked if not url.startswith(server)] == []


@pytest.fixture(scope="session")
def pictures() -> Path | None:
    """Give the folder that PICTURES names, for whoever wants to look at the pages."""
    name = os.environ.get("PICTURES")
    return Path(name) if name else None
