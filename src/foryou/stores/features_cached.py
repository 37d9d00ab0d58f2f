"""How are users who come often read without asking Redis? From memory, until their server says that they changed."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue

from foryou.domain.errors import ForyouError, Incomplete, Unavailable
from foryou.domain.records import UserRecord
from foryou.stores.features_redis import Look, RedisFeatures
from foryou.stores.redis_ear import Ear

MAX_AGE_S = 600.0  # the net below: whatever was never told is read again after so long
USED = 3  # how many rounds of eviction a user may outlive by being read
SPARED = 64  # users that one eviction passes over at most
ENTRY_BYTES = 1_200  # of a user in memory beside the arrays, as measured: the objects, the core
DELAYS = 10_000  # that may wait to be measured
RENEWED = 32, 1_024  # users who are read again at a time, and who may wait for it; more are left to who asks for them


@dataclass(slots=True)
class _Entry:
    """A record as `ear`'s server told it at `epoch`. record: None = nobody of this name. since: monotonic s."""

    record: UserRecord | None
    ear: Ear
    epoch: int
    since: float
    size: int
    used: int = 0


@dataclass(slots=True, eq=False)
class _Asking:
    """Users who are being read now, and those of them who changed meanwhile."""

    users: frozenset[str]
    heard: dict[str, tuple[Ear, int]]  # server -> its epoch, of those listened to when the question was sent
    changed: set[str] = field(default_factory=set)


