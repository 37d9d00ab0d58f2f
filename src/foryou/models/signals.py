"""What do session and profile say of a candidate? Matches of category, brand, price and search; newness; fatigue."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain import session
from foryou.domain.clock import DAY_MS
from foryou.domain.event import hash64
from foryou.domain.slate import QueryBatch
from foryou.domain.terms import SEARCHED, term, words
from foryou.models.recency import Recency

RECENCY = Recency(50, 0.0, 0.3)
LITTLE = np.float32(1e-6)
ARRIVAL_DAYS = 14.0  # after which an item is half as new
Numbers = NDArray[np.int32]
Values = NDArray[np.float32]


class _OfItem:
    """An input that no history entry changes."""

    def without(self, batch: QueryBatch, item: Numbers, out: Values) -> bool:  # noqa: ARG002
        """Say that no history entry matters."""
        return False


def _weights(batch: QueryBatch) -> Values:
    return np.asarray(batch.taste * RECENCY.ages(batch), np.float32)


def _categories(batch: QueryBatch, item: Numbers) -> tuple[Numbers, NDArray[np.int64]]:
    """Give all categories of the candidates, one after the other, worked out once per slate."""
    key = f"categories:{item.ctypes.data}:{item.size}"
    if key not in batch.memo:
        batch.memo[key], batch.memo[f"{key}:start"] = batch.view.catalog.categories.take(item)
    return batch.memo[key], batch.memo[f"{key}:start"]


class CategoryMatch:
    """How much the user likes the item's categories: Σ over the history of taste · recency, by Σ |taste · recency|."""

    name = "category_match"

    def fill(self, batch: QueryBatch, item: Numbers, out: Values) -> None:
        """Fill out [B, C] with the sum of the user's affinity over the candidate's categories, chosen interests too."""
        table = self._chosen(batch)
        liked = np.empty(table.shape, np.float32)
        kernels.affinity(*batch.view.catalog.categories.take(batch.history), _weights(batch), liked)
        kernels.sum_of_groups(liked + table, *_categories(batch, item), out)

    @staticmethod
    def _chosen(batch: QueryBatch) -> Values:
        """Give 1 for the categories that a user chose.  float32 [B, K+1]"""
        catalog = batch.view.catalog
        table = np.zeros((len(batch), len(catalog.category_names) + len(catalog.new_categories) + 1), np.float32)
        for b, core in enumerate(batch.core):
            for name in core.interests:
                table[b, catalog.category_numbers.get(name, 0)] = 1
        table[:, 0] = 0
        return table

    def without(self, batch: QueryBatch, item: Numbers, out: Values) -> bool:
        """Fill out [B, L, C] with the values of a history that had not entry l."""
        entries, groups = out.shape[1], _categories(batch, item)
        link = np.empty(out.shape, np.float32)
        kernels.group_links(*batch.view.catalog.categories.take(batch.history[:, :entries]), *groups, link)
        chosen, whole = np.empty(item.shape, np.float32), np.empty(item.shape, np.float32)
        kernels.sum_of_groups(self._chosen(batch), *groups, chosen)
        self.fill(batch, item, whole)
        weight = _weights(batch) * (batch.view.catalog.category[batch.history] > 0)
        total = np.abs(weight).sum(axis=1)[:, None, None]
        weight = weight[:, :entries, None]
        left = (whole - chosen)[:, None, :] * total - weight * link
        out[:] = left / np.maximum(total - np.abs(weight), LITTLE) + chosen[:, None, :]
        return True


class BrandMatch:
    """How much the user likes the item's brand: the share of taste · recency that went to it, in [-1, 1]."""

    name = "brand_match"

    def fill(self, batch: QueryBatch, item: Numbers, out: Values) -> None:
        """Fill out [B, C]."""
        out[:] = 0
        mine, theirs, weight = self._known(batch, item)
        if not mine.any():
            return
        for entry in range(mine.shape[1]):  # one by one: a batch sums as a single query does
            out += np.where((theirs == mine[:, entry, None]) & (theirs > 0), weight[:, entry, None], 0)
        out /= np.maximum(np.abs(weight).sum(axis=1, keepdims=True), LITTLE)

    @staticmethod
    def _known(batch: QueryBatch, item: Numbers) -> tuple[Numbers, Numbers, Values]:
        brand = batch.view.catalog.brand
        mine = brand[batch.history]
        return mine, brand[item], _weights(batch) * (mine > 0)

    def without(self, batch: QueryBatch, item: Numbers, out: Values) -> bool:
        """Fill out [B, L, C] with the values of a history that had not entry l."""
        mine, theirs, weight = self._known(batch, item)
        if not mine.any():
            return False
        whole = np.empty(item.shape, np.float32)
        self.fill(batch, item, whole)
        total = np.abs(weight).sum(axis=1)[:, None, None]
        one = weight[:, : out.shape[1], None]
        same = (theirs[:, None, :] == mine[:, : out.shape[1], None]) & (theirs[:, None, :] > 0)
        out[:] = (whole[:, None, :] * total - one * same) / np.maximum(total - np.abs(one), LITTLE)
        return True


