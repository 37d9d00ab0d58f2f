"""What in the log can be folded? What can be read, and does not break the fold; the rest is named with its reason."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from foryou.domain.errors import Refused
from foryou.domain.event import Event
from foryou.domain.log import Entry, Stream
from foryou.domain.records import UserRecord
from foryou.features.fold import Folded, fold, fold_parts

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Unread:
    """An entry that cannot be folded, and why."""

    stream: Stream
    entry: Entry
    reason: str

    def __str__(self) -> str:
        """Say where it lies, and why."""
        return f"{self.stream}, partition {self.entry.partition}, offset {self.entry.offset}: {self.reason}"


@dataclass(slots=True)
class Readable(Generic[_T]):
    """Entries of one stream and partition, those that can be read with what they say."""

    stream: Stream
    entries: list[Entry] = field(default_factory=list)
    values: list[_T] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)

    @property
    def offsets(self) -> list[int]:
        """Give where the values lie."""
        return [entry.offset for entry in self.entries]


def readable(stream: Stream, entries: list[Entry], decode: Callable[[bytes], _T]) -> Readable[_T]:
    """Read entries."""
    found: Readable[_T] = Readable(stream)
    for entry in entries:
        try:
            found.values.append(decode(entry.record.body))
            found.entries.append(entry)
        except Refused as error:
            found.unread.append(Unread(stream, entry, str(error)))
    return found


def foldable(
    known: Mapping[str, UserRecord | None], parts: Sequence[Readable[Event]]
) -> list[tuple[Folded, list[Unread]]]:
    """Fold events, partition by partition; where one breaks the fold, all but those that break it alone.

    Raises what the fold raises if it is none of them alone.
    """
    try:
        return [(one, []) for one in fold_parts(known, [(part.values, part.offsets) for part in parts])]
    except Exception:  # noqa: BLE001 - it is raised again where no event alone is to blame
        return [_all_but_broken(known, part) for part in parts]


def _all_but_broken(known: Mapping[str, UserRecord | None], events: Readable[Event]) -> tuple[Folded, list[Unread]]:
    try:
        return fold(known, events.values, events.offsets), []
    except Exception:
        good: Readable[Event] = Readable(events.stream)
        for event, entry in zip(events.values, events.entries, strict=True):
            try:
                fold(known, [event], [entry.offset])
            except Exception as error:  # noqa: BLE001 - whatever it is, the others must not wait for it
                good.unread.append(Unread(events.stream, entry, f"it breaks the fold: {error!r}"))
            else:
                good.values.append(event)
                good.entries.append(entry)
        if not good.unread:
            raise
        return fold(known, good.values, good.offsets), good.unread
