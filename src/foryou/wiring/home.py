"""Which stores does a home have? Ports, opened as the settings say; `wiring.backends` knows by whom they are kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foryou.config import Config
from foryou.domain.bundle import ModelBundle
from foryou.domain.catalog import Catalog
from foryou.domain.clock import Clock
from foryou.domain.errors import Invalid
from foryou.domain.ports import EventLog, FeatureStore, ItemStore, ModelStore, Share, TimeSource
from foryou.features import trending
from foryou.features.hydrate import Hydrate, Records
from foryou.features.tried import tried
from foryou.ingest.codec import experiment_of, item_of, list_of
from foryou.ingest.turn import News
from foryou.ingest.worker import Worker
from foryou.models import onboarding
from foryou.models.popularity import Popularity
from foryou.serve.health import Limits
from foryou.serve.live import Live, Means
from foryou.serve.watch import proven
from foryou.stores.log_spooled import Spooled
from foryou.stores.spool import Spool
from foryou.wiring import backends
from foryou.wiring.backends import opened
from foryou.wiring.models import untrained
from foryou.wiring.pipelines import Pipelines

if TYPE_CHECKING:
    from foryou.stores.features_cached import Cached

LANES = 4  # partitions that a stream process folds at once while it waits for servers


@dataclass(frozen=True, slots=True)
class Home:
    """The stores of one home. cache: what answers are made from, where it is not `features` itself."""

    config: Config
    clock: TimeSource
    log: EventLog
    features: FeatureStore
    items: ItemStore
    models: ModelStore
    cache: "Cached | None" = None

    def worker(self) -> Worker:
        """Give the fold of all of this home's log into its records; nobody else writes meanwhile."""
        return self._worker(None)

    def member(self, heard: Callable[[News], None] = lambda news: None) -> Worker:
        """Give the fold of a share of the log, if others may write to the same records: as many as there are.

        `heard` is told what was folded.
        """
        records = self.features.name()
        return self._worker(self.log.share(f"foryou-{records}") if records else None, heard)

    def _worker(self, share: Share | None, heard: Callable[[News], None] = lambda news: None) -> Worker:
        fold, lanes = self.config.fold, LANES if self.config.stores.features else 1
        return Worker(self.log, self.features, self.items, fold.batch, fold.lease_ms, share, lanes, heard)

    def live(self, read: Callable[[Records], Records] = lambda records: records) -> Live:
        """Give what keeps this home's pipelines fresh; `read` may stand between them and the user records."""
        records = read(self._records)
        return Live(Means(
            log=self.log, features=self.features, models=self.models, clock=self.clock, decode_item=item_of,
            decode_list=list_of, decode_experiment=experiment_of,
            look=lambda catalog, counts, now: trending.view(catalog, counts, now, self.config.trend.half_life_h),
            tried=tried,
            build=lambda bundle, arm: Pipelines(bundle, self.config, Hydrate(records, lambda: arm.view)),
            ask=questions, untrained=untrained, prove=proven(limits(self.config), self.clock),
        ))  # fmt: skip

    @property
    def _records(self) -> Records:
        return self.features if self.cache is None else self.cache

    def close(self) -> None:
        """Let go of all stores."""
        if self.cache is not None:
            self.cache.close()
        for store in (self.log, self.features, self.items):
            store.close()


def limits(config: Config) -> Limits:
    """Give what a new bundle may do and not more. A batch that lasts half of the deadline is a long one."""
    said = config.rollout
    return Limits(
        fault_share=said.fault_share, slower=said.slower, slower_ms=said.slower_ms, long_ms=config.serve.deadline_ms / 2
    )


def questions(bundle: ModelBundle, catalog: Catalog) -> onboarding.Questions:
    """Give what a bundle would ask newcomers; `catalog`: the one that it was trained on."""
    arrays: Mapping[str, Any] = bundle.arrays
    popular = Popularity(arrays["popularity"], arrays["popular"])
    return onboarding.choose(catalog, popular, arrays["vectors"], arrays["content_terms"])


def open_home(config: Config) -> Home:
    """Open the stores that the settings name, those under the home made where they are missing.

    Raises Invalid for a URL that names no store.
    """
    clock, stores = Clock(config.serve.clock_offset_ms), config.stores
    Path(config.home).mkdir(parents=True, exist_ok=True)
    log = opened("stores.log", backends.LOGS, stores.log, config, clock)
    if stores.features and log.partitions() % stores.partitions:
        log.close()
        raise Invalid(
            "stores.partitions", f"{stores.partitions} does not divide the {log.partitions()} partitions of the log",
            f"set it to {log.partitions()}: a partition's records must lie together",
        )  # fmt: skip
    return Home(
        config, clock,
        log=log,
        features=opened("stores.features", backends.FEATURES, stores.features, config, clock),
        items=opened("stores.items", backends.ITEMS, "", config, clock),
        models=opened("stores.models", backends.MODELS, stores.models, config, clock),
    )  # fmt: skip


def spooled(home: Home) -> Home:
    """Give the home with a spool before a log that is elsewhere: that of a process which acknowledges events."""
    stores = home.config.stores
    if not (stores.log and stores.spool_mb):
        return home
    spool = Spool(Path(home.config.home) / "spool", stores.spool_mb * 1_000_000, home.clock)
    return replace(home, log=Spooled(home.log, spool))


def cached(home: Home) -> Home:
    """Give the home with a memory before records that are elsewhere: that of a process which answers."""
    return replace(home, cache=backends.cached(home.features, home.config))
