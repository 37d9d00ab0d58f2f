"""Is a new bundle fit for users, in this process? It is rehearsed, compared, and sent away with the reason if not."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from foryou.domain.errors import Conflict
from foryou.domain.ports import ModelStore, TimeSource
from foryou.domain.rollout import active, returned
from foryou.domain.slate import Query
from foryou.serve.health import Limits, Stopwatch, breach, fault_in
from foryou.serve.live import Arm, Asked, Live

REHEARSED = 32  # newest queries that a new bundle answers before anybody sees its answers
STRANGER_K = 20  # items that a stranger asks for
BUDGET = 0.05  # of the time may go into answers that nobody sees


def rehearsed(new: Arm, asked: Asked) -> None:
    """Answer a query once more, seen by nobody, and take note of how that went."""
    pipeline = new.pipelines.get(asked.placement)
    if pipeline is None or asked.query.given:
        return
    health, started = new.health, Stopwatch()
    health.rehearsed += 1
    health.queries += 1
    try:
        answers, trace = pipeline.run([replace(asked.query, explain=False)])
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        health.fault("raised", 1, repr(error))
        return
    health.queries -= 1
    cpu_ms = started.cpu_ms()
    health.note(1, cpu_ms, cpu_ms)  # this thread has to wait for others, those who answer have not
    kind, why = fault_in(trace, answers, [asked.query])
    if kind and (kind != "empty" or asked.shown):
        health.fault(kind, 1, why)
    health.short += len(answers[0].items) < asked.query.k
    both = asked.shown & {item.item_id for item in answers[0].items}
    health.overlap += len(both) / max(1, len(asked.shown), len(answers[0].items))


def proven(limits: Limits, clock: TimeSource) -> Callable[[Arm, Arm, Sequence[Asked]], str]:
    """Give what says why a new arm must not be let at users, after the newest queries and one of a stranger."""

    def prove(new: Arm, old: Arm, asked: Sequence[Asked]) -> str:
        now_ms = clock.now_ms()
        for name, pipeline in new.pipelines.items():
            try:
                _, trace = pipeline.run([Query("", STRANGER_K, now_ms, 0, explain=False)])
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                return f"before anybody was shown anything: {name.strip()} failed for a stranger: {error!r}"
            kind, why = fault_in(trace, (), ())  # nobody says that there must be something for a stranger
            if kind:
                return f"before anybody was shown anything: {name.strip()} for a stranger: {why}"
        for one in asked[-REHEARSED:]:
            rehearsed(new, one)
        why = breach(new.health, old.health, limits)
        return f"before anybody was shown anything: {why}" if why else ""

    return prove


class Watch:
    """Looks at the rollout that is under way; `look` is called every second by the thread that takes up releases."""

    def __init__(self, live: Live, models: ModelStore, clock: TimeSource, limits: Limits) -> None:
        self._live, self._models, self._clock, self._limits = live, models, clock, limits
        self._looked = time.monotonic()
        self._seen: Asked | None = None

    def look(self) -> str:
        """Rehearse in the shadow, compare, and take the new bundle back if it is unfit; gives why, empty = it stays.

        What this process finds holds for it at once, and for all as soon as the release says so.
        """
        live, rollout = self._live, self._live.rollout
        if rollout is None:
            return ""
        why = live.faulty.get(rollout.new, "")
        new, old = live.arm_of(rollout.new), live.arm_of(rollout.old)
        if not why and new and old:
            if rollout.step.share == 0:
                self._rehearse(new)
            if why := breach(new.health, old.health, self._limits):
                live.send_away(rollout.new, why)
        return self._take_back(rollout.new, why) if why else ""

    def _rehearse(self, new: Arm) -> None:
        spent, ends = time.monotonic() - self._looked, time.perf_counter()
        self._looked, recent = time.monotonic(), tuple(self._live.recent)
        fresh = recent[recent.index(self._seen) + 1 :] if self._seen in recent else recent
        ends += BUDGET * spent
        for asked in fresh[-REHEARSED:]:
            rehearsed(new, asked)
            if time.perf_counter() > ends:
                break
        self._seen = recent[-1] if recent else None

    def _take_back(self, version: str, why: str) -> str:
        """Put the return in force, unless another process has done so or somebody has promoted something else."""
        held = self._models.release()
        now_ms = self._clock.now_ms()
        found = active(held, now_ms)
        if held and found and found.new == version:
            try:
                self._models.replace_release(returned(held, now_ms, why), held.generation)
            except Conflict:
                return ""  # whoever was faster decides; the next look sees what
        return why
