"""Which pipeline does a bundle become? A new source or rule is one line here."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from foryou.config import Config, Placement
from foryou.domain.bundle import ModelBundle
from foryou.domain.errors import Invalid
from foryou.domain.experiment import NO_EXPERIMENTS, Experiments
from foryou.domain.expression import parse
from foryou.domain.lists import Kind
from foryou.domain.ports import Ranker, Rule, Source
from foryou.domain.slate import Query, QueryBatch, Reason, Slate
from foryou.features.assemble import assemble
from foryou.features.hydrate import Hydrate
from foryou.models import calibration
from foryou.serve.experiments import varied
from foryou.serve.explain import Explain, GoesWith, Judge
from foryou.serve.exploration import Due, DueItems, Exploration
from foryou.serve.feed import Fed
from foryou.serve.filters import Filter, Filters
from foryou.serve.lists import Labelled, Pins, Places
from foryou.serve.overload import RUNGS, on_rung
from foryou.serve.pipeline import Pipeline, Stages
from foryou.serve.prepared import TOP, WIDE
from foryou.serve.rankers import Explained, Logged, Prior
from foryou.serve.rows import Row
from foryou.serve.rules import Boosts, Calibration, CategoryCap, Seen, Unavailable
from foryou.serve.sources import (
    BEHIND,
    RANKING,
    Asked,
    Cart,
    Collaborative,
    ContentBased,
    Given,
    GraphFilter,
    ItemToItem,
    Listed,
    NewArrivals,
    Pinned,
    Popular,
    Similar,
    TwoTower,
)
from foryou.serve.variants import Dresser
from foryou.serve.wording import Words
from foryou.wiring.models import Models, models_of

Watch = Callable[[QueryBatch, Slate, NDArray[np.float32]], None]


def pipelines(bundle: ModelBundle, config: Config, hydrate: Hydrate, watch: Watch | None = None) -> dict[str, Pipeline]:
    """Give a warm pipeline per placement."""
    return Pipelines(bundle, config, hydrate, watch)(NO_EXPERIMENTS, 0)


class Pipelines:
    """What a bundle becomes: a warm pipeline per placement, and one per arm of each experiment that is not over.

    All share the models of the bundle. What was built once is kept until its experiment changes or ends.
    """

    def __init__(self, bundle: ModelBundle, config: Config, hydrate: Hydrate, watch: Watch | None = None) -> None:
        self._version, self._config, self._hydrate, self._watch = bundle.manifest.version, config, hydrate, watch
        self._models, self._words = models_of(bundle), Words(config.serve.language, config.serve.viewed)
        self._held: dict[str, tuple[Placement, Pipeline]] = {}
        self._beside: dict[str, Pipeline] = {}

    def __call__(self, experiments: Experiments, now_ms: int) -> dict[str, Pipeline]:
        """Give the pipelines by placement, and those of arms by their `key`. An arm that cannot be is left out."""
        wanted = {name: (name, placement) for name, placement in self._config.placements.items()}
        for experiment, assigned in experiments.open(now_ms):
            for name in experiment.placements or self._config.placements:
                with suppress(Invalid, KeyError):  # of other settings than those of this process
                    wanted[assigned.key(name)] = name, varied(self._config.placements[name], assigned.arm)
        self._held = {key: (placement, self._made(key, name, placement)) for key, (name, placement) in wanted.items()}
        found = {key: pipeline for key, (_, pipeline) in self._held.items()}
        if self._watch is None:
            self._beside = self._beside or self._made_beside(found)
        return found | self._beside

    def _made_beside(self, found: Mapping[str, Pipeline]) -> dict[str, Pipeline]:
        """Give what answers in other ways: under overload, to strangers, and to who brings the items along."""
        made: dict[str, Pipeline] = {}
        for name, placement in self._config.placements.items():
            for rung in range(1, len(RUNGS)):
                made[on_rung(rung, name)] = cheaper(found[name], rung, self._models)
            here = Named(name, wide(placement), self._words)
            made[WIDE + name] = _for_strangers(
                _pipeline(self._version, self._models, here, self._hydrate, self._watcher)
            )
        ranker = self._config.placements["home"].ranker
        learned = self._models.ranker("auto" if ranker == "prior" else ranker)
        made[RANKING] = _ranking(found["home"], self._watcher(learned))
        for pipeline in made.values():
            warm(pipeline)
        return made

    def _made(self, key: str, name: str, placement: Placement) -> Pipeline:
        if key in self._held and self._held[key][0] == placement:
            return self._held[key][1]
        here = Named(name, placement, self._words)
        made = _pipeline(self._version, self._models, here, self._hydrate, self._watcher)
        warm(made)
        return made

    def _watcher(self, ranker: Explained) -> Ranker:
        share = self._config.serve.log_inputs_share
        return Watched(ranker, self._watch) if self._watch else Logged(ranker, share) if share else ranker


@dataclass(frozen=True, slots=True)
class Named:
    """A placement with its name, its words, and whether its list belongs to what is on the page, not to the user."""

    name: str
    placement: Placement
    words: Words

    @property
    def by_page(self) -> bool:
        """Say whether reasons name the item of the page or what is in the cart."""
        return self.placement.similar > 0 or self.placement.cart > 0


def _pipeline(
    version: str, models: Models, here: Named, hydrate: Hydrate, watched: Callable[[Explained], Ranker]
) -> Pipeline:
    placement = here.placement
    by_source = placement.ranker == "prior" or (placement.ranker == "auto" and here.by_page)
    learned = models.ranker("auto" if placement.ranker == "prior" else placement.ranker)
    filters = Filters(placement.filter)
    boosts = Boosts([
        (boost.name or f"boost {place}", parse(boost.when), boost.add)
        for place, boost in enumerate(placement.boosts, start=1)
    ])  # fmt: skip
    words, represent = here.words, models.fold_in.represent
    knots = models.calibration if placement.ranker == "auto" and not by_source else None
    explain = GoesWith(models.item_item.links, words) if here.by_page else Explain(learned, represent, words)
    return Pipeline(Stages(
        prepare=lambda view: models.prepare(view.catalog),
        hydrate=hydrate, strangers=hydrate.strangers, represent=represent,
        sources=_sources(models, here, filters),
        filters=(Unavailable(), Seen(), Fed(), Filter(filters), Row(placement.new_days, models.popularity)),
        ranker=Prior() if by_source else watched(learned),
        adjusters=_adjusters(here, boosts, knots),
        explain=Labelled(explain, words), judge=Judge(learned, boosts), expect=Expected(knots), dress=Dresser(),
    ), version)  # fmt: skip


def wide(placement: Placement) -> Placement:
    """Give the placement as it is for strangers: the sources that need a history leave their room to what is popular.

    Chance has no part in a list that many are shown.
    """
    return msgspec.structs.replace(
        placement, collaborative=0, item_to_item=0, graph=0, two_tower=0, content=0, popular=TOP, explore_share=0.0
    )


KEPT = {"similar", "cart", "item_to_item", "popular", "editorial", "sponsored", "pinned"}  # on the last rung


def cheaper(whole: Pipeline, rung: int, models: Models) -> Pipeline:
    """Give the pipeline that answers on a rung of the ladder: each one leaves out more than the one before."""
    stages = replace(whole.stages, adjusters=[rule for rule in whole.stages.adjusters if rule.name != "exploration"])
    if rung >= 2:
        light = next(models.rankers[name] for name in ("blend", "ensemble") if name in models.rankers)
        ranker = stages.ranker if isinstance(stages.ranker, Prior) else light
        stages = replace(stages, ranker=ranker, explain=_unexplained)
    if rung >= 3:
        sources = [source for source in stages.sources if source.name in KEPT]
        stages = replace(stages, ranker=Prior(), represent=lambda batch: None, sources=sources)
    return Pipeline(stages, whole.version, RUNGS[rung])


def _unexplained(batch: QueryBatch, slate: Slate, best: NDArray[np.int32]) -> list[list[Reason]]:  # noqa: ARG001
    return [[] for _ in batch.query]


def _for_strangers(pipeline: Pipeline) -> Pipeline:
    """Give the pipeline that asks no store who somebody is, and whose answers are not logged."""
    stages = replace(pipeline.stages, hydrate=pipeline.stages.strangers, dress=Dresser(settled=True))
    return Pipeline(stages, pipeline.version)


def _ranking(home: Pipeline, ranker: Ranker) -> Pipeline:
    """Give the pipeline that orders the caller's own items by what ranks the home page."""
    own = replace(home.stages, sources=(Given(),), filters=(Unavailable(),), ranker=ranker, adjusters=())
    return Pipeline(own, home.version)


