"""What does a visitor do with a list? Looks down it, clicks what appeals, stays or flees, buys, likes, hides."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.domain.clock import HOUR_MS
from foryou.simulate.appeal import appeal, examined, log_odds, sigmoid
from foryou.simulate.draws import For, gumbel, normal, uniform, whole
from foryou.simulate.market import Market, Visits

PAGE_MS = 90_000  # between two lists of a visit
LINK = -1  # number of the list of one that a link from outside is
OUTSIDE_CHOICE = 40  # items among which a link from outside leads to the one that appeals most
SATISFIED = 2.5  # added to the log odds once the item is there: who clicks is mostly pleased
DISAPPOINTED = 2.0  # times bait, taken off
DWELL_S = (6.0, 75.0)  # median stay of who is not pleased, and of who is
DWELL_SPREAD = 0.8  # deviation of the log
LIKES, DISLIKES, RATES = 0.12, 0.15, 0.06  # of the pleased; of the others; of all
CARTS, BUYS = 0.2, 0.5  # of the pleased put it into the cart; of these buy it, where there is one left
HIDES = 0.08  # of the items seen, not clicked and of an avoided category
DELIVERY_H = 6  # hour of the day at which shelves are filled again


class Pairs:
    """A set of pairs (user, item), asked and filled many at a time."""

    def __init__(self) -> None:
        self._old = np.zeros(0, np.int64)
        self._new = np.zeros(0, np.int64)

    def add(self, user: NDArray[np.integer], item: NDArray[np.integer]) -> None:
        """Put pairs in.  int [n] each"""
        self._new = np.sort(np.concatenate([self._new, _key(user, item)]))
        if len(self._new) > 2_000 + len(self._old) // 20:
            self._old, self._new = np.sort(np.concatenate([self._old, self._new])), np.zeros(0, np.int64)

    def holds(self, user: NDArray[np.integer], item: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Say which pairs are in it.  bool, of the shape of both together"""
        key = _key(user, item)
        return _among(self._old, key) | _among(self._new, key)

    def copy(self) -> "Pairs":
        """Give a set of its own with the same pairs."""
        other = Pairs()
        other._old, other._new = self._old, self._new
        return other


def _key(user: NDArray[np.integer], item: NDArray[np.integer]) -> NDArray[np.int64]:
    return np.asarray(user.astype(np.int64) << 32 | item.astype(np.int64))


def _among(held: NDArray[np.int64], key: NDArray[np.int64]) -> NDArray[np.bool_]:
    if not len(held):
        return np.zeros(key.shape, np.bool_)
    place = np.minimum(np.searchsorted(held, key), len(held) - 1)
    return np.asarray(held[place] == key)


@dataclass(slots=True)
class Life:
    """What has happened in the market so far: who clicked what, what is left, how often each item was clicked.

    left int32 [N] pieces    clicks float64 [N] with a half-life of a week
    """

    clicked: Pairs
    left: NDArray[np.int32]
    clicks: NDArray[np.float64]

    @staticmethod
    def begin(market: Market) -> "Life":
        """Give the life of a market where nothing has happened yet."""
        return Life(Pairs(), market.goods.stock.copy(), np.zeros(len(market.goods)))

    def copy(self) -> "Life":
        """Give a second life that goes on from here on its own."""
        return Life(self.clicked.copy(), self.left.copy(), self.clicks.copy())

    def delivered(self, market: Market, hour: int) -> NDArray[np.int64]:
        """Fill the shelves if it is time for it; gives the items that had been sold out."""
        if hour % 24 != DELIVERY_H:
            return np.zeros(0, np.int64)
        empty = np.flatnonzero(self.left <= 0)
        self.left[:] = market.goods.stock
        return empty


@dataclass(frozen=True, slots=True)
class Page:
    """One list for each of V visits.

    number int16 [V] of the list in the visit, 0 = first    at_ms int64 [V]    item int32 [V, k], -1 = empty place
    """

    visits: Visits
    number: NDArray[np.int16]
    at_ms: NDArray[np.int64]
    item: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Response:
    """What the visitors did with their lists; all [V, k].

    appeal   float32 true chance of a click, if looked at     clicked  bool
    dwell_s  float32, 0 = not clicked                         liked, disliked, carted, bought, hidden  bool
    stars    int8, 0 = not rated
    """

    appeal: NDArray[np.float32]
    clicked: NDArray[np.bool_]
    dwell_s: NDArray[np.float32]
    liked: NDArray[np.bool_]
    disliked: NDArray[np.bool_]
    carted: NDArray[np.bool_]
    bought: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    stars: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class _Look:
    """What the eye did with a list, all [V, k]: appeal float64, looked at, clicked, clicked on an earlier day."""

    appeal: NDArray[np.float64]
    looked: NDArray[np.bool_]
    clicked: NDArray[np.bool_]
    known: NDArray[np.bool_]


def respond(market: Market, life: Life, page: Page) -> Response:
    """Give what the visitors do, and note it in `life`. Equal lists meet equal fates, whoever shows them."""
    there, item = page.item >= 0, np.maximum(page.item, 0)
    key = (page.visits.number[:, None], page.number[:, None])
    known = life.clicked.holds(page.visits.user[:, None] + 0 * item, item)
    chance = np.where(there, appeal(market, page.visits, item, known), 0)
    place = np.arange(item.shape[1])
    looked = there & (uniform(market.seed, For.EXAMINED, *key, place) < examined(len(place)))
    clicked = looked & (uniform(market.seed, For.CLICKED, *key, item) < chance)
    return _followed(market, life, page, _Look(chance, looked, clicked, known))


