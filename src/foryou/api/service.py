"""What can be asked of foryou? Every verb of the API without its transport: REST now, gRPC beside it later."""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from foryou.api import schema
from foryou.api.experiments import Registry
from foryou.api.lists import Keeper
from foryou.api.onboarding import Onboarding
from foryou.api.reports import report_of
from foryou.api.waiting import until
from foryou.config import Placement
from foryou.domain.errors import Invalid, NotFound
from foryou.domain.event import Action, Event, hash64
from foryou.domain.exposure import Exposure
from foryou.domain.expression import parse
from foryou.domain.item import Item, ItemChange
from foryou.domain.log import Position, Record, Stream, partition_of
from foryou.domain.ports import EventLog, FeatureStore, ItemStore, TimeSource
from foryou.domain.records import UserChange
from foryou.domain.slate import Answer, Query, Verdict
from foryou.ingest.codec import item_record, user_record
from foryou.ingest.collector import Collector, Rejection, check_id
from foryou.ingest.exposures import Exposures
from foryou.observe.metrics import Metrics
from foryou.serve.batching import Batcher, Job, deadline_in
from foryou.serve.live import Arm, Live
from foryou.serve.pipeline import Pipeline
from foryou.serve.wording import Words, known_language
from foryou.trial.report import ExperimentReport


@dataclass(frozen=True, slots=True)
class Parts:
    """What a service is made of."""

    live: Live
    log: EventLog
    features: FeatureStore
    items: ItemStore
    exposures: Exposures
    metrics: Metrics
    clock: TimeSource
    deadline_ms: int
    placements: Mapping[str, Placement]
    words: Words = field(default_factory=Words)


@dataclass(frozen=True, slots=True)
class Part:
    """Which part an answer has in an experiment; `position`: of the experiments that were known."""

    name: str = ""
    arm: str = "main"
    position: Mapping[int, int] = field(default_factory=dict)


NO_PART = Part()


