"""Why is this item there? Score it again without what might be the reason: what makes the score fall most is named."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain import session
from foryou.domain.event import ACTIONS, Action
from foryou.domain.slate import QueryBatch, Reason, Slate, Verdict
from foryou.domain.terms import named, searched
from foryou.models.item_item import Links
from foryou.serve.rankers import Explained
from foryou.serve.rules import Boosts
from foryou.serve.sources import in_cart
from foryou.serve.whatif import Entries, Shown, Test, WhatIf
from foryou.serve.wording import Words

NAMED = 2  # history items named at most
LOOKED_AT = 20  # newest items of the history that may be named; all count in the score
LEAST = 1e-3  # a smaller fall of the score is none
WORTH_NAMING = 0.75  # of the largest fall: a smaller one is not named beside it
Falls = Mapping[Test, list[float]]  # (query, what is left out) -> fall per place
_OF_ITEM = {"trending": ("trending",), "new": ("arrival",), "popular": ("popularity", "welcome")}  # code -> inputs


class Explain:
    """Counterfactual reasons on the final score: nothing is named unless the item scores less without it."""

    def __init__(self, ranker: Explained, represent: Callable[[QueryBatch], None], words: Words | None = None) -> None:
        self._what_if, self._words = WhatIf(ranker, represent), words or Words()

    def __call__(self, batch: QueryBatch, slate: Slate, best: NDArray[np.int32]) -> list[list[Reason]]:
        """Give a reason for each place of the answers.  best int32 [B, k], -1 = none"""
        if not best.shape[1]:
            return [[] for _ in range(len(batch))]
        shown = self._what_if.shown(batch, slate, best)
        item = shown.item.tolist()
        certain = (best >= 0) & (slate.propensity[np.arange(len(batch))[:, None], best] == 1)
        told = self._told_by_user(batch, shown, certain)
        left = certain & np.array([[reason is None for reason in row] for row in told])
        if left.any():
            falls = self._falls(batch, shown, _general_tests(batch, left))
            of_item = dict(zip(_OF_ITEM, self._what_if.falls(batch, shown, list(_OF_ITEM.values())), strict=True))
            for b, at in np.argwhere(left).tolist():
                own = {code: fall[at] for (query, code), fall in falls.items() if query == b and isinstance(code, str)}
                own |= {code: float(fall[b, at]) for code, fall in of_item.items()}
                told[b][at] = self._general(batch, b, item[b][at], slate.sources_of(b, int(best[b, at])), own)
        return [
            [reason or self._explored(batch, b, number) for reason, number in zip(row, item[b], strict=True) if number]
            for b, row in enumerate(told)
        ]

    def _told_by_user(self, batch: QueryBatch, shown: Shown, certain: NDArray[np.bool_]) -> list[list[Reason | None]]:
        """Give the reasons that lie in what the user does now or did: search, page, interests, history."""
        found = self._candidates(batch, shown)
        found[~certain] = -1
        chosen, sure = found.tolist(), certain.tolist()
        said = [_session(batch, b) if any(row) else [] for b, row in enumerate(sure)]
        falls = dict(self._falls(batch, shown, [(b, code) for b, codes in enumerate(said) for code in codes]))
        wanted: dict[Test, list[int]] = {}  # what is left out -> the places that might be due to it
        for b, row in enumerate(chosen):
            for at, entries in enumerate(row):
                for some in _parts(entries):
                    wanted.setdefault((b, some), []).append(at)
        falls |= self._falls_at(batch, shown, wanted)
        memo: dict[tuple[int, Entries], Reason] = {}  # many items share their reason
        told: list[list[Reason | None]] = [[None] * len(row) for row in chosen]
        for b, at in np.argwhere(certain).tolist():
            because, worth = _proved(chosen[b][at], falls, b, at)
            told[b][at] = self._present(batch, (b, at), int(shown.item[b, at]), said[b], falls, worth)
            if because and not told[b][at]:
                if (b, because) not in memo:
                    memo[b, because] = self._because(batch, b, because)
                told[b][at] = memo[b, because]
        return told

    def _candidates(self, batch: QueryBatch, shown: Shown) -> NDArray[np.int32]:
        """Give the history entries worth a test for each place, by the closed forms.  int32 [B, k, NAMED], -1 = none"""
        entry = np.full((*shown.item.shape, NAMED), -1, np.int32)
        entries = min(LOOKED_AT, int((batch.history > 0).sum(axis=1).max()))
        if entries:
            fall = shown.score[:, None, :] - self._what_if.without_each(batch, shown, entries)
            fall[batch.history[:, :entries] == 0] = 0
            value = np.empty(entry.shape, np.float32)
            kernels.largest(fall, entry, value)
            entry[value <= np.maximum(LEAST, WORTH_NAMING * value[:, :, :1])] = -1
        return entry

    def _falls(self, batch: QueryBatch, shown: Shown, tests: Sequence[Test]) -> Falls:
        """Give how far each shown item falls in each test, by a second scoring."""
        if not tests:
            return {}
        fall = shown.score[[b for b, _ in tests]] - self._what_if.scores(batch, shown, tests)
        return dict(zip(tests, fall.tolist(), strict=True))

    def _falls_at(self, batch: QueryBatch, shown: Shown, wanted: Mapping[Test, list[int]]) -> Falls:
        """Do as `_falls` for some of the places only; the others are said to fall by 0."""
        if not wanted:
            return {}
        most = max(map(len, wanted.values()))
        places = np.array([[*at, *[-1] * (most - len(at))] for at in wanted.values()])
        scores = self._what_if.scores(batch, shown, list(wanted), places)
        fall = np.zeros((len(wanted), shown.item.shape[1]), np.float32)
        row, column = np.nonzero(places >= 0)
        at = places[row, column]
        fall[row, at] = shown.score[np.array([b for b, _ in wanted])[row], at] - scores[row, column]
        return dict(zip(wanted, fall.tolist(), strict=True))

    def _present(
        self, batch: QueryBatch, place: tuple[int, int], number: int, said: Sequence[str], falls: Falls, worth: float
    ) -> Reason | None:
        """Give what the user says now, where the item falls as far without it as without its history: `worth`."""
        b, at = place
        options = [
            (falls[b, code][at], code, detail)
            for code in said if LEAST < falls[b, code][at] >= worth and (detail := _match(batch, b, number, code))
        ]  # fmt: skip
        if not options:
            return None
        _, code, detail = max(options, key=lambda option: option[0])
        return self._say(batch, b, code, **{code: detail})

    def _because(self, batch: QueryBatch, b: int, entries: Entries) -> Reason:
        catalog, numbers = batch.view.catalog, [int(batch.history[b, entry]) for entry in entries]
        deeds = [
            (_deed(batch, b, entry), catalog.title_of(number)) for entry, number in zip(entries, numbers, strict=True)
        ]
        return self._words.history(batch.query[b].language, [catalog.id_of(number) for number in numbers], deeds)

    def _general(
        self, batch: QueryBatch, b: int, number: int, sources: tuple[str, ...], falls: Mapping[str, float]
    ) -> Reason:
        """Give the reason of an item that nothing single of the user explains."""
        said = {"trending": batch.view.trending[number] > 0, "new": "new_arrivals" in sources, "popular": False}
        code = max(
            (code for code, fall in falls.items() if fall > LEAST and said.get(code, True)),
            key=lambda code: falls[code], default="",
        )  # fmt: skip
        if not code:
            only = sources[0] if len(sources) == 1 else ""
            code = {"new_arrivals": "new", "editorial": "editorial"}.get(only, "")
        if not code:
            code = "popular" if falls["popular"] > LEAST or "popular" in sources else "general"
        return self._of_category(batch, b, number, code) if code == "new" else self._say(batch, b, code)

    def _explored(self, batch: QueryBatch, b: int, number: int) -> Reason:
        return self._of_category(batch, b, number, "exploration")

    def _of_category(self, batch: QueryBatch, b: int, number: int, code: str) -> Reason:
        catalog = batch.view.catalog
        category = catalog.category_name(int(catalog.category[number]))
        return self._say(batch, b, f"{code}.category", category=category) if category else self._say(batch, b, code)

    def _say(self, batch: QueryBatch, b: int, case: str, **places: str) -> Reason:
        return self._words.say(batch.query[b].language, case, **places)


def _deed(batch: QueryBatch, b: int, entry: int) -> str:
    """Give what the user did: a low rating is a rating, as it may speak for an item, too (ADR 0014)."""
    action = ACTIONS[batch.action[b, entry]]
    return "disliked" if batch.taste[b, entry] < 0 and action != Action.RATING else action


def _parts(entries: Sequence[int]) -> list[Entries]:
    """Give the entries each alone, and two of them together."""
    there = [entry for entry in entries if entry >= 0]
    return [(entry,) for entry in there] + ([tuple(sorted(there))] if len(there) > 1 else [])


def _proved(entries: Sequence[int], falls: Falls, b: int, at: int) -> tuple[Entries, float]:
    """Give the entries that make the score fall each alone and together, the stronger one first, and its fall."""
    fall = {entry: falls[b, (entry,)][at] for entry in entries if entry >= 0}
    if not fall:
        return (), 0.0
    order = sorted(fall, key=lambda entry: -fall[entry])
    largest = fall[order[0]]
    sure = tuple(entry for entry in order if fall[entry] > max(LEAST, WORTH_NAMING * largest))
    together = len(sure) < NAMED or falls[b, tuple(sorted(sure))][at] > LEAST
    return (sure if together else sure[:1]), (largest if sure else 0.0)


def _session(batch: QueryBatch, b: int) -> list[str]:
    """Give what the user says besides acting on items: the codes of those reasons that are possible."""
    query, core = batch.query[b : b + 1], batch.core[b : b + 1]
    return [
        code for code, said in (
            ("search", session.search_of(query[0], core[0])), ("category", session.category_of(query[0], core[0])),
            ("interests", core[0].interests),
        ) if said
    ]  # fmt: skip


def _match(batch: QueryBatch, b: int, number: int, code: str) -> str:
    """Give what an item shares with the search, the category or the interests of a user; "" = nothing."""
    catalog, query, core = batch.view.catalog, batch.query[b], batch.core[b]
    if code == "category":
        name = session.category_of(query, core)
        return name if catalog.category_numbers.get(name, 0) in catalog.categories.of(number).tolist() else ""
    terms = set(catalog.terms.of(number).tolist())
    if code == "search":
        text = session.search_of(query, core)
        return text if terms.intersection(searched(text)) else ""
    return ", ".join([name for name in core.interests if terms.intersection(named([name]))][:NAMED])


def _general_tests(batch: QueryBatch, left: NDArray[np.bool_]) -> list[tuple[int, "str | Entries"]]:
    """Give what to forget of the users for whom a reason is still wanted: place, age and gender, history."""
    tests: list[tuple[int, str | Entries]] = []
    for b in np.flatnonzero(left.any(axis=1)).tolist():
        query, core = batch.query[b], batch.core[b]
        known = {"near": query.location or core.location, "people": core.age or core.gender}
        known["taste"] = bool(batch.history[b, 0])
        tests += [(b, code) for code, there in known.items() if there]
    return tests


class GoesWith:
    """Reasons of an item page and of a cart: what the item goes with, and what only fills the list."""

    def __init__(self, links: Links, words: Words | None = None) -> None:
        self._links, self._words = links, words or Words()

    def __call__(self, batch: QueryBatch, slate: Slate, best: NDArray[np.int32]) -> list[list[Reason]]:
        """Give a reason for each place of the answers.  best int32 [B, k], -1 = none"""
        held, _ = in_cart(batch)
        item = np.take_along_axis(slate.item, np.maximum(best, 0), axis=1)
        link = self._links.between(held, item)
        link[held == 0] = -np.inf
        nearest = link.argmax(axis=1)
        linked = np.take_along_axis(link, nearest[:, None, :], axis=1)[:, 0] > 0
        return [
            [
                self._reason(batch, slate, (b, c), int(nearest[b, at]) if linked[b, at] else -1)
                for at, c in enumerate(best[b].tolist()) if c >= 0
            ]
            for b in range(len(batch))
        ]  # fmt: skip

    def _reason(self, batch: QueryBatch, slate: Slate, place: tuple[int, int], nearest: int) -> Reason:
        """Name the item of the page or, of the cart, what has the strongest link. nearest: 0 = the page, -1 = none"""
        (b, c), catalog = place, batch.view.catalog
        found_by, language = slate.sources_of(b, c), batch.query[b].language
        held, _ = in_cart(batch)
        if "similar" in found_by:
            code, with_ = "similar", int(batch.anchor[b])
        elif "cart" in found_by and nearest >= 0:
            code, with_ = ("cart" if nearest else "similar"), int(held[b, nearest])
        else:
            return self._words.say(language, "popular" if "popular" in found_by else "general")
        return self._words.say(language, code, [catalog.id_of(with_)], item=catalog.title_of(with_))


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
