"""How is a log examined? Read once from its start, batch by batch, every check looking at each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foryou.domain.errors import Refused
from foryou.domain.event import columns, hash64
from foryou.domain.item import Item
from foryou.domain.log import Entry, Position, Stream
from foryou.domain.ports import EventLog, ItemStore, TimeSource
from foryou.ingest.codec import event_of
from foryou.ingest.doctor.finding import Batch, Check, Finding, Scope, Severity

READ = 5_000
ATTRIBUTES = 32  # that are looked at as numbers
VALUED = 200_000  # items of which attributes are looked at
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Examined:
    """What was looked at, and what was found, the worst first."""

    events: int
    items: int
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Say that nothing spoils what is learned."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)


def examine(
    log: EventLog,
    scope: Scope,
    checks: Sequence[Callable[[Scope], Check]],
    on_progress: Progress,
) -> Examined:
    """Show every event of the log to every check; `on_progress("examine", done, total)`. Raises Unavailable."""
    made = [check(scope) for check in checks]
    ends = log.ends(Stream.EVENTS)
    done, total = 0, sum(end + 1 for end in ends.values())
    for entries in _entries(log, Stream.EVENTS, ends):
        batch = _batch(entries, scope)
        for check in made:
            check.see(batch)
        done += len(entries)
        on_progress("examine", done, total)
    found = [finding for check in made for finding in check.findings()]
    order = list(Severity)
    found.sort(key=lambda finding: order.index(finding.severity))
    return Examined(done, len(scope.item), tuple(found))


def scope(log: EventLog, items: ItemStore, clock: TimeSource, test_share: float, on_progress: Progress) -> Scope:
    """Gather what the checks may know: hashes of the catalog and the profiles, numbers among the attributes."""
    hash_, published = [], []
    numbers: dict[str, tuple[list[int], list[float]]] = {}
    for place, item in enumerate(items.scan()):
        hash_.append(hash64(item.item_id))
        published.append(item.published_ms)
        if place < VALUED:
            _note_numbers(numbers, place, item)
        if place % READ == 0:
            on_progress("catalog", place, 0)
    key = np.array(hash_, np.uint64)
    order = np.argsort(key, kind="stable")
    stands = np.empty(len(key), np.int64)
    stands[order] = np.arange(len(key))
    users = {
        hash64(entry.record.key)
        for entries in _entries(log, Stream.USERS, log.ends(Stream.USERS)) for entry in entries
    }  # fmt: skip
    return Scope(
        now_ms=clock.now_ms(), item=key[order], published=np.array(published, np.int64)[order],
        numbers={
            name: (stands[np.array(places, np.int64)], np.array(values)) for name, (places, values) in numbers.items()
        },
        profile=np.array(sorted(users), np.uint64), test_share=test_share,
    )  # fmt: skip


def _note_numbers(numbers: dict[str, tuple[list[int], list[float]]], place: int, item: Item) -> None:
    said = {f"attribute {name}": text for name, text in item.attributes.items()}
    if item.price:
        said["price"] = str(item.price)
    for name, text in said.items():
        try:
            value = float(text)
        except ValueError:
            continue
        if np.isfinite(value) and (name in numbers or len(numbers) < ATTRIBUTES):
            places, values = numbers.setdefault(name, ([], []))
            places.append(place)
            values.append(value)


def _entries(log: EventLog, stream: Stream, ends: Position) -> Iterator[list[Entry]]:
    for partition, end in ends.items():
        after = -1
        while after < end and (entries := log.read(stream, partition, after, READ)):
            yield [entry for entry in entries if entry.offset <= end]
            after = entries[-1].offset


def _batch(entries: list[Entry], scope: Scope) -> Batch:
    events, good, damaged = [], [], []
    for entry in entries:
        try:
            events.append(event_of(entry.record.body))
            good.append(entry)
        except Refused as error:
            damaged.append(f"{entry.partition}/{entry.offset}: {error}")
    arrays = columns(events)
    return Batch(
        partition=entries[0].partition, offsets=[entry.offset for entry in good], events=events, columns=arrays,
        place=_places(scope.item, arrays.item), received=np.array([event.received_ms for event in events], np.int64),
        appended=np.array([entry.appended_ms for entry in good], np.int64), damaged=damaged,
    )  # fmt: skip


def _places(known: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> NDArray[np.int64]:
    if not len(known):
        return np.full(len(wanted), -1, np.int64)
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where((known[place] == wanted) & (wanted != 0), place, -1)
