"""Who lives in the simulated world? Users whose tastes are known, and lean on age, gender and place as in life."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foryou.domain.records import UserChange
from foryou.simulate.draws import For, gumbel, normal, uniform, whole
from foryou.simulate.goods import STYLE
from foryou.simulate.words import BRANDS, BRANDS_EACH, DEVICES, GENDERS, REGIONS

FAVOURITES = 2  # categories that a user loves for good, the dearest first
AVOIDED = 2  # categories that a user does not want to see
_AGE_ENDS = (25, 40, 60, 80)  # of the four age groups; the youngest are 16
_GENDER_SHARES = (0.48, 0.96)  # F, M, and the rest does not say
_CHUNK = 100_000  # users whose categories are ranked at a time


@dataclass(frozen=True, slots=True)
class People:
    """All users that there will ever be, in the order of their numbers 0..U-1; those who join later come last.

    age, gender, region  int16 [U]              segment    int16 [U] age group and gender
    loved     int16 [U, FAVOURITES]             avoided    int16 [U, AVOIDED]  categories
    brand     int16 [U, FAVOURITES] of each loved category
    level     float32 [U] price that suits, as Goods.level     budget  float32 [U] how much the price matters
    style     float32 [U, S]                    activity   float32 [U] mean 1, few visit often
    evening   bool [U] visits in the evening rather than in the morning
    device    int16 [U] the usual one           joined_ms  int64 [U]
    """

    seed: int
    age: NDArray[np.int16]
    gender: NDArray[np.int16]
    region: NDArray[np.int16]
    segment: NDArray[np.int16]
    loved: NDArray[np.int16]
    avoided: NDArray[np.int16]
    brand: NDArray[np.int16]
    level: NDArray[np.float32]
    budget: NDArray[np.float32]
    style: NDArray[np.float32]
    activity: NDArray[np.float32]
    evening: NDArray[np.bool_]
    device: NDArray[np.int16]
    joined_ms: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.age)

    def change(self, user: int) -> UserChange:
        """Give the profile as it would be told: tastes are not."""
        return UserChange(
            user_id=user_id(user), op="put", age=int(self.age[user]), gender=GENDERS[self.gender[user]],
            location=REGIONS[self.region[user]], received_ms=int(self.joined_ms[user]),
        )  # fmt: skip


def user_id(user: int) -> str:
    """Give the outside name of a user."""
    return f"user-{user + 1}"


def segment_taste(seed: int, categories: int) -> NDArray[np.float64]:
    """Give how much people of one age group and gender care for each category.  float64 [12, K]"""
    segments = np.arange(len(_AGE_ENDS) * len(GENDERS))
    return 0.6 * normal(seed, For.SEGMENT, segments[:, None], np.arange(categories))


def made(seed: int, categories: int, joined_ms: NDArray[np.int64]) -> People:
    """Make one user for each time of joining."""
    n = np.arange(len(joined_ms))
    group = whole(seed, For.PEOPLE, len(_AGE_ENDS), n)
    low, high = np.array((16, *_AGE_ENDS[:-1]))[group], np.array(_AGE_ENDS)[group]
    gender = np.searchsorted(_GENDER_SHARES, uniform(seed, For.PEOPLE, n, 1))
    segment = group * len(GENDERS) + gender
    ranked = _ranked(seed, categories, segment)
    loved = ranked[:, :FAVOURITES]
    brand = (5 * loved + whole(seed, For.BRAND, BRANDS_EACH, n[:, None], np.arange(FAVOURITES), 9)) % len(BRANDS)
    device = np.searchsorted((0.6, 0.9), uniform(seed, For.DEVICE, n))
    assert device.max(initial=0) < len(DEVICES)
    return People(
        seed=seed, age=(low + uniform(seed, For.PEOPLE, n, 2) * (high - low)).astype(np.int16),
        gender=gender.astype(np.int16), region=whole(seed, For.PEOPLE, len(REGIONS), n, 3).astype(np.int16),
        segment=segment.astype(np.int16), loved=loved, avoided=ranked[:, -AVOIDED:], brand=brand.astype(np.int16),
        level=(0.5 * normal(seed, For.LEVEL, n)).astype(np.float32),
        budget=(1.5 * uniform(seed, For.BUDGET, n)).astype(np.float32),
        style=normal(seed, For.STYLE, n[:, None], np.arange(STYLE), 5).astype(np.float32),
        activity=np.exp(0.9 * normal(seed, For.ACTIVITY, n) - 0.9**2 / 2).astype(np.float32),
        evening=uniform(seed, For.ACTIVITY, n, 3) < 0.6, device=device.astype(np.int16), joined_ms=joined_ms,
    )  # fmt: skip


def _ranked(seed: int, categories: int, segment: NDArray[np.int64]) -> NDArray[np.int16]:
    """Give each user's categories, the dearest first: drawn by what the user's like care for.  int16 [U, K]"""
    taste, found = segment_taste(seed, categories), np.empty((len(segment), categories), np.int16)
    for start in range(0, len(segment), _CHUNK):
        rows = slice(start, start + _CHUNK)
        n = np.arange(start, start + len(segment[rows]))
        liking = 1.5 * taste[segment[rows]] + gumbel(seed, For.TASTE, n[:, None], np.arange(categories))
        found[rows] = np.argsort(-liking, axis=1, kind="stable")
    return found
