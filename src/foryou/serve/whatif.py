"""What would an item be worth if something were not known? The same question scored again, from records without it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from foryou.domain.records import NO_HISTORY, UserRecord
from foryou.domain.slate import Query, QueryBatch
from foryou.features.assemble import assemble
from foryou.features.hydrate import assemble_batch
from foryou.serve.rankers import Explained

Known = tuple[Query, UserRecord]  # what a query asks, and what is remembered of its user
Numbers = NDArray[np.int32]
Scores = NDArray[np.float32]


def without_search(query: Query, record: UserRecord) -> Known:
    """Forget what is searched for."""
    return replace(query, search=""), record.known_as(query="")


def without_category(query: Query, record: UserRecord) -> Known:
    """Forget which category is looked at."""
    return replace(query, category=""), record.known_as(category="")


def without_interests(query: Query, record: UserRecord) -> Known:
    """Forget the chosen interests."""
    return query, record.known_as(interests=())


def without_location(query: Query, record: UserRecord) -> Known:
    """Forget where the user is."""
    return replace(query, location=""), record.known_as(location="")


def without_people(query: Query, record: UserRecord) -> Known:
    """Forget age and gender."""
    return query, record.known_as(age=0, gender="")


def without_history(query: Query, record: UserRecord) -> Known:
    """Forget every action."""
    return query, replace(record, history=NO_HISTORY)


def without_items(query: Query, record: UserRecord, hashes: Sequence[int]) -> Known:
    """Forget every action on these items: older ones take their places."""
    kept, item = np.ones(len(record.history), np.bool_), record.history["item"]
    for one in hashes:
        kept &= item != np.uint64(one)
    return query, replace(record, history=record.history[kept])


@dataclass(frozen=True, slots=True)
class _Shown:
    """As much of a slate as a ranker looks at."""

    item: Numbers


class WhatIf:
    """Scores what is shown a second time: everything worked out anew from what is left of the records."""

    def __init__(self, ranker: Explained, represent: Callable[[QueryBatch], None]) -> None:
        self.ranker, self._represent = ranker, represent

    def scores(self, batch: QueryBatch, known: Sequence[tuple[int, Known]], item: Numbers) -> Scores:
        """Give the scores of item [B, C] if less were known: one row for each (b, what is left).  float32 [R, C]

        Inputs that are measured by the other candidates keep the measure of the answer (`memo`).
        """
        rows = [b for b, _ in known]
        again = assemble_batch([query for _, (query, _) in known], [record for _, (_, record) in known], batch.view)
        again.memo |= batch.measures(rows)
        self._represent(again)
        out = np.empty((len(rows), item.shape[1]), np.float32)
        self.ranker.score(again, _Shown(item[rows]), out)  # type: ignore[arg-type]
        return out

    def falls(self, batch: QueryBatch, item: Numbers, inputs: Sequence[Sequence[str]]) -> Scores:
        """Give how far the scores of item [B, C] fall if these inputs were 0.  float32 [len(inputs), B, C]"""
        values = assemble(self.ranker.schema, batch, item)
        names = list(self.ranker.schema.names)
        whole, out = np.empty(item.shape, np.float32), np.zeros((len(inputs), *item.shape), np.float32)
        self.ranker.sum(values, batch, whole)
        for place, some in enumerate(inputs):
            lacking = values.copy()
            lacking[[names.index(name) for name in some if name in names]] = 0
            self.ranker.sum(lacking, batch, out[place])
        return whole - out
