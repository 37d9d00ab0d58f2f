"""What does a check see, and what does it say? A batch of events at a time; findings with examples and a mend."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from foryou.domain.event import Event, EventColumns

EXAMPLES = 5
COMPACT = 1_000_000  # rows of a Tally before equal ones are summed


class Severity(StrEnum):
    """How bad it is: an error spoils what is learned, a warning may, a note is only good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: how often, of how many, where for example, and what to do about it."""

    check: str
    severity: Severity
    count: int
    of: int
    what: str
    examples: tuple[str, ...]
    mend: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What all checks may know: the time, the catalog, the profiles, the share of events that tests use.

    item          uint64 [N] hashes of the items in order · published int64 [N] ms, 0 = unknown
    numbers       attribute -> (places int64 [n] into item, values float64 [n]), as far as they are numbers
    profile       uint64 [P] hashes of the users with a profile, in order
    """

    now_ms: int
    item: NDArray[np.uint64]
    published: NDArray[np.int64]
    numbers: Mapping[str, tuple[NDArray[np.int64], NDArray[np.float64]]]
    profile: NDArray[np.uint64]
    test_share: float


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one partition in log order, n of them, and what could not be read.

    place     int64 [n] into Scope.item, -1 = not in the catalog or about no item
    received, appended  int64 [n] ms
    """

    partition: int
    offsets: list[int]
    events: list[Event]
    columns: EventColumns
    place: NDArray[np.int64]
    received: NDArray[np.int64]
    appended: NDArray[np.int64]
    damaged: list[str]

    def example(self, row: int) -> str:
        """Give an event as one line: its id, its place in the log, who did what."""
        event = self.events[row]
        about = event.item_id or event.query
        return (
            f"{event.event_id} at {self.partition}/{self.offsets[row]}: user {event.user_id} {event.action} {about} "
            f"at_ms {event.at_ms}"
        )


class Check(Protocol):
    """One thing to look for. Made once per examination, shown every batch, then asked."""

    def see(self, batch: Batch) -> None:
        """Take note of a batch; partitions come one after the other."""
        ...

    def findings(self) -> list[Finding]:
        """Say what was found."""
        ...


@dataclass(slots=True)
class Hits:
    """How often something was seen, and the first examples."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, batch: Batch, mask: NDArray[np.bool_]) -> None:
        """Count the rows where the mask is true; keep the first ones as examples."""
        rows = np.flatnonzero(mask)
        self.count += len(rows)
        for row in rows[: EXAMPLES - len(self.examples)].tolist():
            self.examples.append(batch.example(row))


class Tally:
    """Counts by pairs of numbers. Memory goes with the number of different pairs, not with that of events."""

    def __init__(self) -> None:
        self._parts: list[NDArray[Any]] = []
        self._waiting = 0

    def add(self, first: NDArray[np.int64], second: NDArray[np.uint64]) -> None:
        """Count each pair once.  int64 [n], uint64 [n]"""
        part = np.zeros(len(first), [("first", "<i8"), ("second", "<u8"), ("count", "<i8")])
        part["first"], part["second"], part["count"] = first, second, 1
        self._parts.append(part)
        self._waiting += len(part)
        if self._waiting > COMPACT:
            self._compact()

    def rows(self) -> NDArray[Any]:
        """Give (first, second, count) of every pair, in order."""
        self._compact()
        return self._parts[0]

    def _compact(self) -> None:
        whole = np.concatenate(self._parts) if self._parts else np.zeros(0, "<i8,<u8,<i8")
        whole.dtype.names = ("first", "second", "count")
        whole = whole[np.lexsort((whole["second"], whole["first"]))]
        if len(whole):
            new = (np.diff(whole["first"]) != 0) | (np.diff(whole["second"]) != 0)
            start = np.flatnonzero(np.concatenate([[True], new]))
            counts = np.add.reduceat(whole["count"], start)
            whole = whole[start]
            whole["count"] = counts
        self._parts, self._waiting = [whole], 0


def share(count: int, of: int) -> float:
    """Give count / of, 0 where there is nothing."""
    return count / of if of else 0.0
