"""What is new in a partition, and what does it change? Entries of its streams go in, one change of records comes out.

Partitions have no user in common, so the news of many are folded at once: a fold of few events costs what one costs.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from foryou.domain.event import Event
from foryou.domain.exposure import Exposure
from foryou.domain.log import Stream
from foryou.domain.ports import EventLog
from foryou.domain.records import Change, UserChange, UserRecord
from foryou.features.fold import fold_exposures, fold_profiles
from foryou.features.tallied import shown_tallies
from foryou.ingest.codec import event_of, exposure_of, user_of
from foryou.ingest.readable import Readable, Unread, foldable, readable

BY_USER = (Stream.EVENTS, Stream.USERS, Stream.EXPOSURES)


@dataclass(frozen=True, slots=True)
class News:
    """What is new in a partition.

    before: stream -> offset that the records reflect, of all streams: whoever folds one of them writes whole records.
    through: stream -> offset of the last entry, where there is one.
    counts: entries of each stream; full: of one of them there may be more; appended_ms: of the first event, 0 = none.
    """

    partition: int
    before: dict[str, int]
    through: dict[str, int]
    events: Readable[Event]
    profiles: Readable[UserChange]
    exposures: Readable[Exposure]
    counts: dict[Stream, int]
    full: bool
    appended_ms: int

    @property
    def users(self) -> list[str]:
        """Give whom it is about, some of them more than once."""
        some = (self.events.values, self.profiles.values, self.exposures.values)
        return [one.user_id for values in some for one in values if one.user_id]


def news(
    log: EventLog, partition: int, stands: Mapping[str, int], streams: Collection[Stream], limit: int, fresh: bool
) -> News | None:
    """Read up to `limit` entries of each stream behind where the records stand; None = there are none."""
    found = {
        one: log.read(one, partition, stands[one.value], limit, fresh) if one in streams else [] for one in BY_USER
    }
    if not any(found.values()):
        return None
    events = found[Stream.EVENTS]
    return News(
        partition=partition,
        before={one.value: stands[one.value] for one in BY_USER},
        through={one.value: entries[-1].offset for one, entries in found.items() if entries},
        events=readable(Stream.EVENTS, events, event_of),
        profiles=readable(Stream.USERS, found[Stream.USERS], user_of),
        exposures=readable(Stream.EXPOSURES, found[Stream.EXPOSURES], exposure_of),
        counts={one: len(entries) for one, entries in found.items()},
        full=max(map(len, found.values())) >= limit,
        appended_ms=events[0].appended_ms if events else 0,
    )


def changes(known: Mapping[str, UserRecord | None], some: Sequence[News]) -> tuple[list[Change], list[Unread]]:
    """Give what the news of several partitions change, and the entries that could not be read or folded."""
    made, unread = [], []
    for one, (folded, unfoldable) in zip(some, foldable(known, [one.events for one in some]), strict=True):
        records = folded.records
        if one.profiles.values:
            records |= fold_profiles({**known, **records}, one.profiles.values, one.profiles.offsets)
        if one.exposures.values:
            records |= fold_exposures({**known, **records}, one.exposures.values, one.exposures.offsets)
        tallies = folded.tallies | shown_tallies(one.exposures.values)
        made.append(Change(one.partition, one.before, one.through, records, folded.counts, folded.firsts, tallies))
        unread += [*one.events.unread, *one.profiles.unread, *one.exposures.unread, *unfoldable]
    return made, unread
