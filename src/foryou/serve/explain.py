"""Why is this item there? Leave one history item out and score again: what makes the score fall is the reason."""

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.event import ACTIONS, Action
from foryou.domain.slate import QueryBatch, Reason, Slate, Verdict
from foryou.models.item_item import Links
from foryou.serve.rankers import Explained
from foryou.serve.rules import Boosts
from foryou.serve.sources import in_cart

NAMED = 2  # history items named at most
LOOKED_AT = 20  # newest items of the history that may be named; all count in the score
LEAST = 1e-6  # a smaller fall of the score is none
WORTH_NAMING = 0.5  # of the largest fall: a smaller one is not named beside it
POPULAR = Reason("popular", "Popular with everybody")
_OF_SOURCE = {
    "new_arrivals": Reason("new", "New"), "editorial": Reason("editorial", "Chosen by our editors"),
}  # fmt: skip
_VERB = {
    Action.PURCHASE: "bought", Action.RATING: "rated", Action.LIKE: "liked", Action.VIEW: "viewed",
    Action.CLICK: "looked at", Action.DWELL: "spent time on", Action.ADD_TO_CART: "put in your cart",
}  # fmt: skip


class Explain:
    """Counterfactual reasons on the final score, exact for every history item that the models look at."""

    def __init__(self, ranker: Explained) -> None:
        self._ranker = ranker

    def __call__(self, batch: QueryBatch, slate: Slate, best: NDArray[np.int32]) -> list[list[Reason]]:
        """Give a reason for each place of the answers.  best int32 [B, k], -1 = none"""
        if not best.shape[1]:
            return [[] for _ in range(len(batch))]
        rows = np.arange(len(batch))[:, None]
        item, score = slate.item[rows, best], slate.score[rows, best] - slate.boost[rows, best]
        item[best < 0] = 0
        entries = max(1, min(LOOKED_AT, int((batch.history > 0).sum(axis=1).max())))
        fall = score[:, None, :] - self._ranker.without(batch, item, entries)
        fall[batch.history[:, :entries] == 0] = 0
        entry = np.empty((*item.shape, NAMED), np.int32)
        value = np.empty(entry.shape, np.float32)
        kernels.largest(fall, entry, value)
        entry[value <= np.maximum(LEAST, WORTH_NAMING * value[:, :, :1])] = -1
        return [
            self._reasons(batch, slate, b, places, [tuple(e for e in named if e >= 0) for named in entries])
            for b, (places, entries) in enumerate(zip(best.tolist(), entry.tolist(), strict=True))
        ]

    def _reasons(
        self, batch: QueryBatch, slate: Slate, b: int, best: list[int], chosen: list[tuple[int, ...]]
    ) -> list[Reason]:
        """Give the reasons of one answer: `chosen` are the history entries to name for each place."""
        said: dict[tuple[int, ...], Reason] = {}  # many items share their reason
        reasons = []
        for c, entries in zip(best, chosen, strict=True):
            if c < 0:
                break
            if slate.propensity[b, c] < 1:
                reasons.append(self._explored(batch, int(slate.item[b, c])))
            elif entries:
                if entries not in said:
                    said[entries] = self._because(batch, b, entries)
                reasons.append(said[entries])
            else:
                reasons.append(_OF_SOURCE.get(slate.source_of(b, c)) or self._general(batch, b, int(slate.item[b, c])))
        return reasons

    @staticmethod
    def _explored(batch: QueryBatch, item: int) -> Reason:
        catalog = batch.view.catalog
        category = catalog.category_name(int(catalog.category[item]))
        return Reason("exploration", f"Something different: {category or 'new to you'}")

    @staticmethod
    def _general(batch: QueryBatch, b: int, item: int) -> Reason:
        if batch.view.trending[item] > 0:
            return Reason("trending", "Trending now")
        if batch.history[b, 0]:
            return Reason("taste", "Your earlier taste")
        return POPULAR

    def _because(self, batch: QueryBatch, b: int, entries: tuple[int, ...]) -> Reason:
        names = [int(batch.history[b, entry]) for entry in entries]
        text = " and ".join(self._did(batch, b, entry) for entry in entries)
        return Reason("history", f"Because you {text}", tuple(batch.view.catalog.id_of(name) for name in names))

    @staticmethod
    def _did(batch: QueryBatch, b: int, entry: int) -> str:
        title = batch.view.catalog.title_of(int(batch.history[b, entry]))
        if batch.taste[b, entry] < 0:
            return f"did not like {title}"
        return f"{_VERB.get(ACTIONS[batch.action[b, entry]], 'know')} {title}"


