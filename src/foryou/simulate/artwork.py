"""Where are variants of items judged? Lists whose items can be shown with one picture or another, to users of segments.

Fixed before any policy was tuned on it. What a variant adds to the appeal of its item is partly the same for everybody,
partly of the segment; nobody is told either. Rounds are the same for every policy: equal fields, equal world.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BASE = -2.2  # log odds of a click by who looks at an item of middling appeal: 10 %
QUALITY, PRIVATE = 0.6, 0.5  # deviation of an item's own appeal, and of what cannot be known of a pair
ERROR = 0.4  # deviation of the ranker's error on a pair
VARIANTS = 3
FOR_ALL, FOR_SOME = 0.3, 0.5  # deviation of what a variant adds for everybody, and for one segment
SEGMENTS = (0.4, 0.25, 0.15, 0.1, 0.06, 0.04)  # shares of the users
POPULARITY = 0.8  # exponent by which an item is shown the less, the later it stands
EXAMINATION = 0.6  # a place r = 0, 1, … is looked at with chance (1 + r)^-0.6


@dataclass(frozen=True, slots=True)
class Shows:
    """Lists shown before anybody's answer to them is heard, n at once, of k items each.

    item     int32 [n, k]          segment  int32 [n] of the user
    expected float64 [n, k] chance of a click at its place as the ranker sees it, whatever the variant
    chance   float64 [n, k, VARIANTS] the true one with each variant     luck float64 [n, k] below the chance = clicked
    """

    item: NDArray[np.int32]
    segment: NDArray[np.int32]
    expected: Floats
    chance: Floats
    luck: Floats


@dataclass(frozen=True)
class Gallery:
    """The world: lists a day, `together` of them in a round, `length` items in each."""

    seed: int
    items: int = 100
    days: int = 30
    lists: int = 1_000
    together: int = 20
    length: int = 10

    @cached_property
    def added(self) -> Floats:
        """Give what each variant adds to the log odds for each segment: float64 [items, VARIANTS, segments]."""
        random = np.random.default_rng((self.seed, 1))
        everybody = FOR_ALL * random.normal(size=(self.items, VARIANTS, 1))
        return np.asarray(everybody + FOR_SOME * random.normal(size=(self.items, VARIANTS, len(SEGMENTS))))

    @cached_property
    def _quality(self) -> Floats:
        return np.asarray(QUALITY * np.random.default_rng((self.seed, 2)).normal(size=self.items))

    def rounds_per_day(self) -> int:
        """Give the number of rounds of a day."""
        return self.lists // self.together

    def round(self, day: int, number: int) -> Shows:
        """Give the round of that number of a day."""
        random = np.random.default_rng((self.seed, 3, day, number))
        n, shape = self.together, (self.together, self.length)
        share = np.arange(1, self.items + 1) ** -POPULARITY
        drawn = np.log(share) + random.gumbel(size=(n, self.items))
        item = np.argsort(-drawn, axis=1)[:, : self.length].astype(np.int32)
        segment = random.choice(len(SEGMENTS), n, p=SEGMENTS).astype(np.int32)
        odds = BASE + self._quality[item] + PRIVATE * random.normal(size=shape)
        seen = BASE + self._quality[item] + ERROR * random.normal(size=shape)
        looked = (1.0 + np.arange(self.length)) ** -EXAMINATION
        with_each = odds[:, :, None] + self.added[item, :, segment[:, None]]
        expected, chance = looked / (1 + np.exp(-seen)), looked[:, None] / (1 + np.exp(-with_each))
        return Shows(item, segment, expected, chance, random.random(shape))
