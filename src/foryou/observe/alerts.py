"""When is an operator told, and of what? The rules for Prometheus, one table; deploy/prometheus/alerts.yml is its text.

Targets and limits are those of docs/operations.md#alerts. `make monitoring` writes the file.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

RUNBOOK = "docs/operations.md"
ANSWERING = 'route=~".*(recommendations|/v1/pages/.*|Recommender.Recommend)"'
SHOWN, LISTS, DWELLS = (f'foryou_outcomes_total{{outcome="{one}"}}' for one in ("shown", "lists", "dwells"))
VARIETY = 'foryou_answer_categories_count{placement="home"}'
FAILED = 'status=~"5..|INTERNAL|UNAVAILABLE|UNKNOWN"'


@dataclass(frozen=True, slots=True)
class Recorded:
    """A figure that Prometheus works out again and again, by its name; `what` it is, for those who read the file."""

    name: str
    expr: str
    what: str


@dataclass(frozen=True, slots=True)
class Alert:
    """What is wrong if `expr` gives anything for so long (`lasts`). severity: page = now, warn = in working hours."""

    name: str
    severity: str
    lasts: str
    expr: str
    summary: str
    description: str


def _share(name: str, part: str, whole: str, span: str) -> str:
    """Give the PromQL of a share of counters; a part that was never counted is 0."""
    return f"(sum(rate({name}{part}[{span}])) or vector(0)) / sum(rate({name}{whole}[{span}]))"


def _outcome(above: str, below: str, span: str) -> str:
    return _share("foryou_outcomes_total", f'{{outcome="{above}"}}', f'{{outcome="{below}"}}', span)


def _quantile(q: float, name: str, labels: str = "") -> str:
    return f"histogram_quantile({q}, sum by (le) (rate({name}_bucket{labels}[5m])))"


def _counted(what: str, least: int, span: str = "1h") -> str:
    """Give the PromQL of: this was counted so often; what fewer say may be chance."""
    return f"sum(increase({what}[{span}])) >= {least}"


RECORDED = (
    Recorded("foryou:requests:rate5m", "sum(rate(foryou_requests_total[5m]))", "requests per second of all machines"),
    Recorded(
        "foryou:errors:ratio5m", _share("foryou_requests_total", f"{{{FAILED}}}", "", "5m"),
        "share of requests that failed through our fault",
    ),
    Recorded(
        "foryou:timeouts:ratio5m",
        "sum(rate(foryou_deadline_missed_total[5m])) / sum(rate(foryou_batch_queries_sum[5m]))",
        "share of queries that ran out of time",
    ),
    *(
        Recorded(
            f"foryou:answer_ms:p{round(100 * q)}", _quantile(q, "foryou_request_ms", f"{{{ANSWERING}}}"),
            "time to answer a call for recommendations, ms",
        )
        for q in (0.5, 0.95, 0.99)
    ),
    Recorded("foryou:store_read_ms:p99", _quantile(0.99, "foryou_store_read_ms"), "time of a read of user records, ms"),
    Recorded(
        "foryou:store_failures:ratio1m", _share("foryou_store_reads_total", '{outcome!="done"}', "", "1m"),
        "share of reads of user records that lacked somebody",
    ),
    Recorded(
        "foryou:user_cache:ratio5m",
        _share("foryou_user_cache_total", '{outcome="hit"}', '{outcome!="renewed"}', "5m"),
        "share of user records that were in memory",
    ),
    Recorded(
        "foryou:model_cache:ratio5m", _share("foryou_model_cache_total", '{outcome="hit"}', "", "5m"),
        "share of queries for which a trained bundle was in memory",
    ),
    Recorded("foryou:ctr:ratio1h", _outcome("clicks", "shown", "1h"), "clicks per item shown"),
    Recorded("foryou:ctr:ratio1d", _outcome("clicks", "shown", "1d"), "clicks per item shown, of a day"),
    Recorded("foryou:conversion:ratio1h", _outcome("bought", "lists", "1h"), "purchases per answer"),
    Recorded(
        "foryou:dwell_s:mean1h",
        'sum(rate(foryou_outcome_dwell_s_total[1h])) / sum(rate(foryou_outcomes_total{outcome="dwells"}[1h]))',
        "seconds per dwell",
    ),
    Recorded(
        "foryou:categories:mean1h",
        'sum(rate(foryou_answer_categories_sum{placement="home"}[1h]))'
        ' / sum(rate(foryou_answer_categories_count{placement="home"}[1h]))',
        "first categories per answer of the home page",
    ),
    Recorded(
        "foryou:cold_coverage:ratio1h", _share("foryou_cold_answers_total", '{kind="full"}', "", "1h"),
        "share of newcomers who got a whole answer",
    ),
)  # fmt: skip

ALERTS = (
    Alert(
        "ClickThroughLow", "warn", "15m",
        f"foryou:ctr:ratio1h < 0.04 and {_counted(SHOWN, 1_000)}",
        "Fewer than 4 % of the items shown are clicked",
        "Click-through rate of the last hour is {{ $value | humanizePercentage }}; the target is above 5 %.",
    ),
    Alert(
        "ClickThroughFell", "warn", "1h",
        "foryou:ctr:ratio1d < 0.9 * (foryou:ctr:ratio1d offset 1d)"
        f" and {_counted(SHOWN, 10_000, '1d')}",
        "Click-through rate is 10 % below yesterday's",
        "Click-through rate of the last 24 h is {{ $value | humanizePercentage }}.",
    ),
    Alert(
        "ConversionLow", "warn", "15m",
        f"foryou:conversion:ratio1h < 0.015 and {_counted(LISTS, 100)}",
        "Fewer than 1.5 % of the answers lead to a purchase",
        "Conversion of the last hour is {{ $value | humanizePercentage }}; the target is above 2 %.",
    ),
    Alert(
        "DwellLow", "warn", "15m",
        f"foryou:dwell_s:mean1h < 45 and {_counted(DWELLS, 100)}",
        "Users stay less than 45 s with what was recommended",
        "The mean dwell of the last hour is {{ $value | humanize }} s; the target is above 60 s.",
    ),
    Alert(
        "VarietyLow", "warn", "15m",
        "foryou:categories:mean1h < 3"
        f" and {_counted(VARIETY, 10)}",
        "Answers of the home page are of fewer than 3 categories",
        "An answer has {{ $value | humanize }} first categories in the mean; the target is above 5.",
    ),
    Alert(
        "ColdStartCoverageLow", "warn", "15m",
        f"foryou:cold_coverage:ratio1h < 0.9 and {_counted('foryou_cold_answers_total', 100)}",
        "More than 10 % of the newcomers get a short answer",
        "{{ $value | humanizePercentage }} of the newcomers get a whole answer; the target is above 95 %.",
    ),
    Alert(
        "LatencyHigh", "page", "5m", "foryou:answer_ms:p99 > 100",
        "Calls for recommendations are slow",
        "p99 has been {{ $value | humanize }} ms for 5 minutes; the target is below 50 ms.",
    ),
    Alert(
        "StoreLatencyHigh", "warn", "5m", "foryou:store_read_ms:p99 > 5",
        "Reads of user records are slow",
        "p99 of a read is {{ $value | humanize }} ms; the target is below 1 ms.",
    ),
    Alert(
        "UserCacheLow", "warn", "15m", "foryou:user_cache:ratio5m < 0.7",
        "Few user records are found in memory",
        "{{ $value | humanizePercentage }} were in memory; the target is above 80 %.",
    ),
    Alert(
        "ModelCacheLow", "warn", "5m", "foryou:model_cache:ratio5m < 0.7",
        "Queries are answered without a trained bundle",
        "{{ $value | humanizePercentage }} found a trained bundle in memory; the target is above 80 %.",
    ),
    Alert(
        "ModelOld", "warn", "5m", "max(foryou_bundle_age_s) > 48 * 3600",
        "The bundle that serves is older than 48 h",
        "It is {{ $value | humanizeDuration }} old; the target is below 24 h.",
    ),
    Alert(
        "ErrorsHigh", "page", "5m", "foryou:errors:ratio5m > 0.01",
        "More than 1 % of the requests fail",
        "{{ $value | humanizePercentage }} have failed for 5 minutes; the target is below 0.1 %.",
    ),
    Alert(
        "TimeoutsHigh", "page", "5m", "foryou:timeouts:ratio5m > 0.01",
        "More than 1 % of the queries run out of time",
        "{{ $value | humanizePercentage }} missed their deadline for 5 minutes; the target is below 0.1 %.",
    ),
    Alert(
        "RequestsLow", "warn", "5m",
        "foryou:requests:rate5m < 0.5 * max(foryou_expected_requests) and max(foryou_expected_requests) > 0",
        "Fewer than half of the expected requests arrive",
        "{{ $value | humanize }} requests per second arrive at all machines together.",
    ),
    Alert(
        "StoreDown", "page", "1m", "foryou:store_failures:ratio1m > 0.01",
        "The feature store, or a shard of it, is down",
        "{{ $value | humanizePercentage }} of the reads lack users; their answers are those of strangers.",
    ),
    Alert(
        "FoldBehind", "page", "5m",
        'sum(rate(foryou_folded_total{stream="events"}[5m]))'
        ' < 0.5 * sum(rate(foryou_events_total{outcome="accepted"}[5m]))',
        "What users do does not reach their records",
        "{{ $value | humanize }} events per second are folded, fewer than half of those that arrive.",
    ),
    Alert(
        "TrainingFailed", "warn", "0s",
        "max(foryou_training_failure_s) > max(foryou_training_success_s)"
        ' or max(kube_job_status_failed{job_name=~"foryou-train.*"}) > 0',
        "The last training failed, or its gate refused the bundle",
        "The bundle of before goes on serving. run/training.json of the home, or the log of the job, says why.",
    ),
    Alert(
        "TrainingStuck", "warn", "0s",
        "time() - max(foryou_training_begun_s) > 6 * 3600"
        " and max(foryou_training_begun_s) > max(foryou_training_success_s)"
        " and max(foryou_training_begun_s) > max(foryou_training_failure_s)",
        "A training began more than 6 h ago and has not ended",
        "It began {{ $value | humanizeDuration }} ago: it hangs, or it was killed.",
    ),
    Alert(
        "ProcessDown", "page", "1m", 'up{job="foryou"} == 0 or absent(up{job="foryou"})',
        "A server of foryou gives no metrics",
        "{{ $labels.instance }} does not answer /metrics.",
    ),
)  # fmt: skip


def rules() -> str:
    """Give the rules as YAML for Prometheus.

    They are one group, for rules of a group are worked out in their order: an alert that was looked at before the
    figure it reads would see the figure of the time before, or none.
    """
    head = (
        "# Made by `make monitoring` from src/foryou/observe/alerts.py: change it there.",
        "groups:",
        "  - name: foryou",
        "    rules:",
    )
    rules = (*map(_record, RECORDED), *map(_alert, ALERTS))
    lines = (f"      {'  ' if place else '- '}{line}" for rule in rules for place, line in enumerate(rule))
    return "\n".join([*head, *lines]) + "\n"


def _record(one: Recorded) -> Iterator[str]:
    yield f"record: {one.name} # {one.what}"
    yield f"expr: {json.dumps(one.expr)}"


def _alert(one: Alert) -> Iterator[str]:
    yield f"alert: {one.name}"
    yield f"expr: {json.dumps(one.expr)}"
    yield f"for: {one.lasts}"
    yield f"labels: {{ severity: {one.severity} }}"
    yield "annotations:"
    for name, text in (("summary", one.summary), ("description", one.description),
                       ("runbook", f"{RUNBOOK}#{one.name.lower()}")):  # fmt: skip
        yield f"  {name}: {json.dumps(text)}"