class GoesWith:
    """Reasons of an item page and of a cart: what the item goes with, and what only fills the list."""

    def __init__(self, links: Links) -> None:
        self._links = links

    def __call__(self, batch: QueryBatch, slate: Slate, best: NDArray[np.int32]) -> list[list[Reason]]:
        """Give a reason for each place of the answers.  best int32 [B, k], -1 = none"""
        held, _ = in_cart(batch)
        item = np.take_along_axis(slate.item, np.maximum(best, 0), axis=1)
        link = self._links.between(held, item)
        link[held == 0] = -np.inf
        nearest = np.take_along_axis(held, link.argmax(axis=1), axis=1)
        return [
            [self._reason(batch, slate, b, c, int(nearest[b, at])) for at, c in enumerate(best[b].tolist()) if c >= 0]
            for b in range(len(batch))
        ]

    @staticmethod
    def _reason(batch: QueryBatch, slate: Slate, b: int, c: int, nearest: int) -> Reason:
        catalog, found_by = batch.view.catalog, slate.sources_of(b, c)
        if "similar" in found_by:
            nearest = int(batch.anchor[b])
        elif "cart" not in found_by:
            return POPULAR
        return Reason("similar", f"Goes with {catalog.title_of(nearest)}", (catalog.id_of(nearest),))


class Judge:
    """Says what became of the item that a query asks about, stage by stage."""

    def __init__(self, ranker: Explained, boosts: Boosts) -> None:
        self._ranker, self._boosts = ranker, boosts

    def __call__(self, batch: QueryBatch, slate: Slate, best: NDArray[np.int32]) -> list[Verdict | None]:
        """Give the verdict for each query that asks, None for the others."""
        if not any(query.asked for query in batch.query):
            return [None] * len(batch)
        return [self._verdict(batch, slate, best[b], b) if batch.query[b].asked else None for b in range(len(batch))]

    def _verdict(self, batch: QueryBatch, slate: Slate, best: NDArray[np.int32], b: int) -> Verdict:
        if not batch.asked[b]:
            return Verdict("unknown_item")
        inputs, parts = self._ranker.parts(batch.alone(b), batch.asked[b : b + 1, None])
        parts |= self._boosts.parts(batch.alone(b), batch.asked[b : b + 1, None])
        c = int(np.argmax(slate.item[b] == batch.asked[b]))
        if slate.item[b, c] != batch.asked[b]:  # there was no time to look at it
            return Verdict("not_proposed", inputs=inputs, parts=parts)
        score, shown = float(slate.score[b, c]), best[best >= 0]
        dropped = int(slate.dropped[b, c])
        kept, sources = slate.kept()[b], tuple(name for name in slate.sources_of(b, c) if name != "asked")
        outcome = "not_proposed" if not sources else "dropped" if dropped else "shown" if c in shown else "outranked"
        return Verdict(
            outcome=outcome,
            proposed_by=sources,
            dropped_by=slate.rules[dropped - 1] if dropped else "",
            score=score,
            cutoff=float(slate.score[b, shown].min()) if len(shown) else 0.0,
            rank=int(np.count_nonzero(kept & (slate.score[b] > score))) + 1,
            inputs=inputs,
            parts=parts,
        )
