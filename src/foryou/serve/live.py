"""Which bundle answers now, and what does it know? Releases become pipelines, swapped whole; views follow the log."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from foryou.domain import catalog as catalogs
from foryou.domain.bundle import ModelBundle
from foryou.domain.catalog import Catalog
from foryou.domain.errors import ForyouError, Refused, Unavailable
from foryou.domain.experiment import NO_EXPERIMENTS, Assigned, ExperimentChange, Experiments
from foryou.domain.item import ItemChange
from foryou.domain.lists import EMPTY_SHELF, NO_LISTS, ListChange
from foryou.domain.log import Entry, Stream
from foryou.domain.ports import EventLog, FeatureStore, ModelStore, TimeSource
from foryou.domain.records import NO_TALLIES, NO_TRENDS, Tallies, Trending
from foryou.domain.release import MAIN, Release, Rollout, Shares, version_for
from foryou.domain.rollout import active
from foryou.domain.slate import Answer, Query, View
from foryou.domain.tried import Tried
from foryou.models.onboarding import Questions
from foryou.serve import experiments as trials
from foryou.serve.health import Health
from foryou.serve.lists import followed
from foryou.serve.pipeline import Pipeline

READ_LIMIT = 5_000
RECENT = 256  # answers that are remembered, to rehearse a new bundle on
UNTRAINED = "untrained"
TRENDS_SHARE = 0.05  # of the time may go into looks at the trends, where there are very many counters
TALLIES_S = 2.0  # between looks at what came of showing items
TRIED_MS = 60_000  # after which that is made anew though nothing was counted: the time has passed
TRENDS_QUICK_S = 0.01  # a look that takes no longer may be taken whenever somebody asks


Build = Callable[[Experiments, int], Mapping[str, Pipeline]]


@dataclass(slots=True)
class Arm:
    """One bundle at work: its view of the catalog, its pipelines, and what it would ask newcomers.

    Pipelines stand by placement, and those of an experiment's arms by their `key`; `build` makes them for experiments
    at a time.
    """

    version: str
    created_ms: int
    view: View
    pipelines: Mapping[str, Pipeline] = field(default_factory=dict)
    questions: Questions = field(default_factory=Questions)
    experiments: Experiments = NO_EXPERIMENTS  # for which the pipelines were built
    build: Build = field(default=lambda experiments, now_ms: {})
    health: Health = field(default_factory=Health)
    instead: "Arm | None" = None  # who answers in its place when it fails, while it is new


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A query of a moment ago, and the ids of what was shown. The answer itself would keep old views in memory."""

    placement: str
    query: Query
    shown: frozenset[str]


@dataclass(frozen=True, slots=True)
class Means:
    """What `Live` needs from outside."""

    log: EventLog
    features: FeatureStore
    models: ModelStore
    clock: TimeSource
    look: Callable[[Catalog, Trending, int], View]
    tried: Callable[[Catalog, Tallies, int], Tried]
    build: Callable[[ModelBundle, Arm], Build]
    ask: Callable[[ModelBundle, Catalog], Questions]
    untrained: Callable[[], ModelBundle]
    decode_item: Callable[[bytes], ItemChange]
    decode_list: Callable[[bytes], ListChange]
    decode_experiment: Callable[[bytes], ExperimentChange]
    prove: Callable[["Arm", "Arm", Sequence["Asked"]], str] = lambda new, old, asked: ""


def in_order(entries: list[Entry]) -> list[Entry]:
    """Give entries in the order of their arrival, those of a partition in its own.

    So the numbers of new items do not depend on how often somebody looked, nor do scores that tie.
    """
    return sorted(entries, key=lambda entry: (entry.appended_ms, entry.partition, entry.offset))


