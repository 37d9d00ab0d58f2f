"""How does an answer go over the wire, and into the log? Plain translation, no state."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from foryou.api import schema
from foryou.domain.event import Event
from foryou.domain.exposure import Exposure
from foryou.domain.interleaving import NEITHER
from foryou.domain.slate import Answer, Query, Verdict
from foryou.ingest.collector import Rejection, check_id
from foryou.serve.live import Arm, Live
from foryou.serve.pipeline import Pipeline
from foryou.serve.prepared import Page


@dataclass(frozen=True, slots=True)
class Part:
    """Which part an answer has in an experiment; `position`: of the experiments that were known.

    beside: who else answers, where two arms fill each list; then `arm` names both.
    """

    name: str = ""
    arm: str = "main"
    position: Mapping[int, int] = field(default_factory=dict)
    beside: tuple[Arm, Pipeline] | None = None


NO_PART = Part()


def chosen(live: Live, query: Query, placement: str) -> tuple[Arm, Pipeline, Part]:
    """Give who answers a query at a placement, and which part that has in an experiment."""
    arm, pipeline, assigned = live.choose(query.user_id, placement, query.now_ms)
    known = live.experiments.position
    if assigned is None:
        return arm, pipeline, NO_PART
    part = Part(assigned.experiment, assigned.arm.name, known)
    if second := assigned.other():
        other = live.arm_for(query.user_id, second.arm.family)
        if beside := other.pipelines.get(second.key(placement)):
            part = replace(part, arm=f"{part.arm}/{second.arm.name}", beside=(other, beside))
    return arm, pipeline, part


def exposure(name: str, placement: str, query: Query, answer: Answer, part: Part = NO_PART) -> Exposure:
    """Give what must be remembered of an answer so that it can be reproduced."""
    tried, worn = answer.view.tried, [item.worn for item in answer.items]
    dressed = any(worn)
    return Exposure(
        recommendation_id=name,
        user_id=query.user_id,
        now_ms=query.now_ms,
        placement=placement,
        arm=part.arm,
        bundle=answer.bundle,
        seed=query.seed,
        offset=answer.offset,
        items=tuple(item.item_id for item in answer.items),
        scores=tuple(item.score for item in answer.items),
        sources=tuple(item.source for item in answer.items),
        propensities=tuple(item.propensity for item in answer.items),
        degraded=answer.degraded,
        trending=answer.view.trending_position,
        trending_ms=answer.view.trending_ms,
        catalog=dict(answer.view.catalog.position),
        anchor=query.anchor,
        exclude=query.exclude,
        num_results=query.k,
        places=answer.knew,
        session_id=query.session_id,
        search=query.search,
        category=query.category,
        device=query.device,
        location=query.location,
        lists=dict(answer.view.shelf.lists.position),
        filter=query.filter,
        inputs=answer.inputs.values,
        schema=answer.inputs.schema,
        fed=query.fed,
        row=query.row,
        experiment=part.name,
        experiments=dict(part.position),
        expected=answer.expected,
        tallied=(dict(tried.tallies.events), dict(tried.tallies.exposures), tried.at_ms)
        if tried.at_ms
        else ({}, {}, 0),
        variants=tuple(one.variant if one else "" for one in worn) if dressed else (),
        variant_propensities=tuple(one.propensity if one else 1.0 for one in worn) if dressed else (),
        teams=tuple(item.team if item.team is not None else NEITHER for item in answer.items) if part.beside else (),
    )


def told(verdict: Verdict, k: int) -> str:
    """Give the verdict as a sentence."""
    match verdict.outcome:
        case "shown":
            return f"Shown: rank {verdict.rank} of {k} by score."
        case "outranked":
            needed = f"score {verdict.score:.3f}, needed {verdict.cutoff:.3f}"
            return f"Not shown: rank {verdict.rank} by score, {k} are shown; {needed}."
        case "dropped":
            return f"Not shown: the rule {verdict.dropped_by!r} dropped it."
        case "not_proposed":
            return (
                f"Not shown: no source proposed it; its score {verdict.score:.3f} would have been rank {verdict.rank}."
            )
        case _:
            return "Not shown: the catalog has no such item."


def check_ids(ask: schema.Ask) -> None:
    """Raise Invalid for an id that no user or item can have. Empty ones say nothing and are left alone."""
    for name in ("user_id", "anonymous_id", "session_id", "item_id"):
        if value := getattr(ask, name):
            check_id(name, value)
    for index, item_id in enumerate(ask.exclude_item_ids):
        check_id(f"exclude_item_ids/{index}", item_id)


def listed(page: Page, cursor: str | None) -> schema.Recommended:
    """Give what everybody is shown who is shown this page, with where it goes on."""
    bundle, items = page.answer.bundle, wire_items(page.answer)
    return schema.Recommended(
        page.name, items, bundle, schema.WireExperiment("main", bundle), page.answer.degraded, 0.0, cursor
    )


def check_rank_ids(ask: schema.RankAsk) -> None:
    """Raise Invalid for an id that no user or item can have."""
    for name in ("user_id", "session_id"):
        if value := getattr(ask, name):
            check_id(name, value)
    for index, item_id in enumerate(ask.item_ids):
        check_id(f"item_ids/{index}", item_id)


def ranked(wanted: Sequence[str], answer: Answer, started: float) -> schema.Ranked:
    """Give the order of the caller's items. started: perf_counter seconds."""
    placed = {item.item_id for item in answer.items}
    return schema.Ranked(
        [schema.RankedItem(item.item_id, rank, item.score) for rank, item in enumerate(answer.items, start=1)],
        [item_id for item_id in wanted if item_id not in placed],
        answer.bundle,
        tuple(name for name in answer.degraded if name != "short_answer"),
        round((time.perf_counter() - started) * 1e3, 3),
    )


def wire_rejection(one: Rejection) -> schema.WireRejection:
    """Give a rejection as it goes over the wire."""
    field = one.field.partition("/")[0] or "event"
    return schema.WireRejection(one.index, f"invalid_{field}", one.detail, f"/{one.field}" if one.field else "")


def event_of(event: schema.EventIn) -> Event:
    """Give the event that was sent."""
    return Event(
        event_id=event.event_id, user_id=event.user_id, action=event.action, at_ms=event.at_ms, item_id=event.item_id,
        value=event.value, unit=event.unit, quantity=event.quantity, query=event.query, session_id=event.session_id,
        recommendation_id=event.recommendation_id, position=event.position, context=event.context,
    )  # fmt: skip


def wire_part(part: Part, answer: Answer) -> schema.WireExperiment:
    """Give the experiment and arm that answered; outside of experiments `main` and the bundle."""
    return schema.WireExperiment(part.name or "main", part.arm if part.name else answer.bundle)


def wire_items(answer: Answer) -> list[schema.WireItem]:
    """Give the items of an answer as they go over the wire, ranked from 1."""
    return [
        schema.WireItem(
            item.item_id, rank, item.score, item.source,
            schema.WireReason(item.reason.code, item.reason.text, item.reason.because),
            item.worn.title if item.worn else item.title, item.source == "sponsored",
            *((item.worn.variant, item.worn.image) if item.worn else ()),
        )
        for rank, item in enumerate(answer.items, start=1)
    ]  # fmt: skip
