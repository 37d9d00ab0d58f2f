"""What travels through the pipeline? A batch of queries, a slate of candidates, a trace of what happened.

Letters, defined once: B queries in a batch · C candidate places per query · F features · D embedding width ·
H history length · N items.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.catalog import Catalog
from foryou.domain.lists import EMPTY_SHELF, Shelf
from foryou.domain.records import Core, Places, UserRecord
from foryou.domain.tried import NOT_TRIED, Tried
from foryou.domain.variants import Worn

PLACED = ("", "pinned", "sponsored", "editorial")  # by whose hand a candidate has its place
_SLATE = {
    "item": np.int32, "prior": np.float32, "score": np.float32, "origin": np.uint16, "dropped": np.uint8,
    "pin": np.int16, "propensity": np.float32, "boost": np.float32, "placed": np.uint8,
}  # fmt: skip

_ARRAYS = ("history", "taste", "action", "at_ms", "anchor", "asked", "k", "seed", "user", "inverse", "place")
_LISTS = ("query", "offset", "known", "core", "people", "knew")  # of a batch, one entry per query as in _ARRAYS


@dataclass(frozen=True, slots=True)
class Query:
    """What one caller asks. `seed` is derived from user and request, so the answer does not depend on arrival order."""

    user_id: str
    k: int
    now_ms: int
    seed: int
    anchor: str = ""  # the item of an item page
    exclude: tuple[str, ...] = ()
    asked: str = ""  # an item whose fate is asked for: "why, or why not?"
    explain: bool = True
    session_id: str = ""
    search: str = ""  # what is searched for on this page; where it says nothing, the session's newest search counts
    category: str = ""  # the category that is looked at; as for search
    device: str = ""
    location: str = ""
    filter: str = ""  # an expression: what may be shown (domain/expression.py)
    language: str = ""  # of the reasons; "" = the configured one
    given: tuple[str, ...] = ()  # the caller's own items, to be ordered
    fed: bytes = b""  # what this feed has shown: low halves of item hashes, uint32, sorted
    row: str = ""  # the row of a page that this is for (serve/rows.py)


@dataclass(frozen=True, slots=True)
class View:
    """What one process knows of items and trends at a moment; replaced whole, never changed.

    trending  float32 [N+1] decayed interest of the last 24 h · trending_top int32 [n] its best items, best first ·
    trending_position, trending_ms: the counters that it was made of, and the time that it was made for
    welcome, welcome_top: as for trending, of what newcomers began with in the last weeks
    newest    int32 [n] what was published lately and may be shown, newest first · shelf the lists made by hand ·
    tried what came of showing items
    """

    catalog: Catalog
    trending: NDArray[np.float32]
    trending_top: NDArray[np.int32]
    trending_position: dict[int, int]
    trending_ms: int
    newest: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    shelf: Shelf = EMPTY_SHELF
    welcome: NDArray[np.float32] = field(default_factory=lambda: np.zeros(1, np.float32))
    welcome_top: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    tried: Tried = NOT_TRIED


@dataclass(slots=True)
class QueryBatch:
    """What is asked, for B users at once.

    history  int32 [B, H] distinct items newest first, 0 = none   taste  float32 [B, H] interest in [-1, 1]
    action   uint8 [B, H] the action that gave the taste          at_ms  int64 [B, H] when it was last acted on
    anchor   int32 [B] item of an item page, 0 = none
    seen     uint32 [S] low hash halves, sorted per query; those of query b are seen[seen_start[b]:seen_start[b+1]]
    shown    the same of what was put before the users in the last 24 h, as often as it was
    k        int32 [B] wanted length                              seed   uint64 [B]
    asked    int32 [B] item whose fate is asked for, 0 = none     offset places of the users in `events`
    user     float32 [B, D] user vectors, filled by the stage `represent` together with what explanations need
             of the solution: inverse float64 [B, M, M] and place int32 [B, M]
    """

    query: list[Query]
    view: View
    history: NDArray[np.int32]
    taste: NDArray[np.float32]
    action: NDArray[np.uint8]
    at_ms: NDArray[np.int64]
    seen: NDArray[np.uint32]
    seen_start: NDArray[np.int64]
    anchor: NDArray[np.int32]
    asked: NDArray[np.int32]
    k: NDArray[np.int32]
    seed: NDArray[np.uint64]
    offset: list[int]
    known: list[bool]
    user: NDArray[np.float32]
    inverse: NDArray[np.float64]
    place: NDArray[np.int32]
    core: list[Core]  # session and demographics of the users
    shown: NDArray[np.uint32]
    shown_start: NDArray[np.int64]
    people: list[UserRecord]  # what all of this was made of
    knew: list[dict[str, Places]] = field(default_factory=list)  # per query: the user and those merged into it
    lost: list[bool] = field(default_factory=list)  # per query: the user could not be read; empty = all could
    candidates: NDArray[np.int32] | None = None  # the items of the slate, once they are to be ranked: int32 [B, C]
    memo: dict[str, NDArray[Any]] = field(default_factory=dict)  # what models worked out once for this batch
    measure: dict[str, NDArray[np.float32]] = field(default_factory=dict)  # input -> mean and deviation, [2, B, 1]

    def __len__(self) -> int:
        return len(self.query)

    def measures(self, rows: Sequence[int]) -> dict[str, NDArray[Any]]:
        """Give how the candidates of these queries were measured."""
        return {name: known[:, list(rows)] for name, known in self.measure.items()}

    def alone(self, b: int) -> "QueryBatch":
        """Give one query as a batch of one."""
        return self.taken([b])

    def taken(self, rows: Sequence[int]) -> "QueryBatch":
        """Give these queries as a batch, each as often as it is named; the candidates' measures stay."""
        wanted = np.array(rows, np.intp)
        columns: dict[str, Any] = {name: getattr(self, name)[wanted] for name in _ARRAYS}
        for name in _LISTS:
            column = getattr(self, name)
            columns[name] = [column[b] for b in rows]
        for name in ("seen", "shown"):
            values, start = getattr(self, name), getattr(self, f"{name}_start").tolist()
            columns[f"{name}_start"] = np.zeros(len(rows) + 1, np.int64)
            np.cumsum([start[b + 1] - start[b] for b in rows], out=columns[f"{name}_start"][1:])
            columns[name] = np.concatenate([values[start[b] : start[b + 1]] for b in rows])
        candidates = None if self.candidates is None else self.candidates[wanted]
        return replace(self, memo={}, measure=self.measures(rows), candidates=candidates, **columns)


