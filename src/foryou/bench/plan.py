"""How many machines does it take? Arithmetic from figures measured or assumed, each line with its sum."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from foryou.domain.errors import Invalid

GB = 1e9
SUFFIXES = {"k": 1e3, "M": 1e6, "G": 1e9}
DAY_S = 86_400
BY_BENCH = {"cpu_ms_per_question", "cpu_ms_per_event"}  # the others are assumed


@dataclass(frozen=True, slots=True)
class Measured:
    """What one question, event, item and user cost. `constants` says which of them a bench has measured."""

    cpu_ms_per_question: float = 4.6  # one process, batches of 16 and 32, 10 % of it for what it does beside
    cpu_ms_per_event: float = 3.5  # from the POST to the record, all processes
    fixed_bytes_per_process: float = 0.25 * GB  # code, kernels, pools
    own_bytes_per_item: float = 26.0  # per process and not shared: scratch of the models, trends
    item_bytes: float = 256 + 139 + 128 + 64 + 118  # vector, index, links, content, catalog: mapped, shared
    record_bytes: float = 700.0  # a user's record as it is stored, twelve actions
    redis_overhead: float = 1.35  # of memory over what is stored
    redis_reads_per_s: float = 200_000.0  # keys per process, read 32 at a time
    event_bytes: float = 300.0  # in the log, with its key
    exposure_bytes: float = 1_400.0  # what was shown in one answer of 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be served. events: per second; hit_share: of the reads of users that need no Redis."""

    users: float
    items: float
    qps: float
    events: float
    cores: int = 16
    busy_share: float = 0.6  # of the cores, at the peak
    hit_share: float = 0.5
    days: float = 7.0
    redis_gb: float = 25.0
    copies: int = 3


def number(said: str, where: str) -> float:
    """Give the number of `10M`, `100k`, `1.5G` or digits. Raises Invalid."""
    text = said.strip().replace("_", "").replace(",", "")
    try:
        value = float(text[:-1]) * SUFFIXES[text[-1]] if text and text[-1] in SUFFIXES else float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e15:
        raise Invalid(where, f"{said!r} is no positive number", "write 250000, 250k, 10M or 1.5G")
    return value


def measured(result: Mapping[str, Any]) -> Measured:
    """Give the constants with what a run of `foryou bench serve` says instead. Raises Invalid for what is no such."""
    at_slo = result.get("at_slo")
    if not isinstance(at_slo, Mapping) or "cpu_ms_per_request" not in at_slo:
        raise Invalid(
            "--measured", "it holds no run that kept the promise", "run `foryou bench serve --items N --json`"
        )
    return replace(Measured(), cpu_ms_per_question=float(at_slo["cpu_ms_per_request"]))


def planned(wanted: Wanted, one: Measured) -> list[dict[str, Any]]:
    """Give the plan line by line: what, how it is worked out, and the value with its unit."""
    rows: list[dict[str, Any]] = []

    def line(what: str, sum_: str, value: float, unit: str) -> float:
        rows.append({"what": what, "arithmetic": sum_, "value": round(value, 3 if value < 10 else 1), "unit": unit})
        return value

    busy = line(
        "cores for questions",
        f"{wanted.qps:,.0f}/s x {one.cpu_ms_per_question} ms",
        wanted.qps * one.cpu_ms_per_question / 1e3,
        "cores",
    )
    busy += line(
        "cores for events",
        f"{wanted.events:,.0f}/s x {one.cpu_ms_per_event} ms",
        wanted.events * one.cpu_ms_per_event / 1e3,
        "cores",
    )
    cores = line(
        "cores to buy", f"{busy:,.0f} / {wanted.busy_share} busy at the peak", busy / wanted.busy_share, "cores"
    )
    instances = math.ceil(cores / wanted.cores)
    line("instances", f"{cores:,.0f} cores / {wanted.cores} each, rounded up", instances, "machines")
    shared = line(
        "mapped arrays per machine",
        f"{wanted.items:,.0f} items x {one.item_bytes:.0f} B",
        wanted.items * one.item_bytes / GB,
        "GB",
    )
    own = line(
        "memory of the processes",
        f"{wanted.cores} x ({one.fixed_bytes_per_process / GB:.2f} GB + "
        f"{wanted.items:,.0f} x {one.own_bytes_per_item:.0f} B)",
        wanted.cores * (one.fixed_bytes_per_process + wanted.items * one.own_bytes_per_item) / GB,
        "GB",
    )
    line("memory per machine", f"{shared:.1f} GB + {own:.1f} GB", shared + own, "GB")
    line("the same while bundles change", f"2 x {shared:.1f} GB + 2 x {own:.1f} GB at most", 2 * (shared + own), "GB")
    _stores(wanted, one, line)
    return rows


def _stores(wanted: Wanted, one: Measured, line: Any) -> None:
    stored = line(
        "Redis, records",
        f"{wanted.users:,.0f} users x {one.record_bytes:.0f} B x {one.redis_overhead} x 2 copies",
        wanted.users * one.record_bytes * one.redis_overhead * 2 / GB,
        "GB",
    )
    reads = line(
        "Redis, reads",
        f"{wanted.qps:,.0f}/s x {1 - wanted.hit_share:.2f} not remembered",
        wanted.qps * (1 - wanted.hit_share),
        "keys/s",
    )
    primaries = max(math.ceil(stored / 2 / wanted.redis_gb), math.ceil(reads / one.redis_reads_per_s), 3)
    line(
        "Redis, primaries",
        f"the most of {stored / 2:.0f} GB / {wanted.redis_gb:.0f}, {reads:,.0f} / "
        f"{one.redis_reads_per_s:,.0f}, 3; as many replicas",
        primaries,
        "processes",
    )
    rate = wanted.events * one.event_bytes + wanted.qps * one.exposure_bytes
    line(
        "Kafka, written",
        f"{wanted.events:,.0f}/s x {one.event_bytes:.0f} B + {wanted.qps:,.0f}/s x {one.exposure_bytes:.0f} B",
        rate / 1e6,
        "MB/s",
    )
    line(
        "Kafka, kept",
        f"{rate / 1e6:.0f} MB/s x {wanted.days:.0f} days x {wanted.copies} copies",
        rate * wanted.days * DAY_S * wanted.copies / 1e12,
        "TB",
    )
    folding = wanted.events * one.cpu_ms_per_event / 1e3
    line(
        "Kafka, partitions",
        f"2 x {folding:.0f} folding processes at most, to the power of two",
        2 ** math.ceil(math.log2(max(4.0, 2 * folding))),
        "partitions",
    )


def constants(one: Measured) -> list[dict[str, Any]]:
    """Give the constants with what they rest on: `measured` by a bench, or `assumed` from the form of the data."""
    return [
        {"constant": field.name, "value": getattr(one, field.name),
         "basis": "measured" if field.name in BY_BENCH else "assumed"}
        for field in fields(one)
    ]  # fmt: skip