class Live:
    """Keeps arms fresh: one thread calls `take_up_release`, one `follow`, any thread reads `arm_for`.

    Two threads, because a bundle may take minutes to arrive, and a store that is away seconds to be known to be.
    """

    def __init__(self, means: Means) -> None:
        self._means = means
        self._serving: tuple[Release, dict[str, Arm]] = (Release(0, {MAIN: ((UNTRAINED, 1.0),)}), {})  # swapped whole
        self._releasing, self._following = threading.Lock(), threading.Lock()
        self._now_ms: int | None = None
        self._lists, self.experiments = NO_LISTS, NO_EXPERIMENTS
        self._tried = -1  # the generation that was looked at last, whether it serves or not
        self.refused: dict[str, str] = {}  # version -> why it does not serve
        self.faulty: dict[str, str] = {}  # of those, the ones of which no later look will think better
        self._sent_away: dict[tuple[str, int], str] = {}  # (version, begin of its rollout) -> what it did
        self.recent: deque[Asked] = deque(maxlen=RECENT)
        self._trending = NO_TRENDS
        self._trends_due = 0.0  # monotonic seconds
        self.trends_away = ""  # why the feature store did not give the trends at the last look; empty = it did
        self._tallies, self._tallies_due = NO_TALLIES, 0.0
        self.away = ""  # why the model store could not be asked at the last look; empty = it could

    @property
    def release(self) -> Release:
        """Give the release in force."""
        return self._serving[0]

    def arms(self) -> list[Arm]:
        """Give the arms that serve."""
        return list(self._serving[1].values())

    @property
    def rollout(self) -> Rollout | None:
        """Give the rollout that is under way."""
        return active(self.release, self._time())

    def arm_of(self, version: str) -> Arm | None:
        """Give the arm of a version, whether it serves, stands by, or is tried in the shadow; None = it is not here."""
        return self._serving[1].get(version)

    def remember(self, placement: str, query: Query, answer: Answer) -> None:
        """Keep a query and what was shown for a while, for rehearsals."""
        self.recent.append(Asked(placement, query, frozenset(item.item_id for item in answer.items)))

    def arm_for(self, user_id: str, family: str = MAIN) -> Arm:
        """Give the arm that answers this user. Raises Unavailable before the first one is there.

        Nobody by name is many people: they have a new bundle last.
        """
        release, arms = self._serving
        if not arms:
            raise Unavailable("No bundle serves yet, as the log with the items was never reached; try again later")
        shares = release.families.get(family) or next(iter(release.families.values()))
        return arms[version_for(user_id, shares, release.salt(family)) if user_id else shares[-1][0]]

    def choose(self, user_id: str, placement: str, now_ms: int) -> tuple[Arm, Pipeline, Assigned | None]:
        """Give who answers this user there and then: the bundle, its pipeline, the arm of an experiment.

        An experiment whose pipeline this process could not build is passed over. Raises Unavailable as `arm_for`.
        """
        chosen = self.experiments.choose(user_id, placement, now_ms)
        if chosen:
            arm = self.arm_for(user_id, chosen.arm.family)
            if pipeline := arm.pipelines.get(chosen.key(placement)):
                return arm, pipeline, chosen
        arm = self.arm_for(user_id)
        return arm, arm.pipelines[placement], None

    def refresh(self, now_ms: int | None = None) -> None:
        """Take up a new release, then `follow`: all that there is to know."""
        self._now_ms = now_ms
        self.take_up_release()
        self._follow(now_ms, trends_due=0)

    def follow(self, now_ms: int | None = None) -> None:
        """Take up new items, lists, experiments and trends; called every fraction of a second.

        `now_ms`: the time that trends are reckoned for, where it is not the clock's.
        """
        self._follow(now_ms, self._trends_due)

    def _follow(self, now_ms: int | None, trends_due: float) -> None:
        with self._following:
            self._now_ms = now_ms
            self._lists = followed(self._means.log, self._lists, self._means.decode_list)
            self.experiments = trials.followed(self._means.log, self.experiments, self._means.decode_experiment)
            trending = self._trends() if time.monotonic() >= trends_due else self._trending
            self._tally(anew=not trends_due)
            for arm in self.arms():
                view = self._look(self._followed(arm.view.catalog), trending, arm.view)
                if arm.experiments is not self.experiments:
                    self._vary(arm)
                for pipeline in arm.pipelines.values():
                    pipeline.stages.prepare(view)
                arm.view = view

    def _vary(self, arm: Arm) -> None:
        experiments = self.experiments
        arm.pipelines = arm.build(experiments, self._time())
        arm.experiments = experiments

    def _trends(self) -> Trending:
        """Give the trends; those that were known last while the feature store is away."""
        start = time.monotonic()
        try:
            self._trending, self.trends_away = self._means.features.trending(), ""
        except Unavailable as error:
            self.trends_away = str(error)
        took = time.monotonic() - start
        self._trends_due = start + took / TRENDS_SHARE if took > TRENDS_QUICK_S else 0.0
        return self._trending

    def _tally(self, anew: bool) -> None:
        """Take up what came of showing items, every TALLIES_S at most; while the store is away, what was known last."""
        start = time.monotonic()
        if anew or start >= self._tallies_due:
            with suppress(Unavailable):
                self._tallies = self._means.features.tallies()
            self._tallies_due = start + max(TALLIES_S, (time.monotonic() - start) / TRENDS_SHARE)

    def _look(self, catalog: Catalog, trending: Trending, old: View | None = None) -> View:
        now_ms, shelf = self._time(), old.shelf if old else EMPTY_SHELF
        view = self._means.look(catalog, trending, now_ms)
        same = old is not None and old.catalog is catalog and old.tried.tallies is self._tallies
        if old is not None and same and 0 <= now_ms - old.tried.at_ms < TRIED_MS:
            tried = old.tried
        else:
            tried = self._means.tried(catalog, self._tallies, now_ms)
        return replace(view, shelf=shelf.renewed(self._lists, catalog), tried=tried)

    def take_up_release(self) -> None:
        """Serve the release in force. While the model store is away the one that serves goes on.

        A process that starts then serves the release that this machine saw last, from its copies; `away` says so.
        """
        with self._releasing:
            release, held = self._serving
            wanted = self._wanted(bool(held)) or release
            if not (held and (self.away or wanted.generation == self._tried)):
                self._take_up(wanted)
            elif len(held) > 1 and release.rollout and not self.rollout:
                self._let_go(release, held)

    def send_away(self, version: str, why: str) -> None:
        """Serve without this version from now on, for as long as its rollout is the one in force."""
        with self._releasing:
            release = self._serving[0]
            if release.rollout:
                self._sent_away[version, release.rollout.begun_ms] = why
                self._take_up(release)

    def _wanted(self, serving: bool) -> Release | None:
        self.away, models = "", self._means.models
        try:
            return models.release()
        except Unavailable as error:
            self.away = str(error)
            return None if serving else models.last_release()

    def _take_up(self, wanted: Release) -> None:
        _, held = self._serving
        self._tried, self.refused, self.faulty = wanted.generation, {}, {}
        arms: dict[str, Arm] = {}
        rollout = active(wanted, self._time())
        old = rollout.old if rollout and self._usable(rollout.old, arms) else ""
        if rollout and old:
            self._usable(rollout.new, arms, arms[old], rollout.begun_ms)
        families: dict[str, Shares] = {}
        for family, shares in wanted.families.items():
            usable = tuple((version, share) for version, share in shares if self._fit(version, arms))
            if usable:
                total = sum(share for _, share in usable)
                families[family] = tuple((version, share / total) for version, share in usable)
        if not families and old:
            families = {MAIN: ((old, 1.0),)}
        if not families:
            if held:
                return  # the old release goes on serving; `refused` says why
            arms[UNTRAINED] = self._started(self._means.untrained(), catalogs.EMPTY)
            families = {MAIN: ((UNTRAINED, 1.0),)}
        for version, arm in arms.items():
            arm.instead = arms[old] if rollout and old and version == rollout.new else None
        now = Release(wanted.generation, families, wanted.created_ms, wanted.reason, wanted.rollout)
        self._serving = now, arms

    def _let_go(self, release: Release, held: Mapping[str, Arm]) -> None:
        """Forget who stood by for a bundle that has proved itself."""
        named = {version for shares in release.families.values() for version, _ in shares}
        arms = {version: arm for version, arm in held.items() if version in named}
        for arm in arms.values():
            arm.instead = None
        self._serving = release, arms

    def _fit(self, version: str, arms: dict[str, Arm]) -> bool:
        return version in arms or (version not in self.refused and self._usable(version, arms))

    def _usable(self, version: str, arms: dict[str, Arm], old: Arm | None = None, begun_ms: int = 0) -> bool:
        """Say whether the version can serve, and put its arm, warm, into `arms`.

        old: the arm that stands by, where this one is new: then it is rehearsed before anybody sees it.
        """
        _, held = self._serving
        if why := self._sent_away.get((version, begun_ms), ""):
            self.refused[version] = self.faulty[version] = why
            return False
        if version in held:
            arms[version] = held[version]
            return True
        try:
            arm = self._made(version)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the old one goes on serving
            self.refused[version] = str(error) if isinstance(error, ForyouError) else f"broken: {error!r}"
            if isinstance(error, Unavailable):
                self._tried = -1  # it may be there at the next look
            else:
                self.faulty[version] = self.refused[version]
            return False
        if old is not None and (why := self._means.prove(arm, old, tuple(self.recent))):
            self.refused[version] = self.faulty[version] = self._sent_away[version, begun_ms] = why
            return False
        arms[version] = arm
        return True

    def _made(self, version: str) -> Arm:
        if version == UNTRAINED:
            return self._started(self._means.untrained(), catalogs.EMPTY)
        bundle = self._means.models.load(version)
        return self._started(bundle, self._means.models.load_catalog(bundle.manifest.catalog))

    def _time(self) -> int:
        return self._now_ms or self._means.clock.now_ms()

    def _started(self, bundle: ModelBundle, catalog: Catalog) -> Arm:
        trending = self._trends()
        self._tally(anew=True)
        view = self._look(self._followed(catalog), trending)
        arm = Arm(bundle.manifest.version, bundle.manifest.created_ms, view)
        arm.build = self._means.build(bundle, arm)
        self._vary(arm)
        arm.questions = self._means.ask(bundle, catalog)  # of what was trained on: every process asks the same
        return arm

    def _followed(self, catalog: Catalog) -> Catalog:
        """Give the catalog with all that the stream `items` says since its position."""
        log, position = self._means.log, dict(catalog.position)
        new: list[Entry] = []
        for partition, end in log.ends(Stream.ITEMS).items():
            while position.get(partition, -1) < end:
                entries = log.read(Stream.ITEMS, partition, position.get(partition, -1), READ_LIMIT)
                if not entries:
                    break
                new += entries
                position[partition] = entries[-1].offset
        changes = [change for entry in in_order(new) if (change := self._decoded(entry))]
        return catalog.extended(changes, position) if changes else catalog

    def _decoded(self, entry: Entry) -> ItemChange | None:
        try:
            return self._means.decode_item(entry.record.body)
        except Refused:
            return None  # the worker passes over it, too, and says so