class Cached:
    """Reads user records through a memory of those read before; for processes that answer, never for who folds.

    A record is kept only if the server that said it was listened to all the while (`Ear`), and is dropped when that
    server tells that it changed, is lost, or is emptied. So what is served is at most as old as a message takes, or as
    a silent connection goes unnoticed (DEAF_S and BEAT_S). A switch of generations drops everything; a rebuild beside
    it drops whom it writes, which costs only a read. Who changed and had been asked for is read again by a thread. When
    it is full, those leave who were not read lately (CLOCK).
    """

    def __init__(self, store: RedisFeatures, users: int, size_bytes: int) -> None:
        self._store, self._users, self._limit = store, users, size_bytes
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._ears: dict[str, Ear] = {}
        self._asking: set[_Asking] = set()
        self._lock = threading.Lock()
        self._closed = False
        self.bytes = 0
        self.hits = self.misses = 0
        self.unheard = 0  # read, but not kept, as their server was not listened to
        self.renewed = 0  # read again unasked
        self.dropped = 0  # users who were here when they changed
        self.delays_ms: deque[float] = deque(maxlen=DELAYS)  # of each write: until it was known here
        self._again: SimpleQueue[str | None] = SimpleQueue()
        self._renewing = threading.Thread(target=self._renew, name="cached", daemon=True)
        self._renewing.start()

    def __len__(self) -> int:
        """Give the number of users that are remembered."""
        return len(self._entries)

    def read(self, users: Sequence[str]) -> list[UserRecord | None]:
        """Give the record of each user, None = never seen; asks the store for those who are not remembered.

        Incomplete if some of these cannot be reached, Unavailable if nobody is remembered and none can.
        """
        found: list[UserRecord | None] = []
        places: list[int] = []
        oldest = time.monotonic() - MAX_AGE_S
        for user in users:
            entry = self._entries.get(user)  # needs no lock: a record that goes just now was good just now
            if entry is not None and entry.epoch == entry.ear.epoch and entry.since > oldest:
                found.append(entry.record)
                if entry.used < USED:
                    entry.used += 1
            else:
                places.append(len(found))
                found.append(None)
        with self._lock:
            self.hits += len(users) - len(places)
        if places:
            self._fetch(users, places, found)
        return found

    def _renew(self) -> None:
        while True:
            users = [self._again.get()]
            while not self._again.empty() and len(users) < RENEWED[0]:
                users.append(self._again.get())
            if None in users:
                return
            names = [user for user in dict.fromkeys(users) if user]
            with suppress(ForyouError):  # whoever asks for them hears it
                self._keep(*self._asked(names), names, renewed=True)

    def _fetch(self, users: Sequence[str], places: list[int], found: list[UserRecord | None]) -> None:
        names = [users[place] for place in places]
        try:
            asking, look = self._asked(names)
        except Unavailable as error:
            if len(places) == len(users):
                raise
            raise Incomplete(str(error), found, places) from error
        for place, record in zip(places, look.found, strict=True):
            found[place] = record
        self._keep(asking, look, names)
        if look.error:
            if len(look.missing) == len(users):
                raise look.error
            raise Incomplete(str(look.error), found, [places[n] for n in look.missing])

    def _asked(self, names: list[str]) -> tuple[_Asking, Look]:
        """Ask the store; what changes from now on is noted until `_keep`."""
        with self._lock:
            heard = {name: (ear, ear.epoch) for name, ear in self._ears.items() if ear.hears}
            asking = _Asking(frozenset(names), heard)
            self._asking.add(asking)
        try:
            return asking, self._store.look(names)
        except BaseException:
            with self._lock:
                self._asking.discard(asking)
            raise

    def _keep(self, asking: _Asking, look: Look, names: list[str], renewed: bool = False) -> None:
        """Remember what was read, but for what changed meanwhile or was not listened to."""
        missing, now = set(look.missing), time.monotonic()
        for node in {node.name: node for node in look.by if node}.values():
            ear = self._ears.get(node.name)
            if ear is None or not ear.alive:
                with self._lock:
                    if self._ears.get(node.name) is ear and not self._closed:
                        self._ears[node.name] = self._store.listen(node, self._changed)
        with self._lock:
            self._asking.discard(asking)
            for place, (user, record, by) in enumerate(zip(names, look.found, look.by, strict=True)):
                heard = asking.heard.get(by.name) if by else None
                if place not in missing and heard is None:
                    self.unheard += 1
                    continue
                self.misses += not renewed
                self.renewed += renewed
                if heard and user not in asking.changed:
                    self._put(user, _Entry(record, *heard, now, _size(user, record)))

    def _put(self, user: str, entry: _Entry) -> None:
        self._take(user)
        self._entries[user] = entry
        self.bytes += entry.size
        while len(self._entries) > self._users or self.bytes > self._limit:
            self._evict()

    def _take(self, user: str) -> None:
        entry = self._entries.pop(user, None)
        if entry is not None:
            self.bytes -= entry.size

    def _evict(self) -> None:
        """Forget the oldest who was not read since he was passed over last."""
        for _ in range(SPARED):
            user, entry = next(iter(self._entries.items()))
            if not entry.used:
                break
            entry.used -= 1
            self._entries.move_to_end(user)
        self._take(next(iter(self._entries)))

    def _changed(self, keys: list[bytes], ahead_us: int) -> None:
        """Take note of what a server says has changed; called by the thread of its ear."""
        stamps: list[int] = []
        with self._lock:
            for key in keys:
                rest = key.partition(b"}")[2]
                kind, _, name = rest.partition(b":")
                if name[:1] == b"u" and kind.isdigit():
                    self._drop(name[1:].decode(errors="replace"))
                elif rest.startswith(b"now") and rest[3:].isdigit():
                    stamps.append(int(rest[3:]))
                elif rest == b"live":
                    self._drop_all()
        now_us = time.time_ns() // 1_000 + ahead_us
        self.delays_ms.extend((now_us - stamp) / 1e3 for stamp in stamps)

    def _drop(self, user: str) -> None:
        entry = self._entries.get(user)
        if entry is not None:
            self._take(user)
            self.dropped += 1
            if entry.used and self._again.qsize() < RENEWED[1]:
                self._again.put(user)
        for asking in self._asking:
            if user in asking.users:
                asking.changed.add(user)

    def _drop_all(self) -> None:
        self.dropped += len(self._entries)
        self._entries.clear()
        self.bytes = 0
        for asking in self._asking:
            asking.changed |= asking.users

    def close(self) -> None:
        """Stop listening. The store stays open."""
        with self._lock:
            self._closed = True
        self._again.put(None)
        self._renewing.join()
        for ear in self._ears.values():
            ear.close()


def _size(user: str, record: UserRecord | None) -> int:
    if record is None:
        return ENTRY_BYTES // 4 + len(user)
    arrays = (record.history, record.seen, record.impressions, record.shown)
    return ENTRY_BYTES + len(user) + sum(one.nbytes for one in arrays)
