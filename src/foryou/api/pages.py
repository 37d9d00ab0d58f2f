"""How does a page come about? Rows are chosen from the user's own list, then asked for one after the other."""

import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from foryou.api import schema
from foryou.api.answers import Part, wire_items, wire_part
from foryou.api.parts import Parts
from foryou.domain.clock import DAY_MS
from foryou.domain.event import hash64
from foryou.domain.expression import parse
from foryou.domain.slate import Answer, Query
from foryou.serve.rows import DISCOVER, FOR_YOU, Plan, plans
from foryou.serve.wording import known_language

SURVEYED = 60  # items of the list that rows are chosen from
LEAST = 3  # items of a row; with fewer it is left out
ITEM = "item"  # the placement of rows about one item
Answering = Callable[[str, Query, int], Awaitable[tuple[Answer, Part]]]
Exposing = Callable[[str, str, Query, Answer, Part], None]


@dataclass(slots=True)
class _Draft:
    """A page on its way: what stands on it so far, and by when it must be there."""

    placement: str
    base: Query
    deadline: float  # perf_counter seconds
    rows: list[schema.WireRow]
    degraded: list[str]

    def left_ms(self) -> int:
        return int((self.deadline - time.perf_counter()) * 1e3)

    def shown(self) -> tuple[str, ...]:
        return tuple(item.item_id for row in self.rows for item in row.items)


class Pages:
    """Gives pages of rows. Each row is an answer of its own, which is logged, can be replayed, and earns its clicks."""

    def __init__(self, parts: Parts, answer: Answering, expose: Exposing) -> None:
        self._parts, self._answer, self._expose = parts, answer, expose

    async def page(self, placement: str, ask: schema.PageAsk) -> schema.Page:
        """Give the page of a placement for a user. Raises Invalid for a filter that cannot be read."""
        started = time.perf_counter()
        user_id = (ask.user_id or ask.anonymous_id) if ask.personalize else ""
        if ask.filter:
            parse(f"({ask.filter})")
        base = Query(
            user_id=user_id, k=SURVEYED, now_ms=self._parts.clock.now_ms(), seed=hash64(f"{user_id}:survey"),
            session_id=ask.session_id, filter=ask.filter, language=known_language(ask.language),
        )  # fmt: skip
        draft = _Draft(placement, base, started + (ask.deadline_ms or self._parts.deadline_ms) / 1e3, [], [])
        survey, part = await self._answer(placement, base, max(1, draft.left_ms()))
        draft.degraded += [one for one in survey.degraded if one not in ("short_answer", "filter_exhausted")]
        for plan in self._plans(placement, survey, base):
            if len(draft.rows) == ask.num_rows:
                break
            if draft.rows and draft.left_ms() <= 0:
                draft.degraded.append("deadline:rows")
                break
            await self._fill(draft, plan, ask)
        return schema.Page(
            draft.rows, survey.bundle, wire_part(part, survey),
            tuple(dict.fromkeys(draft.degraded)), round((time.perf_counter() - started) * 1e3, 3),
        )  # fmt: skip

    def _plans(self, placement: str, survey: Answer, base: Query) -> Sequence[Plan]:
        parts = self._parts
        new_ms = base.now_ms - int(parts.placements[placement].new_days * DAY_MS)
        first = Plan(FOR_YOU, parts.words.say(base.language, FOR_YOU))
        rest = plans(survey, base.language, parts.words, new_ms)
        found = [first, *(one for one in rest if not one.anchor or ITEM in parts.placements)]
        if not survey.cold:  # to a newcomer all is new
            found.append(Plan(DISCOVER, parts.words.say(base.language, DISCOVER)))
        return found

    async def _fill(self, draft: _Draft, plan: Plan, ask: schema.PageAsk) -> None:
        """Put the row on the page, without what stands on it already; one that would be too short is left out."""
        name = uuid.uuid4().hex
        placement = ITEM if plan.anchor else draft.placement
        query = replace(
            draft.base, k=ask.num_results, seed=hash64(f"{draft.base.user_id}:{name}"), row=plan.kind,
            anchor=plan.anchor, exclude=draft.shown(), filter=_filter(draft.base.filter, plan.category),
            explain=ask.explain,
        )  # fmt: skip
        answer, part = await self._answer(placement, query, max(1, draft.left_ms()))
        if len(answer.items) < min(LEAST, ask.num_results) and plan.kind != FOR_YOU:
            return
        draft.degraded += [one for one in answer.degraded if one not in ("short_answer", "filter_exhausted")]
        self._expose(name, placement, query, answer, part)
        reason = schema.WireReason(plan.title.code, plan.title.text, plan.title.because)
        draft.rows.append(schema.WireRow(plan.kind, plan.title.text, reason, name, wire_items(answer)))


def _filter(said: str, category: str) -> str:
    if not category:
        return said
    escaped = category.replace("\\", "\\\\").replace('"', '\\"')
    own = f'category = "{escaped}"'
    return f"({said}) and {own}" if said else own
