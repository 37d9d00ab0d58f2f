"""How do events become user records and counters? One pure function of what was known and what happened.

Folding a log in one go, in pieces, or again from the start gives the same records: a user's events share a
partition and keep their order there; the streams `events` and `users` touch different fields; a repeat is known by
its event id; counters are integers per hour, so their sum does not depend on order.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from foryou.domain.clock import HOUR_MS
from foryou.domain.event import ABOUT_ITEMS, Action, Event, EventColumns, columns, interest
from foryou.domain.records import (
    ACTION_DTYPE,
    HISTORY,
    NO_HISTORY,
    NO_SEEN,
    NOBODY,
    SEEN,
    VIEWS,
    UserChange,
    UserRecord,
)

_REMEMBERED = np.array([action in ABOUT_ITEMS and action is not Action.IMPRESSION for action in Action])
_COUNT_UNIT = 100  # counters hold hundredths of an interest


@dataclass(slots=True)
class Folded:
    """What folding gave: the records that changed, and increments of (hour, item hash)."""

    records: dict[str, UserRecord] = field(default_factory=dict)
    counts: dict[tuple[int, int], int] = field(default_factory=dict)


def fold(known: Mapping[str, UserRecord | None], events: Sequence[Event], offsets: Sequence[int]) -> Folded:
    """Fold events of one partition, in log order, into the records of their users.

    `known` holds the record of every user in `events` (None = new); nothing of it is mutated.
    """
    result = Folded()
    users: dict[str, list[int]] = {}
    for place, event in enumerate(events):
        users.setdefault(event.user_id, []).append(place)
    arrays = columns(list(events))
    for user, places in users.items():
        record = known.get(user) or NOBODY
        start = 0
        for index, place in enumerate(places):  # alias and forget cut a user's events into runs; both are rare
            if events[place].action in (Action.ALIAS, Action.FORGET):
                record = _fold_run(record, events, arrays, places[start:index], result.counts)
                record = (
                    _forgotten(record) if events[place].action is Action.FORGET else _aliased(record, events[place])
                )
                start = index + 1
        record = _fold_run(record, events, arrays, places[start:], result.counts)
        result.records[user] = replace(record, offset=offsets[places[-1]])
    return result


def fold_profiles(known: Mapping[str, UserRecord | None], changes: Sequence[UserChange]) -> dict[str, UserRecord]:
    """Fold records of the stream `users`, in log order; gives the records that changed."""
    changed: dict[str, UserRecord] = {}
    for change in changes:
        record = changed.get(change.user_id) or known.get(change.user_id) or NOBODY
        said = {
            name: value
            for name in ("age", "gender", "location", "attributes")
            if (value := getattr(change, name)) is not UNSET
        }
        if change.op != "patch":
            said = {"age": 0, "gender": "", "location": "", "attributes": {}} | (said if change.op == "put" else {})
        changed[change.user_id] = replace(record, core=msgspec.structs.replace(record.core, **said))
    return changed


def _forgotten(record: UserRecord) -> UserRecord:
    core = record.core
    kept = type(core)(age=core.age, gender=core.gender, location=core.location, attributes=core.attributes)
    return UserRecord(kept, NO_HISTORY, NO_SEEN, record.offset)


def _aliased(record: UserRecord, event: Event) -> UserRecord:
    """Note who this user became (unit "into"), or who became this one (unit "from")."""
    core = record.core
    if event.unit == "into":
        core = msgspec.structs.replace(core, alias_of=event.query)
    elif event.query not in core.merged:
        core = msgspec.structs.replace(core, merged=(*core.merged, event.query))
    return replace(record, core=core)


def _fold_run(
    record: UserRecord,
    events: Sequence[Event],
    arrays: EventColumns,
    places: list[int],
    counts: dict[tuple[int, int], int],
) -> UserRecord:
    if not places:
        return record
    core = record.core
    for place in places:
        event = events[place]
        if event.session_id and event.at_ms >= core.session_ms:
            core = msgspec.structs.replace(core, session_id=event.session_id, session_ms=event.at_ms)
        if event.action is Action.SEARCH and event.at_ms >= core.query_ms:
            core = msgspec.structs.replace(core, query=event.query, query_ms=event.at_ms)
    at = np.array(places)
    at = at[_REMEMBERED[arrays.action[at]] & (arrays.item[at] != 0)]
    if not len(at):
        return replace(record, core=core)
    new = np.empty(len(at), ACTION_DTYPE)
    for name in ("at_ms", "event", "item", "value", "action"):
        new[name] = getattr(arrays, name)[at]
    history, fresh = _remember(record.history, new)
    _count(fresh, counts)
    core = msgspec.structs.replace(core, views=_latest_items(history), last_ms=int(history["at_ms"][-1]))
    return UserRecord(core, history, _see(record.seen, new["item"]), record.offset)


def _remember(history: NDArray[np.void], new: NDArray[np.void]) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """Give the newest H of both by (at_ms, event), and those of `new` that are no repeats and were ever among them."""
    known = set(history["event"].tolist())
    first = {event: place for place, event in reversed(list(enumerate(new["event"].tolist()))) if event not in known}
    if len(history) + len(first) > HISTORY:
        return _remember_in_turn(history, new)
    new = new[sorted(first.values())]
    both = np.concatenate([history, new])
    return both[np.lexsort((both["event"], both["at_ms"]))], new


def _remember_in_turn(history: NDArray[np.void], new: NDArray[np.void]) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """Do what `_remember` promises where actions are pushed out: one by one, so that pieces equal the whole."""
    keys = list(zip(history["at_ms"].tolist(), history["event"].tolist(), strict=True))
    rows, fresh, known = list(history), [], set(history["event"].tolist())
    for key, row in zip(zip(new["at_ms"].tolist(), new["event"].tolist(), strict=True), new, strict=True):
        if key[1] in known or (len(keys) == HISTORY and key < keys[0]):
            continue
        place = bisect_left(keys, key)
        keys.insert(place, key)
        rows.insert(place, row)
        fresh.append(row)
        known.add(key[1])
        if len(keys) > HISTORY:
            known.remove(keys[0][1])
            del keys[0], rows[0]
    return np.array(rows, ACTION_DTYPE), np.array(fresh, ACTION_DTYPE)


def _see(seen: NDArray[np.uint32], items: NDArray[np.uint64]) -> NDArray[np.uint32]:
    known = dict.fromkeys(seen.tolist())
    new = [name for name in dict.fromkeys(items.astype(np.uint32).tolist()) if name not in known]
    if len(seen) + len(new) <= SEEN:
        return np.concatenate([seen, np.array(new, np.uint32)]) if new else seen
    for name in items.astype(np.uint32).tolist():  # one by one: one that is pushed out may come in again
        known[name] = None
        if len(known) > SEEN:
            del known[next(iter(known))]
    return np.array(list(known), np.uint32)


def _latest_items(history: NDArray[np.void]) -> tuple[int, ...]:
    latest = dict.fromkeys(history["item"][::-1][: 4 * VIEWS].tolist())
    return tuple(latest)[:VIEWS]


def _count(fresh: NDArray[np.void], counts: dict[tuple[int, int], int]) -> None:
    weight = np.rint(_COUNT_UNIT * interest(fresh["action"], fresh["value"])).astype(int)
    hour = fresh["at_ms"] // HOUR_MS
    for row in np.flatnonzero(weight > 0):
        key = int(hour[row]), int(fresh["item"][row])
        counts[key] = counts.get(key, 0) + int(weight[row])
