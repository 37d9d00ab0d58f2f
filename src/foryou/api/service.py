"""What can be asked of foryou? Every verb of the API without its transport: REST and gRPC ask here."""

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from foryou.api import schema
from foryou.api.answers import (
    Part,
    check_ids,
    check_rank_ids,
    chosen,
    event_of,
    exposure,
    ranked,
    told,
    wire_items,
    wire_part,
    wire_rejection,
)
from foryou.api.console import Console
from foryou.api.experiments import Registry
from foryou.api.lists import Keeper
from foryou.api.onboarding import Onboarding
from foryou.api.pages import Pages
from foryou.api.parts import Parts
from foryou.api.reports import report_of
from foryou.api.waiting import until
from foryou.domain.errors import Invalid, NotFound, Unavailable
from foryou.domain.event import Action, Event, hash64
from foryou.domain.expression import parse
from foryou.domain.item import Item, ItemChange
from foryou.domain.log import Position, Record, Stream, partition_of
from foryou.domain.records import UserChange
from foryou.domain.slate import Answer, Query, Trace, Verdict
from foryou.ingest.codec import item_record, user_record
from foryou.ingest.collector import Collector, Rejection, check_id
from foryou.observe.watching import WATCHED, Watched
from foryou.serve.batching import Batcher, Job, deadline_in
from foryou.serve.interleaving import mixed
from foryou.serve.live import UNTRAINED, Arm
from foryou.serve.overload import PREPARED, Ladder
from foryou.serve.pipeline import Pipeline
from foryou.serve.prepared import Prepared
from foryou.serve.rows import DISCOVER
from foryou.serve.sources import RANKING
from foryou.serve.wording import known_language
from foryou.trial.report import ExperimentReport

DISCOVERIES = 30  # of a week, where the caller does not say
ENDS = {"unknown_user", "unknown_item", "short_answer", "filter_exhausted"}  # of an empty answer: that is all there is


