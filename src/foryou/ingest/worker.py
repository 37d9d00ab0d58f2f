"""How does the log reach the records? Read, fold, write records and position in one go, again and again."""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

from foryou.domain.errors import Incomplete, Refused, Unavailable
from foryou.domain.item import Item, changed
from foryou.domain.log import Position, Stream
from foryou.domain.ports import EventLog, FeatureStore, ItemStore, Share
from foryou.domain.records import Change, UserRecord
from foryou.domain.shares import Alone
from foryou.ingest.codec import dead_letter, item_of
from foryou.ingest.readable import Unread, readable
from foryou.ingest.turn import BY_USER, News, changes, news

FOLDED = (Stream.EVENTS, Stream.USERS, Stream.ITEMS, Stream.EXPOSURES)
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
    full: bool = False  # of a stream as much was read as was asked for: there may be more

    def add(self, more: "Progress") -> None:
        """Add what another step did."""
        self.events += more.events
        self.users += more.users
        self.items += more.items
        self.exposures += more.exposures
        self.poison += more.poison
        self.away |= more.away
        self.appended_ms += more.appended_ms
        self.full |= more.full

    @property
    def folded(self) -> dict[Stream, int]:
        """Give how many records of each stream went in."""
        return {Stream.EVENTS: self.events, Stream.USERS: self.users, Stream.ITEMS: self.items,
                Stream.EXPOSURES: self.exposures}  # fmt: skip

    @property
    def idle(self) -> bool:
        """Say whether there was nothing to do."""
        return not (any(self.folded.values()) or self.away or self.resting)

    def count(self, one: News) -> None:
        """Add what was folded of a partition."""
        self.events += one.counts[Stream.EVENTS]
        self.users += one.counts[Stream.USERS]
        self.exposures += one.counts[Stream.EXPOSURES]
        self.appended_ms += [one.appended_ms] if one.counts[Stream.EVENTS] else []
        self.full |= one.full

    @contextmanager
    def despite(self, partitions: Collection[int]) -> Iterator[None]:
        """Go on where these partitions cannot be reached, and note why."""
        try:
            yield
        except Unavailable as error:
            self.away |= dict.fromkeys(partitions, str(error))


