"""Which of two rankers do users prefer when both fill one list? Whose picks are clicked, and how sure that is."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foryou.domain.exposure import Exposure
from foryou.trial.estimate import ALPHA, always_valid_p, sequential


@dataclass(frozen=True, slots=True)
class Preference:
    """How far users prefer the second ranker: mean over users of their winning clicks' share, -1 to 1, and bounds."""

    value: float
    low: float
    high: float
    p: float
    users: int


@dataclass(frozen=True, slots=True)
class Credit:
    """Clicks by user, on picks of the first and of the second team: float64 [n, 2]; lists and users who saw any."""

    clicks: NDArray[np.float64]
    lists: int
    users: int


def credited(exposures: Iterable[Exposure], clicked: frozenset[tuple[str, str]]) -> Credit:
    """Give whose picks were clicked. clicked: (answer, item); items that were placed by hand are of no team."""
    clicks: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    lists = 0
    for exposure in exposures:
        lists, own = lists + 1, clicks[exposure.user_id]
        for item_id, team in zip(exposure.items, exposure.teams, strict=True):
            if team >= 0 and (exposure.recommendation_id, item_id) in clicked:
                own[team] += 1
    return Credit(np.array(list(clicks.values()), np.float64).reshape(-1, 2), lists, len(clicks))


def preference(wins: NDArray[np.float64], clicks: NDArray[np.float64], effect: float = 0.1) -> Preference:
    """Give the preference of users who clicked. wins: of the second team less the first; clicks: all; float64 [n]

    Users are the unit; the bounds hold at all looks together, and are narrowest for a preference of `effect`.
    """
    used = clicks > 0
    share = wins[used] / clicks[used]
    if len(share) < 2:
        return Preference(0.0, -1.0, 1.0, 1.0, len(share))
    value, variance = float(share.mean()), float(share.var(ddof=1)) / len(share)
    low, high = sequential(value, variance, effect, ALPHA)
    return Preference(value, max(low, -1.0), min(high, 1.0), always_valid_p(value, variance, effect), len(share))
