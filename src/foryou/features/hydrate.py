"""What do we know about these users now? Queries become a batch of arrays, in one read of the store."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.catalog import Catalog
from foryou.domain.errors import Incomplete
from foryou.domain.event import hash64, hashes, interest
from foryou.domain.records import NOBODY, Places, UserRecord, merged
from foryou.domain.slate import Query, QueryBatch, View

SHOWN_MS = 86_400_000  # an impression counts for a day
WINDOW = 50  # H on the hot path: distinct items of the history that models look at


class Records(Protocol):
    """Anything that gives user records: a FeatureStore, or a memory before one."""

    def read(self, users: Sequence[str]) -> list[UserRecord | None]:
        """Give the record of each user as a FeatureStore does."""
        ...


class Hydrate:
    """Turns queries into a batch: user records from the store, item numbers from the view."""

    def __init__(self, store: Records, view: Callable[[], View]) -> None:
        self._store, self._view = store, view

    def __call__(self, queries: list[Query]) -> QueryBatch:
        """Give the batch, with one read of the store (two where a user was merged)."""
        lost: set[str] = set()
        records, knew = self._records([query.user_id for query in queries], lost)
        batch = assemble_batch(queries, records, self._view())
        if lost:
            batch.lost = [query.user_id in lost for query in queries]
        if knew:
            batch.knew = [knew] * len(queries)
        return batch

    def strangers(self, queries: list[Query]) -> QueryBatch:
        """Give the batch as if nobody were known: what is left when the store does not answer."""
        return assemble_batch(queries, [None] * len(queries), self._view())

    def _records(self, users: list[str], lost: set[str]) -> tuple[list[UserRecord | None], dict[str, Places]]:
        """Give the records, merged ones joined, and where any were: the places of all that were read."""
        found = self._read(users, lost)
        relatives = {name for record in found if record for name in _relatives(record)}
        if not relatives:
            return found, {}
        names = list(relatives)
        known = dict(zip([*users, *names], [*found, *self._read(names, lost)], strict=True))
        second = {name for main in names if (record := known[main]) for name in record.core.merged} - set(known)
        if second:
            known |= dict(zip(second, self._read(list(second), lost), strict=True))
        knew = {name: record.places for name, record in known.items() if record}
        lost |= {user for user in users if (one := known[user]) and not lost.isdisjoint(_relatives(one))}
        return [_with_relatives(user, known) for user in users], knew

    def _read(self, users: list[str], lost: set[str]) -> list[UserRecord | None]:
        """Give the records of those who can be reached, and note who cannot."""
        try:
            return self._store.read(users)
        except Incomplete as error:
            lost.update(users[place] for place in error.missing)
            return list(error.found)


def _relatives(record: UserRecord) -> tuple[str, ...]:
    return (*record.core.merged, record.core.alias_of) if record.core.alias_of else record.core.merged


def _with_relatives(user: str, known: dict[str, UserRecord | None]) -> UserRecord | None:
    record = known[user]
    main = known.get(record.core.alias_of) if record and record.core.alias_of else record
    if main is None:
        return record
    family = [main, *(other for name in main.core.merged if (other := known.get(name)))]
    return merged(family) if len(family) > 1 else main


def assemble_batch(queries: list[Query], records: Sequence[UserRecord | None], view: View) -> QueryBatch:
    """Give the batch of these queries and records (None = unknown user) as seen by the view."""
    people = [record or NOBODY for record in records]
    history, taste, action, at_ms = _recent(people, view, np.arange(len(people)), np.zeros((len(people), 0), np.int32))
    seen, seen_start = _seen(queries, people)
    shown, shown_start = _shown(queries, people)
    return QueryBatch(
        query=queries,
        view=view,
        history=history,
        taste=taste,
        action=action,
        at_ms=at_ms,
        seen=seen,
        seen_start=seen_start,
        anchor=_numbers(view.catalog, [query.anchor for query in queries]),
        asked=_numbers(view.catalog, [query.asked for query in queries]),
        k=np.array([query.k for query in queries], np.int32),
        seed=np.array([query.seed for query in queries], np.uint64),
        offset=[person.offset for person in people],
        known=[record is not None for record in records],
        user=np.zeros((len(people), 0), np.float32),
        inverse=np.zeros((len(people), 0, 0), np.float64),
        place=np.full((len(people), 0), -1, np.int32),
        core=[person.core for person in people],
        people=people,
        shown=shown,
        shown_start=shown_start,
        knew=[
            {query.user_id: person.places} if known else {}
            for query, person, known in zip(queries, people, records, strict=True)
        ],
    )


def forgetful(batch: QueryBatch, rows: Sequence[int], gone: NDArray[np.int32]) -> QueryBatch:
    """Give queries of a batch again, row by row from a record without all that was done to the items gone [R, G].

    0 in `gone` is none. User vectors are those of the whole record until they are worked out again.
    """
    history, taste, action, at_ms = _recent(batch.people, batch.view, np.array(rows, np.int64), gone)
    return replace(batch.taken(rows), history=history, taste=taste, action=action, at_ms=at_ms)


def _recent(
    people: Sequence[UserRecord], view: View, row: NDArray[np.int64], gone: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.uint8], NDArray[np.int64]]:
    """Give what people row [R] last acted on but for the items gone [R, G]: history, taste, action and at_ms [R, H]."""
    flat = people[0].history if len(people) == 1 else np.concatenate([person.history for person in people])
    start = np.zeros(len(people) + 1, np.int64)
    np.cumsum([len(person.history) for person in people], out=start[1:])
    actions = np.ascontiguousarray(flat["action"])
    taste = interest(actions, np.ascontiguousarray(flat["value"]))
    shape = (len(row), WINDOW)
    history, tastes = np.empty(shape, np.int32), np.empty(shape, np.float32)
    kinds, times = np.empty(shape, np.uint8), np.empty(shape, np.int64)
    numbers = view.catalog.numbers(np.ascontiguousarray(flat["item"]))
    at_ms = np.ascontiguousarray(flat["at_ms"])
    kernels.recent(numbers, taste, actions, at_ms, start, row, gone, history, tastes, kinds, times)
    return history, tastes, kinds, times


def _seen(queries: list[Query], people: list[UserRecord]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    parts = []
    for query, person in zip(queries, people, strict=True):
        hidden = (*query.exclude, query.anchor) if query.anchor else query.exclude
        own = np.concatenate([person.seen, hashes(list(hidden)).astype(np.uint32)]) if hidden else person.seen
        parts.append(np.sort(own))
    return _joined(parts)


def _shown(queries: list[Query], people: list[UserRecord]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Give what was shown lately; what clients report counts instead of what was answered."""
    parts = []
    for query, person in zip(queries, people, strict=True):
        since = (query.now_ms - SHOWN_MS) // 1_000
        reported, answered = (rows["item"][rows["at_s"] > since] for rows in (person.impressions, person.shown))
        parts.append(np.sort(reported if len(reported) else answered))
    return _joined(parts)


def _joined(parts: list[NDArray[np.uint32]]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    start = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=start[1:])
    return np.concatenate(parts), start


def _numbers(catalog: Catalog, item_ids: list[str]) -> NDArray[np.int32]:
    if not any(item_ids):
        return np.zeros(len(item_ids), np.int32)
    return catalog.numbers(np.array([hash64(item_id) if item_id else 0 for item_id in item_ids], np.uint64))
