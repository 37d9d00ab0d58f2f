"""How do the lines of a data set get into the log? Items, then users, then the events in the order of time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from operator import attrgetter

from foryou.domain.event import Event, hash64
from foryou.domain.item import ItemChange
from foryou.domain.log import Record, Stream
from foryou.domain.ports import EventLog
from foryou.domain.records import UserChange
from foryou.ingest.codec import event_record, item_record, user_record
from foryou.ingest.importers.layout import Layout, Skipped
from foryou.ingest.importers.sorting import Sorted
from foryou.ingest.importers.table import BadLine

KEPT = 100  # bad lines that a report holds; all are counted
_TOLD = 10_000  # lines between two reports of progress while reading
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import found and did.

    items, events  lines that are good         users    users with a profile or an event
    stored         records new to the log      repeats  records that it held already
    orphans        events on an item without a line of its own (they are kept)
    rejected       bad lines; `bad` holds the first KEPT of them
    oldest_ms, newest_ms  times of the first and the last event, 0 = there is none
    skipped        rows that a mapping leaves out on purpose
    """

    layout: str
    items: int
    users: int
    events: int
    stored: int
    repeats: int
    orphans: int
    rejected: int
    bad: tuple[BadLine, ...]
    oldest_ms: int
    newest_ms: int
    skipped: int = 0


@dataclass(slots=True)
class _Read:
    """Everything that a layout holds, and what is counted on the way."""

    events: Sorted
    items: list[ItemChange] = field(default_factory=list)
    users: list[UserChange] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)
    rejected: int = 0
    skipped: int = 0
    orphans: int = 0
    who: set[int] = field(default_factory=set)  # hashes of the users
    oldest_ms: int = 0
    newest_ms: int = 0


def run(layout: Layout, log: EventLog, on_progress: Progress, batch: int = 2000) -> ImportReport:
    """Append what the layout holds to the log, `batch` records at a time; give the counts.

    Every append is all or nothing and every record's id a hash of its content, so an import that was stopped is
    completed by the next run, and one that was not is changed by none.
    `on_progress(step, done, total)` hears of the steps reading (total 0 = not known), items, users and events.
    All is read before anything is stored, as events are sorted by (at_ms, user, item): in memory, and beyond some
    hundred thousand of them in a temporary file. Items, profiles and the hashes of users are held in memory.
    Raises Unavailable if a file, the disk or the log fails.
    """
    with Sorted(attrgetter("at_ms", "user_id", "item_id")) as events:
        found = _read(layout, events, on_progress)
        stored = repeats = 0
        for stream, total, records in (
            (Stream.ITEMS, len(found.items), map(item_record, found.items)),
            (Stream.USERS, len(found.users), map(user_record, found.users)),
            (Stream.EVENTS, len(events), map(event_record, events)),
        ):
            done = 0
            for some in _batches(records, batch):
                appended = log.append(stream, some)
                stored, repeats, done = stored + appended.stored, repeats + appended.repeats, done + len(some)
                on_progress(stream.value, done, total)
        return _report(layout.name, found, stored, repeats)


def _read(layout: Layout, events: Sorted, on_progress: Progress) -> _Read:
    found = _Read(events)
    known: set[str] = set()
    for line, thing in enumerate(layout.read(), start=1):
        if isinstance(thing, Event):
            events.add(thing)
            found.orphans += bool(thing.item_id) and thing.item_id not in known
            found.who.add(hash64(thing.user_id))
            found.oldest_ms = min(found.oldest_ms or thing.at_ms, thing.at_ms)
            found.newest_ms = max(found.newest_ms, thing.at_ms)
        elif isinstance(thing, ItemChange):
            found.items.append(thing)
            known.add(thing.item_id)
        elif isinstance(thing, UserChange):
            found.users.append(thing)
            found.who.add(hash64(thing.user_id))
        elif isinstance(thing, Skipped):
            found.skipped += 1
        else:
            found.rejected += 1
            if found.rejected <= KEPT:
                found.bad.append(thing)
        if line % _TOLD == 0:
            on_progress("reading", line, 0)
    return found


def _batches(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    ahead = iter(records)
    while some := list(islice(ahead, size)):
        yield some


def _report(name: str, found: _Read, stored: int, repeats: int) -> ImportReport:
    return ImportReport(
        layout=name, items=len(found.items), users=len(found.who), events=len(found.events), stored=stored,
        repeats=repeats, orphans=found.orphans, rejected=found.rejected, bad=tuple(found.bad),
        oldest_ms=found.oldest_ms, newest_ms=found.newest_ms, skipped=found.skipped,
    )  # fmt: skip
