"""What is known of items because they were shown? The tallies as columns of a catalog; and who is due to be shown."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foryou.domain.records import NO_TALLIES, Tallies
from foryou.domain.variants import NOT_DRESSED, Dressed

I32 = NDArray[np.int32]
F32 = NDArray[np.float32]
HORIZON_S = 1_200.0  # what is due is given out over such a time, so that those may come whom it fits


@dataclass(frozen=True, slots=True)
class Pairs:
    """What was bought by one user, both ways: item, other int32 [P], weight float32 [P]; by item, heaviest first."""

    item: I32
    other: I32
    weight: F32

    def of(self, anchor: I32, most: int) -> tuple[I32, F32]:
        """Give what goes with each anchor [B], heaviest first: int32 [B, most], 0 = no more, with its weight."""
        item, weight = np.zeros((len(anchor), most), np.int32), np.zeros((len(anchor), most), np.float32)
        first, last = np.searchsorted(self.item, anchor, "left"), np.searchsorted(self.item, anchor, "right")
        for b in np.flatnonzero((last > first) & (anchor > 0)).tolist():
            own = slice(first[b], min(last[b], first[b] + most))
            item[b, : own.stop - own.start], weight[b, : own.stop - own.start] = self.other[own], self.weight[own]
        return item, weight


NO_PAIRS = Pairs(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))


@dataclass(frozen=True, slots=True)
class Tried:
    """The tallies, made for a moment; columns may be shorter than the catalog: what is beyond was never shown.

    mean, deviation  float32 [N+1] of the logarithm of an item's lift: its clicks over those that were expected
    shown, sponsored  int64 [N+1] times shown, and of these times today for money
    together  what was bought together      per_s  items shown per second, over all answers
    dressed   what came of showing items in their variants
    """

    tallies: Tallies = NO_TALLIES
    at_ms: int = 0
    mean: F32 = field(default_factory=lambda: np.zeros(1, np.float32))
    deviation: F32 = field(default_factory=lambda: np.ones(1, np.float32))
    shown: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    sponsored: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    per_s: float = 0.0
    together: Pairs = NO_PAIRS
    dressed: Dressed = NOT_DRESSED

    def lift(self, item: I32) -> tuple[F32, F32]:
        """Give mean and deviation of items, of any shape."""
        known = np.where(item < len(self.mean), item, 0)
        return self.mean[known], self.deviation[known]

    def times_shown(self, item: I32) -> NDArray[np.int64]:
        """Give how often items were shown."""
        return np.where(item < len(self.shown), self.shown[np.minimum(item, len(self.shown) - 1)], 0)

    def times_sponsored(self, item: I32) -> int:
        """Give how often any of these items was shown today for money."""
        return int(self.sponsored[item[item < len(self.sponsored)]].sum())


NOT_TRIED = Tried()


@dataclass(frozen=True, slots=True)
class Pacer:
    """Impressions that are to be had: `target` of them, evenly within `span_ms`: for new items, for lists."""

    target: float
    span_ms: float

    def due(self, begun_ms: NDArray[np.int64], now_ms: int, shown: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give the impressions that are missing by now, 0 where there are enough.  float64 [n]"""
        passed = np.clip((now_ms - begun_ms) / self.span_ms, 0.0, 1.0)
        return np.asarray(np.maximum(0.0, self.target * passed - shown))


def urgency(due: float, per_s: float) -> float:
    """Give the share of the places that must go to what is due, so that it is shown within HORIZON_S.

    per_s: such places per second, as far as is known; where there are few, all of them.
    """
    return min(1.0, due / max(1.0, per_s * HORIZON_S))
