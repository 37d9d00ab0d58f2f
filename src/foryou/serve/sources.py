"""Where is a candidate generated? Each source adds its own; what two of them find is one candidate."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.clock import DAY_MS
from foryou.domain.event import ACTIONS, Action, hashes
from foryou.domain.lists import Kind
from foryou.domain.slate import QueryBatch, Slate
from foryou.models.content import Content, headed
from foryou.models.foldin import FoldIn
from foryou.models.graph import Graph
from foryou.models.index import Exact, Index
from foryou.models.item_item import ItemItem
from foryou.models.popularity import Popularity
from foryou.models.tower import Tower
from foryou.serve.feed import further
from foryou.serve.filters import Filters

RANKING = ":rank"  # the pipeline that orders the caller's items; no placement of a configuration is called so
GIVEN = 500  # items that a caller may have ordered at once
BEHIND = 10.0  # puts the priors of one list behind all those of another
NARROW = 4  # a filter that lets less than a quarter of what was found through is pushed into the search
TOGETHER = 50  # candidates of what was bought together lately
DEEPER = 8  # times as many are searched for, where a filter cannot be worked out for all items
_IN_CART = ACTIONS.index(Action.ADD_TO_CART)


class Collaborative:
    """The items nearest to the user vector; behind a narrow filter, the nearest of those that it lets through."""

    name = "collaborative"
    always = False

    def __init__(self, index: Index, quota: int, filters: Filters | None = None) -> None:
        self.index, self.places, self._filters = index, quota, filters or Filters()

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose the best items by user·item; nothing for users without a vector."""
        if not batch.user.size:  # `represent` failed
            return
        item, prior = self.index.search(batch.user, self.places)
        some = self._filters.some(batch)
        if some.any():
            through = self._filters.let_through(batch, item) & (item > 0)
            for b in np.flatnonzero(some & (NARROW * through.sum(axis=1) < item.shape[1])).tolist():
                self._search_within(batch, b, item[b], prior[b])
        item[~batch.user.any(axis=1)] = 0
        slate.propose(self.name, item, prior)

    def _search_within(self, batch: QueryBatch, b: int, item: NDArray[np.int32], prior: NDArray[np.float32]) -> None:
        """Fill item and prior [n] with the best of what the filters of a query let through, best first."""
        allowed, n = self._filters.whole(batch, b), len(item)
        found, score = self.index.search(batch.user[b : b + 1], n * (DEEPER if allowed is None else 1), allowed)
        there = self._filters.within(batch, b, found[0]) & (found[0] > 0)
        best = np.argsort(-score[0][there], kind="stable")[:n]
        item[:], prior[:] = 0, 0
        item[: len(best)], prior[: len(best)] = found[0][there][best], score[0][there][best]


class TwoTower:
    """The items nearest to what the user tower makes of the newest actions; new items by their content."""

    name = "two_tower"
    always = False

    def __init__(self, model: Tower, index: Index, quota: int) -> None:
        self._model, self._index, self.places = model, index, quota

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose the best items by user·item; up to a third of the places is for new ones."""
        user, fresh = self._model.represent(batch), self._model.fresh(batch.view.catalog)
        new = min(len(fresh.items), self.places // 3)
        item, prior = self._index.search(user, self.places - new)
        if new:
            found, score = Exact(headed(fresh.vectors)).search(user, new)
            item = np.concatenate([item, fresh.items[found - 1]], axis=1)
            prior = np.concatenate([prior, score], axis=1)
        slate.propose(self.name, item, prior)


class ItemToItem:
    """The items that go with those of the history."""

    name = "item_to_item"
    always = False

    def __init__(self, model: ItemItem, quota: int) -> None:
        self._model, self.places = model, quota

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose the best sums over the newest items of the history."""
        slate.propose(self.name, *self._model.propose(batch, self.places))


class GraphFilter:
    """The items near the history on the graph of users and items."""

    name = "graph"
    always = False

    def __init__(self, model: Graph, quota: int) -> None:
        self._model, self.places = model, quota

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose the best of the filter's vectors and links."""
        slate.propose(self.name, *self._model.propose(batch, self.places))


