"""How do events become user records and counters? One pure function of what was known and what happened.

Folding a log in one go, in pieces, or again from the start gives the same records: a user's events share a
partition and keep their order there; the streams `events` and `users` touch different fields; a repeat is known by
its event id; counters are integers per hour, so their sum does not depend on order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from foryou.domain.event import CODE, VARIANT, Action, Event, EventColumns, columns, hash64, hashes
from foryou.domain.exposure import Exposure
from foryou.domain.records import (
    HISTORY,
    NO_HISTORY,
    NO_IMPRESSIONS,
    NO_SEEN,
    NOBODY,
    SEEN,
    SHOWN,
    SHOWN_DTYPE,
    Core,
    UserChange,
    UserRecord,
)
from foryou.features.remembered import remembered
from foryou.features.tallied import count_variant, tally, together

_CUTS = (Action.ALIAS, Action.FORGET)  # they divide a user's events into runs
_PROFILE: dict[str, Any] = {"age": 0, "gender": "", "location": "", "attributes": {}, "interests": ()}


@dataclass(slots=True)
class Folded:
    """What folding gave: the records that changed, and increments as in `Change`."""

    records: dict[str, UserRecord] = field(default_factory=dict)
    counts: dict[tuple[int, int], int] = field(default_factory=dict)
    firsts: dict[tuple[int, int], int] = field(default_factory=dict)
    tallies: dict[str, dict[tuple[int, int], int]] = field(default_factory=dict)


def fold(known: Mapping[str, UserRecord | None], events: Sequence[Event], offsets: Sequence[int]) -> Folded:
    """Fold events of one partition, in log order, into the records of their users.

    `known` holds the record of every user in `events` (None = new); nothing of it is mutated.
    """
    return fold_parts(known, [(events, offsets)])[0]


def fold_parts(
    known: Mapping[str, UserRecord | None], parts: Sequence[tuple[Sequence[Event], Sequence[int]]]
) -> list[Folded]:
    """Fold events of several partitions, which have no user in common, as `fold` does; all at once."""
    results = [Folded() for _ in parts]
    events = [event for some, _ in parts for event in some]
    offsets = [offset for _, some in parts for offset in some]
    users: dict[str, list[int]] = {}
    part_of: dict[str, int] = {}
    cut: set[str] = set()
    for place, event in enumerate(events):
        users.setdefault(event.user_id, []).append(place)
        if event.action in _CUTS:
            cut.add(event.user_id)
    for part, (some, _) in enumerate(parts):
        part_of |= dict.fromkeys((event.user_id for event in some), part)
    arrays = columns(events)
    whole = {user: known.get(user) or NOBODY for user in users if user not in cut}
    for user, record in _fold_runs(whole, events, arrays, users, offsets, results, part_of).items():
        results[part_of[user]].records[user] = record
    for user in cut:
        own = [results[part_of[user]]]
        record = _fold_pieces(user, known.get(user) or NOBODY, events, arrays, users[user], offsets, own)
        own[0].records[user] = replace(record, offset=offsets[users[user][-1]])
    return results


def _fold_pieces(
    user: str,
    record: UserRecord,
    events: Sequence[Event],
    arrays: EventColumns,
    places: list[int],
    offsets: Sequence[int],
    results: Sequence[Folded],
) -> UserRecord:
    """Fold the runs of events between alias and forget, which are rare, one after the other."""
    run: list[int] = []
    for place in [*places, -1]:
        if place >= 0 and events[place].action not in _CUTS:
            run.append(place)
            continue
        if run:
            record = _fold_runs({user: record}, events, arrays, {user: run}, offsets, results, {user: 0})[user]
            run = []
        if place >= 0:
            forget = events[place].action is Action.FORGET
            record = (_forgotten if forget else _aliased)(record, events[place])
    return record


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


def _fold_runs(
    records: Mapping[str, UserRecord],
    events: Sequence[Event],
    arrays: EventColumns,
    users: Mapping[str, list[int]],
    offsets: Sequence[int],
    results: Sequence[Folded],
    part_of: Mapping[str, int],
) -> dict[str, UserRecord]:
    """Fold the events at users[name] into the record of each user, all at once; counters go into `results`."""
    if not records:
        return {}
    places = [users[name] for name in records]
    part = np.array([part_of[name] for name in records])
    now = remembered(list(records.values()), places, arrays, HISTORY, SEEN, part, len(results))
    for result, counts, firsts, taken in zip(results, now.counts, now.firsts, now.taken, strict=True):
        tally(result.counts, counts)
        tally(result.firsts, firsts)
        if taken:
            tally(result.tallies.setdefault("taken", {}), taken)
    for group, day, place in now.worn:
        counts = results[group].tallies.setdefault("variant_taken", {})
        count_variant(counts, day, events[place].item_id, events[place].context[VARIANT], 1)
    shown = bool((arrays.action == CODE[Action.IMPRESSION]).any())
    found: dict[str, UserRecord] = {}
    for u, (name, record) in enumerate(records.items()):
        said = _said(record.core, [events[place] for place in places[u]])
        history, seen, impressions = record.history, record.seen, record.impressions
        if now.acted[u]:
            history, seen = now.history[u], now.seen[u]
            said |= {"views": now.views[u], "last_ms": int(history[-1]["at_ms"])}
        if u in now.bought:
            pairs = results[part_of[name]].tallies.setdefault("together", {})
            said["bought"] = together(record.core.bought, now.bought[u], pairs)
        if shown:
            impressions = _impressed(impressions, arrays, np.array(places[u]))
        core = msgspec.structs.replace(record.core, **said) if said else record.core
        found[name] = UserRecord(
            core,
            history,
            seen,
            offsets[places[u][-1]],
            impressions,
            record.shown,
            record.shown_offset,
            record.profile_offset,
        )
    return found


def _said(core: Core, events: Sequence[Event]) -> dict[str, Any]:
    """Give what events say of session, query, page and device; the newest word counts."""
    said: dict[str, Any] = {}
    session_ms, query_ms, category_ms, device_ms = core.session_ms, core.query_ms, core.category_ms, core.device_ms
    for event in events:
        at_ms = event.at_ms
        if event.session_id and at_ms >= session_ms:
            said["session_id"], said["session_ms"], session_ms = event.session_id, at_ms, at_ms
        if event.action is Action.SEARCH and at_ms >= query_ms:
            said["query"], said["query_ms"], query_ms = event.query, at_ms, at_ms
        if not event.context:
            continue
        if (category := event.context.get("category")) and at_ms >= category_ms:
            said["category"], said["category_ms"], category_ms = category, at_ms, at_ms
        if (device := event.context.get("device")) and at_ms >= device_ms:
            said["device"], said["device_ms"], device_ms = device, at_ms, at_ms
    return said


def _impressed(old: NDArray[np.void], arrays: EventColumns, at: NDArray[np.intp]) -> NDArray[np.void]:
    at = at[(arrays.action[at] == CODE[Action.IMPRESSION]) & (arrays.item[at] != 0)]
    if not len(at):
        return old
    new = np.empty(len(at), SHOWN_DTYPE)
    new["at_s"], new["id"], new["item"] = arrays.at_ms[at] // 1_000, arrays.event[at], arrays.item[at]
    return _newest(old, new)


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