def _sources(models: Models, here: Named, filters: Filters) -> tuple[Source, ...]:
    """Give the sources that have a quota; an item belongs to the first that finds it."""
    placement, behind = here.placement, 3 * BEHIND if here.by_page else BEHIND
    pinned = [pin.item for pin in placement.pins]
    quotas: tuple[tuple[int, Source], ...] = (
        (placement.similar, Similar(models.item_item, models.fold_in, models.index, models.content, placement.similar)),
        (placement.cart, Cart(models.item_item, placement.cart)),
        (placement.collaborative, Collaborative(models.index, placement.collaborative, filters)),
        *((placement.two_tower, TwoTower(model, index, placement.two_tower)) for model, index in models.towers),
        (placement.item_to_item, ItemToItem(models.item_item, placement.item_to_item)),
        *((placement.graph, GraphFilter(one, placement.graph)) for one in models.graph),
        (placement.content, ContentBased(models.content, placement.content)),
        (placement.popular, Popular(models.popularity, placement.popular, behind, filters)),
        (placement.new_arrivals, NewArrivals(placement.new_arrivals, placement.new_days)),
        (placement.editorial, Listed(Kind.EDITORIAL, here.name, placement.editorial)),
        (placement.sponsored, Listed(Kind.SPONSORED, here.name, placement.sponsored)),
        (int(placement.explore_share > 0 and placement.new_impressions > 0), DueItems(_due(placement), behind)),
        (len(pinned), Pinned(pinned)),
        (1, Asked()),
    )
    return tuple(source for quota, source in quotas if quota)