@dataclass(slots=True)
class Trace:
    """What happened to one batch: plain data that `observe` turns into metrics."""

    stages: list[tuple[str, float, int]] = field(default_factory=list)  # (name, ms, candidates kept)
    fallbacks: list[str] = field(default_factory=list)  # stages that failed open or were skipped
    errors: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)  # rule -> candidates
    boosted: dict[str, int] = field(default_factory=dict)  # boost -> candidates
    not_finite: int = 0
    lost: int = 0  # queries whose user could not be read, though those of others could


class Slate:
    """The candidates of B queries, as arrays [B, C]; memory is reused from batch to batch.

    item        int32    0 = empty place            origin  uint16  bit set of the sources that proposed it
    prior       float32  the first source's score   dropped uint8   0 = kept, else the number of the rule + 1
    score       float32  the ranker's               pin     int16   > 0 = the place (1..k) it must have
    propensity  float32  chance of being shown where it is, 1 = certain
    boost       float32  what rules added to the score
    placed      uint8    by whose hand it has its pin, a number of PLACED; `labels`: (query, place) -> what stands there
    inputs      float32 [F, B, C] what the ranker saw, None before it has ranked. Logged, by the inputs of `schema`,
                are those of the queries in `logged`
    Nothing orders a slate except `top`; a score that is not finite is never selected.
    """

    item: NDArray[np.int32]
    prior: NDArray[np.float32]
    score: NDArray[np.float32]
    origin: NDArray[np.uint16]
    dropped: NDArray[np.uint8]
    pin: NDArray[np.int16]
    propensity: NDArray[np.float32]
    boost: NDArray[np.float32]
    placed: NDArray[np.uint8]

    def __init__(self, quotas: Mapping[str, int], rules: tuple[str, ...] = ()) -> None:
        """Make room for the quotas: source -> places; the order gives the bits of `origin`."""
        self.rules, self.sources = rules, tuple(quotas)
        self.places = max(1, sum(quotas.values()))
        self._named: dict[int, tuple[str, ...]] = {}  # origin -> sources
        self._memory: dict[str, NDArray[np.generic]] = {}
        self.reset(1)

    def reset(self, queries: int) -> None:
        """Empty the slate and make it B = `queries` wide."""
        size = queries * self.places
        for name, dtype in _SLATE.items():
            if name not in self._memory or len(self._memory[name]) < size:
                self._memory[name] = np.empty(size, dtype)
            column = self._memory[name][:size].reshape(queries, self.places)
            column[:] = name == "propensity"
            setattr(self, name, column)
        self._used = 0
        self.labels: dict[tuple[int, int], str] = {}
        self.inputs: NDArray[np.float32] | None = None
        self.logged: frozenset[int] = frozenset()
        self.schema = ""
        self.boosted: dict[str, int] = {}

    def propose(self, source: str, item: NDArray[np.int32], prior: NDArray[np.float32]) -> None:
        """Add candidates of one source: int32 [B, n] (0 = none) with their priors float32 [B, n].

        An item that is there already keeps its place and prior and gains the source's bit. What goes beyond the
        room that the quotas made is left out.
        """
        bit = np.uint16(1 << self.sources.index(source))
        self._used = kernels.merge(self.item, self.prior, self.origin, self._used, item, prior, bit)

    def drop(self, mask: NDArray[np.bool_], rule: str) -> None:
        """Drop the candidates where the mask [B, C] is true; the first rule that drops one keeps the blame."""
        self.dropped[mask & (self.dropped == 0)] = self.rules.index(rule) + 1

    def dropped_by(self, rule: str) -> NDArray[np.bool_]:
        """Say of which queries a rule has dropped anything.  bool [B]"""
        return np.asarray(
            (self.dropped == self.rules.index(rule) + 1).any(axis=1)
            if rule in self.rules
            else np.zeros(len(self.item), np.bool_)
        )

    def bit(self, source: str) -> np.uint16:
        """Give the bit of a source in `origin`, 0 where it is not there."""
        return np.uint16(1 << self.sources.index(source) if source in self.sources else 0)

    def place(self, mask: NDArray[np.bool_], place: int, by: str) -> None:
        """Pin the candidates where the mask [B, C] is true to a place (1 = first), by whose hand (see PLACED)."""
        self.pin[mask], self.placed[mask] = place, PLACED.index(by)

    def raise_by(self, mask: NDArray[np.bool_], add: float, boost: str) -> None:
        """Add to the score of the candidates where the mask [B, C] is true, and count them under the boost's name."""
        self.score[mask] += np.float32(add)
        self.boost[mask] += np.float32(add)
        self.boosted[boost] = self.boosted.get(boost, 0) + int(np.count_nonzero(mask & self.kept()))

    def kept(self) -> NDArray[np.bool_]:
        """Give where a candidate stands that no rule has dropped.  bool [B, C]"""
        return np.asarray((self.item > 0) & (self.dropped == 0))

    def size(self) -> int:
        """Give how many candidates are kept, over all queries."""
        return int(kernels.count_kept(self.item, self.dropped))

    def not_finite(self) -> int:
        """Give how many kept candidates have a score that is NaN or infinite."""
        return int(np.count_nonzero(~np.isfinite(self.score) & self.kept()))

    def source_of(self, query: int, place: int) -> str:
        """Give the first source that proposed it; `exploration` where chance put it; or by whose hand it is there."""
        if self.propensity[query, place] < 1:
            return "exploration"
        if by := PLACED[self.placed[query, place]]:
            return by
        found = self.sources_of(query, place)
        return found[0] if found else ""

    def sources_of(self, query: int, place: int) -> tuple[str, ...]:
        """Give all sources that proposed the candidate, in their order."""
        origin = int(self.origin[query, place])
        found = self._named.get(origin)
        if found is None:
            found = self._named[origin] = tuple(name for bit, name in enumerate(self.sources) if origin >> bit & 1)
        return found

    def inputs_of(self, query: int, places: NDArray[np.integer[Any]]) -> "Inputs":
        """Give what the ranker saw of these candidates, where that is logged."""
        if self.inputs is None or query not in self.logged:
            return NOT_LOGGED
        return Inputs(self.schema, np.ascontiguousarray(self.inputs[:, query, places].T).tobytes())

    def drops(self) -> dict[str, int]:
        """Give how many candidates each rule dropped."""
        count = np.bincount(self.dropped[self.item > 0], minlength=len(self.rules) + 1)
        return {rule: int(count[place + 1]) for place, rule in enumerate(self.rules) if count[place + 1]}

    def top(self, k: NDArray[np.int32]) -> NDArray[np.int32]:
        """Give the places of the best kept candidates per query: int32 [B, max k], -1 = none.

        Pinned ones stand at their place, the others follow by score; equal scores by item number.
        """
        return kernels.top(self.item, self.score, self.dropped, self.pin, k)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a ranker saw of the items of an answer: float32 [items, F] as bytes, and the fingerprint of the schema."""

    schema: str
    values: bytes


NOT_LOGGED = Inputs("", b"")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an item is there: a code, a sentence and the items of the history that moved its score."""

    code: str
    text: str
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """One item of an answer."""

    item_id: str
    title: str
    score: float
    source: str
    propensity: float
    reason: Reason
    found_by: tuple[str, ...] = ()  # all sources that proposed it
    worn: Worn | None = None  # the variant in which it is shown, where it has some
    team: int | None = None  # of an experiment that interleaves: whose pick it was, -1 = neither's


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one query. `degraded` says what is missing from it and why.

    `cold`: the user has not acted on any item of the catalog yet, as far as is known.
    """

    items: list[Shown]
    degraded: tuple[str, ...]
    bundle: str
    offset: int
    view: View
    verdict: "Verdict | None" = None
    knew: dict[str, Places] = field(default_factory=dict)  # the user, and those merged into it
    cold: bool = False
    inputs: Inputs = NOT_LOGGED
    expected: bytes = b""  # chance of a click of each item, float16; empty = the ranker cannot tell

    def whole(self, k: int) -> bool:
        """Say whether it has k items and lacks nothing but acquaintance with the user: what coverage counts."""
        return len(self.items) == k and not set(self.degraded) - {"unknown_user"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the item that was asked for: the verdict of every stage.

    `outcome`: shown | outranked | dropped | not_proposed | unknown_item; `rank` among those kept
    (1 = best), `cutoff` the score of the last item shown; `inputs` what the ranker saw,
    `parts` what each input added to the score.
    """

    outcome: str
    proposed_by: tuple[str, ...] = ()
    dropped_by: str = ""
    score: float = 0.0
    cutoff: float = 0.0
    rank: int = 0
    inputs: dict[str, float] = field(default_factory=dict)
    parts: dict[str, float] = field(default_factory=dict)
