"""How is an experiment described?"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from foryou.api.schema.lists import Time
from foryou.api.schema.wire import Wire
from foryou.domain.experiment import MAX_ARMS, SPLIT
from foryou.domain.release import MAIN

Metric = Annotated[str, Meta(max_length=32, description="ctr, clicks, conversion, dwell, revenue or diversity")]
Source = Annotated[int, Meta(ge=0, le=5_000)]


class ArmIn(Wire):
    """One way to answer. What it does not say is as the placement is configured."""

    name: Annotated[str, Meta(min_length=1, max_length=64, description="the first arm is the control")]
    share: Annotated[float, Meta(ge=0, le=1, description="of the users, 0 to 1; all of them sum to 1")]
    family: Annotated[str, Meta(min_length=1, max_length=64, description="of the release: who chooses the bundle")] = (
        MAIN
    )
    sources: Annotated[
        dict[str, Source] | None, Meta(description="source -> candidates; those not named are off, but for lists")
    ] = None
    ranker: Annotated[str, Meta(max_length=32, description="as in the configuration; empty = the placement's")] = ""
    rules: Annotated[dict[str, Any], Meta(description="settings of the placement, such as category_cap")] = {}


class GuardrailIn(Wire):
    """A metric that no arm may lower by more than `drop`, relative to the control."""

    metric: Metric
    drop: Annotated[float, Meta(ge=0, le=1, description="0.05 = 5 %; 0 = at all")] = 0.0


class ExperimentIn(Wire):
    """An experiment as its owner describes it: what PUT replaces."""

    arms: Annotated[list[ArmIn], Meta(min_length=2, max_length=MAX_ARMS, description="the control first")]
    placements: Annotated[
        list[Annotated[str, Meta(max_length=64)]], Meta(max_length=50, description="where it runs; empty = everywhere")
    ] = []
    salt: Annotated[str, Meta(max_length=128, description="another one deals the users anew; empty = the name")] = ""
    start_ms: Annotated[Time, Meta(description="0 = now, or when it began")] = 0
    stop_ms: Annotated[Time, Meta(description="0 = until it is stopped")] = 0
    metric: Annotated[Metric, Meta(description="what it is judged by")] = "ctr"
    effect: Annotated[float, Meta(gt=0, le=1, description="the relative change that it looks for, 0.05 = 5 %")] = 0.05
    guardrails: Annotated[list[GuardrailIn], Meta(max_length=10, description="what no arm may lower")] = []
    pre_days: Annotated[
        float, Meta(ge=0, le=365, description="days before the start that tell users apart (CUPED)")
    ] = 28.0
    kind: Annotated[
        str, Meta(pattern="^(split|interleave)$", description="interleave: both of two arms fill each list, in turn")
    ] = SPLIT


class ArmOut(msgspec.Struct):
    """An arm; `share` as dealt, in whole slots."""

    name: str
    share: float
    family: str
    sources: dict[str, int] | None
    ranker: str
    rules: dict[str, Any]


class GuardrailOut(msgspec.Struct):
    """A guardrail."""

    metric: str
    drop: float


class ExperimentOut(msgspec.Struct):
    """An experiment; `state`: planned, running or ended; `slots`: [arm, how many], one after the other."""

    name: str
    state: str
    arms: list[ArmOut]
    placements: list[str]
    salt: str
    start_ms: int
    stop_ms: int
    metric: str
    effect: float
    guardrails: list[GuardrailOut]
    pre_days: float
    slots: list[list[str | int]]
    kind: str = SPLIT


class ExperimentsOut(msgspec.Struct):
    """All experiments, by name."""

    experiments: list[ExperimentOut]
