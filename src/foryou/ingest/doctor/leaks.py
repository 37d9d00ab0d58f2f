"""Does the data know the future? Events before their item, attributes that count events, tests without a past."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.domain.clock import DAY_MS, HOUR_MS
from foryou.ingest.doctor.finding import Batch, Finding, Hits, Scope, Severity, Tally, share

MANY = 0.1
ITEMS = 50  # with a number, from which its relation to the events tells
DISTINCT = 10
RELATED = 0.9  # rank correlation
NEW = 0.9  # of the users of the test window
SPANS = 1_000_000


class BeforeTheItem:
    """Events older than the time at which their item was published."""

    def __init__(self, scope: Scope) -> None:
        self._published, self._hits, self._of = scope.published, Hits(), 0

    def see(self, batch: Batch) -> None:
        """Compare times; a day is left for time zones."""
        known = batch.place >= 0
        published = np.zeros(len(known), np.int64)
        published[known] = self._published[batch.place[known]]
        dated = published != 0
        self._of += int(dated.sum())
        self._hits.note(batch, dated & (batch.columns.at_ms < published - DAY_MS))

    def findings(self) -> list[Finding]:
        """Say how many."""
        if not self._hits.count:
            return []
        bad = share(self._hits.count, self._of) > MANY
        return [Finding(
            "time leakage", Severity.ERROR if bad else Severity.WARNING, self._hits.count, self._of,
            "events are older than the published_ms of their item", tuple(self._hits.examples),
            "see that published_ms is the first publication and not the last change; else an item's age and the boost"
            " of new arrivals are wrong",
        )]  # fmt: skip


class FutureInTheCatalog:
    """Attributes and prices that go with the number of an item's events: they were counted after the fact."""

    def __init__(self, scope: Scope) -> None:
        self._numbers = scope.numbers
        self._events = np.zeros(len(scope.item), np.int64)

    def see(self, batch: Batch) -> None:
        """Count the events of each item."""
        known = batch.place[batch.place >= 0]
        if len(known):
            self._events += np.bincount(known, minlength=len(self._events))

    def findings(self) -> list[Finding]:
        """Say which attributes."""
        found = []
        for name, (places, values) in self._numbers.items():
            counts = self._events[places]
            if len(places) < ITEMS or len(np.unique(values)) < DISTINCT or len(np.unique(counts)) < DISTINCT:
                continue
            related = float(np.corrcoef(_ranks(values), _ranks(counts))[0, 1])
            if abs(related) >= RELATED:
                found.append(Finding(
                    "time leakage", Severity.ERROR, len(places), len(self._events), f"items have {name}, which goes"
                    f" with the number of their events (rank correlation {related:.2f})", (name,),
                    "leave out what is counted from actions, such as views or sales: in training it tells the future,"
                    " in service it stands still; trends are counted from the log",
                ))  # fmt: skip
        return found


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Give the rank of each value, equal ones their mean."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    return ((ends - count + ends - 1) / 2)[place]


class Newcomers:
    """Users of the newest events, those that training is judged on, who have no history before."""

    def __init__(self, scope: Scope) -> None:
        self._share, self._hours = scope.test_share, Tally()
        self._parts: list[NDArray[Any]] = []
        self._waiting = 0

    def see(self, batch: Batch) -> None:
        """Take note of the first and the last event of each user."""
        cols = batch.columns
        hour = cols.at_ms // HOUR_MS
        self._hours.add(hour, np.zeros(len(hour), np.uint64))
        part = np.zeros(len(hour), [("user", "<u8"), ("first", "<i8"), ("last", "<i8")])
        part["user"], part["first"], part["last"] = cols.user, hour, hour
        self._parts.append(_spans(part))
        self._waiting += len(self._parts[-1])
        if self._waiting > SPANS:
            self._parts = [_spans(np.concatenate(self._parts))]
            self._waiting = 0

    def findings(self) -> list[Finding]:
        """Say what share is new."""
        hours = self._hours.rows()
        if not len(hours):
            return []
        before = np.cumsum(hours["count"]) / hours["count"].sum()
        cut = int(hours["first"][min(int(np.searchsorted(before, 1 - self._share)), len(hours) - 1)])
        spans = _spans(np.concatenate(self._parts))
        tested = spans[spans["last"] >= cut]
        new = int((tested["first"] >= cut).sum())
        if share(new, len(tested)) <= NEW:
            return []
        return [Finding(
            "time leakage", Severity.WARNING, new, len(tested), "users of the newest events, which judge a training,"
            f" have no event before them (the newest {self._share:.0%})", (),
            "import a longer time, or see that user_id lasts longer than a session; the gate can then judge only what"
            " is popular",
        )]  # fmt: skip


def _spans(part: NDArray[Any]) -> NDArray[Any]:
    """Give one row per user with the first and the last hour of all his rows."""
    if not len(part):
        return part
    part = part[np.argsort(part["user"], kind="stable")]
    start = np.flatnonzero(np.concatenate([[True], np.diff(part["user"]) != 0]))
    whole = part[start]
    whole["first"] = np.minimum.reduceat(part["first"], start)
    whole["last"] = np.maximum.reduceat(part["last"], start)
    return whole
