"""What do operators see? Three dashboards for Grafana, made by `make monitoring` into deploy/grafana."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import GridPos

SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
WIDE, HIGH, COLUMNS = 8, 7, 3  # of a panel, in the 24 columns of Grafana
BAD = 'foryou_requests_total{status=~"5..|[A-Z]+",status!="OK"}'
RATE, DAY = "[5m]", "[1d]"


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel: expressions by the name of their line, and the unit as Grafana calls it. newest: one figure, no line."""

    title: str
    unit: str
    lines: dict[str, str]
    what: str = ""
    newest: bool = False


def _each(above: str, below: str, by: str, span: str = DAY) -> str:
    """Give the PromQL of one counter by another, for each value of a label."""
    return " / ".join(f"sum by ({by}) (rate({one}{span}))" for one in (above, below))


def _of(outcome: str) -> str:
    return f'foryou_outcomes_total{{outcome="{outcome}"}}'


def _per(above: str, below: str, by: str) -> str:
    return _each(_of(above), _of(below), by)


REAL_TIME = (
    Panel(
        "Requests per second", "reqps", {"all": "foryou:requests:rate5m", "expected": "max(foryou_expected_requests)"}
    ),
    Panel(
        "Time to answer",
        "ms",
        {f"p{q}": f"foryou:answer_ms:p{q}" for q in (50, 95, 99)},
        "Calls for recommendations. Target: p99 below 50 ms",
    ),
    Panel(
        "Errors and timeouts",
        "percentunit",
        {"errors": "foryou:errors:ratio5m", "timeouts": "foryou:timeouts:ratio5m"},
        "Target: below 0.1 % each",
    ),
    Panel(
        "Cache hits",
        "percentunit",
        {"user records": "foryou:user_cache:ratio5m", "models": "foryou:model_cache:ratio5m"},
        "Target: above 80 %",
    ),
    Panel(
        "Feature store",
        "ms",
        {"p99 of a read": "foryou:store_read_ms:p99"},
        "Target: below 1 ms",
    ),
    Panel("Reads that lacked users", "percentunit", {"share": "foryou:store_failures:ratio1m"}),
    Panel(
        "Freshness: until an action counts",
        "ms",
        {f"p{q}": f"histogram_quantile(0.{q}, sum by (le) (rate(foryou_fold_ms_bucket{RATE})))" for q in (50, 99)},
        "From durable in the log to visible in the records. Target: below 1 s",
    ),
    Panel("Requests by route", "reqps", {"{{route}}": f"sum by (route) (rate(foryou_requests_total{RATE}))"}),
    Panel(
        "Failures by route and status",
        "reqps",
        {"{{route}} {{status}}": f"sum by (route, status) (rate({BAD}{RATE}))"},
    ),
    Panel(
        "Stages, mean per batch",
        "ms",
        {"{{stage}}": _each("foryou_stage_ms_sum", "foryou_stage_ms_count", "stage", RATE)},
    ),
    Panel("Queries without a stage", "reqps", {"{{stage}}": f"sum by (stage) (rate(foryou_fallbacks_total{RATE}))"}),
    Panel(
        "Overload",
        "short",
        {"rung": "max(foryou_overload_rung)", "refused per second": f"sum(rate(foryou_overload_refused_total{RATE}))"},
    ),
    Panel(
        "Events per second",
        "reqps",
        {
            "{{outcome}}": f"sum by (outcome) (rate(foryou_events_total{RATE}))",
            "folded": f'sum(rate(foryou_folded_total{{stream="events"}}{RATE}))',
        },
    ),
    Panel("Records still to fold", "short", {"{{stream}}": "sum by (stream) (foryou_fold_behind_records)"}),
    Panel("Waiting for the log", "bytes", {"spools": "sum(foryou_spool_bytes)"}),
)

BUSINESS = (
    Panel(
        "Click-through rate, of the hour",
        "percentunit",
        {"clicks per item": "foryou:ctr:ratio1h"},
        "Target: above 5 %",
        newest=True,
    ),
    Panel(
        "Conversion, of the hour",
        "percentunit",
        {"purchases per answer": "foryou:conversion:ratio1h"},
        "Target: above 2 %",
        newest=True,
    ),
    Panel("Dwell, of the hour", "s", {"seconds per dwell": "foryou:dwell_s:mean1h"}, "Target: above 60 s", newest=True),
    Panel(
        "Click-through rate, of 24 h",
        "percentunit",
        {"today": "foryou:ctr:ratio1d", "yesterday": "foryou:ctr:ratio1d offset 1d"},
    ),
    Panel("Conversion by placement, of 24 h", "percentunit", {"{{placement}}": _per("bought", "lists", "placement")}),
    Panel(
        "Revenue by placement, of 24 h",
        "short",
        {"{{placement}}": f"sum by (placement) (increase(foryou_outcome_revenue_total{DAY}))"},
    ),
    Panel(
        "Arms: click-through rate, of 24 h",
        "percentunit",
        {"{{arm}}": _per("clicks", "shown", "arm")},
        "What an experiment proves, its report says",
    ),
    Panel("Arms: conversion, of 24 h", "percentunit", {"{{arm}}": _per("bought", "lists", "arm")}),
    Panel(
        "Arms: revenue per answer, of 24 h",
        "short",
        {"{{arm}}": _each("foryou_outcome_revenue_total", _of("lists"), "arm")},
    ),
    Panel(
        "Dwell by placement, of 24 h",
        "s",
        {"{{placement}}": _each("foryou_outcome_dwell_s_total", _of("dwells"), "placement")},
    ),
    Panel("Categories per answer", "short", {"home page": "foryou:categories:mean1h"}, "Target: above 5"),
    Panel(
        "Newcomers with a whole answer",
        "percentunit",
        {"coverage": "foryou:cold_coverage:ratio1h"},
        "Target: above 95 %",
    ),
    Panel("Items shown, by source", "short", {"{{source}}": f"sum by (source) (rate(foryou_items_shown_total{RATE}))"}),
    Panel("Answers logged", "reqps", {"{{outcome}}": f"sum by (outcome) (rate(foryou_exposures_total{RATE}))"}),
    Panel("Answers that may be credited", "short", {"remembered": "sum(foryou_outcome_answers)"}),
)