class Service:
    """Answers questions and takes in events. Use it from one event loop."""

    def __init__(self, parts: Parts, on_close: Callable[[], None] = lambda: None) -> None:
        self._parts, self._on_close = parts, on_close
        self._collector = Collector(parts.log, parts.clock)
        self._watched: dict[asyncio.Future[Answer], Watched] = {}
        self.lists = Keeper(
            parts.log, parts.clock, lambda: parts.live.arm_for("").view.catalog, tuple(parts.placements)
        )
        self.experiments = Registry(parts.log, parts.clock, parts.placements)
        self.onboarding = Onboarding(parts.live, parts.log, parts.features, parts.clock, self.collect)
        self.console = Console(parts)
        self.bundles, self.admin_key = parts.bundles, parts.admin_key
        self.pages = Pages(parts, self._answer, self._expose)
        self._batcher: Batcher[asyncio.Future[Answer]] = Batcher(
            _soon, _resolve, self._traced, Ladder(parts.deadline_ms / 1e3), self._spare, lambda future: future.done()
        )

    @property
    def deadline_ms(self) -> int:
        """Give the ms that an answer may take where the caller says nothing."""
        return self._parts.deadline_ms

    def _traced(self, arm: Arm, placement: str, trace: Trace, jobs: Sequence[Job[asyncio.Future[Answer]]]) -> None:
        self._parts.metrics.trace(trace, len(jobs))
        self._parts.metrics.by_model(arm.version != UNTRAINED, len(jobs))
        if self._watched:
            for job in jobs:
                if watched := self._watched.get(job.ticket):
                    watched.note(trace, placement, arm.version, len(jobs))
        self._parts.metrics.rung.set(self._batcher.ladder.rung)

    def _spare(self, query: Query, placement: str) -> Answer | None:
        """Give an answer from the lists for strangers, where the question has nothing that they cannot answer."""
        if query.anchor or query.asked or query.given or query.filter:
            return None
        answer = self._parts.prepared.spare(placement, query)
        if answer is not None:
            self._parts.metrics.fallbacks.labels(PREPARED).inc()
        return answer

    def refuses(self) -> bool:
        """Say whether a request had better not come in at all; counted, as it is told so."""
        refused = self._batcher.refuses()
        if refused:
            self._parts.metrics.refusals.inc()
        return refused

    @property
    def prepared(self) -> Prepared:
        """Give the lists that are ready for strangers."""
        return self._parts.prepared

    def placed(self, ask: schema.Ask) -> tuple[str, int]:
        """Give the placement that is meant, and how many items are. Raises Invalid for an unknown placement."""
        placement = self._placement(ask)
        return placement, ask.num_results or self._parts.placements[placement].length

    def close(self) -> None:
        """Answer what waits, write what was shown, then let go of the stores."""
        self._on_close()
        self._batcher.close()
        self._parts.exposures.close()
        for store in (self._parts.log, self._parts.features, self._parts.items):
            store.close()

    async def recommend(self, ask: schema.Ask, row: str = "") -> schema.Recommended:
        """Answer one question, as a row of a page would where `row` names its kind.

        Raises Invalid for an unknown placement, Unavailable when overloaded.
        """
        started = time.perf_counter()
        check_ids(ask)
        if ask.filter:
            parse(ask.filter)
        placement, k = self.placed(ask)
        name = uuid.uuid4().hex
        user_id = (ask.user_id or ask.anonymous_id) if ask.personalize else ""
        now_ms, scope = self._parts.clock.now_ms(), (user_id, placement, ask.item_id, row)
        fed = self._parts.cursors.read(ask.cursor, scope, now_ms) if ask.cursor else b""
        query = Query(
            user_id=user_id,
            k=k,
            now_ms=now_ms,
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
            fed=fed,
            row=row,
        )
        answer, part = await self._answer(placement, query, ask.deadline_ms)
        self._expose(name, placement, query, answer, part)
        return schema.Recommended(
            recommendation_id=name,
            items=wire_items(answer),
            model_version=answer.bundle,
            experiment=wire_part(part, answer),
            degraded=answer.degraded,
            took_ms=round((time.perf_counter() - started) * 1e3, 3),
            next_cursor=self._next_cursor(answer, query, scope),
        )

    def _next_cursor(self, answer: Answer, query: Query, scope: tuple[str, ...]) -> str | None:
        """Give where the feed goes on; None = nothing is left, or it has become as long as a feed may be."""
        if not answer.items and set(answer.degraded) <= ENDS:
            return None
        return self._parts.cursors.after(query.fed, [item.item_id for item in answer.items], scope, query.now_ms)

    def stranger_cursor(self, placement: str, answer: Answer) -> str | None:
        """Give where the feed of somebody goes on of whom nothing is known, and who was shown this."""
        query = Query("", len(answer.items), self._parts.clock.now_ms(), 0)
        return self._next_cursor(answer, query, ("", placement, "", ""))

    async def page(self, placement: str, ask: schema.PageAsk) -> schema.Page:
        """Give a page of rows. Raises Invalid for an unknown placement, Unavailable when overloaded."""
        for name in ("user_id", "anonymous_id", "session_id"):
            if value := getattr(ask, name):
                check_id(name, value)
        return await self.pages.page(self._configured(placement, "placement"), ask)

    def _configured(self, said: str, where: str = "context") -> str:
        """Give the configured name of a placement: `homepage` is home. Raises Invalid."""
        known = self._parts.placements
        name = said if said in known else said.removesuffix("page").rstrip("_-")
        if name not in known:
            raise Invalid(where, f"placement {said!r} is not configured", f"use one of {', '.join(known)}")
        return name

    def _placement(self, ask: schema.Ask) -> str:
        """Give the configured name; home with an item is the page of that item."""
        name = self._configured(ask.context.placement)
        return "item" if ask.item_id and name == "home" and "item" in self._parts.placements else name

    async def _answer(self, placement: str, query: Query, deadline_ms: int | None = None) -> tuple[Answer, Part]:
        arm, pipeline, part = chosen(self._parts.live, query, placement)
        deadline = deadline_in(deadline_ms or self._parts.deadline_ms)
        first = self._asked(arm, placement, pipeline, query, deadline)
        if part.beside is None:
            return await first, part
        try:
            second = self._asked(part.beside[0], placement, part.beside[1], query, deadline)
        except Unavailable:
            first.cancel()
            raise
        return mixed(*await asyncio.gather(first, second), query), part

    def _asked(
        self, arm: Arm, placement: str, pipeline: Pipeline, query: Query, deadline: float
    ) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if (watched := WATCHED.get()) is not None:
            self._watched[future] = watched
            future.add_done_callback(self._watched.pop)
        self._batcher.submit(Job(arm, placement, pipeline, query, deadline, future))
        return future

    def _expose(self, name: str, placement: str, query: Query, answer: Answer, part: Part) -> None:
        self._parts.metrics.items_shown(item.source for item in answer.items)
        self._parts.metrics.answered(placement, answer)
        if query.user_id and answer.cold:
            self._parts.metrics.cold.labels("full" if answer.whole(query.k) else "short").inc()
        self._parts.exposures.put(exposure(name, placement, query, answer, part))
        self._parts.live.remember(placement, query, answer)

    async def similar(self, item_id: str, ask: schema.Ask) -> schema.Recommended:
        """Answer with items like this one; what the user has seen is left out, where a user is given."""
        context = schema.Context(placement="item")
        return await self.recommend(msgspec.structs.replace(ask, item_id=item_id, context=context))

    async def rank(self, ask: schema.RankAsk) -> schema.Ranked:
        """Order the caller's own items for a user: by the ranker alone, without rules of seen items or variety."""
        started = time.perf_counter()
        check_rank_ids(ask)
        wanted = tuple(dict.fromkeys(ask.item_ids))
        query = Query(
            user_id=ask.user_id, k=len(wanted), now_ms=self._parts.clock.now_ms(), seed=hash64(f"{ask.user_id}:rank"),
            given=wanted, explain=False, session_id=ask.session_id,
        )  # fmt: skip
        answer, _ = await self._answer(RANKING, query, ask.deadline_ms)
        return ranked(wanted, answer, started)

    async def discover(self, user_id: str, ask: schema.Ask) -> schema.Recommended:
        """Give the user's discoveries of this week: what suits the user and few know; the same until Sunday."""
        asked = msgspec.structs.replace(ask, user_id=user_id, num_results=ask.num_results or DISCOVERIES)
        return await self.recommend(asked, DISCOVER)

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
        taken = [event if isinstance(event, Rejection) else event_of(event) for event in events]
        done = await asyncio.to_thread(self._collector.collect, taken)
        meters = self._parts.metrics.events
        meters.labels("accepted").inc(done.accepted)
        meters.labels("duplicate").inc(done.duplicates)
        meters.labels("rejected").inc(len(done.rejected))
        meters.labels("clamped").inc(done.clamped)
        rejected = [wire_rejection(one) for one in done.rejected]
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
