"""What would have been shown? The log is lived through again: each page of events predicted, then fed in.

Events of one user and one second (a page of ratings sent at once) are predicted together and only then fed;
models are not retrained. Each event is one prediction with one relevant item; the others of its page stay in the
list as competitors.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numba import njit
from numpy.typing import NDArray

from foryou.domain.catalog import Catalog
from foryou.domain.event import Event, hash64
from foryou.domain.ports import FeatureStore
from foryou.domain.records import NOBODY, Change, Core, UserRecord
from foryou.domain.slate import Answer, Query, Trace
from foryou.features.fold import fold
from foryou.train.dataset import Interactions

HISTORY = 100
BATCH = 32
FEED = 5_000
TOGETHER_MS = 300_000  # pages asked in one batch are at most so far apart: they see the same trends


@dataclass(frozen=True, slots=True)
class Page:
    """Events of one user and one second: rows start..end of the log."""

    user: int
    at_ms: int
    start: int
    end: int


def pages(log: Interactions, start: int, end: int) -> list[Page]:
    """Group the rows start..end, which are in time order, by (second, user)."""
    second = log.at_ms[start:end] // 1_000
    order = np.lexsort((np.arange(end - start), log.user[start:end], second))
    if not np.array_equal(order, np.arange(end - start)):
        raise ValueError("rows must be in the order of (second, user); sort them with `by_page`")
    cut = np.flatnonzero(np.diff(second) | np.diff(log.user[start:end])) + 1
    bounds = [0, *cut.tolist(), end - start]
    return [
        Page(int(log.user[start + a]), int(log.at_ms[start + a]), start + a, start + b)
        for a, b in pairwise(bounds)
        if b > a
    ]


def by_page(log: Interactions) -> Interactions:
    """Give the log in the order of (second, user, item): pages stand together, the order within is fixed."""
    return log.where(np.lexsort((log.item, log.user, log.at_ms // 1_000)))


class Rehearsal:
    """A served pipeline with a feature store of its own, living through old events on their own time."""

    def __init__(
        self, store: FeatureStore, run: Callable[[list[Query]], tuple[list[Answer], Trace]], look: Callable[[int], None]
    ) -> None:
        self._store, self._run, self._look = store, run, look
        self.dropped: Counter[str] = Counter()  # rule -> candidates it dropped
        self.fallbacks: Counter[str] = Counter()
        self._token = store.lease("rehearsal", 10**12)
        self._offset = -1

    def feed(self, events: list[Event]) -> None:
        """Fold events into the records, as the stream process would."""
        users = list(dict.fromkeys(event.user_id for event in events))
        known: dict[str, UserRecord | None] = dict(zip(users, self._store.read(users), strict=True))
        through = self._offset + len(events)
        folded = fold(known, events, list(range(self._offset + 1, through + 1)))
        before, after = {"events": self._offset}, {"events": through}
        self._store.write(Change(0, before, after, folded.records, folded.counts, folded.firsts), self._token)
        self._offset = through

    def know(self, user_ids: Sequence[str], people: Sequence[Core]) -> None:
        """Take in what is known of users beside their events; before the first event."""
        records = {user: replace(NOBODY, core=core) for user, core in zip(user_ids, people, strict=False)}
        self._store.write(Change(0, {"users": -1}, {"users": 0}, records, {}), self._token)

    def feed_all(self, events: list[Event]) -> None:
        """Fold many events, some thousand at a time."""
        for start in range(0, len(events), FEED):
            self.feed(events[start : start + FEED])

    def ask(
        self, user_ids: list[str], at_ms: list[int], k: int, exclude: Sequence[tuple[str, ...]] = ()
    ) -> list[Answer]:
        """Give the answers that these users would get, each at a time of its own, the earliest first.

        `exclude`: per user the ids of items not to show, or nothing at all.
        """
        self._look(at_ms[0])
        queries = [
            Query(user, k, now, hash64(f"{user}:{now}"), exclude=hidden, explain=False)
            for user, now, hidden in zip(user_ids, at_ms, exclude or [()] * len(user_ids), strict=True)
        ]
        answers, trace = self._run(queries)
        self.dropped.update(trace.dropped)
        self.fallbacks.update(trace.fallbacks)
        return answers


@dataclass(frozen=True, slots=True)
class Replayed:
    """Predictions of a replay, one per event: rank int32 [n] in the list (-1 = not in it), user int32 [n], page."""

    rank: NDArray[np.int32]
    user: NDArray[np.int32]
    answers: list[Answer]
    dropped: dict[str, int]  # rule -> candidates


def replay_pipeline(
    log: Interactions, start: int, end: int, catalog: Catalog, rehearsal: Rehearsal, k: int,
    live: bool = True, on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Replayed:  # fmt: skip
    """Live through rows start..end with the served pipeline; `live` = False never feeds (records frozen at start)."""
    events = log.part(0, end).events(catalog)
    rehearsal.know(log.user_ids, log.people)
    rehearsal.feed_all(events[:start])
    rank = np.full(end - start, -1, np.int32)
    answers = []
    for run in together(pages(log, start, end), live):
        shown = rehearsal.ask([log.user_ids[page.user] for page in run], [page.at_ms for page in run], k)
        for page, answer in zip(run, shown, strict=True):
            place = {item.item_id: where for where, item in enumerate(answer.items)}
            for row in range(page.start, page.end):
                rank[row - start] = place.get(events[row].item_id, -1)
        if live:
            rehearsal.feed(events[run[0].start : run[-1].end])
        answers += shown
        on_progress(run[-1].end - start, end - start)
    return Replayed(rank, log.user[start:end], answers, dict(rehearsal.dropped))


def together(grouped: list[Page], live: bool = True) -> Iterator[list[Page]]:
    """Give runs of pages that can be asked in one batch: of different users, so that none has to wait for another's."""
    run: list[Page] = []
    users: set[int] = set()
    for page in grouped:
        if len(run) == BATCH or (live and page.user in users) or (run and page.at_ms - run[0].at_ms > TOGETHER_MS):
            yield run
            run, users = [], set()
        run.append(page)
        users.add(page.user)
    if run:
        yield run


