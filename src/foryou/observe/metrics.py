"""What does foryou measure? Traces and counts become Prometheus metrics, one set for all processes of a home."""

import os
from collections import Counter as Counts
from collections.abc import Callable, Iterable
from pathlib import Path

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    start_http_server,
)

from foryou.domain.errors import Unavailable
from foryou.domain.event import hashes
from foryou.domain.slate import Answer, Trace
from foryou.observe.said import say
from foryou.observe.shared import PROCESSES

MS_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500)
SAMPLED = 8  # of so many batches, the stages of one are measured: meters shared by processes cost a page write each
LONG = 10  # items of an answer that can be of many categories
CATEGORIES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20)
LATE = "deadline:"  # of the fallbacks: there was no time


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
        self.step = Gauge(
            "foryou_rollout_step", "step of the rollout that is under way, from 1; 0 = none",
            multiprocess_mode="livemax", registry=registry,
        )  # fmt: skip
        self.returned = Gauge(
            "foryou_rollout_returned_s", "when the newest rollout was taken back, s since 1970; 0 = it was not",
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
        self._outcomes(registry)
        self._reads(registry)
        self._training(registry)
        self._stages: dict[str, Histogram] = {}  # finding a child costs more than counting
        self._traces = 0
        self._sources: dict[str, Counter] = {}
        self._variety: dict[str, Histogram] = {}
        self._listed = 0

    def _outcomes(self, registry: CollectorRegistry) -> None:
        """Make the meters of what comes of answers."""
        where = ["placement", "arm"]
        self.outcomes = Counter(
            "foryou_outcomes_total", "answers and what came of them", [*where, "outcome"], registry=registry
        )
        self.dwell = Counter("foryou_outcome_dwell_s_total", "seconds of credited dwells", where, registry=registry)
        self.revenue = Counter(
            "foryou_outcome_revenue_total", "amounts of credited purchases, as sent", where, registry=registry
        )
        self.credited = Gauge(
            "foryou_outcome_answers", "answers that may still be credited", multiprocess_mode="livesum",
            registry=registry,
        )  # fmt: skip
        self.categories = Histogram(
            "foryou_answer_categories", "first categories of a long answer", ["placement"], buckets=CATEGORIES,
            registry=registry,
        )  # fmt: skip

    def _reads(self, registry: CollectorRegistry) -> None:
        """Make the meters of what an answer waits for."""
        self.reads = Counter(
            "foryou_store_reads_total", "reads of user records by the pipeline", ["outcome"], registry=registry
        )
        self.read_ms = Histogram(
            "foryou_store_read_ms", "time of a read of user records, per batch, ms", buckets=MS_BUCKETS,
            registry=registry,
        )  # fmt: skip
        self.models = Counter(
            "foryou_model_cache_total", "queries, by whether a trained bundle was in memory", ["outcome"],
            registry=registry,
        )  # fmt: skip
        self._in_memory = self.models.labels("miss"), self.models.labels("hit")
        self.late = Counter(
            "foryou_deadline_missed_total", "queries of which stages were skipped for want of time", registry=registry
        )
        self.expected = Gauge(
            "foryou_expected_requests", "requests per second that all machines are expected to see",
            multiprocess_mode="mostrecent", registry=registry,
        )  # fmt: skip

    def _training(self, registry: CollectorRegistry) -> None:
        """Make the meters of the last training on this home."""
        self.trained = {
            name: Gauge(f"foryou_training_{name}_s", what, multiprocess_mode="mostrecent", registry=registry)
            for name, what in (
                ("begun", "when the last training began, s since 1970"),
                ("success", "when a training last ended well, s since 1970"),
                ("failure", "when a training last failed, s since 1970"),
            )
        }
        self.trained_figure = Gauge(
            "foryou_training_figure", "what the last training was judged by", ["figure"],
            multiprocess_mode="mostrecent", registry=registry,
        )  # fmt: skip

    def answered(self, placement: str, answer: Answer) -> None:
        """Count the first categories of an answer, of one in SAMPLED long ones."""
        if len(answer.items) < LONG:
            return
        self._listed += 1
        if self._listed % SAMPLED != 1:
            return
        catalog = answer.view.catalog
        numbers = catalog.numbers(hashes([item.item_id for item in answer.items]))
        meter = self._variety.get(placement)
        if meter is None:
            meter = self._variety[placement] = self.categories.labels(placement)
        meter.observe(len(set(catalog.category[numbers].tolist())))

    def by_model(self, trained: bool, queries: int) -> None:
        """Count queries by whether a trained bundle answered them."""
        self._in_memory[trained].inc(queries)

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
        if trace.fallbacks and any(stage.startswith(LATE) for stage in trace.fallbacks):
            self.late.inc(queries)
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


def shown(host: str, port: int) -> None:
    """Show the meters of this process at `/metrics` of a port of their own. Raises Unavailable if it is taken."""
    try:
        start_http_server(port, host)
    except OSError as error:
        raise Unavailable(
            f"{host}:{port} cannot be listened on ({error}); choose another observe.stream_port"
        ) from None


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
