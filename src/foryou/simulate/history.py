"""What happened before anybody recommended well? A shop that shows lists by habit and chance writes its log.

Three kinds of list: the home page (half what is popular, half chance), the page of the category that a visitor has in
mind, and what a search finds; their items are drawn by how often they were clicked lately, places by chance. So the
position bias can be read off the exposures.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foryou.domain.clock import HOUR_MS
from foryou.domain.event import Event
from foryou.domain.exposure import Exposure
from foryou.domain.item import ItemChange
from foryou.domain.records import UserChange
from foryou.simulate.draws import For, uniform
from foryou.simulate.goods import item_id
from foryou.simulate.market import Market, Visits
from foryou.simulate.people import user_id
from foryou.simulate.shopping import PAGE_MS, Life, Page, led_in, respond
from foryou.simulate.told import Teller
from foryou.simulate.words import TOPICS_EACH

LENGTH = 12  # items of a list
SPARE = 8  # more are drawn, as some come twice
CLICKS_HALF_LIFE_H = 7 * 24
POLICY = "shop"  # stands as bundle, arm and source in the exposures of the history
KINDS = ("home", "category", "search")


@dataclass(slots=True)
class Block:
    """What the hours from `hour` up to `end` (since 1970) add to the log, each list in the order of time."""

    hour: int
    end: int
    items: list[ItemChange]
    users: list[UserChange]
    events: list[Event]
    exposures: list[Exposure]


def history(market: Market, life: Life) -> Iterator[Block]:
    """Give the history in blocks of hours, from nothing to `now_ms`; the first block holds all that was there before.

    `life` is filled on the way and is that of the present at the end.
    """
    teller, known = Teller(market), (0, 0)
    hour, last = market.start_ms // HOUR_MS, market.now_ms // HOUR_MS
    while hour <= last:
        end = min((hour // market.block_hours + 1) * market.block_hours, last + 1)
        until = min(end * HOUR_MS, market.now_ms)
        there = market.items_at(until), market.users_at(until)
        block = Block(
            hour, end,
            [market.goods.change(item) for item in range(known[0], there[0])],
            [market.people.change(user) for user in range(known[1], there[1])],
            [], [],
        )  # fmt: skip
        known = there
        block.items += back(life.delivered(market, hour), hour)
        life.clicks *= 0.5 ** ((end - hour) / CLICKS_HALF_LIFE_H)
        _lived(market, life, teller, block)
        yield block
        hour = end


def back(items: NDArray[np.int64], hour: int) -> list[ItemChange]:
    """Give the changes that say that items can be had again."""
    return [
        ItemChange(item_id=item_id(item), op="patch", received_ms=hour * HOUR_MS, status="available")
        for item in items.tolist()
    ]


def gone(items: NDArray[np.integer], at_ms: int) -> list[ItemChange]:
    """Give the changes that say that items are sold out."""
    return [
        ItemChange(item_id=item_id(item), op="patch", received_ms=at_ms, status="unavailable")
        for item in np.unique(items).tolist()
    ]


def _lived(market: Market, life: Life, teller: Teller, block: Block) -> None:
    """Let the visitors of a block look at their lists, page by page."""
    visits = Visits.together([market.visits(hour) for hour in range(block.hour, block.end)])
    visits = visits.where(visits.at_ms + PAGE_MS * visits.pages.astype(np.int64) < market.now_ms)
    if not len(visits):
        return
    shelves, stocked = Shelves(market, life, block.hour), life.left > 0
    block.events += teller.searches(visits)
    block.events += teller.actions(*led_in(market, life, visits))
    for number in range(int(visits.pages.max())):
        page, chance, kind = shelves.page(visits.where(visits.pages > number), number)
        response = respond(market, life, page)
        block.events += teller.actions(page, response)
        block.exposures += _exposed(teller, page, chance, kind)
    block.events.sort(key=lambda event: (event.at_ms, event.event_id))
    block.exposures.sort(key=lambda exposure: (exposure.now_ms, exposure.recommendation_id))
    block.items += gone(np.flatnonzero(stocked & (life.left <= 0)), block.end * HOUR_MS - 1)


def _exposed(teller: Teller, page: Page, chance: NDArray[np.float64], kind: NDArray[np.int64]) -> Iterator[Exposure]:
    for row in range(len(page.item)):
        shown = page.item[row] >= 0
        items = page.item[row, shown].tolist()
        yield Exposure(
            recommendation_id=teller.recommendation(page, row), user_id=user_id(int(page.visits.user[row])),
            now_ms=int(page.at_ms[row]), placement=KINDS[kind[row]], arm=POLICY, bundle=POLICY, seed=0, offset=-1,
            items=tuple(map(item_id, items)), scores=(0.0,) * len(items), sources=(POLICY,) * len(items),
            propensities=tuple(np.round(chance[row, shown], 9).tolist()), num_results=len(items),
        )  # fmt: skip


class Shelves:
    """The lists that the shop shows in one hour, before it has a recommender."""

    def __init__(self, market: Market, life: Life, hour: int) -> None:
        self._market = market
        there = np.zeros(len(market.goods), np.bool_)
        there[: market.items_at(hour * HOUR_MS)] = True
        there &= life.left > 0
        topic = market.goods.category[:, 0].astype(np.int64) * TOPICS_EACH + market.goods.topic
        self._order = np.argsort(topic, kind="stable")
        self._bounds = np.searchsorted(topic[self._order], np.arange(market.categories * TOPICS_EACH + 1))
        weight = (there * (1 + life.clicks))[self._order]
        self._by_clicks = np.concatenate([[0.0], np.cumsum(weight)])
        self._by_chance = np.concatenate([[0.0], np.cumsum(there[self._order].astype(np.float64))])

    def page(self, visits: Visits, number: int) -> tuple[Page, NDArray[np.float64], NDArray[np.int64]]:
        """Give one list per visit, the chance float64 [V, k] of each item for its place, and the kind of list [V]."""
        kind = np.where(visits.topic >= 0, 2, np.where(visits.intent >= 0, 1, 0))
        if number % 2:
            kind = np.zeros_like(kind)  # every other list is the home page again
        low, high = self._range(visits, kind)
        key = (visits.number[:, None], number, np.arange(LENGTH + SPARE))
        by_chance = (uniform(self._market.seed, For.SHELVES, *key) < 0.5) & (kind == 0)[:, None]
        where = uniform(self._market.seed, For.SHELVES, *key, 1)
        place = np.where(
            by_chance, _drawn(self._by_chance, low, high, where), _drawn(self._by_clicks, low, high, where)
        )
        item = _once(np.where(place >= 0, self._order[place], -1))[:, :LENGTH].astype(np.int32)
        luck = np.where(item >= 0, uniform(self._market.seed, For.SHELVES, *key[:2], item, 2), 2)
        item = np.take_along_axis(item, np.argsort(luck, axis=1, kind="stable"), axis=1)
        at_ms = visits.at_ms + PAGE_MS * number
        page = Page(visits, np.full(len(visits), number, np.int16), at_ms, item)
        return page, self._chances(item, low, high, kind), kind

    def _range(self, visits: Visits, kind: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give the rows of the order that each list draws from."""
        first = np.maximum(visits.intent, 0).astype(np.int64) * TOPICS_EACH
        topic = np.maximum(visits.topic, 0)
        low = np.choose(kind, [np.zeros_like(first), first, first + topic])
        high = np.choose(kind, [np.full_like(first, len(self._bounds) - 1), first + TOPICS_EACH, first + topic + 1])
        return self._bounds[low], self._bounds[high]

    def _chances(
        self, item: NDArray[np.int32], low: NDArray[np.int64], high: NDArray[np.int64], kind: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Give the chance that one draw for a list gives the item."""
        row = np.empty(len(self._order), np.int64)
        row[self._order] = np.arange(len(self._order))
        at = row[np.maximum(item, 0)]

        def share(sums: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray((sums[at + 1] - sums[at]) / np.maximum(sums[high] - sums[low], 1e-9)[:, None])

        clicks = share(self._by_clicks)
        return np.where((kind == 0)[:, None], 0.5 * clicks + 0.5 * share(self._by_chance), clicks)


def _drawn(
    sums: NDArray[np.float64], low: NDArray[np.int64], high: NDArray[np.int64], where: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Give rows between low and high, drawn by the weights whose sums are given; -1 where all weigh nothing."""
    below, above = sums[low][:, None], sums[high][:, None]
    found = np.searchsorted(sums, below + where * (above - below), "right") - 1
    return np.where(above > below, np.clip(found, low[:, None], high[:, None] - 1), -1)


def _once(item: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each row with each item once, those drawn first in front, -1 behind.  int64 [V, n]"""
    order = np.argsort(item, axis=1, kind="stable")
    ranked = np.take_along_axis(item, order, axis=1)
    again = np.zeros(item.shape, np.bool_)
    again[:, 1:] = ranked[:, 1:] == ranked[:, :-1]
    twice = np.empty_like(again)
    np.put_along_axis(twice, order, again, axis=1)
    kept = np.where(twice, -1, item)
    front = np.argsort(kept < 0, axis=1, kind="stable")
    return np.take_along_axis(kept, front, axis=1)
