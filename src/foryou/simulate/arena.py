"""Where is exploration judged? Small lists of candidates whose true appeal is known, day after day, with new items.

Fixed before any policy was tuned on it. What a ranker knows of a pair is its score; what only trying shows is the
quality of an item, which nobody is told, and how each variant of an item strikes each segment of the users. Rounds are
the same for every policy: equal fields, equal world.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BASE = -3.0  # log odds of a click by who looks at an item of middling appeal: 4.7 %
TASTE, WIDTH = 0.8, 4  # deviation of what a ranker can know of a pair, and the width of tastes
QUALITY = 0.8  # deviation of what nobody is told of an item
PRIVATE = 0.5  # deviation of what cannot be known of a pair
ERROR, ERROR_NEW = 0.4, 0.8  # deviation of the ranker's error on a pair, of items of the start and of newer ones
TURNS = 0.02  # of the items get another quality each day
LOOKED = 0.25  # chance that the explored place, the tenth, is looked at: 10^-0.6
VARIANTS, SEGMENTS = 3, 4
STRIKING = 0.6  # deviation of what a variant adds for a segment
NEW_DAYS = 3  # days in which a new item must get its impressions


@dataclass(frozen=True, slots=True)
class Round:
    """Lists shown before anybody's answer to them is heard, n at once, with p candidates each.

    item     int32 [n, p] candidates, each once     score  float64 [n, p] log odds as the ranker sees them
    odds     float64 [n, p] the true ones, without variants          luck  float64 [n, p] below the chance = clicked
    segment  int32 [n] of the user          day  int
    """

    item: NDArray[np.int32]
    score: Floats
    odds: Floats
    luck: Floats
    segment: NDArray[np.int32]
    day: int

    def chance(self) -> Floats:
        """Give the true chance of a click on each candidate in the explored place.  float64 [n, p]"""
        return np.asarray(LOOKED / (1 + np.exp(-self.odds)))


@dataclass(frozen=True)
class Arena:
    """The world. Items are numbered from 0; those from `items` on come `arrivals` a day, at the start of a day.

    lists  a day, `together` of them in a round          pool  candidates of a list
    """

    seed: int
    items: int = 300
    arrivals: int = 3
    days: int = 30
    lists: int = 1_000
    together: int = 20
    pool: int = 40

    @property
    def all_items(self) -> int:
        """Give how many items there are at the end."""
        return self.items + self.arrivals * self.days

    def there(self, day: int) -> int:
        """Give how many items there are on a day; they are the first ones."""
        return self.items + self.arrivals * (day + 1)

    def born(self) -> NDArray[np.int64]:
        """Give the day on which each item came, -1 = before the start.  int64 [items]"""
        return np.maximum(-1, (np.arange(self.all_items) - self.items) // self.arrivals)

    @cached_property
    def quality(self) -> Floats:
        """Give what nobody is told: float64 [days, items]."""
        random = np.random.default_rng((self.seed, 1))
        found = np.empty((self.days, self.all_items))
        found[0] = QUALITY * random.normal(size=self.all_items)
        for day in range(1, self.days):
            turned = random.random(self.all_items) < TURNS
            found[day] = np.where(turned, QUALITY * random.normal(size=self.all_items), found[day - 1])
        return found

    @cached_property
    def striking(self) -> Floats:
        """Give what each variant adds to the log odds for each segment: float64 [items, VARIANTS, SEGMENTS]."""
        random = np.random.default_rng((self.seed, 2))
        return np.asarray(STRIKING * random.normal(size=(self.all_items, VARIANTS, SEGMENTS)))

    @cached_property
    def _tastes(self) -> Floats:
        return np.random.default_rng((self.seed, 3)).normal(size=(self.all_items, WIDTH))

    def rounds_per_day(self) -> int:
        """Give the number of rounds of a day."""
        return self.lists // self.together

    def round(self, day: int, number: int) -> Round:
        """Give the round of that number of a day."""
        random = np.random.default_rng((self.seed, 4, day, number))
        n, there = self.together, self.there(day)
        item = np.argsort(random.random((n, there)), axis=1)[:, : self.pool].astype(np.int32)
        user = random.normal(size=(n, WIDTH))
        known = BASE + TASTE / np.sqrt(WIDTH) * np.einsum("nw,npw->np", user, self._tastes[item])
        error = np.where(item < self.items, ERROR, ERROR_NEW) * random.normal(size=item.shape)
        odds = known + self.quality[day][item] + PRIVATE * random.normal(size=item.shape)
        luck, segment = random.random(item.shape), random.integers(0, SEGMENTS, n).astype(np.int32)
        return Round(item, known + error, odds, luck, segment, day)
