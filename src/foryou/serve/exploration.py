"""Which items are tried, and who is due to be shown? Chances from what trying has shown so far, never certainties."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.clock import DAY_MS
from foryou.domain.slate import QueryBatch, Slate, View
from foryou.domain.tried import Pacer, urgency

TEMPER = 0.5  # of the posterior's deviation: with so many candidates the whole of it tries too much
FLOOR = 0.02  # of the chance is the same for all that may be tried, so that none is ever without
LEAD = 0.7  # of the days, after which a new item should have all its impressions: what is left then can be made up
FIT = 2.0  # how much more urgent what is due becomes per deviation that an item fits better
DUE_PLACES = 10  # candidates that are due, per query
Odds = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # scores -> log odds of a click


class Due:
    """New items that have not had their impressions yet: `impressions` each, evenly over `days`, while they are new."""

    def __init__(self, impressions: int, days: float, new_days: float) -> None:
        self._pacer, self._new_ms = Pacer(impressions, LEAD * days * DAY_MS), int(new_days * DAY_MS)
        self.on = impressions > 0

    def of(self, view: View, item: NDArray[np.int32], now_ms: int) -> NDArray[np.float32]:
        """Give the impressions that each item lacks by now, 0 = none, of any shape."""
        created = view.catalog.created_ms[item]
        new = (item > 0) & (created > now_ms - self._new_ms) & (created <= now_ms)
        found = np.zeros(item.shape, np.float32)
        if self.on and new.any():
            found[new] = self._pacer.due(created[new], now_ms, view.tried.times_shown(item[new]))
        return found

    def all(self, view: View, now_ms: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Give the items that are due, and what they lack: int32 [n], float32 [n]."""
        lacks = self.of(view, view.newest, now_ms)
        return view.newest[lacks > 0], lacks[lacks > 0]


class DueItems:
    """The source of new items that have not had their impressions: some of them, others for each query."""

    name = "due"
    always = False
    places = DUE_PLACES

    def __init__(self, due: Due, behind: float) -> None:
        self._due, self._prior = due, np.float32(-behind)

    def propose(self, batch: QueryBatch, slate: Slate) -> None:
        """Propose those that begin at a place of the seed."""
        if not len(batch.view.newest):
            return
        items, _ = self._due.all(batch.view, batch.query[0].now_ms)
        if not len(items):
            return
        item = np.zeros((len(batch), self.places), np.int32)
        n = min(self.places, len(items))
        for b, query in enumerate(batch.query):
            item[b, :n] = items[(query.seed % len(items) + np.arange(n)) % len(items)]
        slate.propose(self.name, item, np.full(item.shape, self._prior, np.float32))


