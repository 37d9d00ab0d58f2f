"""How does a bundle come to be every night, with nobody watching? In steps that are kept, so that a dead run goes on.

tables → trial (fitted without the last days) → judge → fit (on everything) → compare → report → publish → track →
release. What a step found is in `<home>/daily/<version>/<step>`; the folder goes when the run is over.
"""

import shutil
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from foryou.config import Config
from foryou.domain.bundle import Manifest, ModelBundle
from foryou.domain.catalog import Catalog
from foryou.domain.errors import Refused
from foryou.domain.exposure import Exposure
from foryou.domain.log import Position
from foryou.domain.records import Core
from foryou.domain.tables import Cleaned
from foryou.train import dataset, evaluate, gate, replay, report
from foryou.train.steps import Arrays, Outcome, Patience, Steps
from foryou.wiring import training, varied
from foryou.wiring.engines import Computes, engine_of, vectors_in_force
from foryou.wiring.home import Home
from foryou.wiring.jobs import noted
from foryou.wiring.lock import Lock
from foryou.wiring.training import Progress, Trained

FOLDER = "daily"
STEPS = ("tables", "trial", "judge", "fit", "compare", "report", "publish", "track", "release")
REPORT = "report.html"
STALE_S = 24 * 3_600  # a run that was begun so long ago is not gone on with
_RUN = "run.json"


class Run(msgspec.Struct, frozen=True):
    """A run: the bundle that it makes, when it was begun, and with which settings."""

    version: str
    created_ms: int
    begun_s: float
    settings: str


class _Tables(msgspec.Struct, frozen=True):
    interactions: str
    catalog: str
    through: Position
    cleaned: tuple[Cleaned, ...]


class _Beside(msgspec.Struct, frozen=True):
    found: gate.Compared | None


class _Fitted(msgspec.Struct, frozen=True):
    manifest: Manifest
    files: tuple[str, ...]
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Learned:
    """What is learned from, in the order of pages, and who asked for what."""

    log: dataset.Interactions
    catalog: Catalog
    exposures: list[Exposure]
    said: _Tables


@dataclass(frozen=True, slots=True)
class Tracking:
    """Who keeps book beside: `log` takes a bundle with its settings, `champion` the version that was put in force."""

    log: Callable[[ModelBundle, dict[str, Any]], str]
    champion: Callable[[str], None]


def daily(
    home: Home, on_progress: Progress, tell: Callable[[dict[str, Any]], None], patience: Patience,
    promote: bool = True, force: bool = False, track: Tracking | None = None,
) -> Trained:  # fmt: skip
    """Make, judge, publish and release today's bundle; goes on with a run that was cut off.

    `tell` hears of every step as a record for a structured log; `track` takes the bundle to a tracking server.
    Raises NotFound for an empty log, Conflict while another training runs on this home, Overdue when time is over.
    """
    folder = Path(home.config.home) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    place = Path(home.config.home)
    with Lock(place / "train.lock"), noted(place) as note, closing(engine_of(home.config)) as engine:
        run = _run(folder, home)
        steps = Steps(folder / run.version, tell, patience)
        done = _Daily(home, engine, run, steps, on_progress).made(promote, force, track)
        shutil.rmtree(folder / run.version)
        note(done.manifest, force or done.manifest.gate.verdict != "refuse")
        return done


def _run(folder: Path, home: Home) -> Run:
    """Give the run that was cut off, if it is of today and of these settings; else begin one and forget all others."""
    settings = _fingerprint(home.config)
    found = None
    for place in sorted(folder.iterdir()):
        if not place.is_dir():
            continue
        try:
            run = msgspec.json.decode((place / _RUN).read_bytes(), type=Run)
        except (OSError, msgspec.DecodeError):
            run = None
        if run and run.settings == settings and time.time() - run.begun_s < STALE_S and not found:
            found = run
        else:
            shutil.rmtree(place)
    if found:
        return found
    version = time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + f"-{uuid.uuid4().hex[:4]}"
    run = Run(version, home.clock.now_ms(), time.time(), settings)
    (folder / version).mkdir()
    part = folder / version / f"{_RUN}.part"
    part.write_bytes(msgspec.json.encode(run))
    part.rename(folder / version / _RUN)
    return run


def _fingerprint(config: Config) -> str:
    """Give what tells settings apart that a bundle depends on."""
    said = msgspec.json.encode((config.train, config.placements, config.ensemble, config.trend, config.stores))
    return blake2b(said, digest_size=8).hexdigest()


