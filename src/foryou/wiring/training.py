"""How is a home trained and judged? The job's steps, put together from log, stores and pipelines."""

import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from foryou.config import Config, Placement
from foryou.domain import catalog as catalogs
from foryou.domain.archive import State
from foryou.domain.bundle import Manifest, ModelBundle
from foryou.domain.catalog import Catalog
from foryou.domain.clock import ManualClock
from foryou.domain.errors import Refused
from foryou.domain.exposure import Exposure
from foryou.domain.log import Position, Stream
from foryou.domain.records import Core, UserRecord
from foryou.domain.release import Release, Step
from foryou.domain.rollout import steps_of
from foryou.domain.slate import View
from foryou.domain.tables import Cleaned, Tables
from foryou.features import trending
from foryou.features.fold import fold_profiles
from foryou.features.hydrate import Hydrate
from foryou.ingest.codec import exposure_of, user_of
from foryou.serve.pipeline import Pipeline
from foryou.serve.rows import FOR_YOU
from foryou.serve.steering import begin
from foryou.stores.features_sqlite import SqliteFeatures
from foryou.train import (
    als,
    content,
    dataset,
    evaluate,
    fit,
    graph,
    item_item,
    rank,
    replay,
    sequence,
    teacher,
    two_tower,
)
from foryou.train.local import Local
from foryou.wiring.archiving import archive_of, archived
from foryou.wiring.engines import Computes, engine_of, vectors_in_force, wanted
from foryou.wiring.home import Home
from foryou.wiring.jobs import noted
from foryou.wiring.lock import Lock
from foryou.wiring.models import DRAFT, PRIORS, TOWER_DRAFT, TOWER_PRIORS, ensemble, serving_settings
from foryou.wiring.pipelines import Watch, pipelines
from foryou.wiring.varied import served

