"""Which world is simulated? A market: what is in it, who comes when and with what in mind, and what they like.

Everything follows from the fields of `Market`: equal fields, equal world. The weights of the truth stand in `Weights`.
They were chosen once, by the click rates of random and of ideal lists, before any recommender saw the world.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from foryou.domain.clock import DAY_MS, HOUR_MS
from foryou.domain.errors import Invalid
from foryou.simulate import goods, people
from foryou.simulate.draws import For, gumbel, normal, uniform, whole
from foryou.simulate.goods import Goods
from foryou.simulate.people import FAVOURITES, People
from foryou.simulate.words import CATEGORIES, DEVICES, REGIONS, TOPICS_EACH

AHEAD_DAYS = 30  # of the future for which items and users are ready
ARRIVALS = 0.005  # new items, and new users, per day, as a share of those that there are now
EVENTS_PER_VISIT = 5.2  # under the policy that wrote the history; makes `events` a number of visits
HOT_EVERY_H = 6
HOT_SHARE = 0.005  # of the items become hot every HOT_EVERY_H hours
HOT_HALF_LIFE_H = 8
PASSING_DAYS = 14  # how long a passing taste lasts
AIMLESS = 0.3  # visits without a category in mind
SEARCHES = 0.35  # of the others start with a text search
NAVIGATES = 0.5  # of those with a category in mind go through its page, so that their events name it
OUTSIDE = 0.25  # visits that come to an item through a link from outside
AWAY = 0.1  # visits from another region than one's own
PAGES = 4  # lists seen in a visit, at most; each further one with a chance of one half
EXAMINATION = 0.6  # η: a visitor looks at place r = 0, 1, … with chance (1 + r)^-η
DAYPARTS = 4  # of six hours


@dataclass(frozen=True, slots=True)
class Weights:
    """What each reason adds to the log odds that an item that is looked at is clicked."""

    base: float = -5.0
    loved: tuple[float, ...] = (2.0, 1.6)  # the category is among the lasting favourites
    passing: float = 1.2  # the category is the passing favourite
    avoided: float = -2.0
    segment: float = 1.0  # times what people of this age group and gender care for the category
    second: float = 0.4  # share of all this that the second category adds
    topic: float = 0.9  # the topic that the user likes in this category
    brand: float = 0.8
    price: float = 1.0  # times budget x distance², taken off, at most 3
    style: float = 0.8  # times the cosine-like product of styles
    quality: float = 0.6
    intent: float = 1.5  # the category of this visit
    search: float = 1.0  # the topic searched for in this visit
    daypart: float = 0.4
    device: float = 0.3
    tide: float = 0.4  # categories come and go over weeks
    region: float = 0.6  # an item for the region where the visitor is
    elsewhere: float = -1.5  # an item for another region
    hot: float = 2.0  # when it becomes hot; halves in HOT_HALF_LIFE_H
    known: float = -2.5  # was clicked before


@dataclass(frozen=True, slots=True)
class Push:
    """An item that is made hot by somebody at a moment, three times as hot as chance makes one."""

    item: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Visits:
    """V visits: what a visitor brings along.

    number  int64 [V] names the visit in the whole world        user    int32 [V]     at_ms  int64 [V] ascending
    intent  int16 [V] category in mind, -1 = none               topic   int16 [V] searched for in it, -1 = no search
    device  int16 [V]   region  int16 [V] where the visitor is  pages   int16 [V] lists that will be looked at
    outside bool  [V] comes through a link to an item           named   bool  [V] events name the category in mind
    """

    number: NDArray[np.int64]
    user: NDArray[np.int32]
    at_ms: NDArray[np.int64]
    intent: NDArray[np.int16]
    topic: NDArray[np.int16]
    device: NDArray[np.int16]
    region: NDArray[np.int16]
    pages: NDArray[np.int16]
    outside: NDArray[np.bool_]
    named: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.number)

    @staticmethod
    def together(parts: "list[Visits]") -> "Visits":
        """Give the visits of several hours as one."""
        return Visits(*(np.concatenate([getattr(part, name) for part in parts]) for name in Visits.__slots__))

    def where(self, rows: NDArray[np.generic]) -> "Visits":
        """Give the visits of these rows (numbers or a mask)."""
        return Visits(*(getattr(self, name)[rows] for name in Visits.__slots__))


@dataclass(frozen=True)
class Market:
    """A world with a history that ends at `now_ms`, and a future. Equal fields, equal world.

    users, items  those that there are at `now_ms`; more arrive afterwards
    days, events  how far the history reaches back, and about how many events it has
    Raises Invalid for sizes that make no world.
    """

    now_ms: int
    users: int = 2_000
    items: int = 3_000
    events: int = 100_000
    days: int = 30
    categories: int = len(CATEGORIES)
    seed: int = 7
    pushed: tuple[Push, ...] = ()
    weights: Weights = field(default_factory=Weights)

    def __post_init__(self) -> None:
        """Check the sizes."""
        least = {"users": 1, "items": 2 * self.categories, "events": 0, "days": 1, "categories": 6}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise Invalid(name, f"a world cannot have {getattr(self, name):,} of them", f"give {low:,} or more")
        if self.categories > len(CATEGORIES):
            raise Invalid("categories", f"{self.categories} have no names", f"give {len(CATEGORIES)} or fewer")

    @property
    def start_ms(self) -> int:
        """Give when the history begins, a full hour."""
        return (self.now_ms - self.days * DAY_MS) // HOUR_MS * HOUR_MS

    @cached_property
    def goods(self) -> Goods:
        """Give all items, those of the future too."""
        pieces = 1 + self.events / self.items / 20
        return goods.made(self.seed, self.categories, self._arrivals(self.items, 0), pieces)

    @cached_property
    def people(self) -> People:
        """Give all users, those of the future too."""
        return people.made(self.seed, self.categories, self._arrivals(self.users, 1))

    def _arrivals(self, now: int, part: int) -> NDArray[np.int64]:
        """Give when each arrives: `now` of them until now_ms, then on at the same pace.  int64 [n], ascending"""
        share = min(ARRIVALS, 0.4 / self.days)
        every_ms = DAY_MS / max(now * share, 1e-9)
        late = int(share * self.days * now)
        ahead = int(share * AHEAD_DAYS * now)
        return goods.published(self.seed + part, now + ahead, now - late, self.start_ms, every_ms)

    def items_at(self, at_ms: int) -> int:
        """Give how many items have been published by then; they are the first ones."""
        return int(np.searchsorted(self.goods.published_ms, at_ms, "right"))

    def users_at(self, at_ms: int) -> int:
        """Give how many users have joined by then; they are the first ones."""
        return int(np.searchsorted(self.people.joined_ms, at_ms, "right"))

    # -- who comes ----------------------------------------------------------------------------------------------

    def visits(self, hour: int) -> Visits:
        """Give the visits that begin in an hour (since 1970), at most one per user."""
        rates = np.cumsum(self.rates(hour * HOUR_MS))
        draw = np.random.default_rng((self.seed, For.VISITS, hour))
        wanted = int(draw.poisson(self._visits_per_hour * rates[-1] / self.users)) if len(rates) else 0
        user = np.unique(np.searchsorted(rates, draw.random(wanted) * rates[-1])) if wanted else np.zeros(0, np.int64)
        at_ms = np.sort(hour * HOUR_MS + draw.integers(0, HOUR_MS, len(user)))
        user = draw.permutation(user)
        joined = self.people.joined_ms[user] <= at_ms
        return self.arriving(hour * 2**24 + np.arange(len(user))[joined], user[joined], at_ms[joined])

    def arriving(self, number: NDArray[np.int64], user: NDArray[np.int64], at_ms: NDArray[np.int64]) -> Visits:
        """Give what these visitors bring along: device, intent, search, region, patience."""
        seed, who = self.seed, self.people
        other = whole(seed, For.DEVICE, len(DEVICES), number, 1)
        device = np.where(uniform(seed, For.DEVICE, number) < 0.8, who.device[user], other)
        liking = self.liking(user, at_ms) + gumbel(seed, For.INTENT, number[:, None], np.arange(self.categories))
        intent = np.where(uniform(seed, For.INTENT, number) < AIMLESS, -1, np.argmax(liking, axis=1))
        liked = self.liked_topic(user, np.maximum(intent, 0))
        topic = np.where(
            uniform(seed, For.SEARCH, number, 1) < 0.7, liked, whole(seed, For.SEARCH, TOPICS_EACH, number, 2)
        )
        searches = (intent >= 0) & (uniform(seed, For.SEARCH, number) < SEARCHES)
        away = uniform(seed, For.AWAY, number) < AWAY
        region = np.where(away, whole(seed, For.AWAY, len(REGIONS), number, 1), who.region[user])
        pages = 1 + np.minimum(PAGES - 1, np.floor(-np.log2(uniform(seed, For.PAGES, number))))
        return Visits(
            number.astype(np.int64), user.astype(np.int32), at_ms.astype(np.int64), intent.astype(np.int16),
            np.where(searches, topic, -1).astype(np.int16), device.astype(np.int16), region.astype(np.int16),
            pages.astype(np.int16), uniform(seed, For.OUTSIDE, number) < OUTSIDE,
            (intent >= 0) & (uniform(seed, For.INTENT, number, -1) < NAVIGATES),
        )  # fmt: skip

    def rates(self, at_ms: int) -> NDArray[np.float64]:
        """Give how often each user who has joined visits at this hour, against the mean over the day.  float64 [U']"""
        here = slice(0, self.users_at(at_ms + HOUR_MS - 1))
        hour = at_ms // HOUR_MS % 24
        bump = [np.exp(-(((hour - peak + 12) % 24 - 12) ** 2) / 18) for peak in (8, 20)]
        share = np.where(self.people.evening[here], 0.2 + 2.6 * bump[1], 0.2 + 2.6 * bump[0])
        return np.asarray(self.people.activity[here] * share, np.float64)

    @property
    def block_hours(self) -> int:
        """Give how many hours of the history are lived through at once: one where many come, six where few do."""
        return next(hours for hours in (1, 2, 3, 6) if hours == 6 or hours * self._visits_per_hour > 200)

    @property
    def visits_per_day(self) -> float:
        """Give how many visits begin in a day, in the mean."""
        return 24 * self._visits_per_hour

    @cached_property
    def _visits_per_hour(self) -> float:
        day = [float(self.rates(self.now_ms // DAY_MS * DAY_MS + hour * HOUR_MS).mean()) for hour in range(24)]
        grown = 1 - min(ARRIVALS * self.days, 0.4) / 2  # users are fewer in the past
        return self.events / EVENTS_PER_VISIT / (24 * self.days * grown * float(np.mean(day)))

    # -- what they like -----------------------------------------------------------------------------------------

    @cached_property
    def _segment_taste(self) -> NDArray[np.float64]:
        return people.segment_taste(self.seed, self.categories)

    @cached_property
    def _daypart(self) -> NDArray[np.float64]:
        return normal(self.seed, For.DAYPART, np.arange(self.categories)[:, None], np.arange(DAYPARTS))

    @cached_property
    def on_device(self) -> NDArray[np.float64]:
        """Give what each device adds to each category.  float64 [K, devices]"""
        return normal(self.seed, For.DEVICE, np.arange(self.categories)[:, None], np.arange(len(DEVICES)), 2)

    def liking(self, user: NDArray[np.int64], at_ms: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give how much each user cares for each category at a time.  float64 [V, K]"""
        every = np.broadcast_to(np.arange(self.categories), (len(user), self.categories))
        return self.taste(user[:, None], every, at_ms[:, None]) + self.season(every, at_ms[:, None])

    def taste(
        self, user: NDArray[np.integer], category: NDArray[np.integer], at_ms: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Give how much users care for categories, pair by pair; -1 is no category and gives 0."""
        who, weight = self.people, self.weights
        found = weight.segment * self._segment_taste[who.segment[user], category]
        for place in range(FAVOURITES):
            found = found + weight.loved[place] * (who.loved[user, place] == category)
        found += weight.passing * (self.passing(user, at_ms) == category)
        found += weight.avoided * (who.avoided[user] == category[..., None]).any(axis=-1)
        return np.where(category >= 0, found, 0.0)

    def passing(self, user: NDArray[np.integer], at_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the category that each user is taken by for these PASSING_DAYS."""
        phase = uniform(self.seed, For.TASTE, user, 77)
        return whole(self.seed, For.TASTE, self.categories, user, np.floor(at_ms / DAY_MS / PASSING_DAYS + phase), 78)

    def liked_topic(self, user: NDArray[np.integer], category: NDArray[np.integer]) -> NDArray[np.int64]:
        """Give the topic that each user likes in a category."""
        return whole(self.seed, For.LIKED_TOPIC, TOPICS_EACH, user, category)

    def season(self, category: NDArray[np.integer], at_ms: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give what the time of day and the weeks add to each category."""
        weight, part = self.weights, at_ms // (6 * HOUR_MS) % DAYPARTS
        turn = uniform(self.seed, For.HOT, category, 5) + at_ms / DAY_MS / (
            20 + 40 * uniform(self.seed, For.HOT, category, 6)
        )
        return np.asarray(weight.daypart * self._daypart[category, part] + weight.tide * np.sin(2 * np.pi * turn))

    # -- what becomes hot ---------------------------------------------------------------------------------------

    @cached_property
    def _heat(self) -> dict[int, NDArray[np.float32]]:
        return {}

    def heat(self, hour: int) -> NDArray[np.float32]:
        """Give what being hot adds to each item in an hour (since 1970).  float32 [N]"""
        if hour not in self._heat:
            if len(self._heat) > 48:
                self._heat.clear()
            self._heat[hour] = self._heated(hour)
        return self._heat[hour]

    def _heated(self, hour: int) -> NDArray[np.float32]:
        found, every = np.zeros(len(self.goods)), np.arange(len(self.goods))
        period = hour // HOT_EVERY_H
        for back in range(24 // HOT_EVERY_H):
            begun = (period - back) * HOT_EVERY_H
            chosen = uniform(self.seed, For.HOT, period - back, every) < HOT_SHARE
            found[chosen] += self.weights.hot * 0.5 ** ((hour - begun) / HOT_HALF_LIFE_H)
        for push in self.pushed:
            age = hour - push.at_ms // HOUR_MS
            if 0 <= age < 48:
                found[push.item] += 3 * self.weights.hot * 0.5 ** (age / (3 * HOT_HALF_LIFE_H))
        found[self.items_at((hour + 1) * HOUR_MS) :] = 0
        return found.astype(np.float32)
