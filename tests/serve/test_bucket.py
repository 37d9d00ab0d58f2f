"""Does a process that serves bundles from S3 go on when the connection is cut, and start from its copies?"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import obstore
import pytest
from homes import PLACEMENTS, ask, changed, versions
from obstore.store import S3Store
from prometheus_client import CollectorRegistry

import worlds
from foryou.config import Stores
from foryou.domain.errors import Unavailable
from foryou.observe.metrics import Metrics
from foryou.serve.live import UNTRAINED, Live
from foryou.services.s3 import BUCKET, REGION
from foryou.stores import objects
from foryou.stores.models_objects import ObjectModels
from foryou.stores.objects import Bucket
from foryou.wiring import serving
from foryou.wiring.home import Home
from proxy import Proxy


class Shelf:
    """A prefix of a bucket behind a proxy, and homes that serve from it."""

    def __init__(self, url: str, folder: Path, proxy: Proxy) -> None:
        self.url, self.folder, self.proxy = url, folder, proxy
        self.prefix = uuid4().hex  # two processes may run tests in folders of one name
        self.place = f"s3://{BUCKET}/{self.prefix}"
        self.direct = self.client("trainer", url)  # the machine that trains has a line of its own

    def client(self, machine: str, url: str) -> ObjectModels:
        return ObjectModels(self.place, self.folder / machine, Bucket(url, REGION))

    def home(self, machine: str = "server") -> Home:
        models = self.client(machine, self.proxy.url)
        return worlds.home_in(self.folder, models=models, placements=PLACEMENTS, stores=Stores(look_ms=100))

    def released(self, version: str) -> None:
        held = self.direct.release()
        self.direct.publish(worlds.bundle(version))
        generation = held.generation if held else 0
        self.direct.replace_release(worlds.release(version, generation + 1), generation)

    def spoil(self, ending: str, edit: Callable[[bytes], bytes]) -> None:
        store = S3Store(
            BUCKET, prefix=self.prefix, endpoint=self.url, region=REGION, client_options={"allow_http": True}
        )
        (name,) = [meta["path"] for some in obstore.list(store) for meta in some if meta["path"].endswith(ending)]
        obstore.put(store, name, edit(obstore.get(store, name).bytes().to_bytes()))


@pytest.fixture
def shelf(services: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """Give a bucket with the catalog of the films and bundle v1 in force."""
    monkeypatch.setattr(objects, "TRIES_S", 1)
    with closing(Proxy(services("s3"))) as proxy:
        made = Shelf(services("s3"), tmp_path, proxy)
        made.direct.publish_catalog(worlds.catalog())
        made.released("v1")
        yield made


@pytest.fixture
def home(shelf: Shelf) -> Iterator[Home]:
    with closing(shelf.home()) as opened:
        yield opened


@pytest.fixture
def live(home: Home) -> Live:
    made = home.live()
    made.refresh()
    assert versions(made) == ["v1"]
    return made


def test_a_running_service_notices_a_release_within_five_seconds(
    shelf: Shelf, home: Home, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Home, "live", lambda *_: live)
    with closing(serving.service(home, Metrics(CollectorRegistry()))):
        shelf.released("v2")
        end = time.monotonic() + 5
        while versions(live) != ["v2"]:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_while_the_bucket_is_away_the_old_release_serves_and_items_are_followed(
    shelf: Shelf, home: Home, live: Live
) -> None:
    assert "war-1" in ask(live)
    shelf.proxy.cut()
    shelf.released("v2")
    changed(home, "war-1", status="sold out")
    live.refresh()
    assert "check that it is there" in live.away
    assert (versions(live), live.refused) == (["v1"], {})
    assert "war-1" not in ask(live)
    shelf.proxy.mend()
    live.refresh()
    assert (versions(live), live.away) == (["v2"], "")


def test_a_process_starts_from_its_copies_while_the_bucket_is_away(shelf: Shelf, live: Live) -> None:
    items = ask(live)
    shelf.proxy.cut()
    with closing(shelf.home()) as home:
        again = home.live()
        again.refresh()
        assert (versions(again), again.refused, ask(again)) == (["v1"], {}, items)
        assert again.away
        shelf.proxy.mend()
        shelf.released("v2")
        again.refresh()
        assert (versions(again), again.away) == (["v2"], "")


def test_a_process_without_copies_serves_what_trends_until_the_bucket_is_back(shelf: Shelf) -> None:
    shelf.proxy.cut()
    with closing(shelf.home("new machine")) as home:
        live = home.live()
        live.refresh()
        assert live.arm_for("ann").version == UNTRAINED
        shelf.proxy.mend()
        live.refresh()
        assert versions(live) == ["v1"]


@pytest.mark.parametrize("edit", [lambda body: body[:-100], lambda body: body[:-1] + b"?"], ids=["cut", "damaged"])
def test_a_bundle_with_other_bytes_is_refused_and_the_old_one_serves(
    shelf: Shelf, live: Live, edit: Callable[[bytes], bytes]
) -> None:
    items = ask(live)
    shelf.released("v2")
    name = next(name for name in shelf.direct.load("v2").manifest.checksums if name.endswith("/vectors.npy"))
    shelf.spoil(f"v2/{name}", edit)
    live.refresh()
    assert (versions(live), ask(live)) == (["v1"], items)
    assert "vectors.npy is damaged: its checksum is" in live.refused["v2"]
    shelf.released("v3")
    live.refresh()
    assert (versions(live), live.refused) == (["v3"], {})


def test_a_bundle_whose_download_is_cut_is_loaded_when_the_line_is_back(shelf: Shelf, live: Live) -> None:
    shelf.released("v2")
    shelf.proxy.starve(12_000)
    live.refresh()
    assert (versions(live), list(live.refused)) == (["v1"], ["v2"])
    shelf.proxy.mend()
    live.refresh()
    assert (versions(live), live.refused) == (["v2"], {})


def test_a_bucket_that_never_answers_is_away_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "SILENT_S", 0.3)
    monkeypatch.setattr(objects, "TRIES_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        models = ObjectModels(f"s3://{BUCKET}/x", tmp_path, Bucket(url, REGION))
        started = time.monotonic()
        with pytest.raises(Unavailable, match=r"s3://foryou/x: .*; check that it is there and may be written"):
            models.release()
        assert time.monotonic() - started < 4


def test_a_copy_of_a_release_that_was_cut_is_passed_over(shelf: Shelf, live: Live, home: Home) -> None:
    shelf.released("v2")
    live.refresh()
    assert home.models.last_release().generation == 2
    (shelf.folder / "server" / "releases" / "00000002.json").write_bytes(b'{"gen')
    assert home.models.last_release().generation == 1
