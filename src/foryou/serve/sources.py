"""Where is a candidate generated? Each source adds its own; what two of them find is one candidate."""

import numpy as np

from foryou.domain.slate import QueryBatch, Slate
from foryou.models.content import Content
from foryou.models.foldin import FoldIn
from foryou.models.index import Index
from foryou.models.item_item import ItemItem
from foryou.models.popularity import Popularity

BEHIND = 10.0  # puts the priors of one list behind all those of another


class Collaborative:
    """The items nearest to the user vector."""

    name = "collaborative"
    always = False

    def __init__(self, index: Index, quota: int) -> None:
        self._index, self.places = index, quota

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose the best items by user·item; nothing for users without a vector."""
        if not batch.user.size:  # `represent` failed
            return
        item, prior = self._index.search(batch.user, self.places)
        item[~batch.user.any(axis=1)] = 0
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
        self.places = 3 * quota

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose neighbours of the anchor."""
        item, prior = self._model.neighbours(batch.anchor, self._quota)
        slate.propose(self.name, item, prior)
        known = np.where(batch.anchor < len(self._vectors.vectors), batch.anchor, 0)
        vector = self._vectors.vectors[known]
        near, product = self._index.search(vector, self._quota)
        near[~vector.any(axis=1)] = 0
        slate.propose(self.name, near, product - np.float32(BEHIND) - product.max(axis=1, initial=0, keepdims=True))
        like, score = self._content.neighbours(batch, self._quota)
        slate.propose(self.name, like, score - np.float32(2 * BEHIND) - score.max(axis=1, initial=0, keepdims=True))


class Popular:
    """What trends, and what everybody likes: the same for all, so it also serves those nobody knows yet."""

    name = "popular"
    always = True

    def __init__(self, model: Popularity, quota: int, behind: float = 0.0) -> None:
        self._model, self.places = model, quota
        self._priors = np.linspace(1, 0, quota, endpoint=False, dtype=np.float32) - np.float32(behind)

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose trending items for half of the quota, and the most popular ones for the rest."""
        trending = batch.view.trending_top[: self.places // 2]
        lists = np.concatenate([trending, self._model.top[: self.places - len(trending)]])
        shape = (len(batch), len(lists))
        item, prior = np.empty(shape, np.int32), np.empty(shape, np.float32)
        item[:], prior[:] = lists, self._priors[: len(lists)]
        slate.propose(self.name, item, prior)


class Asked:
    """The item whose fate is asked for, so that every later stage gives its verdict on it."""

    name = "asked"
    always = False
    places = 1

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose the item that the query asks about, where it does."""
        if batch.asked.any():
            slate.propose(self.name, batch.asked[:, None].copy(), np.zeros((len(batch), 1), np.float32))