class _Daily:
    """One run."""

    def __init__(self, home: Home, engine: Computes, run: Run, steps: Steps, on_progress: Progress) -> None:
        self._home, self._engine, self._run, self._steps, self._tell = home, engine, run, steps, on_progress

    def made(self, promote: bool, force: bool, track: Tracking | None) -> Trained:
        """Do all steps that are not done."""
        steps = self._steps
        learned = self._learned(steps.step("tables", self._tables))
        cut = gate.held_out(learned.log)
        trial = steps.step("trial", lambda part: self._fit(learned, cut, "trial", part))
        judged = steps.step("judge", lambda part: ({}, self._judge(learned, cut, _bundle(trial)))).read(gate.Judged)
        fitted = steps.step("fit", lambda part: self._fit(learned, len(learned.log), self._run.version, part))
        beside = steps.step("compare", lambda part: ({}, self._compare(learned, cut, _bundle(fitted))))
        compared = beside.read(_Beside).found
        told = steps.step("report", lambda part: ({}, self._report(learned, judged, compared, fitted, part)))
        bundle = _bundle(fitted, told.read(Manifest), {REPORT: told.folder / REPORT})
        steps.step("publish", lambda part: ({}, self._publish(bundle)))
        if track:
            steps.step("track", lambda part: ({}, track.log(bundle, msgspec.to_builtins(self._home.config.train))))
        good = promote and (force or bundle.manifest.gate.verdict != "refuse")
        steps.step("release", lambda part: ({}, self._release(bundle.manifest) if good else "not released"))
        if track and good:
            track.champion(bundle.manifest.version)
        return Trained(bundle.manifest, dict(steps.seconds), good, learned.said.cleaned)

    def _tables(self, part: Path) -> tuple[Arrays, _Tables]:
        tables, catalog, through = training.tabled(self._home, self._engine, part, self._tell)
        self._home.models.publish_catalog(catalog)
        (part / "people.msgpack").write_bytes(msgspec.msgpack.encode(training.people(self._home)))
        (part / "exposures.msgpack").write_bytes(msgspec.msgpack.encode(training.shown_at_home(self._home)))
        return {}, _Tables(tables.interactions.name, catalog.version, through, tables.cleaned)

    def _learned(self, tables: Outcome) -> _Learned:
        said = tables.read(_Tables)
        catalog = self._home.models.load_catalog(said.catalog)
        people = msgspec.msgpack.decode((tables.folder / "people.msgpack").read_bytes(), type=dict[str, Core])
        exposures = msgspec.msgpack.decode((tables.folder / "exposures.msgpack").read_bytes(), type=list[Exposure])
        log = dataset.interactions(tables.folder / said.interactions, catalog, people)
        return _Learned(replay.by_page(log), catalog, exposures, said)

    def _fit(self, learned: _Learned, end: int, version: str, part: Path) -> tuple[Arrays, _Fitted]:
        """Fit a bundle on the first rows; for a trial with what was shown until then only."""
        log = learned.log.part(0, end)
        exposures = learned.exposures
        if end < len(learned.log):
            exposures = [one for one in exposures if one.now_ms < int(learned.log.at_ms[end])]
        fits = training.fitting(
            self._home.config, self._tell, self._engine, vectors_in_force(self._home), varied.served(self._home)
        )
        bundle, found = fits.bundle(log, learned.catalog, version, self._run.created_ms, part, exposures)
        return bundle.arrays, _Fitted(bundle.manifest, tuple(bundle.files), found.seconds)

    def _judge(self, learned: _Learned, cut: int, trial: ModelBundle) -> gate.Judged:
        config, catalog = self._home.config, learned.catalog
        served = config.placements["home"]
        return gate.judge(learned.log, cut, catalog, evaluate.Variants(
            served=lambda: training.rehearsal(trial, catalog, config, served),
            plain=lambda: training.rehearsal(trial, catalog, config, training.plain(config)),
        ), self._tell)  # fmt: skip

    def _compare(self, learned: _Learned, cut: int, bundle: ModelBundle) -> _Beside:
        serving = self._serving()
        if serving is None:
            return _Beside(None)
        config, log, catalog = self._home.config, learned.log, learned.catalog
        logged = [gate.Request(one.user_id, one.now_ms) for one in learned.exposures if one.user_id]
        asked = logged or [
            gate.Request(log.user_ids[page.user], page.at_ms) for page in replay.pages(log, cut, len(log))
        ]
        try:
            ours, theirs = (
                training.rehearsal(one, catalog, config, training.plain(config)) for one in (bundle, serving)
            )
        except Refused:  # of an older release of the program: nothing to compare with
            return _Beside(None)
        version = serving.manifest.version
        return _Beside(gate.compare(version, log, catalog, asked, bool(logged), ours, theirs, self._tell))

    def _report(
        self, learned: _Learned, judged: gate.Judged, compared: gate.Compared | None, fitted: Outcome, part: Path
    ) -> Manifest:
        bundle = _bundle(fitted)
        serving = self._serving()
        before = serving.manifest.gate if serving else None
        verdict = gate.decide(judged, compared, before, bundle.arrays)
        left_out = {f"left_out_{one.reason}": float(one.events) for one in learned.said.cleaned}
        figures = {name: value for name, value in verdict.metrics.items() if name not in bundle.manifest.report}
        manifest = msgspec.structs.replace(
            bundle.manifest, gate=verdict, through=learned.said.through,
            report=bundle.manifest.report | left_out | figures,
        )  # fmt: skip
        seconds = self._steps.seconds | {f"fit: {k}": v for k, v in fitted.read(_Fitted).seconds.items()}
        settings = msgspec.to_builtins(self._home.config.train)
        page = report.page(manifest, judged, compared, learned.said.cleaned, seconds, settings)
        (part / REPORT).write_text(page, encoding="utf-8")
        return manifest

    def _publish(self, bundle: ModelBundle) -> str:
        """Publish, unless a run that was cut off here has done so."""
        models = self._home.models
        if bundle.manifest.version not in {one.version for one in models.versions()}:
            models.publish(bundle)
        models.sweep()
        return bundle.manifest.version

    def _release(self, manifest: Manifest) -> int:
        held = self._home.models.release()
        if held and held.rollout and held.rollout.new == manifest.version:
            return held.generation
        if held and any(version == manifest.version for shares in held.families.values() for version, _ in shares):
            return held.generation
        return training.rolled(self._home, manifest.version, f"daily: {manifest.gate.reason}").generation

    def _serving(self) -> ModelBundle | None:
        """Give the bundle in force; None = none."""
        held = self._home.models.release()
        return self._home.models.load(held.version) if held else None


def _bundle(fitted: Outcome, manifest: Manifest | None = None, more: dict[str, Path] | None = None) -> ModelBundle:
    said = fitted.read(_Fitted)
    arrays = {name: np.asarray(array) for name, array in fitted.arrays.items()}
    files = {name: fitted.folder / name for name in said.files}
    return ModelBundle(manifest or said.manifest, arrays, files | (more or {}))
