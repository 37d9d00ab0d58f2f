"""What may be shown? A business rule is a class with `apply` here, and one line in `wiring/pipelines.py`."""

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.slate import QueryBatch, Slate


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


class CategoryCap:
    """Drops what stands behind `cap` better items of its first category; gives way where the list would stay short."""

    name = "category_cap"
    essential = False

    def __init__(self, cap: int) -> None:
        self._cap = cap

    def apply(self, batch: QueryBatch, slate: Slate) -> None:
        """Drop what is beyond the cap, as long as enough is left to fill the list."""
        kept = slate.kept()
        category = _category(batch, slate)
        over = kernels.beyond_cap(slate.item, slate.score, slate.dropped, category, self._cap, batch.k)
        short = np.count_nonzero(kept & ~over, axis=1) < np.minimum(batch.k, np.count_nonzero(kept, axis=1))
        over[short] = False
        slate.drop(over, self.name)


class Exploration:
    """Gives a share of the places to random items of categories that the list lacks, with their chance noted."""

    name = "exploration"
    essential = False

    def __init__(self, share: float) -> None:
        self._share = share

    def apply(self, batch: QueryBatch, slate: Slate) -> None:
        """Pin the explored items to the last places of the list."""
        kernels.explore(
            slate.kept(), _category(batch, slate), slate.top(batch.k), batch.k, self._share, batch.seed,
            slate.pin, slate.propensity,
        )  # fmt: skip


def _category(batch: QueryBatch, slate: Slate) -> NDArray[np.int32]:
    return batch.view.catalog.category[slate.item]
