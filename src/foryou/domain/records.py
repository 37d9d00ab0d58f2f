"""What is remembered about a user? Three records that hold only what events say."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from struct import Struct

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

FOLD_VERSION = 2
FIRST = 3  # distinct items that a newcomer begins with
HISTORY = 200  # H: actions kept per user
VIEWS = 5  # items of the session kept in the core record
SEEN = 20_000  # item hashes kept per user, oldest dropped
KEPT_HOURS = 72  # counters older than this before the newest one are dropped
KEPT_DAYS = 60  # the same of what newcomers begin with
SHOWN = 60  # impressions kept per user: what was put before him lately
BOUGHT = 10  # distinct items kept that a user bought last
TALLIES = {  # kind of tally -> days that it is kept
    "shown": 60, "expected": 60, "taken": 60, "sponsored": 3, "together": 7, "variant_expected": 60,
    "variant_taken": 60,
}  # fmt: skip

# One remembered action. Ordered by (at_ms, event): arrival order does not matter.
ACTION_DTYPE = np.dtype([("at_ms", "<i8"), ("event", "<u8"), ("item", "<u8"), ("value", "<f4"), ("action", "u1")])
# One impression, small: seconds since 1970, the low halves of the hashes of what showed it and of the item.
SHOWN_DTYPE = np.dtype([("at_s", "<u4"), ("id", "<u4"), ("item", "<u4")])
SEEN_DTYPE = np.dtype("<u4")
Packed = bytes | memoryview
NO_IMPRESSIONS = np.zeros(0, SHOWN_DTYPE)
NO_IMPRESSIONS.setflags(write=False)


class Core(msgspec.Struct, array_like=True, frozen=True):
    """The small record (aim: <= 200 bytes packed): session, demographics, identity.

    `views`: item hashes of the last 5 items acted on, newest first. `session_id`, `query`, `category` (the page
    that was looked at), `device`: the newest ones and when they were said. `interests`: names of categories, brands
    or tags that the user chose. `alias_of` points to the user that this one became; `merged` lists those who became
    this one. Demographics and interests come from the stream `users`, all else from `events`: the two never touch.
    """

    views: tuple[int, ...] = ()
    last_ms: int = 0
    session_id: str = ""
    session_ms: int = 0
    query: str = ""
    query_ms: int = 0
    age: int = 0
    gender: str = ""
    location: str = ""
    alias_of: str = ""
    merged: tuple[str, ...] = ()
    attributes: dict[str, str] = {}
    category: str = ""
    category_ms: int = 0
    device: str = ""
    device_ms: int = 0
    interests: tuple[str, ...] = ()
    forgotten_ms: int = 0  # nothing that was shown before counts
    bought: tuple[int, ...] = ()  # low hash halves of the items bought last, newest first

    def known_as(self, **what: object) -> "Core":
        """Give the record with other values."""
        return msgspec.structs.replace(self, **what)


Places = tuple[int, int, int]  # offsets in events, exposures, users; -1 = none


@dataclass(frozen=True, slots=True)
class UserRecord:
    """All that is remembered about one user.

    history  ACTION_DTYPE [<= H], oldest first · seen  uint32 [<= SEEN] low halves of item hashes, oldest first ·
    offset   the last record of the user's partition of `events` that went in (-1: none)
    impressions, shown  SHOWN_DTYPE [<= SHOWN], oldest first: what clients said that they showed, and what was answered
    shown_offset, profile_offset  as `offset`, of `exposures` and of `users`
    """

    core: Core
    history: NDArray[np.void]
    seen: NDArray[np.uint32]
    offset: int = -1
    impressions: NDArray[np.void] = field(default_factory=lambda: NO_IMPRESSIONS)
    shown: NDArray[np.void] = field(default_factory=lambda: NO_IMPRESSIONS)
    shown_offset: int = -1
    profile_offset: int = -1

    @property
    def places(self) -> Places:
        """Give the offsets in `events`, `exposures` and `users` that this record reflects."""
        return self.offset, self.shown_offset, self.profile_offset


NO_HISTORY = np.zeros(0, ACTION_DTYPE)
NO_SEEN = np.zeros(0, np.uint32)
NOBODY = UserRecord(Core(), NO_HISTORY, NO_SEEN)

_SHOWN_HEAD = Struct("<qqI")  # shown_offset, profile_offset, number of impressions that clients reported
_core_encoder = msgspec.msgpack.Encoder()
_core_decoder = msgspec.msgpack.Decoder(Core)


def pack(record: UserRecord) -> tuple[bytes, bytes, bytes, bytes]:
    """Give the records as bytes: core, history, seen, impressions (empty where nothing was shown)."""
    shown = b""
    if len(record.impressions) or record.shown_offset >= 0 or record.profile_offset >= 0:
        head = _SHOWN_HEAD.pack(record.shown_offset, record.profile_offset, len(record.impressions))
        shown = head + record.impressions.tobytes() + record.shown.tobytes()
    return _core_encoder.encode(record.core), record.history.tobytes(), record.seen.tobytes(), shown


def unpack(core: Packed, history: Packed, seen: Packed, offset: int, shown: Packed = b"") -> UserRecord:
    """Give the user back from `pack`; the arrays are read-only views of the bytes."""
    known = _core_decoder.decode(core), np.frombuffer(history, ACTION_DTYPE), np.frombuffer(seen, SEEN_DTYPE), offset
    if not shown:
        return UserRecord(*known)
    shown_offset, profile_offset, explicit = _SHOWN_HEAD.unpack_from(shown)
    rows = np.frombuffer(shown, SHOWN_DTYPE, offset=_SHOWN_HEAD.size)
    return UserRecord(*known, rows[:explicit], rows[explicit:], shown_offset, profile_offset)


def merged(records: list[UserRecord]) -> UserRecord:
    """Give several users as one (the first is the known one): newest H actions of all, everything seen by any."""
    history = np.concatenate([record.history for record in records])
    history = history[np.lexsort((history["event"], history["at_ms"]))][-HISTORY:]
    seen = np.concatenate([record.seen for record in records])
    newest = max(records, key=lambda record: record.core.last_ms).core
    session = ("views", "last_ms", "session_id", "session_ms", "query", "query_ms", "category", "category_ms")
    said = {name: getattr(newest, name) for name in (*session, "device", "device_ms")}
    core = msgspec.structs.replace(records[0].core, **said)
    impressions = np.concatenate([record.impressions for record in records])
    shown = np.concatenate([record.shown for record in records])
    return replace(records[0], core=core, history=history, seen=seen, impressions=impressions, shown=shown)


@dataclass(frozen=True, slots=True)
class Change:
    """What a fold of one partition writes, all of it or nothing.

    `after`/`through`: stream -> offset before and after the folded records (-1: start); the store refuses the
    change with StalePosition unless `after` is exactly what it holds.
    `counts`: (hour, item hash) -> increments of the trending counter; `firsts`: (day, item hash) -> increments of
    the counter of what newcomers start with; `tallies`: kind -> (day, key) -> increments, see Tallies.
    """

    partition: int
    after: dict[str, int]
    through: dict[str, int]
    records: dict[str, UserRecord]
    counts: dict[tuple[int, int], int]
    firsts: dict[tuple[int, int], int] = field(default_factory=dict)
    tallies: dict[str, dict[tuple[int, int], int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Firsts:
    """What newcomers began with, per day and item.

    day int32 [m] days since 1970 · item uint64 [m] hashes · count int64 [m]
    """

    day: NDArray[np.int32]
    item: NDArray[np.uint64]
    count: NDArray[np.int64]


NO_FIRSTS = Firsts(np.zeros(0, np.int32), np.zeros(0, np.uint64), np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True)
class Trending:
    """Interactions per hour and item, as of a position of `events`.

    hour int32 [n] hours since 1970 · item uint64 [n] hashes · count int64 [n] in hundredths of an interest
    """

    hour: NDArray[np.int32]
    item: NDArray[np.uint64]
    count: NDArray[np.int64]
    position: dict[int, int]
    firsts: Firsts = NO_FIRSTS


NO_TRENDS = Trending(NO_FIRSTS.day, NO_FIRSTS.item, NO_FIRSTS.count, {})


@dataclass(frozen=True, slots=True)
class Tallies:
    """What came of showing items, per day and item, as of positions of `events` and `exposures`; of TALLIES those
    that have any.

    shown: how often · sponsored: of these, how often for money · expected: clicks that were to be expected, in
    1 / EXPECTED_UNIT · taken: users who took it up, where they name the answer · together: bought by one user; its
    key is the low hash half of one item, shifted by 32 bits, and that of the other · variant_expected, variant_taken:
    the same as expected and taken of each variant of an item, for all users and for each segment; see `variants.key_of`
    """

    by_kind: Mapping[str, Firsts]
    events: Mapping[int, int]
    exposures: Mapping[int, int]

    def of(self, kind: str) -> Firsts:
        """Give the tally of one kind."""
        return self.by_kind.get(kind, NO_FIRSTS)


EXPECTED_UNIT = 10_000
NO_TALLIES = Tallies({}, {}, {})


class UserChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record of `users`: op `put` replaces the profile, `patch` changes what is set, `delete` empties."""

    user_id: str
    op: str
    received_ms: int = 0
    age: int | UnsetType = UNSET
    gender: str | UnsetType = UNSET
    location: str | UnsetType = UNSET
    attributes: dict[str, str] | UnsetType = UNSET
    interests: tuple[str, ...] | UnsetType = UNSET