@dataclass(frozen=True, slots=True)
class Expected:
    """The chances of a click by the scores of a ranker, where it was calibrated: knots as in `models.calibration`."""

    knots: NDArray[np.float32] | None

    def __call__(self, score: NDArray[np.float32]) -> bytes:
        """Give the chances as float16; nothing where the ranker cannot tell."""
        return b"" if self.knots is None else calibration.probability(self.knots, score).astype(np.float16).tobytes()

    def odds(self, score: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the log odds, 0 where the ranker cannot tell."""
        return np.zeros_like(score) if self.knots is None else np.interp(score, *self.knots).astype(np.float32)


def _due(placement: Placement) -> Due:
    return Due(placement.new_impressions, placement.pace_days, placement.new_days)


def _exploration(placement: Placement, knots: NDArray[np.float32] | None) -> Exploration:
    learns, odds = placement.explore == "thompson", None if knots is None else Expected(knots).odds
    return Exploration(placement.explore_share, learns, _due(placement), odds)


def _adjusters(here: Named, boosts: Boosts, knots: NDArray[np.float32] | None) -> tuple[Rule, ...]:
    """Give the rules after ranking. Who has a place by hand has it before the rules of variety look."""
    placement = here.placement
    rules: tuple[tuple[bool, Rule], ...] = (
        (bool(placement.boosts), boosts),
        (bool(placement.pins), Pins([(pin.item, pin.place) for pin in placement.pins])),
        (placement.sponsored > 0, Places(Kind.SPONSORED, here.name, placement.sponsored_places)),
        (placement.editorial > 0, Places(Kind.EDITORIAL, here.name, placement.editorial_places)),
        (placement.calibration > 0, Calibration(placement.calibration, placement.category_cap)),
        (placement.category_cap > 0, CategoryCap(placement.category_cap)),
        (placement.explore_share > 0, _exploration(placement, knots)),
    )
    return tuple(rule for wanted, rule in rules if wanted)


@dataclass(frozen=True, slots=True)
class Watched:
    """A ranker that shows its inputs to somebody: how rankers are learned from what is served."""

    ranker: Explained
    watch: Watch

    def score(self, batch: QueryBatch, slate: Slate, out: NDArray[np.float32]) -> None:
        """Score as the ranker does, and tell."""
        slate.inputs = assemble(self.ranker.schema, batch, slate.item)
        self.ranker.sum(slate.inputs, batch, out)
        self.watch(batch, slate, slate.inputs)


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
