"""What is an item like? Vectors of its terms, and an index from terms to items; new items are in at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain import session
from foryou.domain.catalog import Catalog
from foryou.domain.slate import QueryBatch
from foryou.domain.terms import named, searched
from foryou.models.recency import Recency

VIEWS = 20  # newest items of the history whose terms are looked up
Numbers = NDArray[np.int32]
Values = NDArray[np.float32]
TERMS = 32  # heaviest terms of a profile that are looked up
VIEWED = Recency(50, 0.0, 0.3)  # how the items of the history make a profile
INTERESTS = 1.0  # weight of what the user chose, beside 1 for the newest item
SEARCH = 4.0  # weight of what is searched for
ARRAYS = ("content_terms", "content_idf", "content_projection", "content_vectors", "postings_start", "postings_ids",
          "postings_values")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fresh:
    """Vectors of items that came or changed after training.  items int32 [m] · vectors float32 [m, D] ·
    place int32 [<= N+1] row of an item in `vectors`, -1 = stands as trained"""

    items: Numbers
    vectors: Values
    place: Numbers


class Content:
    """Terms to vectors (TF-IDF, truncated SVD) and terms to items (an inverted index).

    terms uint32 [V] sorted · idf float32 [V] · projection float32 [V + E, D], the last E rows for the width of the
    caller's own embeddings · vectors float32 [N+1, D] of unit length · postings: CSR of item and weight per term
    """

    name, of_history = "content", True

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take the arrays of a bundle (ARRAYS)."""
        self.terms, self.idf, self.projection, self.vectors, *postings = (arrays[name] for name in ARRAYS)
        self._start, self._ids, self._values = postings
        self._total = np.zeros(len(self.vectors), np.float32)
        none = Fresh(np.zeros(0, np.int32), np.zeros((0, self.vectors.shape[1]), np.float32), np.zeros(0, np.int32))
        self._known: tuple[tuple[Catalog | None, Fresh], ...] = ((None, none),)  # swapped whole: two threads look

    def prepare(self, catalog: Catalog) -> None:
        """Encode what is new in the catalog before it is used, so that no request waits for it."""
        self.fresh(catalog)

    def fresh(self, catalog: Catalog) -> Fresh:
        """Give the vectors of what the catalog has beyond the training; worked out once per catalog."""
        for known, found in reversed(self._known):
            if known is catalog:
                return found
        known, found = self._known[-1]
        before = known.terms.changed if known is not None else {}
        if not before.keys() <= catalog.terms.changed.keys():  # not an older view of the same catalog
            before, found = {}, Fresh(found.items[:0], found.vectors[:0], found.place[:0])
        if before is not catalog.terms.changed:
            found = self._encoded_anew(catalog, before, found)
        self._known = (*self._known[-2:], (catalog, found))
        return found

    def _encoded_anew(self, catalog: Catalog, before: Mapping[int, NDArray[Any]], old: Fresh) -> Fresh:
        new = [item for item, row in catalog.terms.changed.items() if before.get(item) is not row]
        if not new:
            return old
        items = np.unique(np.array([*old.items.tolist(), *new], np.int32))  # in an order that no refresh decides
        place = np.full(len(catalog) + 1, -1, np.int32)
        place[items] = np.arange(len(items))
        vectors = np.zeros((len(items), self.vectors.shape[1]), np.float32)
        vectors[place[old.items]] = old.vectors
        vectors[place[new]] = self.encode(catalog, np.array(new, np.int32))
        return Fresh(items, vectors, place)

    def encode(self, catalog: Catalog, items: Numbers) -> Values:
        """Give the unit vectors of items by what the catalog says of them.  float32 [n, D]"""
        out = np.zeros((len(items), self.vectors.shape[1]), np.float32)
        values, start = catalog.terms.take(items)
        kernels.encode(self.terms, self.idf, self.projection, values, start, out)
        width = len(self.projection) - len(self.terms)
        for row, item in enumerate(items.tolist()):
            own = catalog.embeddings.of(item)
            if width and len(own) == width:
                out[row] = _joined(out[row], own, self.projection[len(self.terms) :])
        return out

    def profile(self, batch: QueryBatch) -> tuple[Numbers, Values]:
        """Give the heaviest terms of each query, from liked items, interests and search.  [B, TERMS], -1 = none"""
        known = batch.memo.get("content_terms")
        if known is not None:
            return known, batch.memo["content_strength"]
        weight = np.maximum(batch.taste[:, :VIEWS], 0) * VIEWED.ages(batch)[:, :VIEWS]
        values, start = batch.view.catalog.terms.take(batch.history[:, :VIEWS])
        said = [(named(core.interests), searched(text) if text else []) for core, text in zip(
            batch.core, session.searches(batch), strict=True)]  # fmt: skip
        if any(interests or search for interests, search in said):
            values, start = _with_more(values, start, weight.shape[1], said)
            more = np.tile(np.array([INTERESTS, SEARCH], np.float32), (len(batch), 1))
            weight = np.concatenate([weight, more], axis=1)
        term = np.empty((len(batch), TERMS), np.int32)
        strength = np.empty(term.shape, np.float32)
        kernels.profile(self.terms, self.idf, values, start, np.ascontiguousarray(weight, np.float32), term, strength)
        batch.memo["content_terms"], batch.memo["content_strength"] = term, strength
        return term, strength

    def propose(self, batch: QueryBatch, n: int) -> tuple[Numbers, Values]:
        """Give items that share terms with the profile: the best of the index, a third of the places for new ones."""
        term, strength = self.profile(batch)
        return self._found(batch.view.catalog, term, strength, self.user(batch), n)

    def neighbours(self, batch: QueryBatch, n: int) -> tuple[Numbers, Values]:
        """Give items that share terms with the anchor.  [B, n], 0 = none"""
        catalog = batch.view.catalog
        term, strength = self._described(catalog, batch.anchor)
        item, score = self._found(catalog, term, strength, self.of(catalog, batch.anchor), n)
        item[item == batch.anchor[:, None]] = 0
        return item, score

    def alike(self, catalog: Catalog, items: Numbers, n: int) -> tuple[Numbers, Values]:
        """Give trained items that share terms with each of `items` [m], in no order, and the products of their vectors.

        int32 and float32 [m, n], 0 = none
        """
        term, strength = self._described(catalog, items)
        found, score = np.zeros((len(items), n), np.int32), np.zeros((len(items), n), np.float32)
        total = np.zeros_like(self._total)  # its own: the thread that follows the catalog calls this, too
        kernels.best_of_postings(self._start, self._ids, self._values, term, strength, total, found, score)
        kernels.dots(self.of(catalog, items), self.vectors, found, score)
        score[found == 0] = 0
        return found, score

    def _described(self, catalog: Catalog, items: Numbers) -> tuple[Numbers, Values]:
        """Give the heaviest terms of each item.  [m, TERMS], -1 = none"""
        values, start = catalog.terms.take(items)
        term = np.empty((len(items), TERMS), np.int32)
        strength = np.empty(term.shape, np.float32)
        kernels.profile(self.terms, self.idf, values, start, np.ones((len(items), 1), np.float32), term, strength)
        return term, strength

    def _found(self, catalog: Catalog, term: Numbers, strength: Values, user: Values, n: int) -> tuple[Numbers, Values]:
        fresh = self.fresh(catalog)
        new = min(len(fresh.items), n // 3)
        item, score = np.zeros((len(term), n), np.int32), np.zeros((len(term), n), np.float32)
        left_item, left_score = np.zeros((len(term), n - new), np.int32), np.zeros((len(term), n - new), np.float32)
        kernels.best_of_postings(
            self._start, self._ids, self._values, term, strength, self._total, left_item, left_score
        )
        item[:, : n - new], score[:, : n - new] = left_item, left_score
        if new:
            near = np.empty((len(term), len(fresh.items)), np.float32)
            kernels.dots(user, headed(fresh.vectors), _numbered(near.shape), near)
            best = np.argsort(-near, axis=1, kind="stable")[:, :new]
            close = np.take_along_axis(near, best, axis=1)
            item[:, n - new :] = np.where(close > 0, fresh.items[best], 0)
            score[:, n - new :] = close
        return item, score

    def user(self, batch: QueryBatch) -> Values:
        """Give the content vector of each user: liked minus disliked items, interests and search.  float32 [B, D]"""
        known = batch.memo.get("content_user")
        if known is None:
            known = batch.memo["content_user"] = _at_most_unit(self._sum(batch))
        return known

    def _sum(self, batch: QueryBatch) -> Values:
        known = batch.memo.get("content_sum")
        if known is not None:
            return known
        fresh = self.fresh(batch.view.catalog)
        total = np.zeros((len(batch), self.vectors.shape[1]), np.float32)
        weight = batch.taste * VIEWED.ages(batch)
        kernels.sum_of_vectors(self.vectors, fresh.vectors, fresh.place, batch.history, weight, total)
        for b, (core, text) in enumerate(zip(batch.core, session.searches(batch), strict=True)):
            for terms, strength in ((named(core.interests), INTERESTS), (searched(text) if text else [], SEARCH)):
                if terms:
                    total[b] += np.float32(strength) * self._of_terms(terms)
        batch.memo["content_sum"] = total
        return total

    def _of_terms(self, terms: list[int]) -> Values:
        out = np.zeros((1, self.vectors.shape[1]), np.float32)
        values = np.array(terms, np.uint32)
        kernels.encode(self.terms, self.idf, self.projection, values, np.array([0, len(values)]), out)
        return np.asarray(out[0])

    def of(self, catalog: Catalog, item: Numbers) -> Values:
        """Give the vectors of items, any shape: [...] -> float32 [..., D]; zero for those without."""
        fresh = self.fresh(catalog)
        out = np.asarray(self.vectors[np.where(item < len(self.vectors), item, 0)])
        if len(fresh.items):
            place = np.where(item < len(fresh.place), fresh.place[np.minimum(item, len(fresh.place) - 1)], -1)
            out[place >= 0] = fresh.vectors[place[place >= 0]]
        return out

    def fill(self, batch: QueryBatch, item: Numbers, out: Values) -> None:
        """Fill out [B, C] with the product of the user's content vector and each candidate's."""
        fresh = self.fresh(batch.view.catalog)
        kernels.dots_of_two(self.user(batch), self.vectors, fresh.vectors, fresh.place, item, out)

    def without(self, batch: QueryBatch, item: Numbers, out: Values) -> bool:
        """Fill out [B, L, C] with the products of a user whose history had not entry l."""
        entries, catalog = out.shape[1], batch.view.catalog
        weight = (batch.taste * VIEWED.ages(batch))[:, :entries, None]
        left = _at_most_unit(self._sum(batch)[:, None, :] - weight * self.of(catalog, batch.history[:, :entries]))
        np.matmul(left, self.of(catalog, item).transpose(0, 2, 1), out=out)
        return True


def _at_most_unit(vectors: Values) -> Values:
    """Give the vectors, those longer than 1 cut to length 1: a short history says little."""
    norm = np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True))
    return np.asarray(vectors / np.maximum(norm, np.float32(1.0)), np.float32)


def _joined(vector: Values, own: Values, projection: Values) -> Values:
    norm = float(np.sqrt((own.astype(np.float64) ** 2).sum()))
    total = vector + (own / max(norm, 1e-9)) @ projection
    return np.asarray(total / max(float(np.sqrt((total**2).sum())), 1e-9), np.float32)


def _with_more(
    values: NDArray[np.uint32], start: NDArray[np.int64], length: int, said: list[tuple[list[int], list[int]]]
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Give the rows with two more per query: its interests, and its search."""
    parts, sizes = [], []
    for b, more in enumerate(said):
        first = b * length
        parts += [values[start[first] : start[first + length]], *(np.array(terms, np.uint32) for terms in more)]
        sizes += [*np.diff(start[first : first + length + 1]).tolist(), *(len(terms) for terms in more)]
    joined = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=joined[1:])
    return np.concatenate(parts), joined


def headed(vectors: Values) -> Values:
    """Give the vectors with a zero row before them: item number 0 is nobody."""
    return np.concatenate([np.zeros((1, vectors.shape[1]), np.float32), vectors])


def _numbered(shape: tuple[int, ...]) -> Numbers:
    return np.tile(np.arange(1, shape[1] + 1, dtype=np.int32), (shape[0], 1))
