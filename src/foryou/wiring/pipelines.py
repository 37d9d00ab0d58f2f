"""Which pipeline does a bundle become? A new source, ranker, rule or input is one line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.config import Config, Placement, Train
from foryou.domain.bundle import Manifest, ModelBundle
from foryou.domain.errors import Refused
from foryou.domain.expression import parse
from foryou.domain.lists import Kind
from foryou.domain.ports import Feature, Ranker, Rule, Source
from foryou.domain.slate import Query, QueryBatch, Slate
from foryou.features.assemble import FeatureSchema, assemble, fingerprint
from foryou.features.hydrate import Hydrate
from foryou.models import signals
from foryou.models.content import Content
from foryou.models.foldin import FoldIn, FoldInSettings
from foryou.models.index import Exact, Index, InvertedFile
from foryou.models.item_item import ItemItem, ItemItemSettings, Links
from foryou.models.popularity import Column, Popularity, Trend, Welcome
from foryou.models.recency import Recency
from foryou.serve.explain import Explain, GoesWith, Judge
from foryou.serve.filters import Filter, Filters
from foryou.serve.lists import Labelled, Pins, Places
from foryou.serve.live import UNTRAINED
from foryou.serve.pipeline import Pipeline, Stages
from foryou.serve.rankers import Blend, Prior
from foryou.serve.rules import Boosts, Calibration, CategoryCap, Exploration, Seen, Unavailable
from foryou.serve.sources import (
    BEHIND,
    Asked,
    Cart,
    Collaborative,
    ContentBased,
    ItemToItem,
    Listed,
    NewArrivals,
    Pinned,
    Popular,
    Similar,
)

Watch = Callable[[QueryBatch, Slate, NDArray[np.float32]], None]
PRIORS = {  # input -> weight until something was learned of it, in log odds per unit
    "item_to_item": 1.0, "collaborative": 1.0, "popularity": 1.0, "welcome": 1.0, "trending": 1.0, "content": 1.0,
    "category_match": 1.0, "brand_match": 0.5, "price_match": 0.3, "search_match": 3.0, "page_match": 1.5,
    "arrival": 0.5, "fatigue": 0.3, "age_lift": 0.5, "gender_lift": 0.5, "location_lift": 0.5, "device_lift": 0.5,
    "hour_lift": 0.5,
}  # fmt: skip
FEATURES = tuple(PRIORS)


@dataclass(frozen=True, slots=True)
class Models:
    """What a bundle holds, ready to compute."""

    fold_in: FoldIn
    item_item: ItemItem
    popularity: Popularity
    content: Content
    index: Index
    features: tuple[Feature, ...]
    weights: NDArray[np.float32]


def _models(bundle: ModelBundle) -> Models:
    if bundle.manifest.schema != fingerprint(FEATURES):  # first of all: an older bundle may lack what is read below
        raise Refused(
            f"Bundle {bundle.manifest.version} was trained for inputs {bundle.manifest.schema}, this release has "
            f"{fingerprint(FEATURES)}; train again with `foryou train`"
        )
    arrays: Mapping[str, Any] = bundle.arrays
    settings = bundle.manifest.settings
    fold_in = FoldIn(arrays["vectors"], arrays["spectrum"], FoldInSettings(
        unobserved=settings["fold_in.unobserved"], regularisation=settings["fold_in.regularisation"],
        power=settings["fold_in.power"], confidence=settings["fold_in.confidence"],
        dislike=settings["fold_in.dislike"], recency=_recency(settings, "fold_in"),
    ))  # fmt: skip
    links = Links(arrays.get("links"), arrays.get("link_ids"), arrays.get("link_values"))
    item_item = ItemItem(links, ItemItemSettings(_recency(settings, "item_to_item"), settings["item_to_item.dislike"]))
    popularity = Popularity(arrays["popularity"], arrays["popular"])
    content = Content(arrays)
    every: tuple[Feature, ...] = (
        item_item, fold_in, Column("popularity", popularity.column), Welcome(arrays["welcome"]), Trend(), content,
        signals.CategoryMatch(), signals.BrandMatch(), signals.PriceMatch(), signals.SearchMatch(), signals.PageMatch(),
        signals.Arrival(), signals.Fatigue(),
        *(signals.Lift(kind, arrays[f"{kind}_groups"], arrays[f"{kind}_lift"]) for kind in signals.GROUPS),
    )  # fmt: skip
    named = {feature.name: feature for feature in every}
    schema = FeatureSchema(tuple(named[name] for name in FEATURES))
    weights = np.array([settings[f"blend.{name}"] for name in FEATURES], np.float32)
    return Models(fold_in, item_item, popularity, content, _index(bundle), schema.features, weights)


def _recency(settings: Mapping[str, float], name: str) -> Recency:
    return Recency(
        int(settings[f"{name}.length"]), settings.get(f"{name}.place_power", 0.0), settings[f"{name}.age_power"]
    )


def _index(bundle: ModelBundle) -> Index:
    vectors: NDArray[np.float32] = bundle.arrays["vectors"]  # type: ignore[assignment]
    if "index.faiss" in bundle.files:
        return InvertedFile(bundle.files["index.faiss"], vectors, int(bundle.manifest.report["index_probes"]))
    return Exact(vectors)


def pipelines(bundle: ModelBundle, config: Config, hydrate: Hydrate, watch: Watch | None = None) -> dict[str, Pipeline]:
    """Give a warm pipeline per placement."""
    models = _models(bundle)
    built = {
        name: _pipeline(bundle.manifest.version, models, Named(name, placement), hydrate, watch)
        for name, placement in config.placements.items()
    }
    for pipeline in built.values():
        warm(pipeline)
    return built


@dataclass(frozen=True, slots=True)
class Named:
    """A placement with its name, and whether its list belongs to what is on the page rather than to the user."""

    name: str
    placement: Placement

    @property
    def by_page(self) -> bool:
        """Say whether reasons name the item of the page or what is in the cart."""
        return self.placement.similar > 0 or self.placement.cart > 0


def _pipeline(version: str, models: Models, here: Named, hydrate: Hydrate, watch: Watch | None) -> Pipeline:
    blend, placement = Blend(FeatureSchema(models.features), models.weights), here.placement
    filters = Filters(placement.filter)
    boosts = Boosts([
        (boost.name or f"boost {place}", parse(boost.when), boost.add)
        for place, boost in enumerate(placement.boosts, start=1)
    ])  # fmt: skip
    explain = GoesWith(models.item_item.links) if here.by_page else Explain(blend)
    return Pipeline(Stages(
        prepare=lambda view: models.content.prepare(view.catalog),
        hydrate=hydrate, strangers=hydrate.strangers, represent=models.fold_in.represent,
        sources=_sources(models, here, filters), filters=(Unavailable(), Seen(), Filter(filters)),
        ranker=_ranker(blend, here, watch), adjusters=_adjusters(here, boosts),
        explain=Labelled(explain), judge=Judge(blend, boosts),
    ), version)  # fmt: skip


def _sources(models: Models, here: Named, filters: Filters) -> tuple[Source, ...]:
    """Give the sources that have a quota; an item belongs to the first that finds it."""
    placement, behind = here.placement, 3 * BEHIND if here.by_page else BEHIND
    pinned = [pin.item for pin in placement.pins]
    quotas: tuple[tuple[int, Source], ...] = (
        (placement.similar, Similar(models.item_item, models.fold_in, models.index, models.content, placement.similar)),
        (placement.cart, Cart(models.item_item, placement.cart)),
        (placement.collaborative, Collaborative(models.index, placement.collaborative)),
        (placement.item_to_item, ItemToItem(models.item_item, placement.item_to_item)),
        (placement.content, ContentBased(models.content, placement.content)),
        (placement.popular, Popular(models.popularity, placement.popular, behind, filters)),
        (placement.new_arrivals, NewArrivals(placement.new_arrivals, placement.new_days)),
        (placement.editorial, Listed(Kind.EDITORIAL, here.name, placement.editorial)),
        (placement.sponsored, Listed(Kind.SPONSORED, here.name, placement.sponsored)),
        (len(pinned), Pinned(pinned)),
        (1, Asked()),
    )
    return tuple(source for quota, source in quotas if quota)


def _adjusters(here: Named, boosts: Boosts) -> tuple[Rule, ...]:
    """Give the rules after ranking. Who has a place by hand has it before the rules of variety look."""
    placement = here.placement
    rules: tuple[tuple[bool, Rule], ...] = (
        (bool(placement.boosts), boosts),
        (bool(placement.pins), Pins([(pin.item, pin.place) for pin in placement.pins])),
        (placement.sponsored > 0, Places(Kind.SPONSORED, here.name, placement.sponsored_places)),
        (placement.editorial > 0, Places(Kind.EDITORIAL, here.name, placement.editorial_places)),
        (placement.calibration > 0, Calibration(placement.calibration, placement.category_cap)),
        (placement.category_cap > 0, CategoryCap(placement.category_cap)),
        (placement.explore_share > 0, Exploration(placement.explore_share)),
    )
    return tuple(rule for wanted, rule in rules if wanted)


def _ranker(blend: Blend, here: Named, watch: Watch | None) -> Ranker:
    if here.placement.ranker == "prior" or (here.placement.ranker == "auto" and here.by_page):
        return Prior()
    return Watched(blend, watch) if watch else blend


@dataclass(frozen=True, slots=True)
class Watched:
    """A ranker that shows its inputs to somebody: how the blend is learned from what is served."""

    blend: Blend
    watch: Watch

    def score(self, batch: QueryBatch, slate: Slate, out: NDArray[np.float32]) -> None:
        """Score as the blend does, and tell."""
        inputs = assemble(self.blend.schema, batch, slate.item)
        self.blend.sum(inputs, out)
        self.watch(batch, slate, inputs)


def warm(pipeline: Pipeline) -> None:
    """Answer a few made-up questions, so that kernels are compiled and pages are mapped before users come."""
    stages = pipeline.stages

    def with_history(queries: list[Query]) -> QueryBatch:
        batch = stages.strangers(queries)
        known = np.arange(1, min(5, len(batch.view.catalog) + 1), dtype=np.int32)
        batch.history[:, : len(known)], batch.taste[:, : len(known)] = known, 1
        return batch

    for hydrate in (stages.strangers, with_history):
        rehearsed = Pipeline(replace(stages, hydrate=hydrate), pipeline.version)
        for width in (1, 2):
            rehearsed.run([Query("", 20, 0, seed, asked="x" * seed, anchor="x" * seed) for seed in range(width)])


def untrained() -> ModelBundle:
    """Give the bundle of a home where nothing was trained yet: it serves what trends."""
    arrays: dict[str, NDArray[np.generic]] = {
        "vectors": np.zeros((1, 8), np.float32), "spectrum": np.zeros(8, np.float32),
        "links": np.zeros((1, 1), np.float32), "popularity": np.zeros(1, np.float32),
        "popular": np.zeros(0, np.int32), "welcome": np.zeros(1, np.float32),
        "content_terms": np.zeros(0, np.uint32), "content_idf": np.zeros(0, np.float32),
        "content_projection": np.zeros((0, 1), np.float32), "content_vectors": np.zeros((1, 1), np.float32),
        "postings_start": np.zeros(1, np.int64), "postings_ids": np.zeros(0, np.int32),
        "postings_values": np.zeros(0, np.float32),
    }  # fmt: skip
    for kind in signals.GROUPS:
        arrays |= {f"{kind}_groups": np.zeros(0, np.uint64), f"{kind}_lift": np.zeros((1, 1), np.float32)}
    settings = serving_settings(Train()) | {f"blend.{name}": weight for name, weight in PRIORS.items()}
    manifest = Manifest(
        version=UNTRAINED, family="main", created_ms=0, schema=fingerprint(FEATURES), catalog="", settings=settings
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
