"""How does the log reach the records? Read, fold, write records and position in one go, again and again."""

import os
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeVar

from foryou.domain.errors import Refused
from foryou.domain.item import Item, changed
from foryou.domain.log import Entry, Stream
from foryou.domain.ports import EventLog, FeatureStore, ItemStore
from foryou.domain.records import Change, UserRecord
from foryou.features.fold import Folded, fold, fold_exposures, fold_profiles
from foryou.ingest.codec import event_of, exposure_of, item_of, user_of

_T = TypeVar("_T")
FOLDED = (Stream.EVENTS, Stream.USERS, Stream.ITEMS, Stream.EXPOSURES)


@dataclass(slots=True)
class Progress:
    """What one step did. `poison`: records that could not be read; they stay in the log and are passed over."""

    events: int = 0
    users: int = 0
    items: int = 0
    exposures: int = 0
    poison: list[str] = field(default_factory=list)
    newest_appended_ms: int = 0  # of the events folded, to measure how fresh the records are

    @property
    def idle(self) -> bool:
        """Say whether there was nothing to do."""
        return not (self.events or self.users or self.items or self.exposures or self.poison)


class Worker:
    """Folds a log into a feature store and an item store (None: users only), as long as it holds the lease.

    Killed at any moment it loses nothing: the position is written with the records it belongs to.
    """

    def __init__(
        self,
        log: EventLog,
        features: FeatureStore,
        items: ItemStore | None,
        batch: int = 2_000,
        lease_ms: int = 5_000,
    ) -> None:
        self._log, self._features, self._items, self._batch, self._lease_ms = log, features, items, batch, lease_ms
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{id(self)}"
        self._token = 0
        self._positions: dict[int, dict[str, int]] = {}

    def lease(self) -> None:
        """Take or keep the right to write. Raises Conflict while another stream process has it."""
        token = self._features.lease(self._holder, self._lease_ms)
        if token != self._token:  # somebody else may have written in between
            self._token, self._positions = token, {}

    def release(self) -> None:
        """Give the right to write back."""
        self._features.release_lease(self._token)

    def step(self, streams: Collection[Stream] = FOLDED) -> Progress:
        """Fold what is in these streams, a batch per partition at most. Raises StalePosition if the lease is lost."""
        done = Progress()
        users = Stream.EVENTS in streams or Stream.USERS in streams
        for partition in range(self._log.partitions()):
            if users:
                self._fold_users(partition, done)
            if Stream.EXPOSURES in streams:
                self._fold_exposures(partition, done)
            if Stream.ITEMS in streams:
                self._fold_items(partition, done)
        return done

    def catch_up(self, on_progress: Callable[[int, int], None] = lambda done, total: None) -> Progress:
        """Step until nothing is left; `on_progress` hears of records folded and records to fold."""
        total, done = self._behind(), Progress()
        while not (step := self.step()).idle:
            self.lease()
            done.events += step.events
            done.users += step.users
            done.items += step.items
            done.exposures += step.exposures
            done.poison += step.poison
            on_progress(done.events + done.users + done.items + done.exposures, total)
        return done

    def _behind(self) -> int:
        left = 0
        for stream in (Stream.EVENTS, Stream.USERS, Stream.EXPOSURES):
            for partition, end in self._log.ends(stream).items():
                left += end - self._features.position(partition).get(stream, -1)
        if self._items is None:
            return left
        position = self._items.position()
        return left + sum(end - position.get(partition, -1) for partition, end in self._log.ends(Stream.ITEMS).items())

    def _fold_users(self, partition: int, done: Progress) -> None:
        stands = self._position(partition)
        before = {name.value: stands[name] for name in (Stream.EVENTS, Stream.USERS)}
        entries = self._log.read(Stream.EVENTS, partition, before[Stream.EVENTS], self._batch)
        profiles = self._log.read(Stream.USERS, partition, before[Stream.USERS], self._batch)
        if not entries and not profiles:
            return
        events, offsets = _readable(entries, event_of, done)
        changes, profile_offsets = _readable(profiles, user_of, done)
        users = list(dict.fromkeys([*(event.user_id for event in events), *(change.user_id for change in changes)]))
        known: dict[str, UserRecord | None] = dict(zip(users, self._features.read(users), strict=True)) if users else {}
        folded = fold(known, events, offsets) if events else Folded()
        records = folded.records | fold_profiles(known | folded.records, changes, profile_offsets)
        through = {
            Stream.EVENTS.value: entries[-1].offset if entries else before[Stream.EVENTS],
            Stream.USERS.value: profiles[-1].offset if profiles else before[Stream.USERS],
        }
        self._write(Change(partition, before, through, records, folded.counts, folded.firsts))
        done.events += len(entries)
        done.users += len(profiles)
        done.newest_appended_ms = max(done.newest_appended_ms, entries[-1].appended_ms if entries else 0)

    def _fold_exposures(self, partition: int, done: Progress) -> None:
        before = self._position(partition)
        entries = self._log.read(Stream.EXPOSURES, partition, before[Stream.EXPOSURES], self._batch)
        if not entries:
            return
        exposures, offsets = _readable(entries, exposure_of, done)
        users = list(dict.fromkeys(exposure.user_id for exposure in exposures if exposure.user_id))
        known: dict[str, UserRecord | None] = dict(zip(users, self._features.read(users), strict=True)) if users else {}
        name = Stream.EXPOSURES.value
        after, through = {name: before[name]}, {name: entries[-1].offset}
        self._write(Change(partition, after, through, fold_exposures(known, exposures, offsets), {}))
        done.exposures += len(entries)

    def _write(self, change: Change) -> None:
        """Write a change and remember where its partition stands then."""
        position = self._positions.pop(change.partition)  # not known until the write has come through
        self._features.write(change, self._token)
        self._positions[change.partition] = position | change.through

    def _position(self, partition: int) -> dict[str, int]:
        """Give the stored position of a partition, remembered from this worker's own writes."""
        if partition not in self._positions:
            after = self._features.position(partition)
            folded = (Stream.EVENTS, Stream.USERS, Stream.EXPOSURES)
            self._positions[partition] = {name.value: after.get(name, -1) for name in folded}
        return self._positions[partition]

    def _fold_items(self, partition: int, done: Progress) -> None:
        if self._items is None:
            return
        after = self._items.position().get(partition, -1)
        entries = self._log.read(Stream.ITEMS, partition, after, self._batch)
        if not entries:
            return
        changes, _ = _readable(entries, item_of, done)
        names = list(dict.fromkeys(change.item_id for change in changes))
        documents: dict[str, Item | None] = dict(zip(names, self._items.read(names), strict=True)) if names else {}
        for change in changes:
            documents[change.item_id] = changed(documents[change.item_id], change)
        self._items.write(documents, partition, after, entries[-1].offset)
        done.items += len(entries)


def _readable(entries: list[Entry], decode: Callable[[bytes], _T], done: Progress) -> tuple[list[_T], list[int]]:
    """Give what can be decoded, with its offsets; the rest is noted in `done`."""
    values, offsets = [], []
    for entry in entries:
        try:
            values.append(decode(entry.record.body))
            offsets.append(entry.offset)
        except Refused as error:
            done.poison.append(f"partition {entry.partition}, offset {entry.offset}: {error}")
    return values, offsets