def thompson(pool: NDArray[np.bool_], mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the chances of the candidates of a pool, what is hoped of each being normal: float32 [B, C]."""
    weight = np.empty(pool.shape, np.float32)
    kernels.hopes(pool, mean, np.float32(TEMPER) * deviation, FLOOR, weight)
    return weight


def paced(
    weight: NDArray[np.float32], lacks: NDArray[np.float32], due: float, per_s: float,
    hoped: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:  # fmt: skip
    """Give the chances [B, C] after what is due has had its share, dealt by the impressions that each one lacks.

    due: what all items lack together; per_s: places that chance has per second. hoped [B, C] lets those go first whom
    an item fits: e^(FIT·z - FIT²/2) times as urgent, which is 1 in the mean of a normal z.
    """
    there, own = lacks > 0, lacks.sum(axis=1, keepdims=True)
    fits = np.where(there, lacks, 0)
    if hoped is not None:
        some = weight > 0
        count = np.maximum(1, some.sum(axis=1, keepdims=True))
        mean = np.where(some, hoped, 0).sum(axis=1, keepdims=True) / count
        spread = np.sqrt(np.where(some, (hoped - mean) ** 2, 0).sum(axis=1, keepdims=True) / count)
        z = np.minimum((hoped - mean) / np.maximum(spread, 1e-6), 4)
        fits = np.where(there, lacks * np.exp(FIT * z - FIT**2 / 2), 0)
    total = fits.sum(axis=1, keepdims=True)
    share = 1 - (1 - urgency(due, per_s)) ** (total / np.maximum(own, 1e-9))
    return np.asarray((1 - share) * weight + share * fits / np.maximum(total, 1e-9), np.float32)


class Exploration:
    """Gives a share of the places to candidates of categories that list and history lack, by chances that are noted.

    Thompson sampling (1933): the chance of a candidate is that of being the best, by what the ranker thinks of it and
    by the posterior of its lift (`features.tried`); FLOOR of it is the same for all. What is due goes first, as far as
    it must. Without `learns` all chances are the same.
    """

    name = "exploration"
    essential = False

    def __init__(self, share: float, learns: bool = True, due: Due | None = None, odds: Odds | None = None) -> None:
        self._share, self._learns, self._odds = share, learns, odds
        self._due = due or Due(0, 1.0, 1.0)

    def apply(self, batch: QueryBatch, slate: Slate) -> None:
        """Pin the explored items to the last places of the list."""
        best, weight = self._weighed(batch, slate)
        kernels.explore(weight, best, batch.k, self._share, batch.seed, slate.pin, slate.propensity)

    def chances(self, batch: QueryBatch, slate: Slate) -> NDArray[np.float32]:
        """Give the chance of each candidate to stand at each place: float32 [B, C, L]. Nothing is drawn."""
        best, weight = self._weighed(batch, slate)
        chance = np.empty((*weight.shape, best.shape[1]), np.float32)
        kernels.dealt(weight, best, batch.k, self._share, slate.pin, chance)
        return chance

    def _weighed(self, batch: QueryBatch, slate: Slate) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Give what would be shown, int32 [B, L], and the chances of what may be tried."""
        category, best = batch.view.catalog.category, slate.top(batch.k)
        pool = np.empty(slate.item.shape, np.bool_)
        kernels.explorable(
            slate.kept() & np.isfinite(slate.score), category[slate.item], best, batch.k, category[batch.history],
            self._share, slate.pin, pool,
        )  # fmt: skip
        self._fill(slate, best, pool)
        return best, self.weights(batch, slate, pool)

    def _fill(self, slate: Slate, best: NDArray[np.int32], pool: NDArray[np.bool_]) -> None:
        """Let what is due into the pool, of whichever category it is."""
        bit = slate.bit("due")
        if bit:
            shown = np.zeros_like(pool)
            np.put_along_axis(shown, np.maximum(best, 0), True, axis=1)
            pool |= (slate.origin & bit > 0) & slate.kept() & np.isfinite(slate.score) & (slate.pin == 0) & ~shown

    def weights(self, batch: QueryBatch, slate: Slate, pool: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Give the chance of each candidate for one place: float32 [B, C], a row sums to 1, or to 0 without a pool."""
        hoped = None
        if self._learns:
            hoped, deviation = batch.view.tried.lift(slate.item)
            if self._odds is not None:
                hoped = hoped + self._odds(slate.score - slate.boost)
            weight = thompson(pool, hoped, deviation)
        else:
            weight = np.asarray(pool / np.maximum(1, pool.sum(axis=1, keepdims=True)), np.float32)
        return self._paced(batch, slate, pool, weight, hoped)

    def _paced(
        self,
        batch: QueryBatch,
        slate: Slate,
        pool: NDArray[np.bool_],
        weight: NDArray[np.float32],
        hoped: NDArray[np.float32] | None,
    ) -> NDArray[np.float32]:
        """Give what is due its share."""
        view, now_ms = batch.view, batch.query[0].now_ms
        if not (self._due.on and len(view.newest)):
            return weight
        total = float(self._due.all(view, now_ms)[1].sum())
        if not total:
            return weight
        lacks = np.where(pool, self._due.of(view, slate.item, now_ms), 0)
        return paced(weight, lacks, total, self._share * view.tried.per_s, hoped)
