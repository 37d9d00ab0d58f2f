"""Which rows does a page have for this user, and in which order? What the user's own list is made of decides."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foryou.domain.catalog import Catalog
from foryou.domain.clock import DAY_MS
from foryou.domain.event import hash64, hashes
from foryou.domain.slate import Answer, QueryBatch, Reason, Shown, Slate
from foryou.models.popularity import Popularity
from foryou.serve.wording import Words

FOR_YOU, DISCOVER = "for_you", "discover"
MOST = {"because": 3, "category": 4, "trending": 1, "new": 1}  # rows of a kind
LEAST_SHARE = 0.02  # of the list: what makes up less of it gets no row
WEEKS = 4  # after which a discovery may come again
HEARD_OF = 0.1  # share of the catalog, the most popular items, that is no discovery for anybody
MONDAY = 3  # days from the Monday before it to the first day of 1970


@dataclass(frozen=True, slots=True)
class Plan:
    """A row that a page may have: what it is for (as `Query.row`), its title, and how much of the list it stands for.

    anchor: the item that its items go with · category: the one that they are of; "" = none
    """

    kind: str
    title: Reason
    share: float = 1.0
    anchor: str = ""
    category: str = ""


class Row:
    """Drops what does not belong to the row that is asked for. Essential: nothing old stands in a row of new things."""

    name = "row"
    essential = True

    def __init__(self, new_days: float, popularity: Popularity) -> None:
        self._new_ms = int(new_days * DAY_MS)
        self._heard = np.zeros(len(popularity.column), np.bool_)
        self._heard[popularity.order[: int(HEARD_OF * len(popularity.order))]] = True

    def apply(self, batch: QueryBatch, slate: Slate) -> None:
        """Drop what does not trend from a row of trends, and so on for the other kinds."""
        for b, query in enumerate(batch.query):
            if query.row == "trending":
                slate.drop(_only(slate, b, batch.view.trending[slate.item[b]] <= 0), self.name)
            elif query.row == "new":
                created = batch.view.catalog.created_ms[slate.item[b]]
                old = (created <= query.now_ms - self._new_ms) | (created > query.now_ms)
                slate.drop(_only(slate, b, old), self.name)
            elif query.row == "because":  # what only fills an item page says nothing about its item
                slate.drop(_only(slate, b, slate.origin[b] & slate.bit("similar") == 0), self.name)
            elif query.row == DISCOVER:
                slate.drop(_only(slate, b, ~self._of_week(batch, b, slate.item[b])), self.name)

    def _of_week(self, batch: QueryBatch, b: int, item: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Say which items may be discovered this week: of what is not known to all, another quarter each week.

        The quarters are the user's own, by hash, so that a list stays the same from Monday to Sunday.
        """
        query, trained = batch.query[b], len(self._heard)
        turn = batch.view.catalog.hash[item] // np.uint64(WEEKS) + np.uint64(hash64(query.user_id) >> 8)
        heard = self._heard[np.where(item < trained, item, 0)]
        return np.asarray((turn % np.uint64(WEEKS) == week(query.now_ms) % WEEKS) & ~heard)


def week(now_ms: int) -> int:
    """Give the number of the week, from Monday to Sunday in UTC."""
    return (now_ms // DAY_MS + MONDAY) // 7


def _only(slate: Slate, b: int, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    whole = np.zeros(slate.item.shape, np.bool_)
    whole[b] = mask
    return whole


def plans(survey: Answer, language: str, words: Words, new_ms: int) -> list[Plan]:
    """Give the rows that this list of a user suggests, the one that stands for most of it first.

    A row's share is Σ 1/log2(1 + rank) over the items of the list that belong to it, by that of all: the items whose
    reason names an action of the user, those of a category, those that trend, those published after `new_ms`.
    """
    catalog = survey.view.catalog
    numbers = catalog.numbers(hashes([item.item_id for item in survey.items]))
    gain = 1 / np.log2(2 + np.arange(len(numbers)))
    gain /= max(1.0, gain.sum())
    found = _because(survey.items, gain)
    for name, share in _by_category(catalog, numbers, gain).items():
        found.append(Plan("category", words.say(language, "category", category=name), share, category=name))
    trends = float(gain[survey.view.trending[numbers] > 0].sum())
    new = float(gain[catalog.created_ms[numbers] > new_ms].sum())
    found.append(Plan("trending", words.say(language, "trending"), trends))
    found.append(Plan("new", words.say(language, "new.row"), new))
    return _chosen(found)


def _because(items: Sequence[Shown], gain: NDArray[np.float64]) -> list[Plan]:
    """Give a row for each item of the history that moves the list: what the reasons name first."""
    share: dict[str, float] = defaultdict(float)
    title: dict[str, Reason] = {}
    for item, part in zip(items, gain.tolist(), strict=True):
        if item.reason.code == "history":
            first, *more = item.reason.because
            share[first] += part
            if first not in title or (title[first].because[1:] and not more):  # one that names it alone is plainer
                title[first] = item.reason
    return [Plan("because", title[first], part, anchor=first) for first, part in share.items()]


def _by_category(catalog: Catalog, numbers: NDArray[np.int32], gain: NDArray[np.float64]) -> Mapping[str, float]:
    share: dict[str, float] = defaultdict(float)
    for number, part in zip(numbers.tolist(), gain.tolist(), strict=True):
        of = catalog.categories.of(number).tolist()
        for category in of:
            share[catalog.category_name(category)] += part / len(of)
    return share


def _chosen(found: Sequence[Plan]) -> list[Plan]:
    """Give those that stand for enough, so many of each kind; equal shares in the order in which they were found."""
    kept: list[Plan] = []
    left = dict(MOST)
    for plan in sorted(found, key=lambda one: -one.share):
        if plan.share >= LEAST_SHARE and left[plan.kind]:
            left[plan.kind] -= 1
            kept.append(plan)
    return kept