class Worker:
    """Folds its share of a log into a feature store, and all items into an item store (None: users only).

    Killed at any moment it loses nothing: the position is written with the records it belongs to. Several may work at
    once, on shares of their own; if two take the same partition for theirs, the store refuses the one that is behind.

    Who keeps up folds the news of all partitions together: few events cost what one costs. Who is behind takes one
    partition after the other, for there users come again more often; `lanes` at a time, where servers are waited for.
    `heard` is told what was folded, by the thread that wrote it.
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
        heard: Callable[[News], None] = lambda news: None,
    ) -> None:
        self._log, self._features, self._items, self._batch, self._lease_ms = log, features, items, batch, lease_ms
        self._share, self._heard = share or Alone(log.partitions()), heard
        self._lanes = ThreadPoolExecutor(lanes, "fold") if lanes > 1 else None
        self._token, self._behind = 0, False
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
        self._behind = done.full
        if self._items and Stream.ITEMS in streams:
            for partition in range(self._log.partitions()):
                self._fold_items(self._items, partition, done, fresh)
        if done.away and not any(done.folded.values()):
            raise Unavailable(next(iter(done.away.values())))
        self._resting |= dict.fromkeys(done.away, time.monotonic() + REST_S)
        return done

    def _turns(self, own: Sequence[int], streams: Collection[Stream], fresh: bool) -> list[Progress]:
        """Fold what is new, of all partitions together, or of each by itself."""
        if not own:
            return []
        if not self._behind:
            return [self._turn(own, streams, -(-self._batch // len(own)), fresh)]
        if self._lanes is None:
            return [self._turn([partition], streams, self._batch, fresh) for partition in own]
        turns = [self._lanes.submit(self._turn, [partition], streams, self._batch, fresh) for partition in own]
        wait(turns)  # all of them, also if one fails: nobody folds on behind the caller's back
        return [turn.result() for turn in turns]

    def _turn(self, partitions: Sequence[int], streams: Collection[Stream], limit: int, fresh: bool) -> Progress:
        """Read up to `limit` entries of each stream and partition, fold and write them."""
        done = Progress()
        new: list[News] = []
        for partition in partitions:
            with done.despite([partition]):
                if one := news(self._log, partition, self._position(partition), streams, limit, fresh):
                    new.append(one)
        known = self._known(new, done)
        new = [one for one in new if one.partition not in done.away]
        with done.despite([one.partition for one in new]):
            made, unread = changes(known, new)
            self._bury(unread, done)
            self._write(made, done)
        for one in new:
            if one.partition not in done.away:
                done.count(one)
                self._heard(one)
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
        """Give how many records of each stream it has yet to fold, about.

        Raises Refused if records are ahead of the log: they were folded from another one, and what this one holds up to
        there would be taken for folded.
        """
        left = dict.fromkeys(FOLDED, 0)
        own = self.partitions()
        for stream in BY_USER:
            ends = self._log.ends(stream, exact=False)
            stands = {one: self._position(one)[stream] for one in own}
            if any(stood > ends.get(one, -1) for one, stood in stands.items()):
                # asked again, for another worker may have folded what came since `ends`
                _must_not_be_ahead(stream, stands, self._log.ends(stream, exact=False))
            left[stream] = sum(ends[one] - stood for one, stood in stands.items() if one in ends)
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

    def _known(self, new: Sequence[News], done: Progress) -> dict[str, UserRecord | None]:
        """Give the records of those whom the news are about; partitions whose records cannot be read are noted."""
        names = list(dict.fromkeys(user for one in new for user in one.users))
        missing: set[str] = set()
        try:
            found = self._features.read(names) if names else []
        except Incomplete as error:
            found, missing, why = list(error.found), {names[place] for place in error.missing}, str(error)
        except Unavailable as error:
            found, missing, why = [None] * len(names), set(names), str(error)
        if missing:
            done.away |= {one.partition: why for one in new if not missing.isdisjoint(one.users)}
        return dict(zip(names, found, strict=True))

    def _bury(self, unread: list[Unread], done: Progress) -> None:
        """Put what could not be folded where somebody may look at it, before the position goes past it."""
        if unread:
            letters = [dead_letter(one.stream, one.entry, one.reason) for one in unread]
            self._log.append(Stream.DEAD_LETTERS, letters)
            done.poison += [str(one) for one in unread]

    def _write(self, made: Sequence[Change], done: Progress) -> None:
        """Write changes and remember where their partitions stand then; those whose server is away are noted."""
        stood = [self._positions.pop(one.partition) for one in made]  # not known until the write has come through
        for change, position, away in zip(made, stood, self._features.write_all(made, self._token), strict=True):
            if away is None:
                self._positions[change.partition] = position | change.through
            else:
                done.away[change.partition] = str(away)

    def _position(self, partition: int) -> dict[str, int]:
        """Give the stored position of a partition, remembered from this worker's own writes."""
        if partition not in self._positions:
            self._positions[partition] = self._stands(partition)
        return self._positions[partition]

    def _stands(self, partition: int) -> dict[str, int]:
        after = self._features.position(partition)
        return {name.value: after.get(name, -1) for name in BY_USER}


def _must_not_be_ahead(stream: Stream, stands: Position, ends: Position) -> None:
    for partition, stood in stands.items():
        if stood > (end := ends.get(partition, -1)):
            raise Refused(
                f"the records stand at {stood:,} of {stream} in partition {partition}, where the log ends at {end:,}: "
                "they were folded from another log, or this one was cut; give this log a feature store of its own, or "
                "fold all of it anew with `foryou refold`"
            )