@dataclass(frozen=True, slots=True)
class Window:
    """What was known before each of Q pages, as numbers, for baselines that score all items.

    history int32 [Q, H] newest first, 0 = none · taste float32 [Q, H] · seen: CSR of item numbers per page ·
    page int32 [n] page of each event · target int32 [n] item of each event
    """

    user: NDArray[np.int32]
    history: NDArray[np.int32]
    taste: NDArray[np.float32]
    seen: NDArray[np.int32]
    seen_start: NDArray[np.int64]
    page: NDArray[np.int32]
    target: NDArray[np.int32]

    def chunks(self, size: int = 512) -> Iterator[tuple[int, int]]:
        """Give ranges of pages that cover all of them."""
        for start in range(0, len(self.user), size):
            yield start, min(len(self.user), start + size)


def window(log: Interactions, start: int, end: int, live: bool = True) -> Window:
    """Collect what was known of each page's user before it (before `start` only, unless live)."""
    grouped = pages(log, start, end)
    history = np.zeros((len(grouped), HISTORY), np.int32)
    taste = np.zeros((len(grouped), HISTORY), np.float32)
    past = [np.flatnonzero(log.user[:end] == user) for user in range(len(log.user_ids))]
    seen, seen_start = [], np.zeros(len(grouped) + 1, np.int64)
    page, target = np.empty(end - start, np.int32), np.empty(end - start, np.int32)
    for place, one in enumerate(grouped):
        mine = past[one.user]
        mine = mine[: np.searchsorted(mine, one.start if live else start)]
        newest = mine[::-1][:HISTORY]
        history[place, : len(newest)], taste[place, : len(newest)] = log.item[newest], log.taste[newest]
        seen.append(np.unique(log.item[mine]))
        seen_start[place + 1] = seen_start[place] + len(seen[-1])
        page[one.start - start : one.end - start] = place
        target[one.start - start : one.end - start] = log.item[one.start : one.end]
    user = np.array([one.user for one in grouped], np.int32)
    return Window(user, history, taste, np.concatenate(seen).astype(np.int32), seen_start, page, target)


@njit(cache=True)
def _ranks(
    scores: NDArray[np.float32], first: int, seen: NDArray[np.int32], seen_start: NDArray[np.int64],
    page: NDArray[np.int32], target: NDArray[np.int32], out: NDArray[np.int32],
) -> None:  # fmt: skip
    for e in range(len(page)):
        q = page[e] - first
        if q < 0 or q >= len(scores):
            continue
        mine, better = scores[q, target[e]], 0
        for n in range(1, scores.shape[1]):
            better += scores[q, n] > mine or (scores[q, n] == mine and n < target[e])
        for at in range(seen_start[page[e]], seen_start[page[e] + 1]):
            n = seen[at]
            better -= n != target[e] and (scores[q, n] > mine or (scores[q, n] == mine and n < target[e]))
        out[e] = better


def ranks(
    shown: Window, score: Callable[[NDArray[np.int32], NDArray[np.float32]], NDArray[np.float32]]
) -> NDArray[np.int32]:
    """Give the rank (0 = best) of each event's item among the items its user had not seen.  int32 [n]

    `score(history, taste) -> float32 [q, N+1]`; equal scores go by item number.
    """
    out = np.empty(len(shown.page), np.int32)
    for start, end in shown.chunks():
        scores = np.ascontiguousarray(score(shown.history[start:end], shown.taste[start:end]), np.float32)
        _ranks(scores, start, shown.seen, shown.seen_start, shown.page, shown.target, out)
    return out
