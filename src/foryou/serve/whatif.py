"""What would an item be worth if something were not known? What is shown is scored again, from what is left."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from foryou.domain.records import Core
from foryou.domain.slate import Query, QueryBatch, Slate
from foryou.features.assemble import assemble, assemble_anew, assemble_without
from foryou.features.hydrate import forgetful
from foryou.serve.rankers import Explained

Numbers = NDArray[np.int32]
Scores = NDArray[np.float32]
Entries = tuple[int, ...]  # of a history, 0 = newest
Test = tuple[int, "str | Entries"]  # a query of the batch, and what of it or of its user is forgotten
_FORGET: Mapping[str, Callable[[Query, Core], tuple[Query, Core]]] = {
    "search": lambda query, core: (replace(query, search=""), core.known_as(query="")),
    "category": lambda query, core: (replace(query, category=""), core.known_as(category="")),
    "interests": lambda query, core: (query, core.known_as(interests=())),
    "near": lambda query, core: (replace(query, location=""), core.known_as(location="")),
    "people": lambda query, core: (query, core.known_as(age=0, gender="")),
    "taste": lambda query, core: (query, core),  # every action: the history is emptied
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown, as the ranker sees it.

    item int32 [B, C], 0 = none · inputs float32 [F, B, C] of the ranker · score float32 [B, C] that it gives
    """

    item: Numbers
    inputs: NDArray[np.float32]
    score: Scores


class WhatIf:
    """Scores what is shown without something: only what may change by that is worked out anew."""

    def __init__(self, ranker: Explained, represent: Callable[[QueryBatch], None]) -> None:
        self._ranker, self._represent = ranker, represent

    def shown(self, batch: QueryBatch, slate: Slate, best: Numbers) -> Shown:
        """Give what stands at the places best [B, C] (-1 = none): the inputs of the slate, if the ranker left them."""
        flat = np.arange(len(best))[:, None] * slate.item.shape[1] + np.maximum(best, 0)
        item = np.where(best < 0, 0, slate.item.ravel()[flat]).astype(np.int32)
        if slate.inputs is None:  # the sources ranked, or there was no time
            inputs = assemble(self._ranker.used, batch, item)
            return Shown(item, inputs, self._score(inputs, batch))
        inputs = np.take(slate.inputs.reshape(len(slate.inputs), -1), flat, axis=1)
        return Shown(item, inputs, slate.score.ravel()[flat] - slate.boost.ravel()[flat])

    def without_each(self, batch: QueryBatch, shown: Shown, entries: int) -> Scores:
        """Give the scores without each of the newest entries, by the closed forms of the models.  float32 [B, L, C]"""
        return self._score(assemble_without(self._ranker.used, batch, shown.item, shown.inputs, entries), batch)

    def scores(
        self, batch: QueryBatch, shown: Shown, tests: Sequence[Test], places: NDArray[np.intp] | None = None
    ) -> Scores:
        """Give the scores if less were known, by the code that hydrates and ranks: one row per test.  float32 [R, M]

        places intp [R, M]: of which of the C shown the scores are wanted, -1 = none; None = of all, in their order.
        Inputs that are measured by the other candidates keep the measure of the answer.
        """
        if places is None:
            places = np.tile(np.arange(shown.item.shape[1]), (len(tests), 1))
        flat = np.array([[b] for b, _ in tests]) * shown.item.shape[1] + np.maximum(places, 0)
        again = _forgotten(batch, tests)
        if batch.user.shape[1]:  # else there was no time for it in the answer, too
            self._represent(again)
        item = np.where(places < 0, 0, shown.item.ravel()[flat]).astype(np.int32)
        if any(isinstance(what, str) for _, what in tests):
            inputs = assemble(self._ranker.used, again, item)
        else:
            inputs = np.take(shown.inputs.reshape(len(shown.inputs), -1), flat, axis=1)
            assemble_anew(self._ranker.used, again, item, inputs)
        return self._score(inputs, again)

    def falls(self, batch: QueryBatch, shown: Shown, inputs: Sequence[Sequence[str]]) -> Scores:
        """Give how far the scores fall if these inputs were 0.  float32 [len(inputs), B, C]"""
        names, out = self._ranker.schema.names, []
        for some in inputs:
            lacking = shown.inputs.copy()
            lacking[[names.index(name) for name in some if name in names]] = 0
            out.append(shown.score - self._score(lacking, batch))
        return np.stack(out)

    def _score(self, inputs: NDArray[np.float32], batch: QueryBatch) -> Scores:
        out = np.empty(inputs.shape[1:], np.float32)
        self._ranker.sum(inputs, batch, out)
        return out


def _forgotten(batch: QueryBatch, tests: Sequence[Test]) -> QueryBatch:
    """Give the queries again, each without what its test leaves out."""
    most = max((len(what) for _, what in tests if not isinstance(what, str)), default=0)
    gone = np.zeros((len(tests), most), np.int32)
    for row, (b, what) in enumerate(tests):
        if not isinstance(what, str):
            gone[row, : len(what)] = batch.history[b, list(what)]
    again = forgetful(batch, [b for b, _ in tests], gone)
    for row, (_, what) in enumerate(tests):
        if isinstance(what, str):
            again.query[row], again.core[row] = _FORGET[what](again.query[row], again.core[row])
        if what == "taste":
            for column in (again.history, again.taste, again.action, again.at_ms):
                column[row] = 0
    return again