def led_in(market: Market, life: Life, visits: Visits) -> tuple[Page, Response]:
    """Give the item that a link from outside leads visitors to, as a list of one before their first, and what follows.

    It is the one that appeals most (by a draw) among OUTSIDE_CHOICE, a quarter of which are hot.
    """
    item = np.full((len(visits), 1), -1, np.int32)
    rows = np.flatnonzero(visits.outside)
    for hour in np.unique(visits.at_ms[rows] // HOUR_MS):
        mine = rows[visits.at_ms[rows] // HOUR_MS == hour]
        some = visits.where(mine)
        heard = _heard_of(market, some, int(hour))
        known = life.clicked.holds(some.user[:, None] + 0 * heard, heard)
        liking = log_odds(market, some, heard, known) + gumbel(market.seed, For.OUTSIDE, some.number[:, None], heard)
        item[mine, 0] = heard[np.arange(len(mine)), np.argmax(liking, axis=1)]
    page = Page(visits, np.full(len(visits), LINK, np.int16), visits.at_ms - PAGE_MS, item)
    known = life.clicked.holds(visits.user[:, None] + 0 * item, item)
    chance = np.where(item >= 0, appeal(market, visits, np.maximum(item, 0), known), 0)
    return page, _followed(market, life, page, _Look(chance, item >= 0, item >= 0, known))


def _followed(market: Market, life: Life, page: Page, look: _Look) -> Response:
    """Give what follows from the clicks, and note all of it in `life`."""
    item, clicked = np.maximum(page.item, 0), look.clicked
    done = _after(market, page, clicked, look.known)
    bought = done["carted"] & _luck(market, page, 4, BUYS) & _left(life.left, item, done["carted"])
    avoids = market.people.avoided[page.visits.user][:, None, :]
    avoided = (avoids == market.goods.category[item, 0][..., None]).any(axis=-1)
    hidden = look.looked & ~clicked & avoided & _luck(market, page, 5, HIDES)
    np.subtract.at(life.left, item[bought], 1)
    np.add.at(life.clicks, item[clicked], 1)
    life.clicked.add((page.visits.user[:, None] + 0 * item)[clicked], item[clicked])
    return Response(
        appeal=look.appeal.astype(np.float32), clicked=clicked, dwell_s=done["dwell_s"], liked=done["liked"],
        disliked=done["disliked"], carted=done["carted"], bought=bought, hidden=hidden, stars=done["stars"],
    )  # fmt: skip


def _luck(market: Market, page: Page, part: int, share: float) -> NDArray[np.bool_]:
    key = (page.visits.number[:, None], page.number[:, None], page.item, part)
    return np.asarray(uniform(market.seed, For.AFTER, *key) < share)


def _after(market: Market, page: Page, clicked: NDArray[np.bool_], known: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """Give how a click goes on: pleased or not, and what follows from that."""
    item, key = np.maximum(page.item, 0), (page.visits.number[:, None], page.number[:, None], page.item)
    wanted = log_odds(market, page.visits, item, known) - DISAPPOINTED * market.goods.bait[item] + SATISFIED
    pleased = clicked & (uniform(market.seed, For.AFTER, *key, 0) < sigmoid(wanted))
    spread = np.exp(DWELL_SPREAD * normal(market.seed, For.AFTER, *key, 1))
    stars = np.where(pleased, 4, 1) + whole(market.seed, For.AFTER, 2, *key, 7)
    return {
        "dwell_s": np.where(clicked, np.where(pleased, DWELL_S[1], DWELL_S[0]) * spread, 0).astype(np.float32),
        "liked": pleased & _luck(market, page, 2, LIKES),
        "disliked": clicked & ~pleased & _luck(market, page, 2, DISLIKES),
        "carted": pleased & _luck(market, page, 3, CARTS),
        "stars": np.where(clicked & _luck(market, page, 6, RATES), stars, 0).astype(np.int8),
    }  # fmt: skip


def _left(left: NDArray[np.int32], item: NDArray[np.int32], wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say who gets a piece where several want the same: as many as there are, in the order of the rows."""
    chosen = item[wanted]
    order = np.argsort(chosen, kind="stable")
    first = np.searchsorted(chosen[order], chosen[order], "left")
    place = np.empty(len(chosen), np.int64)
    place[order] = np.arange(len(chosen)) - first
    found = np.zeros(item.shape, np.bool_)
    found[wanted] = place < left[chosen]
    return found


def _heard_of(market: Market, visits: Visits, hour: int) -> NDArray[np.int32]:
    draw = uniform(market.seed, For.OUTSIDE, visits.number[:, None], np.arange(OUTSIDE_CHOICE), 1)
    item = (draw * market.items_at(hour * HOUR_MS)).astype(np.int32)
    heat = np.cumsum(market.heat(hour))
    if heat[-1] > 0:
        quarter = OUTSIDE_CHOICE // 4
        item[:, :quarter] = np.searchsorted(heat, draw[:, :quarter] * heat[-1])
    return item
