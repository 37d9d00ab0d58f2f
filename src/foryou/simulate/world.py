"""What if there is no data? A small world whose users have tastes that are known, so that an answer can be judged."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from foryou.domain.clock import DAY_MS
from foryou.domain.errors import Invalid
from foryou.domain.event import Action, Event
from foryou.domain.item import ItemChange
from foryou.domain.records import UserChange

CATEGORIES = (
    "Books", "Music", "Kitchen", "Garden", "Sports", "Toys", "Travel", "Tools", "Fashion", "Pets", "Games", "Art",
)  # fmt: skip
FAVOURITES = 2  # categories that a user likes
LIKED_SHARE = 0.85  # of a user's ratings that go to them
NEWEST_MS = 3 * 60_000  # the last event is this much older than now
_STYLES = ("Blue", "Quiet", "Golden", "Little", "Northern", "Wild", "Paper", "Velvet")
_STARS_LIKED = (0.0, 0.0, 0.1, 0.35, 0.55)  # chances of 1..5 stars
_STARS_OTHER = (0.35, 0.35, 0.2, 0.1, 0.0)
_AGES = (16, 80)  # years, the last one excluded


@dataclass(frozen=True)
class World:
    """A generated data set that is read like the files of one (`ingest.importers.Layout`); equal by seed.

    `now_ms` is the present of the world, `days` how far its events reach back.
    Raises Invalid for sizes that make no world, such as more events than users times items.
    """

    now_ms: int
    users: int = 300
    items: int = 600
    events: int = 12_000
    categories: int = len(CATEGORIES)
    days: int = 60
    seed: int = 7

    def __post_init__(self) -> None:
        """Check the sizes."""
        least = {"users": 1, "items": self.categories, "events": 0, "categories": FAVOURITES, "days": 1}
        most = {"events": self.users * self.items, "categories": len(CATEGORIES)}
        for field, low in least.items():
            value, high = getattr(self, field), most.get(field)
            if value < low or (high is not None and value > high):
                limit = f"{low:,} or more" if high is None else f"{low:,}..{high:,}"
                raise Invalid(field, f"a world cannot have {value:,} of them", f"give {limit}")

    @property
    def name(self) -> str:
        """Give the name of the layout."""
        return "simulated"

    def tastes(self) -> dict[str, tuple[str, ...]]:
        """Give the truth: the favourite categories of each user."""
        return {_user_id(user): tuple(CATEGORIES[place] for place in row) for user, row in enumerate(self._favourites)}

    def read(self) -> Iterator[ItemChange | UserChange | Event]:
        """Give all items, then all users, then all events in the order of time."""
        yield from self._item_changes()
        yield from self._user_changes()
        yield from self._events()

    def _draw(self, part: int) -> np.random.Generator:
        """Give the random numbers of one part, so that the others stay as they are when it changes."""
        return np.random.default_rng((self.seed, part))

    @cached_property
    def _favourites(self) -> NDArray[np.int64]:
        """Give the favourite categories.  int64 [users, FAVOURITES]"""
        every = np.tile(np.arange(self.categories), (self.users, 1))
        return self._draw(0).permuted(every, axis=1)[:, :FAVOURITES]

    @cached_property
    def _category(self) -> NDArray[np.int64]:
        """Give the first category of each item; all have about as many items.  int64 [items]"""
        return self._draw(1).permutation(np.arange(self.items) % self.categories)

    def _item_changes(self) -> Iterator[ItemChange]:
        draw = self._draw(2)
        usual_price = draw.uniform(5, 200, self.categories)
        for item, category in enumerate(self._category.tolist()):
            also = int(draw.integers(self.categories)) if draw.random() < 0.3 else category
            names = tuple(dict.fromkeys((CATEGORIES[category], CATEGORIES[also])))
            title = f"{_STYLES[int(draw.integers(len(_STYLES)))]} {names[0]} {item + 1}"
            days_ago = self.days + 1 + int(draw.integers(700))
            yield ItemChange(
                item_id=_item_id(item), op="put", title=title, text=" ".join((title, *names[1:])), categories=names,
                price=round(float(usual_price[category] * draw.lognormal(0, 0.4)), 2),
                published_ms=self.now_ms - days_ago * DAY_MS,
            )  # fmt: skip

    def _user_changes(self) -> Iterator[UserChange]:
        draw = self._draw(3)
        for user in range(self.users):
            age, gender = int(draw.integers(*_AGES)), "FM"[int(draw.integers(2))]
            yield UserChange(user_id=_user_id(user), op="put", age=age, gender=gender)

    def _events(self) -> list[Event]:
        draw = self._draw(4)
        age_ms = NEWEST_MS + draw.integers(0, self.days * DAY_MS, self.events)
        age_ms[:1] = NEWEST_MS
        weight = 1 / draw.permutation(np.arange(1, self.items + 1)) ** 0.7  # few items are popular
        events: list[Event] = []
        for user in range(self.users):
            count = self.events // self.users + (user < self.events % self.users)
            for item, stars in self._ratings(draw, user, count, weight):
                events.append(self._event(user, item, stars, int(age_ms[len(events)])))
        return sorted(events, key=lambda event: (event.at_ms, event.user_id, event.item_id))

    def _ratings(
        self, draw: np.random.Generator, user: int, count: int, weight: NDArray[np.float64]
    ) -> list[tuple[int, int]]:
        """Give `count` different items that the user rates, with stars: most are favourites, and those are liked."""
        liked = np.isin(self._category, self._favourites[user])
        favourites, others = np.flatnonzero(liked), np.flatnonzero(~liked)
        many = max(min(round(LIKED_SHARE * count), len(favourites)), count - len(others))
        ratings: list[tuple[int, int]] = []
        for pool, size, chance in ((favourites, many, _STARS_LIKED), (others, count - many, _STARS_OTHER)):
            if size:
                item = draw.choice(pool, size, replace=False, p=weight[pool] / weight[pool].sum())
                stars = draw.choice(5, size, p=chance) + 1
                ratings += zip(item.tolist(), stars.tolist(), strict=True)
        return ratings

    def _event(self, user: int, item: int, stars: int, age_ms: int) -> Event:
        said = f"{self.name}\0{self.seed}\0{user}\0{item}\0{stars}\0{age_ms}"
        at_ms = self.now_ms - age_ms
        return Event(
            event_id=blake2b(said.encode(), digest_size=16).hexdigest(), user_id=_user_id(user), item_id=_item_id(item),
            action=Action.RATING, at_ms=at_ms, received_ms=at_ms, value=float(stars), unit="stars",
        )  # fmt: skip


def _user_id(user: int) -> str:
    return f"user-{user + 1}"


def _item_id(item: int) -> str:
    return f"item-{item + 1}"
