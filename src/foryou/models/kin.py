"""What may be expected of an item that nobody has acted on? What holds for the items that are most like it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.domain.catalog import Catalog
from foryou.domain.ports import Feature
from foryou.domain.slate import QueryBatch
from foryou.models.content import Content

K = 5  # items that stand in for a new one
LOOKED_AT = 50  # items that share its terms, of which the K with the nearest content vectors are taken
Numbers = NDArray[np.int32]
Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Standing:
    """Who stands in for the new items among some candidates [B, C].

    row, column intp [n] where the new ones are · place intp [n] which of its query's new ones each is ·
    kin int32 [B, M · K] those who stand in, 0 = none · share float32 [n, K] of each, 0 where there is none
    """

    row: NDArray[np.intp]
    column: NDArray[np.intp]
    place: NDArray[np.intp]
    kin: Numbers
    share: Values


class Kin:
    """The kin of new items: at most K items with actions, by content.

    kin_items int32 [m] sorted, those of the training that nobody acted on, and their kin int32 [m, K], 0 = none; items
    that came since are looked up once per process.
    """

    def __init__(self, content: Content, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take the arrays of a bundle: popularity [N+1], kin_items and kin."""
        self._content, self._acted_on = content, np.asarray(arrays["popularity"] > 0)
        self._any = bool(self._acted_on.any())  # before the first training nobody stands in for anybody
        self._rows: Numbers = np.concatenate([np.zeros((1, K), np.int32), arrays["kin"]])
        self._place = np.zeros(len(self._acted_on), np.int32)
        self._place[arrays["kin_items"]] = np.arange(1, len(self._rows))
        self._since: dict[int, tuple[object, Numbers]] = {}  # item -> the terms that it had, and its kin
        self._last: tuple[Numbers | None, Catalog | None, Standing | None] = (None, None, None)  # swapped whole

    def prepare(self, catalog: Catalog) -> None:
        """Look up the kin of what is new in the catalog before it is used, so that no request waits for it."""
        for item in catalog.terms.changed if self._any else ():
            if item >= len(self._place):
                self._of(catalog, item)

    def nearest(self, catalog: Catalog, items: Numbers) -> Numbers:
        """Give the items with actions that are most like each of `items` [n], the nearest first.

        int32 [n, K], 0 = none
        """
        found, score = self._content.alike(catalog, items, LOOKED_AT)
        known = np.where(found < len(self._acted_on), found, 0)
        score[~self._acted_on[known] | (found == items[:, None])] = 0
        best = np.argsort(-score, axis=1, kind="stable")[:, :K]
        kin = np.zeros((len(items), K), np.int32)
        kin[:, : best.shape[1]] = np.where(
            np.take_along_axis(score, best, axis=1) > 0, np.take_along_axis(found, best, axis=1), 0
        )
        return kin

    def standing(self, catalog: Catalog, item: Numbers) -> Standing | None:
        """Give who stands in for the new ones among item [B, C]; None = all are known. Kept for the next input."""
        of, of_catalog, found = self._last
        if of is not item or of_catalog is not catalog:
            found = self._standing(catalog, item)
            self._last = item, catalog, found
        return found

    def _standing(self, catalog: Catalog, item: Numbers) -> Standing | None:
        trained = np.where(item < len(self._acted_on), item, 0)
        row, column = np.nonzero((item > 0) & ~self._acted_on[trained])
        if not len(row) or not self._any:
            return None
        each = self._rows[self._place[trained[row, column]]]
        for at in np.flatnonzero(trained[row, column] == 0).tolist():
            each[at] = self._of(catalog, int(item[row[at], column[at]]))
        place = np.arange(len(row)) - np.searchsorted(row, row)
        kin = np.zeros((len(item), int(place.max()) + 1, K), np.int32)
        kin[row, place] = each
        there = each > 0
        share = there / np.maximum(there.sum(axis=1, keepdims=True), 1)
        return Standing(row, column, place, kin.reshape(len(item), -1), share.astype(np.float32))

    def _of(self, catalog: Catalog, item: int) -> Numbers:
        """Give the kin of an item that came after the training."""
        terms = catalog.terms.changed.get(item)
        known = self._since.get(item)
        if known is None or known[0] is not terms:
            known = self._since[item] = (terms, self.nearest(catalog, np.array([item], np.int32))[0])
        return known[1]


class Borrowed:
    """An input that no training knows for a new item: the mean over its kin; 0 where it has none."""

    def __init__(self, feature: Feature, kin: Kin) -> None:
        self._feature, self._kin = feature, kin
        self.name, self.of_history = feature.name, feature.of_history

    def fill(self, batch: QueryBatch, item: Numbers, out: Values) -> None:
        """Fill out [B, C] with the input's values."""
        self._feature.fill(batch, item, out)
        if found := self._kin.standing(batch.view.catalog, item):
            values = np.empty(found.kin.shape, np.float32)
            self._feature.fill(batch, found.kin, values)
            mine = values.reshape(len(item), -1, K)[found.row, found.place]
            out[found.row, found.column] = (mine * found.share).sum(axis=1)

    def without(self, batch: QueryBatch, item: Numbers, out: Values) -> bool:
        """Fill out [B, L, C] with the values if history entry l were not there."""
        if not self._feature.without(batch, item, out):
            return False
        if found := self._kin.standing(batch.view.catalog, item):
            values = np.empty((*out.shape[:2], found.kin.shape[1]), np.float32)
            self._feature.without(batch, found.kin, values)
            mine = values.reshape(*out.shape[:2], -1, K)[found.row, :, found.place]
            out[found.row, :, found.column] = (mine * found.share[:, None, :]).sum(axis=2)
        return True


def arrays_of(content: Content, popularity: Values, catalog: Catalog) -> dict[str, NDArray[np.generic]]:
    """Give the kin of the items of a catalog that nobody acted on, as arrays of a bundle.  popularity float32 [N+1]"""
    none = {"popularity": popularity, "kin_items": np.zeros(0, np.int32), "kin": np.zeros((0, K), np.int32)}
    new = 1 + np.flatnonzero(popularity[1:] <= 0).astype(np.int32)
    return {"kin_items": new, "kin": Kin(content, none).nearest(catalog, new)}
