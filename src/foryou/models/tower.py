"""What will somebody do next who did this, in this order? The user tower at request time, without PyTorch."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.catalog import Catalog
from foryou.domain.event import ACTIONS, Action
from foryou.domain.records import Core
from foryou.domain.slate import QueryBatch
from foryou.domain.terms import Kind, term

PREFIX = "tower-"  # of its arrays in a bundle
AGES = 10  # years of one group
_RATING = ACTIONS.index(Action.RATING)
Numbers = NDArray[np.int32]
Values = NDArray[np.float32]


def person(core: Core, device: str = "") -> list[int]:
    """Give what is known of a user as terms: the group of ages, gender, place, attributes, device."""
    said = {
        "age": str(core.age // AGES) if core.age else "", "gender": core.gender, "location": core.location,
        "device": device or core.device, **{f"attribute {name}": value for name, value in core.attributes.items()},
    }  # fmt: skip
    return [term(Kind.ATTRIBUTE, f"{name}={value}") for name, value in said.items() if value]


@dataclass(frozen=True, slots=True)
class Fresh:
    """Items that came after the training.  items int32 [m] · vectors float32 [m, D] · place int32 [<= N+1] row of an
    item in `vectors`, -1 = trained"""

    items: Numbers
    vectors: Values
    place: Numbers


@dataclass(frozen=True, slots=True)
class Weights:
    """The parameters of the user tower, as `kernels.tower_users` takes them."""

    into: Values
    entry: Values
    taps: Values
    attend: Values
    merge: Values
    near: Values
    norms: Values
    up: Values
    up_bias: Values
    down: Values
    down_bias: Values
    last: Values
    outward: Values


class Tower:
    """Item vectors, and user vectors made of the newest items of a history and of what is known of the user.

    Takes the arrays of `train.two_tower.fit`. A new item has the mean of the vectors of its terms, as the item tower
    learned them from items whose id was hidden.
    """

    name, of_history = "two_tower", True

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.vectors: Values = arrays["vectors"]
        self.window = int(arrays["window"][0])
        self._weights = Weights(**{one.name: np.ascontiguousarray(arrays[one.name]) for one in fields(Weights)})
        self._start, self._people, self._people_names = arrays["start"], arrays["people"], arrays["people_names"]
        self._terms, self._term_names = arrays["terms"], arrays["term_names"]
        none = Fresh(np.zeros(0, np.int32), np.zeros((0, self.vectors.shape[1]), np.float32), np.zeros(0, np.int32))
        self._known: tuple[tuple[Catalog | None, Fresh], ...] = ((None, none),)  # swapped whole: two threads look
        self._since: dict[int, tuple[object, Values]] = {}  # new item -> the terms that it had, and its vector

    def prepare(self, catalog: Catalog) -> None:
        """Work out the vectors of new items before they are used, so that no request waits for it."""
        self.fresh(catalog)

    def fresh(self, catalog: Catalog) -> Fresh:
        """Give the vectors of items beyond the training; worked out once per catalog."""
        for known, found in reversed(self._known):
            if known is catalog:
                return found
        items = np.array(sorted(item for item in catalog.terms.changed if item >= len(self.vectors)), np.int32)
        place = np.full(len(catalog) + 1 if len(items) else 0, -1, np.int32)
        place[items] = np.arange(len(items))
        vectors = np.zeros((len(items), self.vectors.shape[1]), np.float32)
        for row, item in zip(vectors, items.tolist(), strict=True):
            row[:] = self._of_new(item, catalog.terms.changed[item])
        found = Fresh(items, vectors, place)
        self._known = (*self._known[-2:], (catalog, found))
        return found

    def _of_new(self, item: int, terms: NDArray[np.uint32]) -> Values:
        known = self._since.get(item)
        if known is None or known[0] is not terms:
            vector = self.described(terms, np.array([0, len(terms)]))[0]
            known = self._since[item] = (terms, vector)
        return known[1]

    def described(self, values: NDArray[np.uint32], start: NDArray[np.int64]) -> Values:
        """Give the mean of the vectors of the terms of each item: values[start[n]:start[n + 1]] -> float32 [n, D]."""
        out = np.zeros((len(start) - 1, self.vectors.shape[1]), np.float32)
        for row, (first, end) in enumerate(zip(start[:-1].tolist(), start[1:].tolist(), strict=True)):
            places = _places(self._term_names, values[first:end])
            if len(places):
                out[row] = self._terms[places].mean(axis=0, dtype=np.float32)
        return out

    def start(self, people: list[list[int]]) -> Values:
        """Give what stands before the history: the terms of each user (`person`) -> float32 [B, W]."""
        out = np.repeat(self._start[None], len(people), axis=0)
        for row, terms in enumerate(people):
            places = _places(self._people_names, np.array(terms, np.uint32))
            if len(places):
                out[row] += self._people[places].sum(axis=0, dtype=np.float32)
        return out

    def users(self, history: Numbers, length: Numbers, start: Values, fresh: Fresh | None = None) -> Values:
        """Give the vectors of users: history int32 [B, H] oldest first, length int32 [B] -> float32 [B, D].

        At most the newest `window` entries count.
        """
        if history.shape[1] > self.window:
            cut = np.maximum(length - self.window, 0)
            columns = np.minimum(cut[:, None] + np.arange(self.window), history.shape[1] - 1)
            history, length = np.take_along_axis(history, columns, axis=1), np.minimum(length, self.window)
        new, w = fresh or self._known[-1][1], self._weights
        out = np.empty((len(history), self.vectors.shape[1]), np.float32)
        kernels.tower_users(
            self.vectors, new.vectors, new.place, np.ascontiguousarray(history, np.int32), length.astype(np.int32),
            start, w.into, w.entry, w.taps, w.attend, w.merge, w.near, w.norms, w.up, w.up_bias, w.down, w.down_bias,
            w.last, w.outward, out,
        )  # fmt: skip
        return out

    def represent(self, batch: QueryBatch) -> Values:
        """Give the user vectors of a batch, worked out once: float32 [B, D]."""
        known = batch.memo.get("two_tower")
        if known is None:
            history, length = _oldest_first(batch.history, _counts(batch))
            fresh = self.fresh(batch.view.catalog)
            known = batch.memo["two_tower"] = self.users(history, length, self._starts(batch), fresh)
        return known

    def _starts(self, batch: QueryBatch) -> Values:
        return self.start([
            person(core, query.device) for core, query in zip(batch.core, batch.query, strict=True)
        ])  # fmt: skip

    def fill(self, batch: QueryBatch, item: Numbers, out: Values) -> None:
        """Fill out [B, C] with user·item."""
        fresh = self.fresh(batch.view.catalog)
        kernels.dots_of_two(self.represent(batch), self.vectors, fresh.vectors, fresh.place, item, out)

    def without(self, batch: QueryBatch, item: Numbers, out: Values) -> bool:
        """Fill out [B, L, C] with user·item of a history that had not entry l: the tower runs once for each."""
        rows, entries = out.shape[:2]
        counts, fresh = _counts(batch), self.fresh(batch.view.catalog)
        starts = self._starts(batch)
        for b in range(rows):
            left = np.repeat(counts[b : b + 1], entries, axis=0)
            left[np.arange(entries), np.arange(entries)] = False
            history, length = _oldest_first(np.repeat(batch.history[b : b + 1], entries, axis=0), left)
            users = self.users(history, length, np.repeat(starts[b : b + 1], entries, axis=0), fresh)
            candidates = np.repeat(item[b : b + 1], entries, axis=0)
            kernels.dots_of_two(users, self.vectors, fresh.vectors, fresh.place, candidates, out[b])
        return True


def _counts(batch: QueryBatch) -> NDArray[np.bool_]:
    """Say which entries count: what was liked, and every rating, as in the training.  bool [B, H]"""
    return np.asarray((batch.history > 0) & ((batch.taste > 0) | (batch.action == _RATING)))


def _oldest_first(history: Numbers, counts: NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
    """Give the entries that count, oldest first and without gaps, and how many there are: int32 [B, H], int32 [B]."""
    turned, there = history[:, ::-1], counts[:, ::-1]
    order = np.argsort(~there, axis=1, kind="stable")
    length = there.sum(axis=1, dtype=np.int32)
    return np.take_along_axis(turned, order, axis=1), length


def _places(names: NDArray[np.uint32], terms: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Give where those terms stand that have a name."""
    if not len(names):
        return np.zeros(0, np.intp)
    place = np.minimum(np.searchsorted(names, terms), len(names) - 1)
    return np.asarray(place[names[place] == terms])
