"""What is remembered about a user? Three records that hold only what events say."""

from dataclasses import dataclass

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

FOLD_VERSION = 1
HISTORY = 200  # H: actions kept per user
VIEWS = 5  # items of the session kept in the core record
SEEN = 20_000  # item hashes kept per user, oldest dropped

# One remembered action. Ordered by (at_ms, event): arrival order does not matter.
ACTION_DTYPE = np.dtype([("at_ms", "<i8"), ("event", "<u8"), ("item", "<u8"), ("value", "<f4"), ("action", "u1")])


class Core(msgspec.Struct, array_like=True, frozen=True):
    """The small record (aim: <= 200 bytes packed): session, demographics, identity.

    `views`: item hashes of the last 5 items acted on, newest first. `session_id`, `query`: the newest ones and
    when they were said. `alias_of` points to the user that this one became; `merged` lists those who became
    this one. Demographics come from the stream `users`, all else from `events`: the two never touch.
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


@dataclass(frozen=True, slots=True)
class UserRecord:
    """All that is remembered about one user.

    history  ACTION_DTYPE [<= H], oldest first · seen  uint32 [<= SEEN] low halves of item hashes, oldest first ·
    offset   the last record of the user's partition of `events` that went in (-1: none)
    """

    core: Core
    history: NDArray[np.void]
    seen: NDArray[np.uint32]
    offset: int = -1


NO_HISTORY = np.zeros(0, ACTION_DTYPE)
NO_SEEN = np.zeros(0, np.uint32)
NOBODY = UserRecord(Core(), NO_HISTORY, NO_SEEN)

_core_encoder = msgspec.msgpack.Encoder()
_core_decoder = msgspec.msgpack.Decoder(Core)


def pack(record: UserRecord) -> tuple[bytes, bytes, bytes]:
    """Give the three records as bytes: core, history, seen."""
    return _core_encoder.encode(record.core), record.history.tobytes(), record.seen.tobytes()


def unpack(core: bytes, history: bytes, seen: bytes, offset: int) -> UserRecord:
    """Give the user back from `pack`; the arrays are read-only views of the bytes."""
    return UserRecord(
        _core_decoder.decode(core), np.frombuffer(history, ACTION_DTYPE), np.frombuffer(seen, "<u4"), offset
    )


def merged(records: list[UserRecord]) -> UserRecord:
    """Give several users as one (the first is the known one): newest H actions of all, everything seen by any."""
    history = np.concatenate([record.history for record in records])
    history = history[np.lexsort((history["event"], history["at_ms"]))][-HISTORY:]
    seen = np.concatenate([record.seen for record in records])
    newest = max(records, key=lambda record: record.core.last_ms).core
    core = msgspec.structs.replace(
        records[0].core, views=newest.views, last_ms=newest.last_ms, session_id=newest.session_id, query=newest.query
    )
    return UserRecord(core, history, seen, records[0].offset)


@dataclass(frozen=True, slots=True)
class Change:
    """What a fold of one partition writes, all of it or nothing.

    `after`/`through`: stream -> offset before and after the folded records (-1: start); the store refuses the
    change with StalePosition unless `after` is exactly what it holds.
    `counts`: (hour, item hash) -> increments of the trending counter.
    """

    partition: int
    after: dict[str, int]
    through: dict[str, int]
    records: dict[str, UserRecord]
    counts: dict[tuple[int, int], int]


@dataclass(frozen=True, slots=True)
class Trending:
    """Interactions per hour and item, as of a position of `events`.

    hour int32 [n] hours since 1970 · item uint64 [n] hashes · count int64 [n] in hundredths of an interest
    """

    hour: NDArray[np.int32]
    item: NDArray[np.uint64]
    count: NDArray[np.int64]
    position: dict[int, int]


class UserChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record of `users`: op `put` replaces the profile, `patch` changes what is set, `delete` empties."""

    user_id: str
    op: str
    received_ms: int = 0
    age: int | UnsetType = UNSET
    gender: str | UnsetType = UNSET
    location: str | UnsetType = UNSET
    attributes: dict[str, str] | UnsetType = UNSET
