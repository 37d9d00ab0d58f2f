"""What has a stream said since somebody looked last? Its changes, and how far they were read."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from foryou.domain.errors import Refused
from foryou.domain.log import Entry, Position, Stream
from foryou.domain.ports import EventLog

READ_LIMIT = 1_000
T = TypeVar("T")


def news(
    log: EventLog, stream: Stream, since: Mapping[int, int], decode: Callable[[bytes], T], until: Position | None = None
) -> tuple[list[T], Position]:
    """Give what a stream says after a position, up to `until` (else: to its end), and the position that was reached.

    What cannot be read is passed over: it is of another release, and what can be read goes on.
    """
    position, changes = dict(since), list[T]()
    for partition, end in (log.ends(stream) if until is None else until).items():
        while position.get(partition, -1) < end:
            entries = log.read(stream, partition, position.get(partition, -1), READ_LIMIT)
            entries = [entry for entry in entries if entry.offset <= end]
            if not entries:
                break
            changes += [change for entry in entries if (change := _decoded(entry, decode)) is not None]
            position[partition] = entries[-1].offset
    return changes, position


def _decoded(entry: Entry, decode: Callable[[bytes], T]) -> T | None:
    try:
        return decode(entry.record.body)
    except Refused:
        return None