class ContentBased:
    """The items that are like those viewed, liked, chosen or searched for: what they are, not who likes them."""

    name = "content"
    always = False

    def __init__(self, model: Content, quota: int) -> None:
        self._model, self.places = model, quota

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose the items that share most with the profile; a third of the places is for new ones."""
        slate.propose(self.name, *self._model.propose(batch, self.places))


class Similar:
    """The items that go with the item of the page: the strongest links, the nearest vectors, then the same content."""

    name = "similar"
    always = False

    def __init__(self, model: ItemItem, vectors: FoldIn, index: Index, content: Content, quota: int) -> None:
        self._model, self._vectors, self._index, self._content, self._quota = model, vectors, index, content, quota
        self.places = 3 * quota + min(quota, TOGETHER)

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose neighbours of the anchor: what was bought with it of late, then what was trained."""
        propose_together(batch, slate, self.name, batch.anchor[:, None], self._quota)
        item, prior = self._model.neighbours(batch.anchor, self._quota)
        slate.propose(self.name, item, prior)
        vector = self._vectors.of(batch.anchor)
        near, product = self._index.search(vector, self._quota)
        near[~vector.any(axis=1)] = 0
        slate.propose(self.name, near, product - np.float32(BEHIND) - product.max(axis=1, initial=0, keepdims=True))
        like, score = self._content.neighbours(batch, self._quota)
        slate.propose(self.name, like, score - np.float32(2 * BEHIND) - score.max(axis=1, initial=0, keepdims=True))


class Cart:
    """The items that go with what is in the cart: put there and not bought yet, and the item of the page."""

    name = "cart"
    always = False

    def __init__(self, model: ItemItem, quota: int) -> None:
        self._model, self._quota = model, quota
        self.places = quota + min(quota, TOGETHER)

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose the best sums of links; nothing for an empty cart."""
        held, weight = in_cart(batch)
        if held.any():
            propose_together(batch, slate, self.name, held, self._quota)
            slate.propose(self.name, *self._model.links.best(held, weight, self._quota))


def propose_together(batch: QueryBatch, slate: Slate, source: str, held: NDArray[np.int32], n: int) -> None:
    """Propose what was bought of late with any of the items held [B, L], by number of buyers, before all else."""
    pairs = batch.view.tried.together
    if not len(pairs.item):
        return
    n = min(n, TOGETHER)
    item, weight = pairs.of(held.ravel(), n)
    item, weight = item.reshape(len(held), -1), weight.reshape(len(held), -1)
    if item.shape[1] > n:
        best = np.argsort(-weight, axis=1, kind="stable")[:, :n]
        item, weight = np.take_along_axis(item, best, axis=1), np.take_along_axis(weight, best, axis=1)
    slate.propose(source, item, weight + np.float32(BEHIND))


def in_cart(batch: QueryBatch) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Give the item of the page and what is in the cart, newest first: int32 [B, 1 + H], 0 = none; and weights."""
    cart = np.where(batch.action == _IN_CART, batch.history, 0)
    held = np.concatenate([batch.anchor[:, None], cart], axis=1)
    return held.astype(np.int32), (held > 0).astype(np.float32)


