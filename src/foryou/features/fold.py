"""How do events become user records and counters? One pure function of what was known and what happened.

Folding a log in one go, in pieces, or again from the start gives the same records: a user's events share a
partition and keep their order there; the streams `events` and `users` touch different fields; a repeat is known by
its event id; counters are integers per hour, so their sum does not depend on order.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from foryou.domain.clock import DAY_MS, HOUR_MS
from foryou.domain.event import ABOUT_ITEMS, CODE, Action, Event, EventColumns, columns, hash64, hashes, interest
from foryou.domain.exposure import Exposure
from foryou.domain.records import (
    ACTION_DTYPE,
    FIRST,
    HISTORY,
    NO_HISTORY,
    NO_IMPRESSIONS,
    NO_SEEN,
    NOBODY,
    SEEN,
    SHOWN,
    SHOWN_DTYPE,
    VIEWS,
    Core,
    UserChange,
    UserRecord,
)

_REMEMBERED = np.array([action in ABOUT_ITEMS and action is not Action.IMPRESSION for action in Action])
_PROFILE: dict[str, Any] = {"age": 0, "gender": "", "location": "", "attributes": {}, "interests": ()}
_COUNT_UNIT = 100  # counters hold hundredths of an interest


@dataclass(slots=True)
class Folded:
    """What folding gave: the records that changed, and increments of (hour, item hash) and of (day, item hash)."""

    records: dict[str, UserRecord] = field(default_factory=dict)
    counts: dict[tuple[int, int], int] = field(default_factory=dict)
    firsts: dict[tuple[int, int], int] = field(default_factory=dict)


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
                record = _fold_run(record, events, arrays, places[start:index], result)
                forget = events[place].action is Action.FORGET
                record = (_forgotten if forget else _aliased)(record, events[place])
                start = index + 1
        record = _fold_run(record, events, arrays, places[start:], result)
        result.records[user] = replace(record, offset=offsets[places[-1]])
    return result


def fold_profiles(
    known: Mapping[str, UserRecord | None], changes: Sequence[UserChange], offsets: Sequence[int]
) -> dict[str, UserRecord]:
    """Fold records of the stream `users`, in log order; gives the records that changed."""
    changed: dict[str, UserRecord] = {}
    for change, offset in zip(changes, offsets, strict=True):
        record = changed.get(change.user_id) or known.get(change.user_id) or NOBODY
        said = {name: value for name in _PROFILE if (value := getattr(change, name)) is not UNSET}
        if change.op != "patch":
            said = _PROFILE | (said if change.op == "put" else {})
        core = msgspec.structs.replace(record.core, **said)
        changed[change.user_id] = replace(record, core=core, profile_offset=offset)
    return changed


def _forgotten(record: UserRecord, event: Event) -> UserRecord:
    kept = Core(**{name: getattr(record.core, name) for name in _PROFILE}, forgotten_ms=event.at_ms)
    later = record.shown[record.shown["at_s"] > event.at_ms // 1_000]  # it may be folded before what came before it
    return replace(record, core=kept, history=NO_HISTORY, seen=NO_SEEN, impressions=NO_IMPRESSIONS, shown=later)


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
    result: Folded,
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
        if (category := event.context.get("category")) and event.at_ms >= core.category_ms:
            core = msgspec.structs.replace(core, category=category, category_ms=event.at_ms)
        if (device := event.context.get("device")) and event.at_ms >= core.device_ms:
            core = msgspec.structs.replace(core, device=device, device_ms=event.at_ms)
    at = np.array(places)
    record = _impressed(record, arrays, at[(arrays.action[at] == CODE[Action.IMPRESSION]) & (arrays.item[at] != 0)])
    at = at[_REMEMBERED[arrays.action[at]] & (arrays.item[at] != 0)]
    if not len(at):
        return replace(record, core=core)
    new = np.empty(len(at), ACTION_DTYPE)
    for name in ("at_ms", "event", "item", "value", "action"):
        new[name] = getattr(arrays, name)[at]
    history, fresh = _remember(record.history, new)
    _count(fresh, result.counts)
    _count_firsts(record.seen, fresh, result.firsts)
    core = msgspec.structs.replace(core, views=_latest_items(history), last_ms=int(history["at_ms"][-1]))
    return replace(record, core=core, history=history, seen=_see(record.seen, new["item"]))


def _impressed(record: UserRecord, arrays: EventColumns, at: NDArray[np.intp]) -> UserRecord:
    if not len(at):
        return record
    new = np.empty(len(at), SHOWN_DTYPE)
    new["at_s"], new["id"], new["item"] = arrays.at_ms[at] // 1_000, arrays.event[at], arrays.item[at]
    return replace(record, impressions=_newest(record.impressions, new))


def fold_exposures(
    known: Mapping[str, UserRecord | None], exposures: Sequence[Exposure], offsets: Sequence[int]
) -> dict[str, UserRecord]:
    """Fold what was answered, in log order, into the records of their users; gives the records that changed."""
    changed: dict[str, UserRecord] = {}
    for exposure, offset in zip(exposures, offsets, strict=True):
        record = changed.get(exposure.user_id) or known.get(exposure.user_id) or NOBODY
        forgotten_s = record.core.forgotten_ms // 1_000
        if not exposure.user_id or 0 < exposure.now_ms // 1_000 <= forgotten_s:
            continue
        items = hashes(list(exposure.items))
        new = np.empty(len(items), SHOWN_DTYPE)
        new["at_s"], new["item"] = exposure.now_ms // 1_000, items
        new["id"] = items ^ np.uint64(hash64(exposure.recommendation_id))
        changed[exposure.user_id] = replace(record, shown=_newest(record.shown, new), shown_offset=offset)
    return changed


def _newest(old: NDArray[np.void], new: NDArray[np.void]) -> NDArray[np.void]:
    """Give the newest SHOWN of both by (at_s, id), each id once: arrival order and repeats do not matter."""
    both = np.concatenate([old, new])
    both = both[np.unique(both["id"], return_index=True)[1]]
    return both[np.lexsort((both["id"], both["at_s"]))][-SHOWN:]


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


def _count_firsts(seen: NDArray[np.uint32], fresh: NDArray[np.void], firsts: dict[tuple[int, int], int]) -> None:
    """Count the liked ones among the first distinct items of a newcomer."""
    if len(seen) >= FIRST:
        return
    known = set(seen.tolist())
    liked = interest(fresh["action"], fresh["value"]) > 0
    for item, at_ms, like in zip(fresh["item"].tolist(), fresh["at_ms"].tolist(), liked.tolist(), strict=True):
        if len(known) < FIRST and (item & 0xFFFFFFFF) not in known:
            known.add(item & 0xFFFFFFFF)
            if like:
                key = at_ms // DAY_MS, item
                firsts[key] = firsts.get(key, 0) + 1


def _count(fresh: NDArray[np.void], counts: dict[tuple[int, int], int]) -> None:
    weight = np.rint(_COUNT_UNIT * interest(fresh["action"], fresh["value"])).astype(int)
    hour = fresh["at_ms"] // HOUR_MS
    for row in np.flatnonzero(weight > 0):
        key = int(hour[row]), int(fresh["item"][row])
        counts[key] = counts.get(key, 0) + int(weight[row])
