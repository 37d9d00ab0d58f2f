"""How does a feed go on without ever repeating an item? The question brings along what was shown, as hashes."""

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.slate import QueryBatch, Slate
from foryou.models.popularity import Popularity
from foryou.serve.filters import Filters

LOOKED_THROUGH = 200_000  # items that are looked through for those which a feed has not shown yet


class Fed:
    """Drops what this feed has shown already. Essential: it never comes again, whatever else there was no time for."""

    name = "feed"
    essential = True

    def apply(self, batch: QueryBatch, slate: Slate) -> None:
        """Drop the items whose hash is in the memory of the feed."""
        if not any(query.fed for query in batch.query):
            return
        fed = [memory(query.fed) for query in batch.query]
        start = np.zeros(len(fed) + 1, np.int64)
        np.cumsum([len(part) for part in fed], out=start[1:])
        slate.drop(kernels.member(batch.view.catalog.hash32, slate.item, np.concatenate(fed), start), self.name)


def memory(fed: bytes) -> NDArray[np.uint32]:
    """Give what a feed has shown: the low halves of the hashes of its items, sorted.  uint32 [n]"""
    return np.frombuffer(fed, "<u4").astype(np.uint32, copy=False)


def further(batch: QueryBatch, b: int, popularity: Popularity, n: int, filters: Filters) -> NDArray[np.int32]:
    """Give the n most popular items that feed and user have not seen and that may be shown.  int32 [n], 0 = no more

    What arrived after the training comes last, the oldest first. At most LOOKED_THROUGH items are looked through.
    """
    catalog, query = batch.view.catalog, batch.query[b]
    hidden = np.union1d(memory(query.fed), batch.seen[batch.seen_start[b] : batch.seen_start[b + 1]])
    filtered = batch.alone(b) if filters.some(batch)[b] else None
    trained, first_new = popularity.order, len(popularity.column)
    total = min(LOOKED_THROUGH, len(trained) + max(0, len(catalog) + 1 - first_new))
    found, held, at, step = np.zeros(n, np.int32), 0, 0, n + len(hidden)
    while held < n and at < total:
        places = np.arange(at, min(at + step, total))
        known = places < len(trained)
        numbers = np.concatenate([trained[places[known]], (places[~known] - len(trained) + first_new).astype(np.int32)])
        expires = catalog.expires_ms[numbers]
        fits = catalog.available[numbers] & ~((expires > 0) & (expires <= query.now_ms))
        fits &= ~np.isin(catalog.hash32[numbers], hidden)
        if filtered is not None:
            fits &= filters.let_through(filtered, numbers[None])[0]
        some = numbers[fits][: n - held]
        found[held : held + len(some)] = some
        held, at, step = held + len(some), at + step, 2 * step
    return found
