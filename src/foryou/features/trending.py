"""What is hot right now? Hourly counters become one decayed number per item."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.domain.catalog import LISTED, Catalog
from foryou.domain.clock import DAY_MS, HOUR_MS
from foryou.domain.records import Firsts, Trending
from foryou.domain.slate import View

HALF_LIFE_H = 12.0
FIRSTS_HALF_LIFE_DAYS = 14.0
WINDOW_H = 24
TOP = 200
NEW_DAYS = 90  # an item published earlier is not new for any placement
NEWEST = 1_000  # new items kept in a view


def view(catalog: Catalog, trending: Trending, now_ms: int, half_life_h: float = HALF_LIFE_H) -> View:
    """Give what is known of items and trends at this moment; counters older than 24 h count nothing."""
    scores, top = decayed(catalog, trending, now_ms, half_life_h)
    welcome, begun = begun_with(catalog, trending.firsts, now_ms)
    return View(
        catalog, scores, top, dict(trending.position), now_ms, newest(catalog, now_ms), welcome=welcome,
        welcome_top=begun,
    )  # fmt: skip


def begun_with(catalog: Catalog, firsts: Firsts, now_ms: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Give Σ count · 2^(-age / 14 days) of what newcomers began with, float32 [N+1], and the best items in order."""
    age = now_ms // DAY_MS - firsts.day
    past = age >= 0
    return _summed(catalog, firsts.item[past], firsts.count[past], firsts.day[past], age[past] / FIRSTS_HALF_LIFE_DAYS)


def newest(catalog: Catalog, now_ms: int) -> NDArray[np.int32]:
    """Give the items that were published in the last NEW_DAYS and are available, newest first.  int32 [<= NEWEST]"""
    since, listed = now_ms - NEW_DAYS * DAY_MS, catalog.newest_first
    some = _shown_since(catalog, listed, since, now_ms)
    if len(some) >= NEWEST or len(listed) < LISTED or catalog.created_ms[listed[-1]] <= since:
        return some[:NEWEST]
    created = catalog.created_ms  # too many of those listed are sold out, or are not published yet
    new = np.flatnonzero((created > since) & (created <= now_ms) & catalog.available)
    if len(new) > NEWEST:
        new = new[np.argpartition(-created[new], NEWEST)[:NEWEST]]
    return new[np.lexsort((new, -created[new]))].astype(np.int32)


def _shown_since(catalog: Catalog, item: NDArray[np.int32], since_ms: int, now_ms: int) -> NDArray[np.int32]:
    created = catalog.created_ms[item]
    return item[(created > since_ms) & (created <= now_ms) & catalog.available[item]]


def decayed(
    catalog: Catalog, trending: Trending, now_ms: int, half_life_h: float
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Give Σ count · 2^(-age / half-life) per item, float32 [N+1], and the best items in order, int32 [n]."""
    age = now_ms // HOUR_MS - trending.hour
    recent = (age >= 0) & (age <= WINDOW_H)
    count, hour = trending.count[recent] / 100, trending.hour[recent]
    return _summed(catalog, trending.item[recent], count, hour, age[recent] / half_life_h)


def _summed(
    catalog: Catalog, item: NDArray[np.uint64], count: NDArray[Any], bucket: NDArray[np.int32], halvings: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    number = catalog.numbers(item)
    weight = count * np.exp2(-halvings)
    order = np.lexsort((bucket, number))  # a fixed order of summation: equal counters, equal bits
    touched, place = np.unique(number[order], return_inverse=True)
    sums = np.zeros(len(touched), np.float64)
    np.add.at(sums, place, weight[order])
    sums[touched == 0] = 0
    scores = np.zeros(len(catalog) + 1, np.float32)  # pages that nobody writes to take no memory
    scores[touched] = sums
    best = np.argsort(-sums, kind="stable")[:TOP]
    return scores, touched[best[sums[best] > 0]].astype(np.int32)
