"""Which models does a bundle hold, and which inputs do they give the ranker? A new input is one line here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.config import Ensemble, Train
from foryou.domain.bundle import Manifest, ModelBundle
from foryou.domain.catalog import Catalog
from foryou.domain.errors import Refused
from foryou.domain.ports import Feature
from foryou.features.assemble import FeatureSchema, fingerprint
from foryou.models import index, query, signals
from foryou.models.calibration import NAME as CALIBRATION
from foryou.models.content import Content
from foryou.models.foldin import FoldIn, FoldInSettings
from foryou.models.graph import Filter, Graph
from foryou.models.index import Index
from foryou.models.item_item import ItemItem, ItemItemSettings, Links
from foryou.models.kin import Borrowed, Kin
from foryou.models.kin import K as KIN
from foryou.models.popularity import Column, Popularity, Trend, Welcome
from foryou.models.recency import Recency
from foryou.models.relative import Once, Relative
from foryou.models.sequence import Fading, Sequence
from foryou.models.stage import EDGES, Stage
from foryou.models.tower import PREFIX, Tower
from foryou.serve.live import UNTRAINED
from foryou.serve.rankers import Blend, Explained, Learned

PRIORS = {  # input -> weight until something was learned of it, in log odds per unit
    "item_to_item": 1.0, "collaborative": 1.0, "sequence": 0.2, "popularity": 1.0, "welcome": 1.0, "trending": 1.0,
    "lately": 0.0, "stage": 0.0, "stage_lift": 0.0, "rating": 0.0, "price": 0.0,
    "content": 1.0, "category_match": 1.0, "brand_match": 0.5, "price_match": 0.3,
    "search_match": 3.0, "page_match": 1.5, "arrival": 0.5, "acted_on": 0.0, "fatigue": 0.3,
    "age_lift": 0.5, "gender_lift": 0.5, "location_lift": 0.5, "device_lift": 0.5, "hour_lift": 0.5,
    "item_to_item_z": 0.0, "collaborative_z": 0.0, "sequence_z": 0.0, "popularity_z": 0.0, "stage_z": 0.0,
    **{one.name: 0.0 for one in query.INPUTS},
}  # fmt: skip
FEATURES = tuple(PRIORS)
TOWER_PRIORS = {**PRIORS, "two_tower": 0.2, "two_tower_z": 0.0}  # of a bundle that holds the two towers
SCHEMAS = {fingerprint(names): names for names in (FEATURES, tuple(TOWER_PRIORS))}
DRAFT = {"item_to_item_z": 1.0, "collaborative_z": 0.5, "sequence_z": 1.0, "welcome": 1.0, "popularity": 0.2}
TOWER_DRAFT = {**DRAFT, "two_tower_z": 1.0}
GROUPS = {  # part of the ensemble -> its inputs; all others keep their weight of PRIORS
    "collaborative": ("item_to_item", "collaborative", "sequence"),
    "content": ("content", "category_match", "brand_match", "price_match"),
    "popular": ("popularity", "welcome", "trending"),
}


@dataclass(frozen=True, slots=True)
class Models:
    """What a bundle holds, ready to compute. `default`: the ranker that won on validation."""

    fold_in: FoldIn
    item_item: ItemItem
    popularity: Popularity
    content: Content
    kin: Kin
    index: Index
    graph: tuple[Graph, ...]  # one, or none in a bundle of which no placement asked for it
    towers: tuple[tuple[Tower, Index], ...]  # one, or none
    rankers: Mapping[str, Explained]
    default: str
    calibration: NDArray[np.float32] | None  # of the default: score to chance

    def prepare(self, catalog: Catalog) -> None:
        """Take in what is new in the catalog before it is used, so that no request waits for it."""
        self.content.prepare(catalog)
        self.kin.prepare(catalog)
        for tower, _ in self.towers:
            tower.prepare(catalog)

    def ranker(self, name: str) -> Explained:
        """Give the ranker of this name, `auto` = the one that won. Raises Refused if the bundle has none such."""
        found = self.rankers.get(self.default if name == "auto" else name)
        if found is None:
            raise Refused(
                f"The bundle has no ranker {name!r}, only {', '.join(self.rankers)}; train it (the MLP needs "
                "`pip install foryou[train]`), or choose another in the placement"
            )
        return found


def models_of(bundle: ModelBundle) -> Models:
    """Give the models of a bundle. Raises Refused if it was trained for other inputs."""
    manifest = bundle.manifest
    if manifest.schema not in SCHEMAS:  # first of all: an older bundle may lack what is read below
        raise Refused(
            f"Bundle {manifest.version} was trained for inputs {manifest.schema}, this release has "
            f"{fingerprint(FEATURES)}; train again with `foryou train`"
        )
    names: tuple[str, ...] = SCHEMAS[manifest.schema]
    arrays: Mapping[str, Any] = bundle.arrays
    settings = manifest.settings
    fold_in = FoldIn(arrays["vectors"], arrays["spectrum"], FoldInSettings(
        unobserved=settings["fold_in.unobserved"], regularisation=settings["fold_in.regularisation"],
        power=settings["fold_in.power"], confidence=settings["fold_in.confidence"],
        dislike=settings["fold_in.dislike"], recency=_recency(settings, "fold_in"),
    ))  # fmt: skip
    links = Links(arrays.get("links"), arrays.get("link_ids"), arrays.get("link_values"))
    item_item = ItemItem(links, ItemItemSettings(_recency(settings, "item_to_item"), settings["item_to_item.dislike"]))
    popularity = Popularity(arrays["popularity"], arrays["popular"])
    content = Content(arrays)
    kin = Kin(content, arrays)
    sequence = Sequence(arrays["sequence_into"], arrays["sequence_out"], Fading())
    measured = tuple(Once(Borrowed(one, kin)) for one in (
        item_item, fold_in, sequence, Column("popularity", popularity.column), Stage("stage", arrays["stage_counts"])
    ))  # fmt: skip
    trained = tuple(Borrowed(one, kin) for one in (
        Column("lately", arrays["lately"]), Column("rating", arrays["rating"]),
        Stage("stage_lift", arrays["stage_lift"])
    ))  # fmt: skip
    towers = _towers(bundle)
    measured += tuple(Once(tower) for tower, _ in towers)
    inputs: tuple[Feature, ...] = (
        *measured, *trained, Welcome(), Trend(), content,
        signals.Price(), signals.CategoryMatch(), signals.BrandMatch(), signals.PriceMatch(), signals.SearchMatch(),
        signals.PageMatch(), signals.Arrival(), signals.ActedOn(popularity.column), signals.Fatigue(),
        *(signals.Lift(kind, arrays[f"{kind}_groups"], arrays[f"{kind}_lift"]) for kind in signals.GROUPS),
        *(Relative(one) for one in measured), *query.INPUTS,
    )  # fmt: skip
    named = {one.name: one for one in inputs}
    schema = FeatureSchema(tuple(named[name] for name in names))
    rankers: dict[str, Explained] = {
        "blend": Blend(schema, arrays["blend"]),
        "ensemble": Blend(schema, arrays["ensemble"]),
    }
    for name in ("logistic", "mlp"):
        mine = {key.removeprefix(f"{name}-"): array for key, array in arrays.items() if key.startswith(f"{name}-")}
        if mine:
            rankers[name] = Learned(schema, mine)
    return Models(
        fold_in, item_item, popularity, content, kin, _index(bundle), _graph(bundle, item_item.settings), towers,
        rankers, manifest.ranker, arrays.get(CALIBRATION),
    )  # fmt: skip


def _recency(settings: Mapping[str, float], name: str) -> Recency:
    return Recency(
        int(settings[f"{name}.length"]), settings.get(f"{name}.place_power", 0.0), settings[f"{name}.age_power"]
    )


def _index(bundle: ModelBundle, name: str = "index", vectors: str = "vectors") -> Index:
    """Give the index over an array of vectors."""
    array: NDArray[np.float32] = bundle.arrays[vectors]  # type: ignore[assignment]
    return index.opened(name, bundle.files, array, bundle.manifest.report)


def _graph(bundle: ModelBundle, settings: ItemItemSettings) -> tuple[Graph, ...]:
    arrays: Mapping[str, Any] = bundle.arrays
    if "graph_into" not in arrays:
        return ()
    links = Links(None, arrays["graph_ids"], arrays["graph_values"])
    operator = Filter(arrays["graph_into"], arrays["graph_out"], links)
    return (Graph(operator, _index(bundle, "graph_index", "graph_out"), settings),)


def _towers(bundle: ModelBundle) -> tuple[tuple[Tower, Index], ...]:
    mine: Mapping[str, Any] = {
        name.removeprefix(PREFIX): array for name, array in bundle.arrays.items() if name.startswith(PREFIX)
    }
    return ((Tower(mine), _index(bundle, f"{PREFIX}index", f"{PREFIX}vectors")),) if mine else ()


def ensemble(shares: Ensemble, scale: NDArray[np.float32], priors: Mapping[str, float] = PRIORS) -> NDArray[np.float32]:
    """Give the weights of the fixed mix, for users without and with a history: float32 [2, F].

    Inputs of a part share its weight, each by its deviation, scale [F].
    """
    table = np.tile(np.array(list(priors.values()), np.float32), (2, 1))
    for row, mix in enumerate((shares.cold, shares.warm)):
        for share, names in zip(mix, GROUPS.values(), strict=True):
            for name in names:
                place = list(priors).index(name)
                table[row, place] = shares.strength * share / len(names) / max(float(scale[place]), 1e-6)
    return table


def untrained() -> ModelBundle:
    """Give the bundle of a home where nothing was trained yet: it serves what trends, and what content says."""
    arrays: dict[str, NDArray[np.generic]] = {
        "vectors": np.zeros((1, 8), np.float32), "spectrum": np.zeros(8, np.float32),
        "links": np.zeros((1, 1), np.float32), "popularity": np.zeros(1, np.float32),
        "popular": np.zeros(0, np.int32), "rating": np.zeros(1, np.float32), "lately": np.zeros(1, np.float32),
        "stage_counts": np.zeros((len(EDGES) + 1, 1), np.float32),
        "stage_lift": np.zeros((len(EDGES) + 1, 1), np.float32),
        "sequence_into": np.zeros((1, 4), np.float32), "sequence_out": np.zeros((1, 5), np.float32),
        "content_terms": np.zeros(0, np.uint32), "content_idf": np.zeros(0, np.float32),
        "content_projection": np.zeros((0, 1), np.float32), "content_vectors": np.zeros((1, 1), np.float32),
        "postings_start": np.zeros(1, np.int64), "postings_ids": np.zeros(0, np.int32),
        "postings_values": np.zeros(0, np.float32), "kin_items": np.zeros(0, np.int32),
        "kin": np.zeros((0, KIN), np.int32),
        "ensemble": ensemble(Ensemble(), np.ones(len(FEATURES), np.float32)),
        "blend": np.array(list(PRIORS.values()), np.float32),
    }  # fmt: skip
    for kind in signals.GROUPS:
        arrays |= {f"{kind}_groups": np.zeros(0, np.uint64), f"{kind}_lift": np.zeros((1, 1), np.float32)}
    manifest = Manifest(
        version=UNTRAINED,
        family="main",
        created_ms=0,
        schema=fingerprint(FEATURES),
        catalog="",
        settings=serving_settings(Train()),
    )
    return ModelBundle(manifest, arrays)


def serving_settings(train: Train) -> dict[str, float]:
    """Give the settings of the models at serving time, as a manifest holds them."""
    return {
        "fold_in.unobserved": train.unobserved, "fold_in.regularisation": train.regularisation,
        "fold_in.power": train.power, "fold_in.confidence": train.fold_confidence, "fold_in.dislike": train.dislike,
        "fold_in.length": train.fold_length, "fold_in.age_power": train.fold_age_power,
        "item_to_item.length": train.history, "item_to_item.place_power": train.place_power,
        "item_to_item.age_power": train.age_power, "item_to_item.dislike": train.dislike_links,
    }  # fmt: skip


def exact_twin(bundle: ModelBundle) -> ModelBundle:
    """Give the same bundle without its index: it scans all items, and is what an index is measured against."""
    return ModelBundle(bundle.manifest, bundle.arrays)
