"""What may be shown? A business rule is a class with `apply` here, and one line in `wiring/pipelines.py`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.expression import Expression
from foryou.domain.matches import matches
from foryou.domain.slate import QueryBatch, Slate

FIRST = np.float32(1e30)  # a score before all others
POOL = 8  # of the wanted length: how many of the best candidates the calibration chooses from


class Unavailable:
    """Drops what is sold out, expired or deleted. Essential: when it fails, nothing is shown."""

    name = "unavailable"
    essential = True

    def apply(self, batch: QueryBatch, slate: Slate) -> None:
        """Drop items that may not be shown now."""
        catalog = batch.view.catalog
        expires = catalog.expires_ms[slate.item]
        now = np.array([query.now_ms for query in batch.query], np.int64)[:, None]
        over = (expires > 0) & (expires <= now)
        slate.drop(~catalog.available[slate.item] | over, self.name)


class Seen:
    """Drops what the user acted on already, what the caller excludes, and the item of the page itself."""

    name = "seen"
    essential = False

    def apply(self, batch: QueryBatch, slate: Slate) -> None:
        """Drop items whose hash is among those seen."""
        slate.drop(kernels.member(batch.view.catalog.hash32, slate.item, batch.seen, batch.seen_start), self.name)


class Boosts:
    """Adds to the score of what expressions mean.  boosts: (name, expression, what it adds)"""

    name = "boosts"
    essential = False

    def __init__(self, boosts: Sequence[tuple[str, Expression, float]]) -> None:
        self._boosts = boosts

    def apply(self, batch: QueryBatch, slate: Slate) -> None:
        """Raise (or, below 0, lower) the scores; each boost counts what it meant."""
        for name, mask, add in self._meant(batch, slate.item):
            slate.raise_by(mask, add, name)

    def parts(self, batch: QueryBatch, item: NDArray[np.int32]) -> dict[str, float]:
        """Give what each boost adds to the score of one item [1, 1] of a batch of one."""
        return {f"boost:{name}": add for name, mask, add in self._meant(batch, item) if mask.any()}

    def _meant(self, batch: QueryBatch, item: NDArray[np.int32]) -> list[tuple[str, NDArray[np.bool_], float]]:
        now_ms = np.array([query.now_ms for query in batch.query], np.int64)
        return [(name, matches(when, batch.view.catalog, item, now_ms), add) for name, when, add in self._boosts]


class Calibration:
    """Chooses the list whose mix of categories is that of the user's history (Steck 2018, eq. 6 and 8).

    Of the best 8·k candidates, greedily: maximise (1 - λ) · mean score - λ · KL(history ‖ list), scores scaled to
    0..1 within the candidates. An item counts in all its categories alike. What would stand before the chosen ones is
    dropped. The cap per first category is kept where it leaves enough. Users without liked categories get no change.
    """

    name = "calibration"
    essential = False

    def __init__(self, share: float, cap: int) -> None:
        self._share, self._cap = share, cap

    def apply(self, batch: QueryBatch, slate: Slate) -> None:
        """Drop what does not fit the mix."""
        catalog = batch.view.catalog
        many = np.minimum(POOL * batch.k, slate.item.shape[1]).astype(np.int32)
        score = np.where((slate.pin > 0) & np.isfinite(slate.score), FIRST, slate.score)
        free = np.zeros(slate.pin.shape, np.int16)
        pool = kernels.top(slate.item, score, slate.dropped, free, many)
        item = np.where(pool >= 0, np.take_along_axis(slate.item, np.maximum(pool, 0), axis=1), 0)
        over = np.zeros(slate.item.shape, np.bool_)
        kernels.calibrate(
            pool, score, slate.pin, _category(batch, slate), *catalog.categories.take(item),
            *catalog.categories.take(batch.history), np.maximum(batch.taste, 0), batch.k, self._share, self._cap, over,
        )  # fmt: skip
        slate.drop(over, self.name)


class CategoryCap:
    """Drops what stands behind `cap` better items of its first category; gives way where the list would stay short.

    Items that were given their place by hand count first, and stay.
    """

    name = "category_cap"
    essential = False

    def __init__(self, cap: int) -> None:
        self._cap = cap

    def apply(self, batch: QueryBatch, slate: Slate) -> None:
        """Drop what is beyond the cap, as long as enough is left to fill the list."""
        kept = slate.kept()
        category = _category(batch, slate)
        score = np.where((slate.pin > 0) & np.isfinite(slate.score), FIRST, slate.score)
        over = kernels.beyond_cap(slate.item, score, slate.dropped, category, self._cap, batch.k) & (slate.pin == 0)
        short = np.count_nonzero(kept & ~over, axis=1) < np.minimum(batch.k, np.count_nonzero(kept, axis=1))
        over[short] = False
        slate.drop(over, self.name)


def _category(batch: QueryBatch, slate: Slate) -> NDArray[np.int32]:
    return batch.view.catalog.category[slate.item]
