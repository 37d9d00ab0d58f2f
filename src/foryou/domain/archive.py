"""What does the archive consist of? Parts named after day and place in the log, and a state that says which count."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from foryou.domain.log import Position

PARTS = "events"
STATES = "state"
IDS = "ids"
_NAME = re.compile(rf"{PARTS}/date=(\d{{4}}-\d\d-\d\d)/part-(\d+)-(\d+)-(\d+)\.parquet")


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One file: the events of one partition whose offsets are first..last and that the log received on one day (UTC).

    Its name says all that, so whoever writes it again after a crash writes the same object.
    """

    day: str
    partition: int
    first: int
    last: int

    @property
    def name(self) -> str:
        """Give the name of its object."""
        return f"{PARTS}/date={self.day}/part-{self.partition:04}-{self.first:014}-{self.last:014}.parquet"


class Run(msgspec.Struct, frozen=True):
    """A sorted file of the hashes of event ids, uint64: `count` of them."""

    name: str
    checksum: str
    count: int


class State(msgspec.Struct, frozen=True, kw_only=True):
    """How far the archive reaches. The newest state counts; each is an object that is created only if it is not there.

    through    the last offset of each partition that is archived for good
    pending    (partition, first, last) of the events that are being written; after a crash exactly these come again
    runs       partition -> the ids of all its events, so that a retry is known whenever it comes
    newest_ms  when the log received the newest event
    events, repeats, unread, erased  how many were archived, had an id that was known, could not be read, were erased
    repeated   ids of the first repeats, for a report
    """

    through: Position = {}
    pending: tuple[int, int, int] | None = None
    runs: dict[int, tuple[Run, ...]] = {}
    newest_ms: int = 0
    events: int = 0
    repeats: int = 0
    unread: int = 0
    erased: int = 0
    repeated: tuple[str, ...] = ()


def standing(names: Iterable[str], state: State) -> list[Part]:
    """Give the parts that count, by day: what a crash left half-done lies behind the state and does not."""
    found = [Part(said[1], *map(int, said.groups()[1:])) for name in names if (said := _NAME.fullmatch(name))]
    return sorted(part for part in found if part.last <= state.through.get(part.partition, -1))
