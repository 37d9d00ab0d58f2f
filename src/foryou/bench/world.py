"""What is live knowledge worth, and what becomes of the new? Figures of arms that lived through a simulated world.

Every figure says in `definitions` what it counts. Clicks are drawn by the true appeal; `expected` figures replace the
draw by its chance, which takes the luck of the draw out of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.config import Config
from foryou.domain.clock import DAY_MS
from foryou.domain.event import hash64
from foryou.simulate.appeal import appeal, examined
from foryou.simulate.market import Market, Visits
from foryou.simulate.shopping import Life
from foryou.train.metrics import interval, paired_bootstrap
from foryou.wiring.lived import ARMS, DAILY, FROZEN, LIVE, Asked, Trial, days, prepared

LENGTH = 12  # items of a list, as many as the shop of the history showed
SAMPLE = 400  # visits for which every item's appeal is worked out
BINS = 5  # of items by their mean appeal
RESAMPLES = 1_000
DEFINITIONS = {
    "ctr": "clicks per item shown; the interval resamples users",
    "lift": "clicks of the first arm over those of the second on the same visits, each user living in both; "
    "users resampled together",
    "lift_expected": "the same with the true chance of each click in place of the click",
    "lift_bucketed": "as an A/B test in life would see it: half of the users from either arm, by a hash of their id",
    "references": "expected clicks per item shown of other lists on a sample of the same visits: the best by true "
    "appeal, the most clicked of the last week, random ones; items that can be had only",
    "cold_start": "lists for users without any action on an item so far. covered: full length, no part of the "
    "pipeline missing; personal: another list than a nameless visitor would have got at that moment",
    "new_items": "items published after the training. ctr_ratio: their CTR over that of older items of the same mean "
    "appeal (over all visitors), so it falls where new items reach the wrong people; exposure_ratio: times shown per "
    "item and day over that of older items of the same mean appeal",
    "favourites": "share of shown items whose first category is one of the two lasting favourites of their user, "
    "for users with actions; chance: the share of the catalog; best: that of the lists best by true appeal",
    "categories_per_list": "different first categories in a list of 12",
}


@dataclass(slots=True)
class Rows:
    """What one arm showed, Q lists of k places: item int32 [Q, k] (-1 = empty), the others alike or [Q]."""

    item: NDArray[np.int32]
    appeal: NDArray[np.float32]
    clicked: NDArray[np.bool_]
    bought: NDArray[np.bool_]
    user: NDArray[np.int32]
    at_ms: NDArray[np.int64]
    cold: NDArray[np.bool_]
    personal: NDArray[np.int8]
    whole: NDArray[np.bool_]

    @property
    def clicks(self) -> NDArray[np.float64]:
        """Give the clicks of each list.  float64 [Q]"""
        return np.asarray(self.clicked.sum(axis=1), np.float64)

    @property
    def expected(self) -> NDArray[np.float64]:
        """Give the clicks that each list would get on average.  float64 [Q]"""
        return np.asarray(self.appeal @ examined(self.item.shape[1]), np.float64)

    @property
    def shown(self) -> NDArray[np.float64]:
        """Give the items of each list.  float64 [Q]"""
        return np.asarray((self.item >= 0).sum(axis=1), np.float64)

    def where(self, rows: NDArray[np.bool_]) -> "Rows":
        """Give some of the lists."""
        return Rows(*(getattr(self, name)[rows] for name in Rows.__slots__))


def rows_of(parts: list[Asked]) -> Rows:
    """Put the batches of one arm together."""
    return Rows(
        item=np.concatenate([one.page.item for one in parts]),
        appeal=np.concatenate([one.response.appeal for one in parts]),
        clicked=np.concatenate([one.response.clicked for one in parts]),
        bought=np.concatenate([one.response.bought for one in parts]),
        user=np.concatenate([one.page.visits.user for one in parts]),
        at_ms=np.concatenate([one.page.at_ms for one in parts]),
        cold=np.array([cold for one in parts for cold in one.cold]),
        personal=np.array([personal for one in parts for personal in one.personal], np.int8),
        whole=np.array([
            len(answer.items) == one.page.item.shape[1] and set(answer.degraded) <= {"unknown_user"}
            for one in parts for answer in one.answers
        ]),
    )  # fmt: skip


@dataclass(slots=True)
class References:
    """Expected clicks per item shown of lists that nobody showed, on a sample of visits."""

    market: Market
    life: Life
    k: int
    every: int
    seen: int = 0
    found: dict[str, list[float]] = field(default_factory=lambda: {"best": [], "popular": [], "random": []})
    favourite: list[float] = field(default_factory=list)  # share of favourites in the best lists
    visits: list[Visits] = field(default_factory=list)

    def __call__(self, visits: Visits) -> None:
        """Look at every so manieth visit."""
        place = np.arange(self.seen, self.seen + len(visits))
        self.seen += len(visits)
        some = visits.where(place % self.every == 0)
        if len(some):
            self._look(some)

    def _look(self, visits: Visits) -> None:
        self.visits.append(visits)
        there = np.flatnonzero(self.life.left[: self.market.items_at(int(visits.at_ms[0]))] > 0)
        item = np.tile(there, (len(visits), 1))
        chance = appeal(self.market, visits, item, self.life.clicked.holds(visits.user[:, None] + 0 * item, item))
        weight = examined(self.k) / self.k
        best = np.argsort(-chance, axis=1, kind="stable")[:, : self.k]
        popular = np.argsort(-self.life.clicks[there], kind="stable")[: self.k]
        self.found["best"] += (np.take_along_axis(chance, best, axis=1) @ weight).tolist()
        self.found["popular"] += (chance[:, popular] @ weight).tolist()
        self.found["random"] += (chance.mean(axis=1) * weight.sum()).tolist()
        self.favourite += _favourite(self.market, visits.user, there[best]).mean(axis=1).tolist()


def _favourite(market: Market, user: NDArray[np.int32], item: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Say which items [Q, k] are of a lasting favourite category of the user.  bool [Q, k]"""
    category = market.goods.category[np.maximum(item, 0), 0]
    return np.asarray((market.people.loved[user][:, None, :] == category[..., None]).any(axis=-1) & (item >= 0))