class Popular:
    """What trends, and what everybody likes: the same for all, so it also serves those nobody knows yet.

    Where a filter holds, what it lets through comes first, so that a narrow one finds something, too. Where a feed goes
    on, it is what the feed has not shown yet, so that it ends with the catalog only.
    """

    name = "popular"
    always = True

    def __init__(self, model: Popularity, quota: int, behind: float = 0.0, filters: Filters | None = None) -> None:
        self._model, self.places, self._filters = model, quota, filters or Filters()
        _ = model.order  # sorted now, so that no request waits for it
        self._priors = np.linspace(1, 0, quota, endpoint=False, dtype=np.float32) - np.float32(behind)

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose what trends and what newcomers begin with, a third of the quota each, then the most popular items."""
        third = self.places // 3
        now = np.concatenate([batch.view.trending_top[:third], batch.view.welcome_top[:third]])
        lists = np.concatenate([now, self._model.top[: self.places - len(now)]])
        fed = [b for b, query in enumerate(batch.query) if query.fed]
        lists = np.pad(lists, (0, self.places - len(lists) if fed else 0))
        shape = (len(batch), len(lists))
        item, prior = np.empty(shape, np.int32), np.empty(shape, np.float32)
        item[:], prior[:] = lists, self._priors[: len(lists)]
        some = self._filters.some(batch)
        if some.any():
            item[some] = self._let_through(batch, item.shape[1])[some]
        for b in fed:
            item[b] = further(batch, b, self._model, item.shape[1], self._filters)
        slate.propose(self.name, item, prior)

    def _let_through(self, batch: QueryBatch, n: int) -> NDArray[np.int32]:
        """Give the n most popular items, those first that the filters of each query let through.  int32 [B, n]"""
        pool = np.concatenate([batch.view.trending_top, self._model.top, batch.view.newest])
        pool = pool[np.sort(np.unique(pool, return_index=True)[1])]
        everybody = np.tile(pool, (len(batch), 1))
        order = np.argsort(~self._filters.let_through(batch, everybody), axis=1, kind="stable")[:, :n]
        found = np.zeros((len(batch), n), np.int32)
        found[:, : order.shape[1]] = pool[order]
        return found


class Listed:
    """The items of the lists that somebody put together by hand: editorial or sponsored ones."""

    always = True

    def __init__(self, kind: Kind, placement: str, quota: int) -> None:
        self.name, self.places = kind.value, quota
        self._kind, self._placement = kind, placement

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose the first items of each list that counts here and now, the lists taking turns."""
        shelf = batch.view.shelf
        if not shelf.lists.by_name:
            return
        item = np.zeros((len(batch), self.places), np.int32)
        firsts: dict[tuple[str, ...], NDArray[np.int32]] = {}  # mostly the same lists count for a whole batch
        for b, query in enumerate(batch.query):
            names = tuple(one.name for one in shelf.active(self._kind, self._placement, query.now_ms))
            if names not in firsts:
                firsts[names] = self._in_turn([shelf.numbers[name] for name in names])
            item[b, : len(firsts[names])] = firsts[names]
        slate.propose(self.name, item, np.full(item.shape, -4 * BEHIND, np.float32))

    def _in_turn(self, lists: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
        firsts = np.zeros((len(lists), self.places), np.int32)
        for row, numbers in zip(firsts, lists, strict=True):
            row[: min(len(numbers), self.places)] = numbers[: self.places]
        turns = firsts.T.ravel()
        turns = turns[turns > 0]
        return turns[np.sort(np.unique(turns, return_index=True)[1])][: self.places]


class NewArrivals:
    """The newest items: half of the quota from categories that the user likes, the rest from all."""

    name = "new_arrivals"
    always = False

    def __init__(self, quota: int, days: float) -> None:
        self.places, self._ms = quota, int(days * DAY_MS)

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose what was published within the days."""
        catalog, new = batch.view.catalog, batch.view.newest
        if not len(new):
            return
        now_ms = np.array([query.now_ms for query in batch.query], np.int64)
        liked = np.where(batch.taste > 0, catalog.category[batch.history], 0)
        item = np.zeros((len(batch), self.places), np.int32)
        kernels.arrivals(new, catalog.created_ms[new], catalog.category[new], now_ms, self._ms, liked, item)
        slate.propose(self.name, item, np.full(item.shape, -BEHIND, np.float32))


class Pinned:
    """The items that the configuration pins to places of the list."""

    name = "pinned"
    always = True

    def __init__(self, item_ids: Sequence[str]) -> None:
        self.places, self._hashes = len(item_ids), hashes(list(item_ids))

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose those that the catalog has, to everybody."""
        item = np.tile(batch.view.catalog.numbers(self._hashes), (len(batch), 1))
        slate.propose(self.name, item, np.full(item.shape, -BEHIND, np.float32))


class Asked:
    """The item whose fate is asked for, so that every later stage gives its verdict on it."""

    name = "asked"
    always = False
    places = 1

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose the item that the query asks about, where it does."""
        if batch.asked.any():
            slate.propose(self.name, batch.asked[:, None].copy(), np.zeros((len(batch), 1), np.float32))


class Given:
    """The items that the caller wants ordered."""

    name = "given"
    always = True
    places = GIVEN

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose those that the catalog has."""
        item = np.zeros((len(batch), self.places), np.int32)
        for b, query in enumerate(batch.query):
            item[b, : len(query.given)] = batch.view.catalog.numbers(hashes(list(query.given)))
        slate.propose(self.name, item, np.zeros(item.shape, np.float32))
