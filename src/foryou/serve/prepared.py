"""What are those shown of whom nothing is known? Lists that the pipeline makes ahead, anew when something changes."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from foryou.domain.catalog import Catalog
from foryou.domain.errors import Unavailable
from foryou.domain.event import hash64, hashes
from foryou.domain.lists import Lists
from foryou.domain.ports import TimeSource
from foryou.domain.slate import Answer, Query, View
from foryou.serve.live import Arm, Live
from foryou.serve.overload import PREPARED

TOP = 1_000  # items of the longest list
WIDE = ":top "  # before the name of a placement: its pipeline with that many candidates and without chance
DEVICES = ("", "mobile")  # segments: what of a stranger's context changes an answer
KINDS = 16  # different numbers of items and languages that are kept ready per placement and segment
SHARE = 0.05  # of the time may go into making lists
ANEW_MS = 10_000  # after which a list is made anew though nothing but the time has changed
LASTING = frozenset({"short_answer", "filter_exhausted"})  # what an answer may lack and still stand for a minute


@dataclass(frozen=True, slots=True)
class Segment:
    """Who is shown a list, and where."""

    placement: str
    device: str


@dataclass(frozen=True, slots=True)
class Kind:
    """How long a list is wanted, and in which language its reasons are."""

    k: int
    language: str


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """An answer for everybody of a segment; another object as soon as it has other items."""

    answer: Answer
    name: str  # the recommendation_id of all who are shown it


@dataclass(slots=True)
class _Made:
    """What one segment was last made from, and what came of it."""

    pages: dict[Kind, Page]
    whole: Answer
    seen: "_Seen"
    until_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What decides a list, but for the time of day. Arm, catalog and lists are replaced whole when they change."""

    arm: Arm
    catalog: Catalog
    lists: Lists
    more: tuple[object, ...]

    def same(self, other: "_Seen") -> bool:
        whole = self.arm is other.arm and self.catalog is other.catalog and self.lists is other.lists
        return whole and self.more == other.more


class Prepared:
    """Keeps lists ready. One thread calls `look`; any thread reads `page` and `whole`."""

    def __init__(self, live: Live, clock: TimeSource, lengths: Mapping[str, int]) -> None:
        self._live, self._clock = live, clock
        self._wanted = {Segment(name, device): [Kind(k, "")] for name, k in lengths.items() for device in DEVICES}
        self._order = list(self._wanted)  # those made last come last
        self._made: dict[Segment, _Made] = {}
        self.turn = 0  # grows whenever a page may be another one than before

    def page(self, segment: Segment, kind: Kind) -> Page | None:
        """Give what is ready. What is not will be, at the next look, as long as there is room."""
        made = self._made.get(segment)
        page = made.pages.get(kind) if made else None
        if page is None:
            wanted = self._wanted.get(segment, [])
            if kind not in wanted and 0 < len(wanted) < KINDS:
                wanted.append(kind)
        return page

    def whole(self, placement: str, device: str = "") -> Answer | None:
        """Give the list of up to 1,000 items; None before it was made for the first time."""
        made = self._made.get(Segment(placement, device)) or self._made.get(Segment(placement, ""))
        return made.whole if made else None

    def spare(self, placement: str, query: Query) -> Answer | None:
        """Give an answer for somebody whom there is no time to know: the first items that the caller lets pass."""
        whole = self.whole(placement, query.device)
        if whole is None or not set(whole.degraded) <= LASTING:
            return None
        left_out = set(query.exclude)
        shown = [item for item in whole.items[: query.k + len(left_out)] if item.item_id not in left_out][: query.k]
        lacks = (PREPARED,) if len(shown) == query.k else (PREPARED, "short_answer")
        return replace(whole, items=shown, degraded=lacks, offset=-1, knew={})

    def look(self, most: int | None = None) -> float:
        """Make again what has changed; gives the seconds that this took. Nothing is kept of an arm that has gone.

        most: segments that are made at once, those first that were not looked at longest; None = all.
        """
        started = time.perf_counter()
        try:
            arm = self._live.arm_for("")
        except Unavailable:
            return 0.0
        for segment in self._order[:]:
            kinds = tuple(self._wanted[segment])
            now_ms, seen = self._clock.now_ms(), self._seen(arm, segment, kinds)
            old = self._made.get(segment)
            if old is None or old.until_ms <= now_ms or not old.seen.same(seen):
                self._made[segment] = _made(arm, segment, kinds, now_ms, old, seen)
                self.turn += 1
                self._order.remove(segment)
                self._order.append(segment)
                if most is not None and (most := most - 1) == 0:
                    break
        return time.perf_counter() - started

    def _seen(self, arm: Arm, segment: Segment, kinds: tuple[Kind, ...]) -> _Seen:
        view, now_ms = arm.view, self._clock.now_ms()
        lists = view.shelf.lists
        active = tuple(one.name for one in lists.by_name.values() if one.holds(segment.placement, now_ms))
        tops = view.trending_top.tobytes(), view.welcome_top.tobytes()
        return _Seen(arm, view.catalog, lists, (*tops, active, kinds))


def _made(arm: Arm, segment: Segment, kinds: tuple[Kind, ...], now_ms: int, old: _Made | None, seen: _Seen) -> _Made:
    pipeline = arm.pipelines[WIDE + segment.placement]
    asked = Query(user_id="", k=TOP, now_ms=now_ms, seed=0, device=segment.device, explain=False)
    whole = pipeline.run([asked])[0][0]
    queries = [replace(asked, k=kind.k, language=kind.language, explain=True) for kind in kinds]
    pages = {}
    for kind, answer in zip(kinds, pipeline.run(queries)[0], strict=True):
        if set(answer.degraded) <= LASTING:
            page = Page(answer, _name(segment, kind, answer))
            before = old.pages.get(kind) if old else None
            pages[kind] = before if before is not None and before.name == page.name else page
    return _Made(pages, whole, seen, min(now_ms + ANEW_MS, _next_expiry(arm.view, whole, now_ms)))


def _next_expiry(view: View, whole: Answer, now_ms: int) -> int:
    """Give when the first of these items may not be shown any more."""
    expires = view.catalog.expires_ms[view.catalog.numbers(hashes([item.item_id for item in whole.items]))]
    return int(expires[expires > now_ms].min(initial=now_ms + ANEW_MS))


def _name(segment: Segment, kind: Kind, answer: Answer) -> str:
    """Give the name that answers share as long as they show the same; scores may move a little meanwhile."""
    shown = [(item.item_id, item.title, item.source, item.reason.text, item.worn) for item in answer.items]
    return f"list-{hash64(repr((segment, kind, answer.bundle, shown))):016x}"