class PriceMatch:
    """How near the price is to what the user likes to pay: -|log(price / usual)|, at least -3; 0 = nothing known."""

    name = "price_match"

    def fill(self, batch: QueryBatch, item: Numbers, out: Values) -> None:
        """Fill out [B, C]."""
        log, liked = self._known(batch)
        out[:] = self._away(batch, item, (liked * log).sum(axis=1)[:, None], liked.sum(axis=1)[:, None])[:, 0]

    @staticmethod
    def _known(batch: QueryBatch) -> tuple[Values, Values]:
        price = batch.view.catalog.price[batch.history]
        return np.log(np.where(price > 0, price, 1)), np.maximum(_weights(batch), 0) * (price > 0)

    @staticmethod
    def _away(batch: QueryBatch, item: Numbers, total: Values, whole: Values) -> Values:
        """Give the distance from the usual price, total / whole [B, L], to each candidate's.  float32 [B, L, C]"""
        price = batch.view.catalog.price[item][:, None, :]
        usual = (total / np.maximum(whole, LITTLE))[:, :, None]
        away = np.minimum(np.abs(np.log(np.where(price > 0, price, 1)) - usual), np.float32(3))
        return np.asarray(np.where((whole[:, :, None] > LITTLE) & (price > 0), -away, 0), np.float32)

    def without(self, batch: QueryBatch, item: Numbers, out: Values) -> bool:
        """Fill out [B, L, C] with the values of a history that had not entry l."""
        log, liked = self._known(batch)
        if not liked.any():
            return False
        total, whole = (liked * log).sum(axis=1)[:, None], liked.sum(axis=1)[:, None]
        one = liked[:, : out.shape[1]]
        out[:] = self._away(batch, item, total - one * log[:, : out.shape[1]], whole - one)
        return True


class Price(_OfItem):
    """log(1 + price)."""

    name = "price"

    def fill(self, batch: QueryBatch, item: Numbers, out: Values) -> None:
        """Fill out [B, C]."""
        kernels.gather(batch.view.catalog.price, item, out)
        np.log1p(out, out=out)


class SearchMatch(_OfItem):
    """The share of the searched words that the item has, in title, text, category, brand or tags; 0..1."""

    name = "search_match"

    def fill(self, batch: QueryBatch, item: Numbers, out: Values) -> None:
        """Fill out [B, C]; all 0 for a query without a search."""
        out[:] = 0
        for b, text in enumerate(session.searches(batch)):
            said = words(text, 16)
            if said:
                wanted = np.array([[term(kind, word) for kind in SEARCHED] for word in said], np.uint32)
                values, start = batch.view.catalog.terms.take(item[b])
                kernels.share_of_terms(wanted, np.ones(len(said), np.float32), values, start, out[b])


class PageMatch(_OfItem):
    """1 for the items of the category that is being looked at, else 0."""

    name = "page_match"

    def fill(self, batch: QueryBatch, item: Numbers, out: Values) -> None:
        """Fill out [B, C]."""
        out[:] = 0
        catalog = batch.view.catalog
        number = [catalog.category_numbers.get(name, 0) for name in session.categories(batch)]
        if any(number):
            table = np.zeros((len(batch), max(number) + 1), np.float32)
            table[np.arange(len(batch)), number] = 1
            table[:, 0] = 0
            kernels.sum_of_groups(table, *_categories(batch, item), out)


class Arrival(_OfItem):
    """How new an item is: 2^(-age / 14 days), 0 where nobody knows."""

    name = "arrival"

    def fill(self, batch: QueryBatch, item: Numbers, out: Values) -> None:
        """Fill out [B, C]."""
        created = batch.view.catalog.created_ms[item]
        now = np.array([query.now_ms for query in batch.query], np.int64)[:, None]
        days = np.maximum(0, now - created).astype(np.float32) / np.float32(DAY_MS)
        out[:] = np.where(created > 0, np.exp2(-days / np.float32(ARRIVAL_DAYS)), 0)


class Fatigue(_OfItem):
    """-log(1 + how often the item was shown in the last day without being taken up)."""

    name = "fatigue"

    def fill(self, batch: QueryBatch, item: Numbers, out: Values) -> None:
        """Fill out [B, C]."""
        kernels.times(batch.view.catalog.hash32, item, batch.shown, batch.shown_start, out)
        np.log1p(out, out=out)
        np.negative(out, out=out)


class Lift(_OfItem):
    """How much more an item's category is liked by a group than by everybody: log lift, 0 where nothing is known.

    `kind`: one of GROUPS. group uint64 [G] hashes of the groups' names; table float32 [G + 1, K + 1], row 0 for
    those in no group, column 0 for items without a category.
    """

    def __init__(self, kind: str, group: NDArray[np.uint64], table: Values) -> None:
        self.name, self._table = f"{kind}_lift", table
        self._row = {name: place + 1 for place, name in enumerate(group.tolist())}
        self._groups = GROUPS[kind]

    def fill(self, batch: QueryBatch, item: Numbers, out: Values) -> None:
        """Fill out [B, C] with the mean over the candidate's categories."""
        row = [self._row.get(hash64(name), 0) if name else 0 for name in self._groups(batch)]
        if not any(row):
            out[:] = 0
            return
        values, start = _categories(batch, item)
        kernels.sum_of_groups(np.ascontiguousarray(self._table[row]), values, start, out)
        out /= np.maximum(np.diff(start).reshape(item.shape), 1)


GROUPS: dict[str, Callable[[QueryBatch], list[str]]] = {
    "age": lambda batch: [session.age_group(core.age) for core in batch.core],
    "gender": lambda batch: [core.gender for core in batch.core],
    "location": session.locations,
    "device": session.devices,
    "hour": lambda batch: [session.DAYPARTS[session.daypart(query.now_ms)] for query in batch.query],
}
