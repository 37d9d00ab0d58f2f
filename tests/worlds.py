"""What is the smallest shop whose answers are known beforehand? Four genres; who likes one, likes the rest of it.

Sixty films, fifteen of each genre, with vectors and links that join films of one genre only; the first films of each
genre are the most popular ones.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from foryou.config import Config, Placement, Train
from foryou.domain import catalog as catalogs
from foryou.domain.bundle import Manifest, ModelBundle
from foryou.domain.catalog import Catalog
from foryou.domain.clock import ManualClock
from foryou.domain.event import Action, Event
from foryou.domain.item import Item, ItemChange
from foryou.domain.lists import NO_LISTS, ItemList, ListChange, shelf
from foryou.domain.log import Stream
from foryou.domain.ports import ModelStore
from foryou.domain.records import Change
from foryou.domain.release import Release
from foryou.domain.slate import Answer, Query, Trace, View
from foryou.domain.tried import NOT_TRIED
from foryou.features import trending
from foryou.features.assemble import fingerprint
from foryou.features.fold import fold
from foryou.features.hydrate import Hydrate
from foryou.ingest.codec import event_record, item_record, user_record
from foryou.models.foldin import rotated
from foryou.models.popularity import popularity_of
from foryou.serve.pipeline import Pipeline
from foryou.simulate.world import World
from foryou.stores.features_sqlite import SqliteFeatures
from foryou.stores.items_sqlite import SqliteItems
from foryou.stores.log_sqlite import SqliteLog
from foryou.stores.models_objects import ObjectModels
from foryou.wiring.home import Home
from foryou.wiring.models import FEATURES, serving_settings, untrained
from foryou.wiring.pipelines import pipelines

GENRES = ("war", "love", "space", "crime")
EACH = 15
NOW_MS = 1_700_000_000_000
MINUTE_MS = 60_000
PLAIN = Placement(category_cap=0, explore_share=0.0)
WEIGHTS = {"item_to_item": 1.0, "collaborative": 1.0, "popularity": 0.02, "welcome": 0.0, "trending": 0.02}


def films(each: int = EACH) -> list[Item]:
    """Give the items: `war-1`, `love-1`, `space-1`, `crime-1`, `war-2`, …"""
    return [
        Item(item_id=f"{genre}-{n}", title=f"{genre.title()} {n}", categories=(genre,), price=5.0, published_ms=1)
        for n in range(1, each + 1)
        for genre in GENRES
    ]


def catalog(version: str = "films", each: int = EACH) -> Catalog:
    return catalogs.build(films(each), version, {})


def genre_of(item_id: str) -> str:
    return item_id.split("-")[0]


def vectors(items: int = EACH * len(GENRES), width: int = 8, seed: int = 1) -> NDArray[np.float32]:
    """Give item vectors that point along their genre, with a little of their own."""
    random = np.random.default_rng(seed)
    found = random.normal(0, 0.15, (items + 1, width))
    found[np.arange(1, items + 1), np.arange(items) % len(GENRES)] += 1
    found[0] = 0
    return found.astype(np.float32)


def links(items: int = EACH * len(GENRES), seed: int = 2) -> NDArray[np.float32]:
    """Give links that join items of one genre, each pair with a strength of its own."""
    random = np.random.default_rng(seed)
    genre = np.arange(items + 1) % len(GENRES)
    found = random.uniform(0.05, 0.3, (items + 1, items + 1)) * (genre[:, None] == genre[None, :])
    np.fill_diagonal(found, 0)
    found[0] = found[:, 0] = 0
    return found.astype(np.float32)


def bundle(
    version: str = "v1", catalog_version: str = "films", train: Train | None = None, **weights: float
) -> ModelBundle:
    """Give the bundle over the films; its weights are WEIGHTS but for those named."""
    turned, spectrum = rotated(vectors())
    counts = np.concatenate([[0], np.arange(len(turned) - 1, 0, -1)]).astype(np.float32)
    popular = popularity_of(counts)
    arrays = dict(untrained().arrays) | {
        "vectors": turned, "spectrum": spectrum, "links": links(), "popularity": popular.column,
        "popular": popular.top,
    }  # fmt: skip
    arrays["blend"] = np.array(list((dict.fromkeys(FEATURES, 0.0) | WEIGHTS | weights).values()), np.float32)
    manifest = Manifest(
        version=version, family="main", created_ms=1, schema=fingerprint(FEATURES), catalog=catalog_version,
        settings=serving_settings(train or Train()),
    )  # fmt: skip
    return ModelBundle(manifest, arrays)


class Shop:
    """A home in memory: records are folded from events, one pipeline answers."""

    def __init__(
        self, placement: Placement = PLAIN, model: ModelBundle | None = None, of: Catalog | None = None
    ) -> None:
        self.clock = ManualClock(NOW_MS)
        self.store = SqliteFeatures(":memory:", self.clock)
        self.model = model or bundle()
        self.catalog = of or catalog()
        self.lists, self.tried = NO_LISTS, NOT_TRIED
        self.placement = placement
        self.pipeline = self.made(placement)
        self._token = self.store.lease("shop", 10**12)
        self._offset = -1

    def made(self, placement: Placement) -> Pipeline:
        """Give one more pipeline over this shop."""
        config = msgspec.structs.replace(Config(), placements={"home": placement})
        return pipelines(self.model, config, Hydrate(self.store, self.view))["home"]

    def view(self) -> View:
        view = trending.view(self.catalog, self.store.trending(), self.clock.now_ms())
        return replace(view, shelf=shelf(self.lists, self.catalog), tried=self.tried)

    def listed(self, name: str, *item_ids: str, **what: object) -> None:
        """Put a list, as the stream `lists` would."""
        made = ItemList(name=name, item_ids=item_ids, **what)
        self.lists = self.lists.changed([ListChange(name=name, now=made)], {})

    def change(self, item_id: str, **what: object) -> None:
        """Patch an item, as the stream `items` would."""
        change = ItemChange(item_id=item_id, op="patch", received_ms=NOW_MS, **what)
        self.catalog = self.catalog.extended([change], {})

    def feed(self, *events: Event) -> None:
        """Fold events, as the stream process would."""
        users = list(dict.fromkeys(event.user_id for event in events))
        known = dict(zip(users, self.store.read(users), strict=True))
        start, self._offset = self._offset, self._offset + len(events)
        folded = fold(known, events, range(start + 1, self._offset + 1))
        before, after = {"events": start}, {"events": self._offset}
        self.store.write(Change(0, before, after, folded.records, folded.counts, folded.firsts), self._token)

    def run(self, *queries: Query, deadline: float = np.inf) -> tuple[list[Answer], Trace]:
        return self.pipeline.run(list(queries), deadline)

    def ask(self, user: str, k: int = 10, **more: object) -> Answer:
        """Give the answer to one query."""
        return self.run(query(user, k, **more))[0][0]


def release(version: str, generation: int) -> Release:
    """Give the release that lets one version serve all."""
    return Release(generation, {"main": ((version, 1.0),)}, NOW_MS)


def home_in(folder: Path, models: ModelStore | None = None, **groups: object) -> Home:
    """Give a home on real stores, on a clock that a test sets; `groups` are those of its configuration."""
    clock = ManualClock(NOW_MS)
    return Home(
        msgspec.structs.replace(Config(), home=str(folder), **groups), clock,
        log=SqliteLog(folder / "log", clock), features=SqliteFeatures(folder / "features.db", clock),
        items=SqliteItems(folder / "items.db", clock), models=models or ObjectModels((folder / "models").as_uri()),
    )  # fmt: skip


def lived(folder: Path, train: Train, users: int, items: int, events: int) -> None:
    """Fill a home with a simulated world, and fold it."""
    home = home_in(folder, train=train)
    streams = {ItemChange: (Stream.ITEMS, item_record), Event: (Stream.EVENTS, event_record)}
    for one in World(now_ms=NOW_MS, users=users, items=items, events=events).read():
        stream, record = streams.get(type(one), (Stream.USERS, user_record))
        home.log.append(stream, [record(one)])  # type: ignore[operator]
    worker = home.worker()
    worker.lease()
    worker.catch_up()
    worker.release()
    home.close()


def query(user: str, k: int = 10, seed: int = 0, now_ms: int = NOW_MS, **more: object) -> Query:
    return Query(user, k, now_ms, seed, **more)


def did(
    user: str, item_id: str, minutes_ago: float = 5, action: Action = Action.LIKE, value: float | None = None
) -> Event:
    """Give an action of a user."""
    at_ms = NOW_MS - round(minutes_ago * MINUTE_MS)
    return Event(f"{user}:{item_id}:{action}:{minutes_ago}", user, action, at_ms, item_id, at_ms, value)


def shown(answer: Answer) -> list[str]:
    """Give the ids of what an answer shows."""
    return [item.item_id for item in answer.items]


def ids(answers: Sequence[Answer]) -> list[list[str]]:
    return [shown(answer) for answer in answers]
