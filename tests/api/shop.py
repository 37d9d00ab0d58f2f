"""Which world do the tests of the API ask about? A shop of six things whose links are known, on a real home."""

import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import numpy as np
from litestar import Litestar
from litestar.testing import TestClient

from foryou.api import rest
from foryou.api.service import Service
from foryou.config import load
from foryou.domain import catalog as catalogs
from foryou.domain.bundle import ModelBundle
from foryou.domain.catalog import Catalog
from foryou.domain.item import ItemChange
from foryou.domain.log import Stream
from foryou.domain.release import MAIN, Release
from foryou.ingest.codec import item_record
from foryou.observe.metrics import Metrics, exposition
from foryou.wiring.home import open_home
from foryou.wiring.models import FEATURES, untrained
from foryou.wiring.serving import service

# id -> title, category, actions in the past: the order of popularity is rake, lamp, cup, teapot, arrakis, dune
STOCK = {
    "dune": ("Dune", "Books", 10), "arrakis": ("Arrakis", "Books", 20), "teapot": ("Teapot", "Kitchen", 30),
    "cup": ("Cup", "Kitchen", 40), "lamp": ("Lamp", "Home", 50), "rake": ("Rake", "Garden", 60),
}  # fmt: skip
LINKS = (("dune", "arrakis", 0.9), ("teapot", "cup", 0.8), ("teapot", "lamp", 0.3))  # both ways
WEIGHTS = {"item_to_item": 1.0, "collaborative": 0.0, "popularity": 0.01, "category_match": 0.1}
SETTINGS: dict[str, Any] = {
    # No stage is skipped because this machine is busy, and nothing is taken up before a test says so.
    "serve": {"deadline_ms": 60_000, "refresh_ms": 60_000},
    "stores": {"look_ms": 60_000},
    "fold": {"lease_ms": 600_000},
    "placements": {"home": {"explore_share": 0.0}},
}
ANN = {"user_id": "ann", "action": "purchase", "item_id": "dune", "event_id": "ann-buys-dune"}


class Shop:
    """A home with a stream thread and the REST door before it; `client` talks to it while the shop is open."""

    client: TestClient[Litestar]
    service: Service

    def __init__(
        self,
        folder: Path,
        metrics: Metrics,
        stocked: bool = True,
        exposed: Callable[[], bytes] = lambda: exposition()(),
        beside: Callable[[Service], AbstractAsyncContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        self.home = open_home(load(folder, {}, **SETTINGS))
        self._worker = self.home.worker()
        self._worker.lease()
        if stocked:
            self._stock()
        self._metrics = metrics
        self.app = rest.app(self.open_service, metrics, exposed, beside)
        self._folding, self._closing = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._fold, name="stream")

    def __enter__(self) -> "Shop":
        self.client = TestClient(self.app, raise_server_exceptions=False)
        self.client.__enter__()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()
        self.client.__exit__(kind, error, trace)

    def settle(self) -> None:
        """Fold what was sent, and let the pipelines see it."""
        with self._folding:
            self._worker.catch_up()
        self.service._parts.live.refresh()
        self.service.prepared.look()

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Put something, let it settle, and give what was said."""
        answer = self.client.put(path, json=body)
        assert answer.status_code == 200, answer.text
        self.settle()
        said: dict[str, Any] = answer.json()
        return said

    def ask(self, **asked: Any) -> dict[str, Any]:
        """Give the answer to a question."""
        answer = self.client.post("/v1/recommendations", json=asked)
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said

    def shown(self, **asked: Any) -> list[str]:
        """Give the ids of the items that are recommended."""
        return [item["item_id"] for item in self.ask(**asked)["items"]]

    def tell(self, *events: dict[str, Any]) -> None:
        """Send events that must be accepted, and wait until they count."""
        answer = self.client.post("/v1/events", json=list(events))
        assert answer.json()["rejected"] == []
        self.settle()

    def open_service(self) -> Service:
        """Give the service of the home, as an API process makes it."""
        self.service = service(self.home, self._metrics)
        return self.service

    def _fold(self) -> None:
        while not self._closing.wait(0.002):
            with self._folding:
                self._worker.step()

    def _stock(self) -> None:
        changes = [
            ItemChange(item_id=name, op="put", title=title, categories=(category,), published_ms=1)
            for name, (title, category, _) in STOCK.items()
        ]
        self.home.log.append(Stream.ITEMS, [item_record(change) for change in changes])
        self._worker.catch_up()
        catalog = catalogs.build(list(self.home.items.scan()), "stock", self.home.items.position())
        self.home.models.publish_catalog(catalog)
        self.home.models.publish(_bundle(catalog))
        self.home.models.replace_release(Release(1, {MAIN: (("known", 1.0),)}), 0)


def _bundle(catalog: Catalog) -> ModelBundle:
    """Give a bundle whose links and popularity are those above."""
    rows = np.zeros((len(catalog) + 1, len(catalog) + 1), np.float32)
    for one, other, link in LINKS:
        rows[catalog.number(one), catalog.number(other)] = rows[catalog.number(other), catalog.number(one)] = link
    popularity = np.zeros(len(catalog) + 1, np.float32)
    for name, (_, _, actions) in STOCK.items():
        popularity[catalog.number(name)] = np.log1p(actions)
    draft = untrained()
    arrays = dict(draft.arrays) | {
        "vectors": np.zeros((len(catalog) + 1, 8), np.float32), "links": rows, "popularity": popularity,
        "popular": np.argsort(-popularity)[: len(catalog)].astype(np.int32),
    }  # fmt: skip
    arrays["blend"] = np.array([WEIGHTS.get(name, 0.0) for name in FEATURES], np.float32)
    settings = draft.manifest.settings | {
        "item_to_item.age_power": 0.0
    }  # so that a score does not depend on when it is asked for
    return ModelBundle(
        msgspec.structs.replace(draft.manifest, version="known", catalog=catalog.version, settings=settings), arrays
    )
