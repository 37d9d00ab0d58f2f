"""How does the log reach the records? Read, fold, write records and position in one go, again and again."""

import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from foryou.domain.errors import Unavailable
from foryou.domain.item import Item, changed
from foryou.domain.log import Position, Stream
from foryou.domain.ports import EventLog, FeatureStore, ItemStore, Share
from foryou.domain.records import Change, UserRecord
from foryou.domain.shares import Alone
from foryou.features.fold import Folded, fold_exposures, fold_profiles
from foryou.ingest.codec import dead_letter, event_of, exposure_of, item_of, user_of
from foryou.ingest.readable import Unread, foldable, readable

FOLDED = (Stream.EVENTS, Stream.USERS, Stream.ITEMS, Stream.EXPOSURES)
BY_USER = (Stream.EVENTS, Stream.USERS, Stream.EXPOSURES)
REST_S = 0.5  # before a partition whose store was away is tried again
BEHIND_S = 60.0  # what was folded so long ago is folded for good: a failover of the store loses less


@dataclass(slots=True)
class Progress:
    """What one step did. `poison`: what could not be folded, and why; `away`: partitions whose store is, and why."""

    events: int = 0
    users: int = 0
    items: int = 0
    exposures: int = 0
    poison: list[str] = field(default_factory=list)
    away: dict[int, str] = field(default_factory=dict)
    resting: list[int] = field(default_factory=list)  # partitions passed over, as their store was away just now
    appended_ms: list[int] = field(default_factory=list)  # of the oldest event of each write: how fresh records are

    def add(self, more: "Progress") -> None:
        """Add what another step did."""
        self.events += more.events
        self.users += more.users
        self.items += more.items
        self.exposures += more.exposures
        self.poison += more.poison
        self.away |= more.away
        self.appended_ms += more.appended_ms

    @property
    def folded(self) -> dict[Stream, int]:
        """Give how many records of each stream went in."""
        return {Stream.EVENTS: self.events, Stream.USERS: self.users, Stream.ITEMS: self.items,
                Stream.EXPOSURES: self.exposures}  # fmt: skip

    @property
    def idle(self) -> bool:
        """Say whether there was nothing to do."""
        return not (any(self.folded.values()) or self.away or self.resting)


