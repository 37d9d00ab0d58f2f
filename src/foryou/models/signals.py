"""What do session and profile say of a candidate? Matches of category, brand, price and search; newness; fatigue."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain import session
from foryou.domain.clock import DAY_MS
from foryou.domain.event import hash64
from foryou.domain.slate import QueryBatch
from foryou.domain.terms import MOST_WORDS, meant, words
from foryou.models.recency import Recency

RECENCY = Recency(50, 0.0, 0.3)
LITTLE = 1e-6
MOST_AWAY = 3.0  # a price 20 times as high is as far as one 100 times as high
ARRIVAL_DAYS = 14.0  # after which an item is half as new
Numbers = NDArray[np.int32]
Values = NDArray[np.float32]
Wide = NDArray[np.float64]


class _OfItem:
    """An input that no history entry changes."""

    of_history = False

    def without(self, batch: QueryBatch, item: Numbers, out: Values) -> bool:  # noqa: ARG002
        """Say that no history entry matters."""
        return False


def _weights(batch: QueryBatch) -> Values:
    return np.asarray(batch.taste * RECENCY.ages(batch), np.float32)


def _categories(batch: QueryBatch, item: Numbers) -> tuple[Numbers, NDArray[np.int64]]:
    """Give all categories of the candidates, one after the other, worked out once per slate."""
    memo = batch.memo
    if memo.get("categories_of") is not item:
        memo["categories_of"] = item  # held, so that no other array can come to stand where it stands
        memo["categories"], memo["categories_start"] = batch.view.catalog.categories.take(item)
    return memo["categories"], memo["categories_start"]


def _known(batch: QueryBatch) -> Numbers:
    """Give the histories without the empty places that all of them end with.  int32 [B, M]"""
    return batch.history[:, : max(1, int((batch.history > 0).sum(axis=1).max()))]


class CategoryMatch:
    """How much the user likes the item's categories: Σ over the history of taste · recency, by Σ |taste · recency|."""

    name, of_history = "category_match", True

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
        history, groups = _known(batch), _categories(batch, item)
        own, start = batch.view.catalog.categories.take(history)
        link = np.empty((*history.shape, item.shape[1]), np.float32)
        kernels.group_links(own, start, *groups, link)
        has_some = (np.diff(start) > 0).reshape(history.shape)
        kernels.means_without(link, _weights(batch)[:, : history.shape[1]] * has_some, LITTLE, out)
        chosen = np.empty(item.shape, np.float32)
        kernels.sum_of_groups(self._chosen(batch), *groups, chosen)
        out += chosen[:, None, :]
        return True


class BrandMatch:
    """How much the user likes the item's brand: the share of taste · recency that went to it, in [-1, 1]."""

    name, of_history = "brand_match", True

    def fill(self, batch: QueryBatch, item: Numbers, out: Values) -> None:
        """Fill out [B, C]."""
        brand = batch.view.catalog.brand
        kernels.share_of_same(brand[batch.history], _weights(batch), brand[item], out)

    def without(self, batch: QueryBatch, item: Numbers, out: Values) -> bool:
        """Fill out [B, L, C] with the values of a history that had not entry l."""
        brand, history = batch.view.catalog.brand, _known(batch)
        mine = brand[history]
        same = ((mine > 0)[:, :, None] & (mine[:, :, None] == brand[item][:, None, :])).astype(np.float32)
        kernels.means_without(same, _weights(batch)[:, : history.shape[1]] * (mine > 0), LITTLE, out)
        return True


class PriceMatch:
    """How near the price is to what the user likes to pay: -|log(price / usual)|, at least -3; 0 = nothing known."""

    name, of_history = "price_match", True

    def fill(self, batch: QueryBatch, item: Numbers, out: Values) -> None:
        """Fill out [B, C]."""
        total, liked = self._paid(batch)
        self._away(batch, item, total.sum(axis=1)[:, None], liked.sum(axis=1)[:, None], out[:, None])

    @staticmethod
    def _paid(batch: QueryBatch) -> tuple[Wide, Wide]:
        """Give weight · log price, and weight, of each liked entry with a price.  [B, H]"""
        price = batch.view.catalog.price[batch.history].astype(np.float64)
        liked = np.maximum(_weights(batch), 0).astype(np.float64) * (price > 0)
        return liked * np.log(np.where(price > 0, price, 1)), liked

    @staticmethod
    def _away(batch: QueryBatch, item: Numbers, total: Wide, whole: Wide, out: Values) -> None:
        """Fill out [B, L, C] with the distance from the usual price, total / whole [B, L], to each candidate's."""
        out[:] = 0
        known = whole > LITTLE
        if known.any():
            price = batch.view.catalog.price[item][:, None, :]
            usual = (total / np.where(known, whole, 1))[:, :, None].astype(np.float32)
            away = np.minimum(np.abs(np.log(np.where(price > 0, price, 1)) - usual), np.float32(MOST_AWAY))
            np.negative(away, out=out, where=known[:, :, None] & (price > 0))

    def without(self, batch: QueryBatch, item: Numbers, out: Values) -> bool:
        """Fill out [B, L, C] with the values of a history that had not entry l."""
        entries, (total, liked) = out.shape[1], self._paid(batch)
        rest = total.sum(axis=1)[:, None] - total[:, :entries], liked.sum(axis=1)[:, None] - liked[:, :entries]
        self._away(batch, item, *rest, out)
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
            said = words(text, MOST_WORDS)
            if said:  # a name of several words that is searched for as a whole says all of them
                wanted = np.array([meant(word) + meant(text) for word in said], np.uint32)
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


class ActedOn(Arrival):
    """Whether an item had its chance and took it: 1 = somebody acted on it, else 2^(-age / 14 days).

    Who was published yesterday and was never acted on is as good as the others; who was on offer for months is not.
    popularity float32 [N+1], 0 = nobody acted on it; items beyond it came after the training.
    """

    name = "acted_on"

    def __init__(self, popularity: Values) -> None:
        self._popularity = popularity

    def fill(self, batch: QueryBatch, item: Numbers, out: Values) -> None:
        """Fill out [B, C]."""
        super().fill(batch, item, out)
        known = self._popularity[np.where(item < len(self._popularity), item, 0)]
        out[known > 0] = 1


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
