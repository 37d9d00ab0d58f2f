"""Which bundle answers now, and what does it know? Releases become pipelines, swapped whole; views follow the log."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from foryou.domain import catalog as catalogs
from foryou.domain.bundle import ModelBundle
from foryou.domain.catalog import Catalog, ItemChange
from foryou.domain.errors import ForyouError
from foryou.domain.log import Stream
from foryou.domain.ports import EventLog, FeatureStore, ModelStore, TimeSource
from foryou.domain.records import Trending
from foryou.domain.release import MAIN, Release, Shares, version_for
from foryou.domain.slate import View
from foryou.serve.pipeline import Pipeline

READ_LIMIT = 5_000
UNTRAINED = "untrained"


@dataclass(slots=True)
class Arm:
    """One bundle at work: its view of the catalog and its pipelines by placement."""

    version: str
    created_ms: int
    view: View
    pipelines: Mapping[str, Pipeline] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Means:
    """What `Live` needs from outside."""

    log: EventLog
    features: FeatureStore
    models: ModelStore
    clock: TimeSource
    look: Callable[[Catalog, Trending, int], View]
    build: Callable[[ModelBundle, Arm], Mapping[str, Pipeline]]
    untrained: Callable[[], ModelBundle]
    decode_item: Callable[[bytes], ItemChange]


class Live:
    """Keeps arms fresh: one thread calls `refresh`, any thread reads `arm_for`."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._arms: dict[str, Arm] = {}
        self._release = Release(0, {MAIN: ((UNTRAINED, 1.0),)})
        self._lock = threading.Lock()
        self._now_ms: int | None = None
        self.refused: dict[str, str] = {}  # version -> why it does not serve

    @property
    def release(self) -> Release:
        """Give the release in force."""
        return self._release

    def arms(self) -> list[Arm]:
        """Give the arms that serve."""
        return list(self._arms.values())

    def arm_for(self, user_id: str, family: str = MAIN) -> Arm:
        """Give the arm that answers this user."""
        shares = self._release.families.get(family) or next(iter(self._release.families.values()))
        return self._arms[version_for(user_id, shares, family)]

    def refresh(self, now_ms: int | None = None) -> None:
        """Take up a new release, new items and new trends; called every fraction of a second by one thread.

        `now_ms`: the time that trends are reckoned for, where it is not the clock's.
        """
        with self._lock:
            self._now_ms = now_ms
            self._take_up_release()
            trending = self._means.features.trending()
            for arm in self._arms.values():
                arm.view = self._look(self._followed(arm.view.catalog), trending)

    def _look(self, catalog: Catalog, trending: Trending) -> View:
        return self._means.look(catalog, trending, self._now_ms or self._means.clock.now_ms())

    def _take_up_release(self) -> None:
        wanted = self._means.models.release() or self._release
        if wanted.generation == self._release.generation and self._arms:
            return
        arms: dict[str, Arm] = {}
        families: dict[str, Shares] = {}
        for family, shares in wanted.families.items():
            usable = tuple((version, share) for version, share in shares if self._usable(version, arms))
            if usable:
                total = sum(share for _, share in usable)
                families[family] = tuple((version, share / total) for version, share in usable)
        if not families:
            if self._arms:
                return  # the old release goes on serving; `refused` says why
            arms[UNTRAINED] = self._started(self._means.untrained(), catalogs.EMPTY)
            families = {MAIN: ((UNTRAINED, 1.0),)}
        self._arms = arms
        self._release = Release(wanted.generation, families, wanted.created_ms, wanted.reason)

    def _usable(self, version: str, arms: dict[str, Arm]) -> bool:
        """Say whether the version can serve, and put its arm, warm, into `arms`."""
        if version in self._arms:
            arms[version] = self._arms[version]
        elif version == UNTRAINED:
            arms[version] = self._started(self._means.untrained(), catalogs.EMPTY)
        else:
            try:
                bundle = self._means.models.load(version)
                arms[version] = self._started(bundle, self._means.models.load_catalog(bundle.manifest.catalog))
            except ForyouError as error:
                self.refused[version] = str(error)
                return False
        return True

    def _started(self, bundle: ModelBundle, catalog: Catalog) -> Arm:
        view = self._look(self._followed(catalog), self._means.features.trending())
        arm = Arm(bundle.manifest.version, bundle.manifest.created_ms, view)
        arm.pipelines = self._means.build(bundle, arm)
        return arm

    def _followed(self, catalog: Catalog) -> Catalog:
        """Give the catalog with all that the stream `items` says since its position."""
        log, position = self._means.log, dict(catalog.position)
        changes: list[ItemChange] = []
        for partition, end in log.ends(Stream.ITEMS).items():
            while position.get(partition, -1) < end:
                entries = log.read(Stream.ITEMS, partition, position.get(partition, -1), READ_LIMIT)
                if not entries:
                    break
                changes += [self._means.decode_item(entry.record.body) for entry in entries]
                position[partition] = entries[-1].offset
        return catalog.extended(changes, position) if changes else catalog
