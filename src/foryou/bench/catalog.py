"""Does a large catalog fit? A generated world of N items becomes a home that can be served."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.config import Config
from foryou.domain import catalog as catalogs
from foryou.domain.bundle import Gate, Manifest, ModelBundle
from foryou.domain.event import Action, Event
from foryou.domain.item import Item
from foryou.domain.log import Stream
from foryou.domain.release import MAIN, Release
from foryou.features.assemble import fingerprint
from foryou.ingest.codec import event_record
from foryou.models import index
from foryou.models.foldin import rotated
from foryou.models.popularity import popularity_of
from foryou.simulate.vectors import Shape, vectors
from foryou.wiring.home import Home, open_home
from foryou.wiring.models import FEATURES, serving_settings, untrained

CATEGORIES = 200
NEIGHBOURS = 16
USERS = 1_000
LIKES = 12


def made(config: Config, items: int, on_progress: Callable[[str, int, int], None]) -> Home:
    """Give a home with a bundle over the generated world (seed 7); built once, then found again."""
    folder = Path(config.home)
    if not (folder / "built").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        home = open_home(config)
        _build(home, items, on_progress)
        (folder / "built").write_text(f"{items}\n")
        return home
    return open_home(config)


def _build(home: Home, items: int, on_progress: Callable[[str, int, int], None]) -> None:
    steps = iter(range(1, 7))

    def step() -> None:
        on_progress("build", next(steps), 6)

    world = vectors(Shape(items, USERS))
    popularity = world.popularity
    step()
    table = np.concatenate([np.zeros((1, world.item.shape[1]), np.float32), world.item])
    del world
    documents = [
        Item(item_id=f"i{n}", categories=(f"c{n % CATEGORIES}",), price=float(n % 100)) for n in range(1, items + 1)
    ]
    catalog = catalogs.build(documents, "generated", {})
    home.models.publish_catalog(catalog)
    step()
    turned, spectrum = rotated(table)
    del table
    step()
    folder = Path(home.config.home) / "work"
    folder.mkdir(exist_ok=True)
    files, report = {}, {}
    if items > index.EXACT_UP_TO:
        built = index.build(turned, turned[_liked(popularity, 500)].mean(axis=1), folder / "index")
        files, report = {built.file.name: built.file}, built.figures("index")
    step()
    home.models.publish(
        ModelBundle(_manifest(home, catalog.version, report), _arrays(turned, spectrum, popularity), files)
    )
    home.models.replace_release(Release(1, {MAIN: (("generated", 1.0),)}, home.clock.now_ms(), "generated"), 0)
    step()
    _likes(home, popularity)
    step()


def _arrays(
    turned: NDArray[np.float32], spectrum: NDArray[np.float32], popularity: NDArray[np.float64]
) -> dict[str, Any]:
    counts = np.concatenate([[0.0], 1e6 * popularity]).astype(np.float32)
    popular = popularity_of(counts)
    random = np.random.default_rng(7)
    ids = random.integers(1, len(turned), (len(turned), NEIGHBOURS), dtype=np.int32)
    values = np.sort(random.random((len(turned), NEIGHBOURS), dtype=np.float32))[:, ::-1] * np.float32(0.02)
    ids[0] = 0
    weights = {"item_to_item": 1.0, "collaborative": 1.0, "popularity": 0.01, "trending": 0.01}
    return dict(untrained().arrays) | {
        "vectors": turned, "spectrum": spectrum, "popularity": popular.column, "popular": popular.top,
        "link_ids": ids, "link_values": np.ascontiguousarray(values),
        "blend": np.array([weights.get(name, 0.0) for name in FEATURES], np.float32),
    }  # fmt: skip


def _manifest(home: Home, catalog: str, report: dict[str, float]) -> Manifest:
    return Manifest(
        version="generated", family="main", created_ms=home.clock.now_ms(),
        schema=fingerprint(FEATURES), catalog=catalog,
        settings=serving_settings(home.config.train),
        gate=Gate("none", "generated, not trained"), report=report,
    )  # fmt: skip


def _liked(popularity: NDArray[np.float64], users: int) -> NDArray[np.int64]:
    """Give items that users like, popular ones more often.  int64 [users, 6]"""
    return np.random.default_rng(11).choice(len(popularity), (users, 6), p=popularity) + 1


def _likes(home: Home, popularity: NDArray[np.float64]) -> None:
    """Give each user a dozen likes, now."""
    random = np.random.default_rng(7)
    items = random.choice(len(popularity), (USERS, LIKES), p=popularity) + 1
    now = home.clock.now_ms()
    home.log.append(Stream.EVENTS, [
        event_record(Event(f"u{user}-{n}", f"u{user}", Action.LIKE, now - 60_000 * n, f"i{item}", now))
        for user, row in enumerate(items) for n, item in enumerate(row.tolist())
    ])  # fmt: skip
    worker = home.worker()
    worker.lease()
    worker.catch_up()
    worker.release()