class Service:
    """Answers questions and takes in events. Use it from one event loop."""

    def __init__(self, parts: Parts, on_close: Callable[[], None] = lambda: None) -> None:
        self._parts, self._on_close = parts, on_close
        self._collector = Collector(parts.log, parts.clock)
        self.lists = Keeper(
            parts.log, parts.clock, lambda: parts.live.arm_for("").view.catalog, tuple(parts.placements)
        )
        self.experiments = Registry(parts.log, parts.clock, parts.placements)
        self.onboarding = Onboarding(parts.live, parts.log, parts.features, parts.clock, self.collect)
        self._batcher: Batcher[asyncio.Future[Answer]] = Batcher(
            _soon, _resolve, lambda arm, placement, trace, queries: parts.metrics.trace(trace, queries)
        )

    def close(self) -> None:
        """Answer what waits, write what was shown, then let go of the stores."""
        self._on_close()
        self._batcher.close()
        self._parts.exposures.close()
        for store in (self._parts.log, self._parts.features, self._parts.items):
            store.close()

    async def recommend(self, ask: schema.Ask) -> schema.Recommended:
        """Answer one question. Raises Invalid for an unknown placement, Unavailable when overloaded."""
        started = time.perf_counter()
        _check_ids(ask)
        if ask.filter:
            parse(ask.filter)
        placement = self._placement(ask)
        name = uuid.uuid4().hex
        user_id = (ask.user_id or ask.anonymous_id) if ask.personalize else ""
        query = Query(
            user_id=user_id,
            k=ask.num_results or self._parts.placements[placement].length,
            now_ms=self._parts.clock.now_ms(),
            seed=hash64(f"{user_id}:{name}"),
            anchor=ask.item_id,
            exclude=tuple(ask.exclude_item_ids),
            explain=ask.explain,
            session_id=ask.session_id,
            search=ask.context.search,
            category=ask.context.category,
            device=ask.context.device,
            location=ask.context.location,
            filter=ask.filter,
            language=known_language(ask.language),
        )
        answer, part = await self._answer(placement, query, ask.deadline_ms)
        self._expose(name, placement, query, answer, part)
        return schema.Recommended(
            recommendation_id=name,
            items=_wire_items(answer),
            model_version=answer.bundle,
            experiment=schema.WireExperiment(part.name or "main", part.arm if part.name else answer.bundle),
            degraded=answer.degraded,
            took_ms=round((time.perf_counter() - started) * 1e3, 3),
        )

    def _placement(self, ask: schema.Ask) -> str:
        """Give the configured name: `homepage` is home, and home with an item is the page of that item."""
        said, there = ask.context.placement, self._parts.placements
        name = said if said in there else said.removesuffix("page").rstrip("_-")
        if name not in there:
            raise Invalid("context", f"placement {said!r} is not configured", f"use one of {', '.join(there)}")
        return "item" if ask.item_id and name == "home" and "item" in there else name

    async def _answer(self, placement: str, query: Query, deadline_ms: int | None = None) -> tuple[Answer, Part]:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        arm, pipeline, part = chosen(self._parts.live, query, placement)
        deadline = deadline_in(deadline_ms or self._parts.deadline_ms)
        self._batcher.submit(Job(arm, placement, pipeline, query, deadline, future))
        return await future, part

    def _expose(self, name: str, placement: str, query: Query, answer: Answer, part: Part) -> None:
        self._parts.metrics.items_shown(item.source for item in answer.items)
        if query.user_id and answer.cold:
            self._parts.metrics.cold.labels("full" if answer.whole(query.k) else "short").inc()
        self._parts.exposures.put(exposure(name, placement, query, answer, part))

    async def similar(self, item_id: str, ask: schema.Ask) -> schema.Recommended:
        """Answer with items like this one; what the user has seen is left out, where a user is given."""
        context = schema.Context(placement="item")
        return await self.recommend(msgspec.structs.replace(ask, item_id=item_id, context=context))

    async def trending(self, num_results: int, language: str = "") -> schema.Trending:
        """Give what trends in the last 24 h."""
        view = self._parts.live.arm_for("").view
        said = self._parts.words.say(known_language(language), "trending")
        reason = schema.WireReason(said.code, said.text, said.because)
        best = [number for number in view.trending_top.tolist() if view.catalog.available[number]][:num_results]
        return schema.Trending([
            schema.WireItem(
                view.catalog.id_of(number), rank + 1, float(view.trending[number]), "trending", reason,
                view.catalog.title_of(number),
            )
            for rank, number in enumerate(best)
        ])  # fmt: skip

    async def explain(self, ask: schema.WhyAsk) -> schema.Explained:
        """Say why, or why not, an item is among the user's recommendations."""
        check_id("user_id", ask.user_id)
        check_id("item_id", ask.item_id)
        query = Query(
            user_id=ask.user_id, k=ask.num_results or self._parts.placements["home"].length,
            now_ms=self._parts.clock.now_ms(),
            seed=hash64(f"{ask.user_id}:why"), asked=ask.item_id, language=known_language(ask.language),
        )  # fmt: skip
        answer, _ = await self._answer("home", query)
        verdict = answer.verdict or Verdict("unknown_item")
        shown = next((item for item in answer.items if item.item_id == ask.item_id), None)
        reason = shown.reason if shown else None
        return schema.Explained(
            ask.user_id, ask.item_id, verdict.outcome, told(verdict, query.k), verdict.proposed_by, verdict.dropped_by,
            verdict.score, verdict.cutoff, verdict.rank, verdict.inputs, verdict.parts,
            schema.WireReason(reason.code, reason.text, reason.because) if reason else None, answer.bundle,
        )  # fmt: skip

    async def collect(self, events: Sequence[schema.EventIn | Rejection]) -> schema.EventsOut:
        """Store events; all accepted ones are durable when this returns. Raises Unavailable if the log is away."""
        taken = [event if isinstance(event, Rejection) else _event(event) for event in events]
        done = await asyncio.to_thread(self._collector.collect, taken)
        meters = self._parts.metrics.events
        meters.labels("accepted").inc(done.accepted)
        meters.labels("duplicate").inc(done.duplicates)
        meters.labels("rejected").inc(len(done.rejected))
        meters.labels("clamped").inc(done.clamped)
        rejected = [_wire_rejection(one) for one in done.rejected]
        return schema.EventsOut(done.accepted, done.duplicates, rejected, done.event_ids)

    async def change_item(self, item_id: str, op: str, body: schema.ItemIn | None) -> schema.Written:
        """Store a change of an item (op put, patch or delete) and wait a moment until it is visible.

        Raises NotFound for a patch of an unknown item.
        """
        check_id("item_id", item_id)
        said = schema.said(body) if body else {}
        if op == "patch":
            await self.item(item_id)
        change = ItemChange(item_id=item_id, op=op, received_ms=self._parts.clock.now_ms(), **said)
        end = await self._append(Stream.ITEMS, item_record(change))
        partition = partition_of(item_id, self._parts.log.partitions())
        visible = await until(lambda: self._parts.items.position().get(partition, -1) >= end)
        return schema.Written(item_id=item_id, visible=visible)

    async def item(self, item_id: str) -> Item:
        """Give the document of an item. Raises NotFound."""
        found = (await asyncio.to_thread(self._parts.items.read, [item_id]))[0]
        if found is None:
            raise NotFound(f"There is no item {item_id!r}; PUT /v1/items/{{item_id}} makes one")
        return found

    async def change_user(self, user_id: str, op: str, body: schema.UserIn) -> schema.Written:
        """Store a change of a user's profile (op put or patch) and wait a moment until it is visible."""
        check_id("user_id", user_id)
        change = UserChange(user_id=user_id, op=op, received_ms=self._parts.clock.now_ms(), **schema.said(body))
        end = await self._append(Stream.USERS, user_record(change))
        return schema.Written(user_id=user_id, visible=await until(lambda: self._user_offset(user_id) >= end))

    def _user_offset(self, user_id: str) -> int:
        partition = partition_of(user_id, self._parts.log.partitions())
        return self._parts.features.position(partition).get(Stream.USERS, -1)

    async def user(self, user_id: str) -> schema.UserOut:
        """Give what is remembered of a user. Raises NotFound."""
        record = (await asyncio.to_thread(self._parts.features.read, [user_id]))[0]
        if record is None:
            raise NotFound(f"Nothing is known of user {user_id!r}; post an event or PUT /v1/users/{{user_id}}")
        catalog, core = self._parts.live.arm_for(user_id).view.catalog, record.core
        recent = catalog.numbers(np.array(core.views, np.uint64))
        return schema.UserOut(
            user_id, core.age, core.gender, core.location, core.attributes, len(record.history), core.last_ms,
            [catalog.id_of(number) for number in recent.tolist() if number],
        )  # fmt: skip

    async def forget(self, user_id: str) -> schema.Erased:
        """Erase what is remembered of a user: history, seen items, profile."""
        erasure = f"erasure-{uuid.uuid4().hex}"
        event = Event(event_id=erasure, user_id=user_id, action=Action.FORGET, at_ms=self._parts.clock.now_ms())
        done = await asyncio.to_thread(self._collector.collect, [event])
        if done.rejected:
            raise Invalid(done.rejected[0].field, done.rejected[0].detail)
        return schema.Erased(erasure)

    def report(self, name: str) -> ExperimentReport:
        """Say what came of an experiment so far; reads the whole log. Raises NotFound."""
        return report_of(self._parts.log, self._parts.items, self.experiments.one(name))

    def ready(self) -> bool:
        """Say whether an arm serves."""
        return bool(self._parts.live.arms())

    async def _append(self, stream: Stream, record: Record) -> int:
        from_log = self._parts.log
        await asyncio.to_thread(from_log.append, stream, [record])
        ends: Position = await asyncio.to_thread(from_log.ends, stream)
        return ends[partition_of(record.key, from_log.partitions())]


