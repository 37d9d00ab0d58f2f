"""What does foryou measure? Traces and counts become Prometheus metrics, one set for all processes of a home."""

import os
from collections import Counter as Counts
from collections.abc import Callable, Iterable
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

from foryou.domain.slate import Trace
from foryou.observe.said import say

MS_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500)
SAMPLED = 8  # of so many batches, the stages of one are measured: meters shared by processes cost a page write each
PROCESSES = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """The meters of one process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.requests = Counter(
            "foryou_requests_total", "requests by route and status", ["route", "status"], registry=registry
        )
        self.latency = Histogram(
            "foryou_request_ms", "time to answer, ms", ["route"], buckets=MS_BUCKETS, registry=registry
        )
        self.stage = Histogram(
            "foryou_stage_ms", "time per stage and batch, ms", ["stage"], buckets=MS_BUCKETS, registry=registry
        )
        self.batch = Histogram(
            "foryou_batch_queries", "queries per batch", buckets=(1, 2, 4, 8, 16, 32), registry=registry
        )
        self.fallbacks = Counter(
            "foryou_fallbacks_total", "stages that failed open or were skipped", ["stage"], registry=registry
        )
        self.not_finite = Counter(
            "foryou_scores_not_finite_total", "scores that were NaN or infinite", registry=registry
        )
        self.rung = Gauge(
            "foryou_overload_rung", "rung of the ladder on which queries are answered, 0 = whole",
            multiprocess_mode="livemax", registry=registry,
        )  # fmt: skip
        self.refusals = Counter(
            "foryou_overload_refused_total", "requests refused at the door, as the queue is too long", registry=registry
        )
        self.dropped = Counter("foryou_dropped_total", "candidates dropped, by rule", ["rule"], registry=registry)
        self.boosted = Counter("foryou_boosted_total", "candidates raised, by boost", ["boost"], registry=registry)
        self.shown = Counter("foryou_items_shown_total", "items shown, by source", ["source"], registry=registry)
        self.cold = Counter(
            "foryou_cold_answers_total", "answers to users without a history", ["kind"], registry=registry
        )
        self.events = Counter("foryou_events_total", "events by outcome", ["outcome"], registry=registry)
        self.exposures = Counter("foryou_exposures_total", "answers logged or dropped", ["outcome"], registry=registry)
        self.folded = Counter("foryou_folded_total", "records folded, by stream", ["stream"], registry=registry)
        self.fold_lag = Histogram(
            "foryou_fold_ms",
            "from durable in the log to visible in the records, ms",
            buckets=MS_BUCKETS,
            registry=registry,
        )
        self.fold_behind = Gauge(
            "foryou_fold_behind_records", "records of its share that a stream process has yet to fold", ["stream"],
            multiprocess_mode="livesum", registry=registry,
        )  # fmt: skip
        self.fold_partitions = Gauge(
            "foryou_fold_partitions", "partitions that are folded here", multiprocess_mode="livesum", registry=registry
        )
        self.fold_away = Counter(
            "foryou_fold_away_total", "turns in which a store or the log was away", registry=registry
        )
        self.fold_conflicts = Counter(
            "foryou_fold_conflicts_total", "writes refused, as the position was no longer the stored one",
            registry=registry,
        )  # fmt: skip
        self.rewound = Counter(
            "foryou_fold_rewound_total", "partitions folded again, as the store was set back", registry=registry
        )
        self.poison = Counter("foryou_poison_total", "records that could not be folded", registry=registry)
        self.bundle_age = Gauge(
            "foryou_bundle_age_s", "age of the serving bundle, s", multiprocess_mode="mostrecent", registry=registry
        )
        self.refused = Gauge(
            "foryou_bundles_refused", "released bundles that do not serve", multiprocess_mode="max", registry=registry
        )
        self.tried = Counter(
            "foryou_rollout_queries_total", "queries answered during a rollout, by bundle and how that went",
            ["version", "outcome"], registry=registry,
        )  # fmt: skip
        self.tried_share = Gauge(
            "foryou_rollout_share", "share of the users that has the new bundle, 0 = none or no rollout",
            multiprocess_mode="livemax", registry=registry,
        )  # fmt: skip
        self.returns = Counter(
            "foryou_rollout_returns_total", "looks at which a new bundle was found unfit", registry=registry
        )
        self.spool_records = Gauge(
            "foryou_spool_records", "records that wait for the log", multiprocess_mode="livesum", registry=registry
        )
        self.spool_bytes = Gauge(
            "foryou_spool_bytes", "bytes that wait for the log", multiprocess_mode="livesum", registry=registry
        )
        self.spool_age = Gauge(
            "foryou_spool_age_s", "how long the oldest one waits, s", multiprocess_mode="livemax", registry=registry
        )
        self.cache = Counter(
            "foryou_user_cache_total", "user records wanted, by where they came from", ["outcome"], registry=registry
        )
        self.cache_dropped = Counter(
            "foryou_user_cache_dropped_total", "remembered users who changed", registry=registry
        )
        self.cache_users = Gauge(
            "foryou_user_cache_users", "users remembered", multiprocess_mode="livesum", registry=registry
        )
        self.cache_bytes = Gauge(
            "foryou_user_cache_bytes", "memory that they take, about", multiprocess_mode="livesum", registry=registry
        )
        self.cache_stale = Histogram(
            "foryou_user_cache_stale_ms",
            "from the write of a record until an API process knows that it changed, ms",
            buckets=MS_BUCKETS,
            registry=registry,
        )
        self._stages: dict[str, Histogram] = {}  # finding a child costs more than counting
        self._traces = 0
        self._sources: dict[str, Counter] = {}

    def items_shown(self, sources: Iterable[str]) -> None:
        """Count the items of an answer by source."""
        for source, count in Counts(sources).items():
            meter = self._sources.get(source)
            if meter is None:
                meter = self._sources[source] = self.shown.labels(source)
            meter.inc(count)

    def trace(self, trace: Trace, queries: int) -> None:
        """Count what happened to one batch."""
        self.batch.observe(queries)
        self._traces += 1
        for stage, ms, _ in trace.stages if self._traces % SAMPLED == 1 else ():
            meter = self._stages.get(stage)
            if meter is None:
                meter = self._stages[stage] = self.stage.labels(stage)
            meter.observe(ms)
        for stage in trace.fallbacks:
            self.fallbacks.labels(stage).inc(queries)
        if trace.lost:
            self.fallbacks.labels("hydrate").inc(trace.lost)
        for rule, count in trace.dropped.items():
            self.dropped.labels(rule).inc(count)
        for boost, count in trace.boosted.items():
            self.boosted.labels(boost).inc(count)
        for error in trace.errors:
            say(f"a stage failed and was passed over: {error}")
        if trace.not_finite:
            self.not_finite.inc(trace.not_finite)


def share(folder: Path) -> dict[str, str]:
    """Empty the folder and give the variable that makes processes started with it write their meters there."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.db"):
        old.unlink()
    return {PROCESSES: str(folder.absolute())}


def exposition() -> Callable[[], bytes]:
    """Give the function that writes the meters of all processes in Prometheus text format."""
    if PROCESSES not in os.environ:
        return generate_latest
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]

    def exposed() -> bytes:
        _bury()
        return generate_latest(registry)

    return exposed


def _bury() -> None:
    """Forget the gauges of processes that are gone: what they had waiting, another one has now."""
    for file in Path(os.environ[PROCESSES]).glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
        except PermissionError:  # it runs, as somebody else
            continue
