"""Which backends keep which port? A backend joins with one line; every contract then runs over it.

A factory gets a folder that only this test has (a remote backend makes its namespace of the name) and opens one
client; called again it opens another client of the same store, as a second process would.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import obstore
from obstore.store import from_url

from foryou.domain.ports import EventLog, FeatureStore, ItemStore, ModelStore, TimeSource
from foryou.stores.features_sqlite import SqliteFeatures
from foryou.stores.items_sqlite import SqliteItems
from foryou.stores.log_sqlite import SqliteLog
from foryou.stores.models_objects import ObjectModels

_machine = count()  # each client with a cache of its own is another machine

LOGS: dict[str, Callable[[Path, TimeSource], EventLog]] = {
    "sqlite": lambda place, clock: SqliteLog(place / "log", clock),
}
TELLS_REPEATS = ["sqlite"]  # logs that know every id that they hold

FEATURES: dict[str, Callable[[Path, TimeSource], FeatureStore]] = {
    "sqlite": lambda place, clock: SqliteFeatures(place / "features.db", clock),
}
ITEMS: dict[str, Callable[[Path, TimeSource], ItemStore]] = {
    "sqlite": lambda place, clock: SqliteItems(place / "items.db", clock),
}
MODELS: dict[str, Callable[[Path, TimeSource], ModelStore]] = {
    "folder": lambda place, _: ObjectModels(model_url(place)),
    "copied": lambda place, _: ObjectModels(model_url(place), place / f"cache-{next(_machine)}"),
}
PORTS: dict[str, dict[str, Callable[[Path, TimeSource], Any]]] = {
    "log": LOGS, "features": FEATURES, "items": ITEMS, "models": MODELS,
}  # fmt: skip


def model_url(place: Path) -> str:
    """Give where the objects of a model store lie, so that a test can damage them."""
    return (place / "models").as_uri()


@dataclass(frozen=True)
class Backend:
    """One backend of one port in one test. Picklable: another process opens the same store with it."""

    port: str
    name: str
    place: Path
    clock: TimeSource

    def open(self) -> Any:
        """Open one more client; the caller closes it."""
        return PORTS[self.port][self.name](self.place, self.clock)


def rewrite(place: Path, name: str, edit: Callable[[bytes], bytes]) -> str:
    """Change the bytes of the one stored object whose name ends like this; gives its whole name."""
    store = from_url(model_url(place))
    names = [meta["path"] for some in obstore.list(store) for meta in some if meta["path"].endswith(name)]
    assert len(names) == 1
    obstore.put(store, names[0], edit(obstore.get(store, names[0]).bytes().to_bytes()))
    return names[0]