def run(
    config: Config, market: Market, count: int, on_progress: Callable[[str, int, int], None], folder: Path | None = None
) -> dict[str, Any]:
    """Train on the history of a market and live on for `count` days; gives all figures."""
    with TemporaryDirectory(dir=folder) as made:
        trial = prepared(config, market, Path(made), LENGTH, on_progress)
        try:
            return measured(trial, count, on_progress)
        finally:
            trial.close()


def measured(trial: Trial, count: int, on_progress: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Live through the days and give the figures."""
    market = trial.market
    life = next(side.life for side in trial.sides if side.name == LIVE)
    references = References(market, life, LENGTH, max(1, int(2 * count * market.visits_per_day) // SAMPLE))
    parts: dict[str, list[Asked]] = {name: [] for name in ARMS}
    for batch in days(trial, count, on_progress, references):
        for name, one in batch.items():
            parts[name].append(one)
    arms = {name: rows_of(some) for name, some in parts.items()}
    live, newcomers = arms[LIVE], arms[LIVE].user >= market.users_at(market.now_ms)
    return {
        "world": _sizes(trial, count, live),
        "gate": {"verdict": trial.gate.verdict, "reason": trial.gate.reason},
        "arms": {name: _arm(rows, market) for name, rows in arms.items()},
        "lift": {
            f"{LIVE}_vs_{other}": _lifts(live, arms[other]) for other in (FROZEN, DAILY)
        } | {
            "live_vs_frozen_users_known_at_training": _lifts(live.where(~newcomers), arms[FROZEN].where(~newcomers)),
            "live_vs_frozen_users_new_since": _lifts(live.where(newcomers), arms[FROZEN].where(newcomers)),
        },
        "references": {name: float(np.mean(values)) for name, values in references.found.items()},
        "cold_start": _cold(live),
        "new_items": {name: _new_items(rows, market, references.visits, count) for name, rows in arms.items()},
        "favourites": {name: _favourites(rows, market) for name, rows in arms.items()}
        | {"chance": _chance(market), "best": float(np.mean(references.favourite))},
        "definitions": DEFINITIONS,
    }  # fmt: skip


def _sizes(trial: Trial, count: int, live: Rows) -> dict[str, Any]:
    market, settled = trial.market, trial.settled
    return {
        "seed": market.seed, "users": settled.users, "items": settled.items, "history_events": settled.events,
        "history_lists": settled.exposures, "history_days": market.days, "days": count, "lists": len(live.user),
        "visitors": len(np.unique(live.user)), "train_s": trial.train_s,
    }  # fmt: skip


def _arm(rows: Rows, market: Market) -> dict[str, Any]:
    low, high = interval(rows.clicks / np.maximum(rows.shown, 1), rows.user)
    day = (rows.at_ms - market.now_ms) // DAY_MS
    first = market.goods.category[np.maximum(rows.item, 0), 0]
    categories = [len(set(row[there].tolist())) for row, there in zip(first, rows.item >= 0, strict=True)]
    return {
        "lists": len(rows.user), "ctr": float(rows.clicks.sum() / rows.shown.sum()), "ctr_low": low, "ctr_high": high,
        "expected_ctr": float(rows.expected.sum() / rows.shown.sum()),
        "ctr_by_day": [
            float(rows.clicks[day == one].sum() / rows.shown[day == one].sum()) for one in np.unique(day).tolist()
        ],
        "purchases_per_list": float(rows.bought.sum() / len(rows.user)),
        "categories_per_list": float(np.mean(categories)),
    }  # fmt: skip


def _lifts(ours: Rows, theirs: Rows) -> dict[str, Any]:
    if not len(ours.user):
        return {"lists": 0}
    clicks = paired_bootstrap(ours.clicks, theirs.clicks, ours.user)
    expected = paired_bootstrap(ours.expected, theirs.expected, ours.user)
    return {
        "lists": len(ours.user), "lift": clicks.value - 1, "low": clicks.low - 1, "high": clicks.high - 1,
        "lift_expected": expected.value - 1, "expected_low": expected.low - 1, "expected_high": expected.high - 1,
        "lift_bucketed": _bucketed(ours, theirs),
    }  # fmt: skip


def _bucketed(ours: Rows, theirs: Rows) -> dict[str, float]:
    """Give the lift with its interval where half of the users are taken from either arm."""
    first = np.array([hash64(f"bucket:{user}") % 2 == 0 for user in ours.user.tolist()])
    ratio = []
    for rows in (ours.where(first), theirs.where(~first)):
        _, code = np.unique(rows.user, return_inverse=True)
        sums = np.stack([np.bincount(code, rows.clicks), np.bincount(code, rows.shown)])
        if not sums.size:
            return {}
        draws = np.random.default_rng(0).integers(0, sums.shape[1], (RESAMPLES, sums.shape[1]))
        drawn = sums[:, draws].sum(axis=2)
        ratio.append(np.append(drawn[0] / drawn[1], sums[0].sum() / sums[1].sum()))
    lifts = ratio[0] / np.maximum(ratio[1], 1e-9) - 1
    low, high = np.quantile(lifts[:-1], [0.025, 0.975])
    return {"lift": float(lifts[-1]), "low": float(low), "high": float(high)}


def _cold(live: Rows) -> dict[str, float]:
    cold = live.where(live.cold)
    if not len(cold.user):
        return {"lists": 0}
    return {
        "lists": len(cold.user), "covered": float(cold.whole.mean()), "personal": float((cold.personal == 1).mean()),
        "ctr": float(cold.clicks.sum() / max(1.0, cold.shown.sum())),
    }  # fmt: skip


def _favourites(rows: Rows, market: Market) -> float:
    warm = rows.where(~rows.cold)
    return float(_favourite(market, warm.user, warm.item).sum() / max(1.0, warm.shown.sum()))


def _chance(market: Market) -> float:
    category = market.goods.category[: market.items_at(market.now_ms), 0]
    share = np.bincount(category, minlength=market.categories) / len(category)
    return float(share[market.people.loved[: market.users_at(market.now_ms)]].sum(axis=1).mean())


def _new_items(rows: Rows, market: Market, sample: list[Visits], count: int) -> dict[str, float]:
    """Compare items published after the training with older ones of the same mean appeal."""
    last = market.items_at(market.now_ms + count * DAY_MS)
    new = np.arange(last) >= market.items_at(market.now_ms)
    mean = _mean_appeal(market, Visits.together(sample), last)
    edges = np.quantile(mean[new], np.arange(1, BINS) / BINS) if new.any() else np.zeros(0)
    group = np.searchsorted(edges, mean) * 2 + new  # bin and novelty in one number
    there = rows.item >= 0
    user = np.repeat(np.unique(rows.user, return_inverse=True)[1], there.sum(axis=1))
    cell = user * 2 * BINS + group[rows.item[there]]
    size = (int(user.max()) + 1, 2 * BINS)
    shown = np.bincount(cell, minlength=size[0] * size[1]).reshape(size)
    clicks = np.bincount(cell, rows.clicked[there], size[0] * size[1]).reshape(size)
    end_ms = market.now_ms + count * DAY_MS
    on_offer = (end_ms - np.maximum(market.goods.published_ms[:last], market.now_ms)) / DAY_MS
    item_days = np.bincount(group, on_offer, 2 * BINS)
    draws = np.random.default_rng(0).multinomial(size[0], np.full(size[0], 1 / size[0]), RESAMPLES)
    found = _ratios(shown.sum(axis=0)[None], clicks.sum(axis=0)[None], item_days)
    drawn = _ratios(draws @ shown, draws @ clicks, item_days)
    result = {"items": float(new.sum()), "shown": float(shown[:, 1::2].sum())}
    for name in found:
        known = drawn[name][np.isfinite(drawn[name])]
        low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
        result |= {name: float(found[name][0]), f"{name}_low": float(low), f"{name}_high": float(high)}
    return result


def _ratios(shown: NDArray[Any], clicks: NDArray[Any], item_days: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Give CTR and exposure of new items against older ones, as if these lay in the bins as the new ones do.  [R]"""
    with np.errstate(divide="ignore", invalid="ignore"):
        old_ctr = clicks[:, 0::2] / shown[:, 0::2]
        alike = np.nansum(shown[:, 1::2] * old_ctr, axis=1)
        usual = np.nansum(item_days[1::2] * shown[:, 0::2] / item_days[0::2], axis=1)
        return {
            "ctr_ratio": clicks[:, 1::2].sum(axis=1) / alike,
            "exposure_ratio": shown[:, 1::2].sum(axis=1) / usual,
        }


def _mean_appeal(market: Market, visits: Visits, items: int) -> NDArray[np.float64]:
    """Give the mean appeal of each item to these visitors, none of whom knows it.  float64 [items]"""
    total = np.zeros(items)
    for start in range(0, len(visits), 50):
        some = visits.where(np.arange(start, min(len(visits), start + 50)))
        item = np.tile(np.arange(items), (len(some), 1))
        total += appeal(market, some, item, np.zeros(item.shape, np.bool_)).sum(axis=0)
    return total / max(1, len(visits))
