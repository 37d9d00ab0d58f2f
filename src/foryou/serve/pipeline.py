"""How does a query become an answer? This page is the whole way."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foryou.domain.ports import Ranker, Rule, Source
from foryou.domain.slate import Answer, Query, QueryBatch, Reason, Shown, Slate, Trace, Verdict, View
from foryou.domain.variants import Wardrobe


@dataclass(frozen=True, slots=True)
class Stages:
    """What a pipeline is made of, in the order in which it happens."""

    prepare: Callable[[View], None]  # before a new view is used: what can be worked out ahead
    hydrate: Callable[[list[Query]], QueryBatch]
    strangers: Callable[[list[Query]], QueryBatch]  # when hydrate fails
    represent: Callable[[QueryBatch], None]
    sources: Sequence[Source]
    filters: Sequence[Rule]  # before ranking: they drop
    ranker: Ranker
    adjusters: Sequence[Rule]  # after ranking: they drop, pin or raise by score
    explain: Callable[[QueryBatch, Slate, NDArray[np.int32]], list[list[Reason]]]
    judge: Callable[[QueryBatch, Slate, NDArray[np.int32]], list[Verdict | None]]
    expect: Callable[[NDArray[np.float32]], bytes] = lambda scores: b""  # chances of a click, as they are logged
    dress: Callable[[QueryBatch, Slate, NDArray[np.int32]], Wardrobe] = lambda batch, slate, best: {}  # in variants


_UNEXPLAINED = Reason("unexplained", "")


@dataclass(slots=True)
class Run:
    """The trace of one batch, and the clock that its deadline is measured by."""

    deadline: float  # perf_counter seconds; optional stages are skipped once it has passed
    slate: Slate
    trace: Trace = field(default_factory=Trace)

    def stage(self, name: str, essential: bool = False, always: bool = False) -> "_Stage":
        """Time a stage; entering says whether to run it: it does when on time, essential, or cheap enough for `always`.

        A stage that is not essential fails open and is counted.
        """
        return _Stage(self, name, essential, essential or always)


class _Stage:
    """One timed stage of a run."""

    __slots__ = ("_always", "_essential", "_name", "_run", "_start")

    def __init__(self, run: Run, name: str, essential: bool, always: bool) -> None:
        self._run, self._name, self._essential, self._always = run, name, essential, always

    def __enter__(self) -> bool:
        self._start = time.perf_counter()
        on_time = self._always or self._start < self._run.deadline
        if not on_time:
            self._run.trace.fallbacks.append(f"deadline:{self._name}")
        return on_time

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        run = self._run
        run.trace.stages.append((self._name, (time.perf_counter() - self._start) * 1e3, run.slate.size()))
        if self._essential or not isinstance(error, Exception):
            return False  # nothing wrong, or nothing that may be passed over
        run.trace.fallbacks.append(self._name)
        run.trace.errors.append(f"{self._name}: {error!r}")
        return True


class Pipeline:
    """Answers batches of queries. Not for two threads at once: the slate's memory is reused."""

    def __init__(self, stages: Stages, version: str, lacks: Sequence[str] = ()) -> None:
        """lacks: what its answers say that they lack, as this pipeline is a cheaper one."""
        self.stages, self.version, self._lacks = stages, version, lacks
        rules = tuple(rule.name for rule in (*stages.filters, *stages.adjusters))
        self.slate = Slate({source.name: source.places for source in stages.sources}, rules)

    def run(self, queries: list[Query], deadline: float = np.inf) -> tuple[list[Answer], Trace]:
        """Give an answer to each query, and what happened on the way."""
        run, slate, stages = Run(deadline, self.slate), self.slate, self.stages
        run.trace.fallbacks += self._lacks
        slate.reset(len(queries))
        batch = self._hydrate(run, queries)
        with run.stage("represent") as on_time:
            if on_time:
                stages.represent(batch)
        for source in stages.sources:
            with run.stage(source.name, always=source.always) as on_time:
                if on_time:
                    source.propose(batch, slate)
        self._apply(run, stages.filters, batch)
        slate.score[:] = slate.prior  # what counts if ranking fails or has no time
        batch.candidates = slate.item
        with run.stage("rank") as on_time:
            if on_time:
                stages.ranker.score(batch, slate, slate.score)
        run.trace.not_finite += slate.not_finite()
        self._apply(run, stages.adjusters, batch)
        with run.stage("select", essential=True):
            best = slate.top(batch.k)
        run.trace.dropped, run.trace.boosted = slate.drops(), slate.boosted
        reasons: list[list[Reason]] = [[] for _ in queries]
        with run.stage("explain") as on_time:
            if on_time and any(query.explain for query in queries):
                reasons = stages.explain(batch, slate, best)
        worn: Wardrobe = {}
        if batch.view.catalog.variants:
            with run.stage("variants") as on_time:
                if on_time:
                    worn = stages.dress(batch, slate, best)
        return self._answers(run, batch, best, reasons, worn), run.trace

    def _hydrate(self, run: Run, queries: list[Query]) -> QueryBatch:
        batch = None
        with run.stage("hydrate", always=True):
            batch = self.stages.hydrate(queries)
            run.trace.lost = sum(batch.lost)
        return batch or self.stages.strangers(queries)

    def _apply(self, run: Run, rules: Sequence[Rule], batch: QueryBatch) -> None:
        for rule in rules:
            with run.stage(rule.name, essential=rule.essential) as on_time:
                if on_time:
                    rule.apply(batch, self.slate)

    def _answers(
        self, run: Run, batch: QueryBatch, best: NDArray[np.int32], reasons: list[list[Reason]], worn: Wardrobe
    ) -> list[Answer]:
        slate, catalog = self.slate, batch.view.catalog
        verdicts, filtered = self.stages.judge(batch, slate, best), slate.dropped_by("filter")
        answers = []
        for b, query in enumerate(batch.query):
            degraded = list(dict.fromkeys(run.trace.fallbacks))
            if batch.lost and batch.lost[b]:
                degraded.append("hydrate")
            if query.user_id and not batch.known[b]:
                degraded.append("unknown_user")
            if query.anchor and not batch.anchor[b]:
                degraded.append("unknown_item")
            places = best[b, best[b] >= 0]
            items, scores = slate.item[b, places].tolist(), slate.score[b, places].tolist()
            chances = slate.propensity[b, places].tolist()
            why = (reasons[b] if query.explain else []) or [_UNEXPLAINED] * len(places)
            shown = [
                Shown(
                    catalog.id_of(item), catalog.title_of(item), score, slate.source_of(b, c), chance, reason,
                    slate.sources_of(b, c), worn.get((b, c)) if worn else None,
                )
                for c, item, score, chance, reason in zip(places.tolist(), items, scores, chances, why, strict=True)
            ]  # fmt: skip
            if len(shown) < query.k:
                degraded.append("filter_exhausted" if filtered[b] else "short_answer")
            answers.append(
                Answer(
                    shown, tuple(degraded), self.version, batch.offset[b], batch.view, verdicts[b], batch.knew[b],
                    not batch.history[b].any(),
                    slate.inputs_of(b, places), self.stages.expect(slate.score[b, places] - slate.boost[b, places]),
                )
            )  # fmt: skip
        return answers