class Worker:
    """Folds its share of a log into a feature store, and all items into an item store (None: users only).

    Killed at any moment it loses nothing: the position is written with the records it belongs to. Several may work at
    once, on shares of their own; if two take the same partition for theirs, the store refuses the one that is behind.

    lanes: partitions folded at once, where log or store are elsewhere and waited for.
    """

    def __init__(
        self,
        log: EventLog,
        features: FeatureStore,
        items: ItemStore | None,
        batch: int = 2_000,
        lease_ms: int = 5_000,
        share: Share | None = None,
        lanes: int = 1,
    ) -> None:
        self._log, self._features, self._items, self._batch, self._lease_ms = log, features, items, batch, lease_ms
        self._share = share or Alone(log.partitions())
        self._lanes = ThreadPoolExecutor(lanes, "fold") if lanes > 1 else None
        self._token = 0
        self._positions: dict[int, dict[str, int]] = {}
        self._resting: dict[int, float] = {}
        self._folded: deque[tuple[float, Position]] = deque()

    def lease(self) -> None:
        """Take or keep the right to write. Raises Conflict while another holder has it."""
        token = self._features.lease(self._share.holder, self._lease_ms)
        if token != self._token:  # somebody else may have written in between
            self._token, self._positions = token, {}

    def release(self) -> None:
        """Leave; the right to write goes with the last of its holder."""
        if self._share.alone:
            self._features.release_lease(self._token)
        self._share.close()
        if self._lanes is not None:
            self._lanes.shutdown()

    def partitions(self) -> tuple[int, ...]:
        """Give the partitions that are its own now."""
        own = tuple(self._share.partitions())
        self._positions = {one: stands for one, stands in self._positions.items() if one in own}
        return own

    def step(self, streams: Collection[Stream] = FOLDED, fresh: bool = True) -> Progress:
        """Fold what is in these streams, a batch per partition at most; not `fresh`: of what has arrived here.

        Raises StalePosition if the right to write is lost or another was faster, Unavailable if nothing could be done.
        """
        done = Progress()
        own, now = self.partitions(), time.monotonic()
        done.resting = [partition for partition in own if now < self._resting.get(partition, 0)]
        for turn in self._turns([one for one in own if one not in done.resting], streams, fresh):
            done.add(turn)
        if self._items and Stream.ITEMS in streams:
            for partition in range(self._log.partitions()):
                self._fold_items(self._items, partition, done, fresh)
        if done.away and not any(done.folded.values()):
            raise Unavailable(next(iter(done.away.values())))
        self._resting |= dict.fromkeys(done.away, time.monotonic() + REST_S)
        return done

    def _turns(self, partitions: Sequence[int], streams: Collection[Stream], fresh: bool) -> list[Progress]:
        """Fold a batch of each partition, several at once where there is waiting to be done for servers."""
        if self._lanes is None:
            return [self._turn(partition, streams, fresh) for partition in partitions]
        turns = [self._lanes.submit(self._turn, partition, streams, fresh) for partition in partitions]
        wait(turns)  # all of them, also if one fails: nobody folds on behind the caller's back
        return [turn.result() for turn in turns]

    def _turn(self, partition: int, streams: Collection[Stream], fresh: bool) -> Progress:
        done = Progress()
        try:
            if Stream.EVENTS in streams or Stream.USERS in streams:
                self._fold_users(partition, done, fresh)
            if Stream.EXPOSURES in streams:
                self._fold_exposures(partition, done, fresh)
        except Unavailable as error:
            done.away[partition] = str(error)
        return done

    def catch_up(self, on_progress: Callable[[int, int], None] = lambda done, total: None) -> Progress:
        """Step until nothing is left; `on_progress` hears of records folded and records to fold."""
        total, done = sum(self.behind().values()), Progress()
        while not ((step := self.step(fresh=False)).idle and (step := self.step()).idle):
            if step.away:
                raise Unavailable(next(iter(step.away.values())))
            if step.resting:
                time.sleep(REST_S / 10)
            self.lease()
            done.add(step)
            on_progress(done.events + done.users + done.items + done.exposures, total)
        return done

    def behind(self) -> dict[Stream, int]:
        """Give how many records of each stream it has yet to fold, about."""
        left = dict.fromkeys(FOLDED, 0)
        own = self.partitions()
        for stream in BY_USER:
            ends = self._log.ends(stream, exact=False)
            left[stream] = sum(ends[one] - self._position(one)[stream] for one in own if one in ends)
        if self._items:
            position = self._items.position()
            ends = self._log.ends(Stream.ITEMS, exact=False)
            left[Stream.ITEMS] = sum(end - position.get(partition, -1) for partition, end in ends.items())
        return left

    def rewind(self) -> list[int]:
        """Look whether the store stands where this worker left it; gives the partitions where it does not.

        A failover may have lost the newest writes: what is in the log behind the position that is there is folded
        again. To be called every few seconds, or it would not be noticed before the next event.
        """
        lost = []
        for partition, left in list(self._positions.items()):
            try:
                stands = self._stands(partition)
            except Unavailable:  # it is folded no further meanwhile; the others may have lost something, too
                continue
            if stands != left:
                del self._positions[partition]
                lost.append(partition)
        return lost

    def tell(self) -> None:
        """Tell the log how far it is folded for good: well behind, as the store may yet lose what it has just taken."""
        now = time.monotonic()
        self._folded.append((now, {one: stands[Stream.EVENTS] for one, stands in self._positions.items()}))
        through: Position = {}
        while self._folded and self._folded[0][0] <= now - BEHIND_S:
            through = self._folded.popleft()[1]
        if through:
            self._share.folded({one: offset for one, offset in through.items() if offset >= 0})

    def _fold_users(self, partition: int, done: Progress, fresh: bool) -> None:
        stands = self._position(partition)
        before = {name.value: stands[name] for name in (Stream.EVENTS, Stream.USERS)}
        entries = self._log.read(Stream.EVENTS, partition, before[Stream.EVENTS], self._batch, fresh)
        profiles = self._log.read(Stream.USERS, partition, before[Stream.USERS], self._batch, fresh)
        if not entries and not profiles:
            return
        events = readable(Stream.EVENTS, entries, event_of)
        changes = readable(Stream.USERS, profiles, user_of)
        known = self._known([*(event.user_id for event in events.values), *(one.user_id for one in changes.values)])
        folded, unfoldable = foldable(known, events) if entries else (Folded(), [])
        records = folded.records | fold_profiles(known | folded.records, changes.values, changes.offsets)
        self._bury([*events.unread, *changes.unread, *unfoldable], done)
        through = {
            Stream.EVENTS.value: entries[-1].offset if entries else before[Stream.EVENTS],
            Stream.USERS.value: profiles[-1].offset if profiles else before[Stream.USERS],
        }
        self._write(Change(partition, before, through, records, folded.counts, folded.firsts))
        done.events += len(entries)
        done.users += len(profiles)
        if entries:
            done.appended_ms.append(entries[0].appended_ms)

    def _fold_exposures(self, partition: int, done: Progress, fresh: bool) -> None:
        before = self._position(partition)
        entries = self._log.read(Stream.EXPOSURES, partition, before[Stream.EXPOSURES], self._batch, fresh)
        if not entries:
            return
        exposures = readable(Stream.EXPOSURES, entries, exposure_of)
        known = self._known([one.user_id for one in exposures.values if one.user_id])
        records = fold_exposures(known, exposures.values, exposures.offsets)
        self._bury(exposures.unread, done)
        name = Stream.EXPOSURES.value
        self._write(Change(partition, {name: before[name]}, {name: entries[-1].offset}, records, {}))
        done.exposures += len(entries)

    def _fold_items(self, items: ItemStore, partition: int, done: Progress, fresh: bool) -> None:
        after = items.position().get(partition, -1)
        entries = self._log.read(Stream.ITEMS, partition, after, self._batch, fresh)
        if not entries:
            return
        changes = readable(Stream.ITEMS, entries, item_of)
        names = list(dict.fromkeys(change.item_id for change in changes.values))
        documents: dict[str, Item | None] = dict(zip(names, items.read(names), strict=True)) if names else {}
        for change in changes.values:
            documents[change.item_id] = changed(documents[change.item_id], change)
        self._bury(changes.unread, done)
        items.write(documents, partition, after, entries[-1].offset)
        done.items += len(entries)

    def _known(self, users: Collection[str]) -> dict[str, UserRecord | None]:
        names = list(dict.fromkeys(users))
        return dict(zip(names, self._features.read(names), strict=True)) if names else {}

    def _bury(self, unread: list[Unread], done: Progress) -> None:
        """Put what could not be folded where somebody may look at it, before the position goes past it."""
        if unread:
            letters = [dead_letter(one.stream, one.entry, one.reason) for one in unread]
            self._log.append(Stream.DEAD_LETTERS, letters)
            done.poison += [str(one) for one in unread]

    def _write(self, change: Change) -> None:
        """Write a change and remember where its partition stands then."""
        position = self._positions.pop(change.partition)  # not known until the write has come through
        self._features.write(change, self._token)
        self._positions[change.partition] = position | change.through

    def _position(self, partition: int) -> dict[str, int]:
        """Give the stored position of a partition, remembered from this worker's own writes."""
        if partition not in self._positions:
            self._positions[partition] = self._stands(partition)
        return self._positions[partition]

    def _stands(self, partition: int) -> dict[str, int]:
        after = self._features.position(partition)
        return {name.value: after.get(name, -1) for name in BY_USER}
