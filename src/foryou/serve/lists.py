"""How do lists made by hand get from the log into answers? Read, given their places, and labelled."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from foryou.domain.clock import DAY_MS
from foryou.domain.lists import ItemList, Kind, ListChange, Lists
from foryou.domain.log import Position, Stream
from foryou.domain.ports import EventLog
from foryou.domain.slate import PLACED, QueryBatch, Reason, Slate, View
from foryou.domain.tried import Pacer
from foryou.serve.following import news
from foryou.serve.wording import Words

Explaining = Callable[[QueryBatch, Slate, NDArray[np.int32]], list[list[Reason]]]


def followed(
    log: EventLog, lists: Lists, decode: Callable[[bytes], ListChange], until: Position | None = None
) -> Lists:
    """Give the lists with all that the stream says since their position, up to `until` (else: to its end)."""
    changes, position = news(log, Stream.LISTS, lists.position, decode, until)
    return lists.changed(changes, position) if position != lists.position else lists


class Pins:
    """Puts items that the configuration names at the places that it names.  pins: item id -> place (1 = first)"""

    name = "pins"
    essential = False

    def __init__(self, pins: Sequence[tuple[str, int]]) -> None:
        self._pins = pins

    def apply(self, batch: QueryBatch, slate: Slate) -> None:
        """Pin them where they are among the candidates and may be shown."""
        for item_id, place in self._pins:
            number = batch.view.catalog.number(item_id)
            if number:
                fits = (slate.pin == 0) & slate.kept() & (place <= batch.k[:, None])
                slate.place((slate.item == number) & fits, place, "pinned")


class Places:
    """Gives the lists of one kind their places: each list up to its quota, in its own order.

    Where several lists could have a place, the one whose next item scores best for this user gets it. What only a
    sponsored list has proposed is shown at such a place or not at all: that rule is essential, so that nothing paid for
    is shown without its label.
    """

    def __init__(self, kind: Kind, placement: str, places: Sequence[int]) -> None:
        self.name, self.essential = f"{kind}_places", kind is Kind.SPONSORED
        self._kind, self._placement, self._places = kind, placement, sorted(set(places))

    def apply(self, batch: QueryBatch, slate: Slate) -> None:
        """Pin the items of the lists; drop the sponsored ones that found no place."""
        if not batch.view.shelf.lists.by_name:
            return
        bit = slate.bit(self._kind)
        proposed = (slate.origin & bit > 0) & slate.kept() & np.isfinite(slate.score)
        for b in np.flatnonzero(proposed.any(axis=1)).tolist():
            now_ms = batch.query[b].now_ms
            lists = batch.view.shelf.active(self._kind, self._placement, now_ms)
            lists = [one for one in lists if is_due(one, batch.view, now_ms)]
            self._fill(batch, slate, b, np.flatnonzero(proposed[b]).tolist(), lists)
        if self._kind is Kind.SPONSORED:
            organic = slate.origin & ~(bit | slate.bit("asked")) > 0
            slate.drop((slate.origin & bit > 0) & ~organic & (slate.placed == 0), self.name)

    def _fill(self, batch: QueryBatch, slate: Slate, b: int, columns: list[int], lists: list[ItemList]) -> None:
        where = {int(slate.item[b, c]): c for c in columns if not slate.pin[b, c]}
        taken = set(slate.pin[b][slate.pin[b] > 0].tolist())
        numbers = batch.view.shelf.numbers
        waiting = [[where[number] for number in numbers[one.name].tolist() if number in where] for one in lists]
        left = [one.quota for one in lists]
        for place in self._places:
            if place in taken or place > batch.k[b]:
                continue
            ready = [at for at, columns in enumerate(waiting) if columns and left[at]]
            if not ready:
                return
            chosen = max(ready, key=lambda at: (slate.score[b, waiting[at][0]], -at))
            c = waiting[chosen][0]
            left[chosen] -= 1
            slate.pin[b, c], slate.placed[b, c] = place, PLACED.index(self._kind)
            slate.labels[b, c] = lists[chosen].label
            waiting = [[other for other in columns if other != c] for columns in waiting]


def is_due(one: ItemList, view: View, now_ms: int) -> bool:
    """Say whether a list has had less impressions today than the part of the day that has passed allows."""
    if not one.impressions_per_day:
        return True
    begun = np.array([max(now_ms // DAY_MS * DAY_MS, one.start_ms)], np.int64)
    ends = min(int(begun[0]) // DAY_MS * DAY_MS + DAY_MS, one.end_ms or now_ms + DAY_MS)
    shown = np.array([view.tried.times_sponsored(view.shelf.numbers[one.name])])
    return bool(Pacer(one.impressions_per_day, max(1, ends - int(begun[0]))).due(begun, now_ms, shown)[0] > 0)


class Labelled:
    """Gives items that were placed by hand the reason that they are there; the others keep theirs."""

    def __init__(self, explain: Explaining, words: Words | None = None) -> None:
        self._explain, self._words = explain, words or Words()

    def __call__(self, batch: QueryBatch, slate: Slate, best: NDArray[np.int32]) -> list[list[Reason]]:
        """Give a reason for each place of the answers.  best int32 [B, k], -1 = none"""
        reasons = self._explain(batch, slate, best)
        if not slate.placed.any():
            return reasons
        for b, said in enumerate(reasons):
            for at, c in enumerate(best[b, : len(said)].tolist()):
                if slate.placed[b, c]:
                    said[at] = self._reason(batch.query[b].language, slate, b, c)
        return reasons

    def _reason(self, language: str, slate: Slate, b: int, c: int) -> Reason:
        by, label = PLACED[slate.placed[b, c]], slate.labels.get((b, c), "")
        if label and by == "sponsored":
            return Reason(by, label)  # as who pays for it wants to be named
        return self._words.say(language, f"{by}.list" if label and by == "editorial" else by, list=label)