Progress = Callable[[str, int, int], None]
READ = 5_000
TEACHER = "teacher.npz"  # in the home
LOOK_EVERY_MS = 300_000  # a rehearsal looks at trends every five minutes of log time; the live system more often


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training run gave."""

    manifest: Manifest
    seconds: dict[str, float]
    promoted: bool
    cleaned: tuple[Cleaned, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """What is learned from: events as numbers, the catalog of that moment, where the log stood, what was left out."""

    log: dataset.Interactions
    catalog: Catalog
    through: Position
    cleaned: tuple[Cleaned, ...]


def train(home: Home, on_progress: Progress, promote: bool = True, force: bool = False) -> Trained:
    """Train a bundle from the window of the log, judge it, publish it, and put it in force if the gate lets it.

    Raises NotFound for an empty log; Conflict while another training runs on this home.
    """
    with closing(engine_of(home.config)) as engine:
        return _trained(home, engine, on_progress, promote, force)


def _trained(home: Home, engine: Computes, on_progress: Progress, promote: bool, force: bool) -> Trained:
    place = Path(home.config.home)
    with Lock(place / "train.lock"), noted(place) as note:
        report = fit.Report()
        with report.stage("snapshot"):
            taken = took(home, engine, on_progress)
        home.models.publish_catalog(taken.catalog)
        version = time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + f"-{uuid.uuid4().hex[:4]}"
        work = Path(home.config.home) / "work"
        bundle, fitted = fitting(home.config, on_progress, engine, vectors_in_force(home), served(home)).bundle(
            taken.log, taken.catalog, version, home.clock.now_ms(), work, shown_at_home(home)
        )
        left_out = {f"left_out_{one.reason}": float(one.events) for one in taken.cleaned}
        manifest = msgspec.structs.replace(
            bundle.manifest, through=taken.through, report=bundle.manifest.report | left_out
        )
        with report.stage("publish"):
            home.models.publish(ModelBundle(manifest, bundle.arrays, bundle.files))
            home.models.sweep()
        report.seconds |= fitted.seconds
        good = bundle.manifest.gate.verdict != "refuse" or force
        if promote and good:
            rolled(home, bundle.manifest.version, f"trained: {bundle.manifest.gate.reason}")
        note(manifest, good)
    return Trained(manifest, report.seconds, promote and good, taken.cleaned)


def release(home: Home, version: str, reason: str) -> Release:
    """Put one bundle in force for everybody. Raises NotFound for an unknown version, Conflict for a late racer."""
    watched = Step(1.0, int(home.config.rollout.watch_s * 1e3))
    return rolled(home, version, reason, (watched,))


def rolled(home: Home, version: str, reason: str, steps: tuple[Step, ...] = ()) -> Release:
    """Begin to roll a bundle out; `steps`: empty = as configured, else at once. Raises as `release`, which is one step.

    Where none serves yet, there is nothing to return to: it is for everybody.
    """
    schedule = home.config.rollout.schedule
    steps = steps or (steps_of(schedule, "rollout.schedule") if schedule else ())
    if not steps:
        return release(home, version, reason)
    return begin(home.models, version, steps, home.clock.now_ms(), reason)


def snapshot(home: Home, on_progress: Progress) -> tuple[dataset.Interactions, Catalog, Position]:
    """Archive what waits, and give what training would learn from, the catalog and the position, on this machine."""
    taken = took(home, Local(), on_progress)
    return taken.log, taken.catalog, taken.through


def took(home: Home, engine: Computes, on_progress: Progress) -> Taken:
    """Archive what waits, extend the catalog, and read the tables of the window."""
    tables, catalog, through = tabled(home, engine, Path(home.config.home) / "work", on_progress)
    return Taken(dataset.interactions(tables.interactions, catalog, people(home)), catalog, through, tables.cleaned)


def tabled(home: Home, engine: Computes, folder: Path, on_progress: Progress) -> tuple[Tables, Catalog, Position]:
    """Archive what waits, extend the catalog, and make the tables of the window in a folder."""
    state = archived(home, lambda done, total: on_progress("archive", done, total))
    asked = replace(wanted(archive_of(home), state, home.config), folder=folder)
    tables = engine.tables(asked, lambda done, total: on_progress("snapshot", done, total))
    position = home.items.position()
    named = "-".join(f"{partition}.{offset}" for partition, offset in sorted(position.items())) or "empty"
    catalog = catalogs.build(list(home.items.scan()), f"c{named}", position)
    return replace(tables, cleaned=(*_left_out(state), *tables.cleaned)), catalog, state.through


def _left_out(state: State) -> list[Cleaned]:
    """Give what never reached the archive: repeats of an id, and records that cannot be read."""
    found = []
    if state.repeats:
        found.append(Cleaned("repeats", state.repeats, 0, state.repeated))
    if state.unread:
        found.append(Cleaned("unread", state.unread, 0, ()))
    return found


def shown_at_home(home: Home) -> list[Exposure]:
    """Give the answers of the home page that the log remembers, the newest of each partition."""
    found: list[Exposure] = []
    for partition, end in home.log.ends(Stream.EXPOSURES).items():
        after = max(-1, end - fit.SHOWN_ANSWERS)
        while after < end and (entries := home.log.read(Stream.EXPOSURES, partition, after, READ)):
            for entry in entries:
                with suppress(Refused):  # the worker passes over it, too, and says so
                    one = exposure_of(entry.record.body)
                    if one.placement == "home" and not one.anchor and one.row in ("", FOR_YOU):
                        found.append(one)
            after = entries[-1].offset
    return found


def people(home: Home) -> dict[str, Core]:
    """Give what profiles say of the users."""
    found: dict[str, UserRecord] = {}
    for partition, end in home.log.ends(Stream.USERS).items():
        after = -1
        while after < end and (entries := home.log.read(Stream.USERS, partition, after, READ)):
            found |= fold_profiles(found, [user_of(entry.record.body) for entry in entries], [0] * len(entries))
            after = entries[-1].offset
    return {user: record.core for user, record in found.items()}


def plain(config: Config) -> Placement:
    """Give the home page without variety, pins and boosts: what the blend is learned on and models are compared by."""
    home = config.placements["home"]
    return msgspec.structs.replace(home, category_cap=0, explore_share=0.0, calibration=0.0, pins=(), boosts=())


def fitting(
    config: Config,
    on_progress: Progress,
    engine: Computes | None = None,
    start: NDArray[np.float32] | None = None,
    placements: Sequence[Placement] = (),
) -> fit.Fit:
    """Give what fits bundles with the settings of this configuration. `start`: item vectors to go on from.

    `placements`: those whose sources must be learned; empty = those of the configuration.
    """
    learned = placements or tuple(config.placements.values())
    train, towers = config.train, any(placement.two_tower for placement in learned)
    priors, draft = (TOWER_PRIORS, TOWER_DRAFT) if towers else (PRIORS, DRAFT)
    settings = fit.FitSettings(
        als=als.AlsSettings(
            train.width, train.iterations, train.unobserved, train.regularisation, train.power, train.dislike,
            train.seed,
        ),
        ease=item_item.EaseSettings(train.ease_regularisation, train.ease_decay),
        content=content.ContentSettings(train.content_width, train.content_terms, train.content_own, train.seed),
        ease_up_to=train.ease_up_to, whole_up_to=train.whole_up_to, neighbours=train.neighbours,
        validation_share=train.validation_share, serving=serving_settings(train),
        sequence=sequence.SequenceSettings(train.sequence_width, train.sequence_epochs, seed=train.seed),
        rank=rank.RankSettings(
            priors, draft, lambda scale: ensemble(config.ensemble, scale, priors), train.rankers,
            fit=rank.fit_for("watch_time" if train.objective == "watch_time" else "listwise"), seed=train.seed,
            teacher_share=train.teacher_share,
        ),
        taken_up=train.taken_up, index_kind=train.index, index_recall=train.index_recall,
        graph=_graph(config, learned),
        towers=two_tower.TowerSettings(**msgspec.structs.asdict(train.two_tower), seed=train.seed)
        if towers else None,
    )  # fmt: skip
    rehearse = lambda bundle, catalog, watch: rehearsal(bundle, catalog, config, plain(config), watch)  # noqa: E731
    solve = (engine or Local()).factorise

    def factorise(
        log: dataset.Interactions, how: als.AlsSettings, tell: Callable[[int, int], None],
        start: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:  # fmt: skip
        sweeps = how.iterations if start is None else train.warm_iterations
        return solve(log, replace(how, iterations=sweeps), tell, start)

    known = teacher.load(Path(config.home) / TEACHER) if train.teacher_share else None
    return fit.Fit(settings, rehearse, on_progress, factorise, start, known)


def _graph(config: Config, placements: Sequence[Placement]) -> graph.GraphSettings | None:
    """Give the settings of the graph filter if a placement has a quota for it."""
    train = config.train
    if not any(placement.graph for placement in placements):
        return None
    return graph.GraphSettings(
        sharpness=train.graph_sharpness, spectrum=train.graph_spectrum, width=train.width, neighbours=train.neighbours,
        seed=train.seed,
    )  # fmt: skip


def rehearsal(
    bundle: ModelBundle, catalog: Catalog, config: Config, placement: Placement, watch: Watch | None = None
) -> replay.Rehearsal:
    """Give a served pipeline over this bundle with a store of its own, for living through old events."""
    clock = ManualClock(0)
    store = SqliteFeatures(":memory:", clock)
    seen: list[View] = []

    def look(now_ms: int) -> None:
        if not seen or now_ms - seen[0].trending_ms >= LOOK_EVERY_MS:
            seen[:] = [trending.view(catalog, store.trending(), now_ms, config.trend.half_life_h)]
        clock.at_ms = now_ms

    look(0)
    one = msgspec.structs.replace(config, placements={"home": placement})
    pipeline: Pipeline = pipelines(bundle, one, Hydrate(store, lambda: seen[0]), watch)["home"]
    return replay.Rehearsal(store, pipeline.run, look)


@dataclass(frozen=True, slots=True)
class Judged:
    """An evaluation with its timings."""

    judgement: evaluate.Judgement
    seconds: dict[str, float]


def judge(home: Home, on_progress: Progress) -> Judged:
    """Fit on the older part of the log, then run both protocols on the rest, beside tuned baselines."""
    log, catalog, _ = snapshot(home, on_progress)
    log = replay.by_page(log)
    cut = int(len(log) * (1 - home.config.train.validation_share))
    fitted = fitting(home.config, on_progress)
    bundle, report = fitted.bundle(log.part(0, cut), catalog, "judged", 0, Path(home.config.home) / "work")
    served = home.config.placements["home"]
    variants = evaluate.Variants(
        served=lambda: rehearsal(bundle, catalog, home.config, served),
        plain=lambda: rehearsal(bundle, catalog, home.config, plain(home.config)),
    )
    with report.stage("judge"):
        done = evaluate.judge(log, cut, catalog, variants, on_progress)
    return Judged(done, report.seconds)


def idle_parts(config: Config, done: evaluate.Judgement) -> list[str]:
    """Give the sources and rules of the home page that are switched on and never contributed to what was shown."""
    home = config.placements["home"]
    on = {
        "collaborative": home.collaborative, "two_tower": home.two_tower, "item_to_item": home.item_to_item,
        "popular": home.popular, "exploration": home.explore_share,
    }  # fmt: skip
    rules = {"seen": 1, "category_cap": home.category_cap}
    idle = [name for name, quota in on.items() if quota and not done.sources.get(name)]
    return idle + [name for name, value in rules.items() if value and not done.rules.get(name)]
