"""What is there to be found in the simulated world? Items with categories, topic, brand, price, quality and style."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foryou.domain.item import ItemChange
from foryou.simulate.draws import For, mixed, normal, uniform, whole
from foryou.simulate.words import BRANDS, BRANDS_EACH, CATEGORIES, REGIONS, STYLES, TOPICS_EACH, WORDS

STYLE = 6  # S: width of the style that words do not tell
SECOND_SHARE = 0.3  # of the items have a second category
LOCAL_SHARE = 0.1  # of the items are of use in one region only
BAIT_SHARE = 0.05  # of the items promise more than they keep
OLDEST_DAYS = 700
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Goods:
    """All items that there will ever be, in the order of their numbers 0..N-1; those published later come last.

    category  int16 [N, 2], -1 = no second one    topic   int16 [N] of the first category
    brand     int16 [N]                           price   float32 [N]
    level     float32 [N] log of the price against what is usual in the category
    quality   float32 [N] what nobody can tell before it was seen: mean 0, deviation 1
    bait      float32 [N] what draws clicks and then disappoints
    style     float32 [N, S]                      region  int16 [N], -1 = everywhere
    stock     int32 [N] pieces after each delivery
    published_ms int64 [N]
    """

    seed: int
    category: NDArray[np.int16]
    topic: NDArray[np.int16]
    brand: NDArray[np.int16]
    price: NDArray[np.float32]
    level: NDArray[np.float32]
    quality: NDArray[np.float32]
    bait: NDArray[np.float32]
    style: NDArray[np.float32]
    region: NDArray[np.int16]
    stock: NDArray[np.int32]
    published_ms: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.category)

    def change(self, item: int) -> ItemChange:
        """Give the item as its owner describes it: quality, bait and style are not told."""
        first, second = self.category[item].tolist()
        topic, said = WORDS[first][self.topic[item]], int(mixed(self.seed, For.TITLE, item))
        names = (CATEGORIES[first],) if second < 0 else (CATEGORIES[first], CATEGORIES[second])
        two = topic[said % len(topic)], topic[(said // 7 + 1) % len(topic)]
        brand, region = BRANDS[self.brand[item]], int(self.region[item])
        title = f"{STYLES[said // 64 % len(STYLES)]} {two[0]} {brand} {item + 1}"
        place = f" in {REGIONS[region]}" if region >= 0 else ""
        return ItemChange(
            item_id=item_id(item), op="put", title=title, categories=names, brand=brand,
            text=f"{title}: {' and '.join(dict.fromkeys(two))} for {names[-1].lower()}{place}",
            attributes={"region": REGIONS[region]} if region >= 0 else {}, tags=tuple(dict.fromkeys(two)),
            price=round(float(self.price[item]), 2), published_ms=int(self.published_ms[item]),
            received_ms=int(self.published_ms[item]),
        )  # fmt: skip


def item_id(item: int) -> str:
    """Give the outside name of an item."""
    return f"item-{item + 1}"


def item_number(name: str) -> int:
    """Give the number of an outside name, -1 where it is not of this world."""
    number = name.removeprefix("item-")
    return int(number) - 1 if name.startswith("item-") and number.isdecimal() else -1


def made(seed: int, categories: int, published_ms: NDArray[np.int64], pieces: float) -> Goods:
    """Make one item for each time of publishing; `pieces` are delivered of a typical one."""
    n = np.arange(len(published_ms))
    first = whole(seed, For.CATEGORY, categories, n)
    other = (first + 1 + whole(seed, For.SECOND, categories - 1, n)) % categories
    second = np.where(uniform(seed, For.SECOND, n, 1) < SECOND_SHARE, other, -1)
    topic = whole(seed, For.TOPIC, TOPICS_EACH, n)
    brand = (5 * first + whole(seed, For.BRAND, BRANDS_EACH, n)) % len(BRANDS)
    usual = np.exp(np.log(8) + np.log(25) * uniform(seed, For.PRICE, np.arange(categories)))
    noble = 0.5 * normal(seed, For.PRICE, np.arange(len(BRANDS)), 1)
    level = noble[brand] + 0.35 * normal(seed, For.PRICE, n, 2)
    local = uniform(seed, For.REGION, n) < LOCAL_SHARE
    dimension = np.arange(STYLE)
    centre = normal(seed, For.CENTRE, np.arange(categories * TOPICS_EACH)[:, None], dimension)
    own = normal(seed, For.STYLE, n[:, None], dimension)
    return Goods(
        seed=seed, category=np.stack([first, second], axis=1).astype(np.int16), topic=topic.astype(np.int16),
        brand=brand.astype(np.int16), price=(usual[first] * np.exp(level)).astype(np.float32),
        level=level.astype(np.float32), quality=normal(seed, For.QUALITY, n).astype(np.float32),
        bait=np.where(uniform(seed, For.BAIT, n) < BAIT_SHARE, 1.5, 0).astype(np.float32),
        style=(0.6 * centre[first * TOPICS_EACH + topic] + 0.8 * own).astype(np.float32),
        region=np.where(local, whole(seed, For.REGION, len(REGIONS), n, 1), -1).astype(np.int16),
        stock=(1 + np.exp(normal(seed, For.STOCK, n)) * pieces).astype(np.int32), published_ms=published_ms,
    )  # fmt: skip


def published(seed: int, count: int, before: int, start_ms: int, every_ms: float) -> NDArray[np.int64]:
    """Give when each item appears: `before` of them up to two years before the start, the others one by one after."""
    old = np.sort(uniform(seed, For.PUBLISHED, np.arange(before)))
    past = start_ms - ((1 - old) * OLDEST_DAYS * DAY_MS).astype(np.int64)
    return np.concatenate([past, start_ms + ((1 + np.arange(count - before)) * every_ms).astype(np.int64)])
