"""Where does the server of a generated world come from? A home with bundle, catalog and users, built once."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from foryou import config as configuration
from foryou import kernels
from foryou.bench.scale import chosen, clicks, crowd, goods
from foryou.bench.scale.described import described
from foryou.config import Config
from foryou.domain.bundle import Gate, Manifest, ModelBundle
from foryou.domain.catalog import Catalog
from foryou.domain.clock import Clock
from foryou.domain.records import NO_TRENDS
from foryou.domain.release import MAIN, Release
from foryou.domain.slate import Query
from foryou.features import trending
from foryou.features.assemble import fingerprint
from foryou.features.hydrate import Hydrate
from foryou.models import index
from foryou.models.foldin import rotated
from foryou.models.index import building, inverted
from foryou.models.index.arrays import mapped
from foryou.models.popularity import popularity_of
from foryou.simulate.vectors import Shape, vectors
from foryou.wiring.home import Home, open_home
from foryou.wiring.models import FEATURES, models_of, serving_settings, untrained

Report = Callable[[str, int, int], None]
VERSION = "generated"
TUNED_WITH = 500  # users
AFTER_MS = 3_600_000  # how long after the last click a server of this world begins
RECORD = "world.json"
SETTINGS = """# 1,000 candidates, ranked by the MLP
[placements.home]
collaborative = 500
item_to_item = 150
content = 150
popular = 170
new_arrivals = 30
editorial = 0
sponsored = 0
"""


@dataclass(frozen=True, slots=True)
class World:
    """What is built: the shape of its items, and how many users have records."""

    shape: Shape
    users: int

    @property
    def name(self) -> str:
        """Give the name of its folder, which says all parameters."""
        one = self.shape
        return f"world-{one.items}-{one.width}-{one.seed}-{one.overlap}-{one.norm_spread}-{self.users}"


def made(base: Path, world: World, report: Report) -> Config:
    """Give the configuration of a world's home below `base`: built if it is not there, else found again.

    Its clock stands an hour after the users' last clicks whenever it is started. What was interrupted is begun again,
    but for vectors and lists that were whole.
    """
    folder = base / world.name
    if not (folder / RECORD).is_file():
        _build(base / f"{world.name}.making", world, report)
        (base / f"{world.name}.making").rename(folder)
    said = json.loads((folder / RECORD).read_text())
    config = configuration.load(folder / "home")
    offset = said["now_ms"] + AFTER_MS - Clock(0).now_ms()
    return msgspec.structs.replace(config, serve=msgspec.structs.replace(config.serve, clock_offset_ms=offset))


def _build(folder: Path, world: World, report: Report) -> None:
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "home", ignore_errors=True)
    (folder / "home").mkdir()
    (folder / "home" / "foryou.toml").write_text(SETTINGS)
    home = open_home(configuration.load(folder / "home"))
    seed, now_ms = world.shape.seed, home.clock.now_ms()
    table, spectrum, popularity = _table(work, world.shape, report)
    if not (work / "index.ivf").is_file():
        inverted.write(table, work / "index.ivf", 2, seed, report)
    listed = mapped(work / "index.ivf")
    lists = clicks.lists_of(listed["number"], listed["block_start"], kernels.BLOCK)
    clicked = clicks.clicked(lists, popularity, world.users, seed)
    report("world", 1, 6)
    catalog = goods.goods(lists.of[1:], VERSION, now_ms, seed)
    del lists, listed
    home.models.publish_catalog(catalog)
    catalog = home.models.load_catalog(VERSION)
    report("world", 2, 6)
    crowd.settle(home, clicked, np.asarray(catalog.hash), now_ms, report)
    bundle = _drafted(home, table, spectrum, popularity, clicked, catalog, seed)
    report("world", 4, 6)
    bundle = _tuned(home, bundle, work / "index.ivf", catalog, now_ms, world.shape.items)
    report("world", 5, 6)
    arrays = chosen.learned(
        bundle, home.config, _hydrate(home, catalog, now_ms), _names(chosen.USERS, world), now_ms + AFTER_MS, seed
    )
    manifest = msgspec.structs.replace(bundle.manifest, ranker="mlp")
    bundle = replace(bundle, manifest=manifest, arrays={**bundle.arrays, **arrays})
    home.models.publish(bundle)
    home.models.replace_release(Release(1, {MAIN: ((VERSION, 1.0),)}, now_ms, "generated"), 0)
    home.close()
    report("world", 6, 6)
    (folder / RECORD).write_text(
        json.dumps({"now_ms": now_ms, "world": msgspec.to_builtins(world.shape), "users": world.users})
    )
    shutil.rmtree(work)


def _table(work: Path, shape: Shape, report: Report) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.float64]]:
    """Give the item vectors float16 [N+1, D] in their eigenbasis, mapped, the eigenvalues and the popularity [N]."""
    if not (work / "spectrum.npy").is_file():
        report("world: vectors", 0, 2)
        if not (work / "popularity.npy").is_file():
            vectors(shape, work)
        report("world: vectors", 1, 2)
        made_ = np.load(work / "items.npy", mmap_mode="r")
        out = np.lib.format.open_memmap(work / "table.npy", "w+", np.float16, (shape.items + 1, shape.width))
        _, spectrum = rotated(made_, out[1:])
        out.flush()
        np.save(work / "spectrum.part.npy", spectrum)
        (work / "spectrum.part.npy").rename(work / "spectrum.npy")
        (work / "items.npy").unlink()
        report("world: vectors", 2, 2)
    table = np.load(work / "table.npy", mmap_mode="r").view(np.ndarray)
    return table, np.load(work / "spectrum.npy"), np.load(work / "popularity.npy")


def _drafted(
    home: Home, table: NDArray[Any], spectrum: NDArray[np.float32], popularity: NDArray[np.float64],
    clicked: NDArray[np.int32], catalog: Catalog, seed: int,
) -> ModelBundle:  # fmt: skip
    """Give the bundle without index and learned ranker. The fold-in counts only what was clicked: u = 0."""
    popular = popularity_of(np.concatenate([[0.0], clicked.size * popularity]).astype(np.float32))
    ids, values = clicks.linked(clicked, len(catalog))
    weights = {"item_to_item": 1.0, "collaborative": 1.0, "popularity": 0.1, "trending": 0.1, "category_match": 1.0}
    arrays = dict(untrained().arrays) | {
        "vectors": table, "spectrum": spectrum, "popularity": popular.column, "popular": popular.top,
        "link_ids": ids, "link_values": values,
        "blend": np.array([weights.get(name, 0.0) for name in FEATURES], np.float32),
        **described(catalog, popular.column, seed),
    }  # fmt: skip
    arrays.pop("links")
    settings = serving_settings(home.config.train) | {"fold_in.unobserved": 0.0}
    return ModelBundle(Manifest(
        version=VERSION, family="main", created_ms=home.clock.now_ms(), schema=fingerprint(FEATURES),
        catalog=catalog.version, settings=settings, gate=Gate("none", "generated, not judged"), ranker="blend",
    ), arrays)  # fmt: skip


def _tuned(home: Home, bundle: ModelBundle, file: Path, catalog: Catalog, now_ms: int, items: int) -> ModelBundle:
    """Give the bundle with its index, its effort chosen with vectors of users as they are served."""
    if items <= index.EXACT_UP_TO:
        return bundle
    queries = [Query(crowd.named(user), 20, now_ms + AFTER_MS, 1) for user in range(TUNED_WITH)]
    batch = _hydrate(home, catalog, now_ms)(queries)
    models_of(bundle).fold_in.represent(batch)
    vectors: Any = bundle.arrays["vectors"]
    built = building.tuned(file, vectors, batch.user)
    manifest = msgspec.structs.replace(bundle.manifest, report=built.figures("index"))
    return ModelBundle(manifest, bundle.arrays, {file.name: file})


def _hydrate(home: Home, catalog: Catalog, now_ms: int) -> Hydrate:
    view = trending.view(catalog, NO_TRENDS, now_ms + AFTER_MS)
    return Hydrate(home.features, lambda: view)


def _names(count: int, world: World) -> list[str]:
    return [crowd.named(user) for user in range(min(count, world.users))]