TRAINING = (
    Panel("Since the last success", "s", {"success": "time() - max(foryou_training_success_s)"}, newest=True),
    Panel("Since the last failure", "s", {"failure": "time() - max(foryou_training_failure_s)"}, newest=True),
    Panel("Since the last start", "s", {"begun": "time() - max(foryou_training_begun_s)"}, newest=True),
    Panel("What it was judged by", "short", {"{{figure}}": "max by (figure) (foryou_training_figure)"}, newest=True),
    Panel("Age of the bundle that serves", "s", {"oldest": "max(foryou_bundle_age_s)"}, "Target: below 24 h"),
    Panel(
        "Rollout: users of the new bundle",
        "percentunit",
        {"share": "max(foryou_rollout_share)"},
        "0 = none, in the shadow, or no rollout",
    ),
    Panel("Rollout: step", "short", {"step": "max(foryou_rollout_step)"}, "0 = no rollout is under way"),
    Panel(
        "Rollout: queries by bundle and outcome",
        "reqps",
        {"{{version}} {{outcome}}": f"sum by (version, outcome) (rate(foryou_rollout_queries_total{RATE}))"},
        "raised, stage, not_finite and empty are faults: the old bundle answers in their place",
    ),
    Panel(
        "Rollout: taken back, of 24 h",
        "short",
        {"found unfit": f"sum(increase(foryou_rollout_returns_total{DAY}))"},
        "foryou models show says why",
    ),
    Panel(
        "Since the newest rollout was taken back",
        "s",
        {"returned": "time() - max(foryou_rollout_returned_s > 0)"},
        "Empty = it was not",
        newest=True,
    ),
    Panel("Bundles refused", "short", {"{{instance}}": "max by (instance) (foryou_bundles_refused)"}),
    Panel(
        "Queries with a trained bundle",
        "percentunit",
        {"share": "foryou:model_cache:ratio5m"},
        "Falls while a release cannot be taken up",
    ),
    Panel(
        "Last training, over time",
        "percentunit",
        {"{{figure}}": 'max by (figure) (foryou_training_figure{figure=~"ndcg.*|precision.*|recall.*|auc.*|mrr.*"})'},
    ),
    Panel(
        "Alerts",
        "short",
        {"{{alertname}}": 'sum by (alertname) (ALERTS{alertname=~"Training.*|Model.*",alertstate="firing"})'},
    ),
)

ALL = {"real-time": REAL_TIME, "business": BUSINESS, "training": TRAINING}


def texts() -> dict[str, str]:
    """Give each dashboard as JSON, by its name."""
    return {name: JSONEncoder(sort_keys=True, indent=1).encode(_made(name, panels).build()) + "\n"
            for name, panels in ALL.items()}  # fmt: skip


def expressions() -> list[str]:
    """Give every expression that stands in a dashboard."""
    return [expr for panels in ALL.values() for panel in panels for expr in panel.lines.values()]


def _made(name: str, panels: Sequence[Panel]) -> dashboard.Dashboard:
    whole = dashboard.Dashboard(f"foryou: {name}").uid(f"foryou-{name}").tags(["foryou"]).readonly()
    span = "now-1h" if name == "real-time" else "now-7d"
    whole = whole.refresh("10s" if name == "real-time" else "1m").time(span, "now").timezone("browser")
    for place, panel in enumerate(panels):
        row, column = divmod(place, COLUMNS)
        at = GridPos(h=HIGH, w=WIDE, x=WIDE * column, y=HIGH * row)
        whole = whole.with_panel(_panel(panel).grid_pos(at))
    return whole


def _panel(one: Panel) -> timeseries.Panel | stat.Panel:
    newest = common.ReduceDataOptions().calcs(["lastNotNull"])
    made = stat.Panel().reduce_options(newest) if one.newest else timeseries.Panel()
    made = made.title(one.title).description(one.what).unit(one.unit).datasource(SOURCE)
    for place, (legend, expr) in enumerate(one.lines.items()):
        query = prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(chr(ord("A") + place))
        made = made.with_target(query)
    return made