def chosen(live: Live, query: Query, placement: str) -> tuple[Arm, Pipeline, Part]:
    """Give who answers a query at a placement, and which part that has in an experiment."""
    arm, pipeline, assigned = live.choose(query.user_id, placement, query.now_ms)
    known = live.experiments.position
    return arm, pipeline, Part(assigned.experiment, assigned.arm.name, known) if assigned else NO_PART


def exposure(name: str, placement: str, query: Query, answer: Answer, part: Part = NO_PART) -> Exposure:
    """Give what must be remembered of an answer so that it can be reproduced."""
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
        experiment=part.name,
        experiments=dict(part.position),
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


def _check_ids(ask: schema.Ask) -> None:
    """Raise Invalid for an id that no user or item can have. Empty ones say nothing and are left alone."""
    for name in ("user_id", "anonymous_id", "session_id", "item_id"):
        if value := getattr(ask, name):
            check_id(name, value)
    for index, item_id in enumerate(ask.exclude_item_ids):
        check_id(f"exclude_item_ids/{index}", item_id)


def _wire_rejection(one: Rejection) -> schema.WireRejection:
    field = one.field.partition("/")[0] or "event"
    return schema.WireRejection(one.index, f"invalid_{field}", one.detail, f"/{one.field}" if one.field else "")


def _event(event: schema.EventIn) -> Event:
    return Event(
        event_id=event.event_id, user_id=event.user_id, action=event.action, at_ms=event.at_ms, item_id=event.item_id,
        value=event.value, unit=event.unit, quantity=event.quantity, query=event.query, session_id=event.session_id,
        recommendation_id=event.recommendation_id, position=event.position, context=event.context,
    )  # fmt: skip


def _wire_items(answer: Answer) -> list[schema.WireItem]:
    return [
        schema.WireItem(
            item.item_id, rank, item.score, item.source,
            schema.WireReason(item.reason.code, item.reason.text, item.reason.because), item.title,
            item.source == "sponsored",
        )
        for rank, item in enumerate(answer.items, start=1)
    ]  # fmt: skip


def _soon(work: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(work)


def _resolve(pairs: Sequence[tuple["asyncio.Future[Answer]", Answer | Exception]]) -> None:
    for future, outcome in pairs:
        if future.done():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
