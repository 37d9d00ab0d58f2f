"""Which categories does a group like more than everybody does? By age, gender, place, device and time of day."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from foryou.domain.catalog import Catalog
from foryou.domain.event import hashes
from foryou.domain.session import DAYPARTS, age_group, daypart
from foryou.train.dataset import Interactions

SMOOTH = 50.0  # events of the usual mix that are added to each group
MOST = 200  # groups of a kind, the largest ones
_SAYS: dict[str, Callable[[Interactions], list[str]]] = {
    "age": lambda log: _of_users(log, [age_group(core.age) for core in log.people]),
    "gender": lambda log: _of_users(log, [core.gender for core in log.people]),
    "location": lambda log: _of_users(log, [core.location for core in log.people]),
    "device": lambda log: log.device or [""] * len(log),
    "hour": lambda log: [DAYPARTS[daypart(at_ms)] for at_ms in log.at_ms.tolist()],
}
KINDS = tuple(_SAYS)


def fit(log: Interactions, catalog: Catalog) -> dict[str, NDArray[np.generic]]:
    """Give the arrays of `models.signals.Lift` for every kind of group."""
    liked = log.where(np.flatnonzero(log.taste > 0))
    arrays: dict[str, NDArray[np.generic]] = {}
    for kind, says in _SAYS.items():
        names, place = np.unique(np.array(says(liked), object).astype(str), return_inverse=True)
        size = np.bincount(place, minlength=len(names))
        kept = [row for row in np.argsort(-size, kind="stable").tolist() if names[row]][:MOST]
        group = np.zeros(len(names), np.int32)
        group[kept] = np.arange(1, len(kept) + 1)
        arrays[f"{kind}_groups"] = hashes([str(names[row]) for row in kept])
        arrays[f"{kind}_lift"] = table(group[place], liked.item, len(kept), catalog)
    return arrays


def table(group: NDArray[np.int32], item: NDArray[np.int32], groups: int, catalog: Catalog) -> NDArray[np.float32]:
    """Give log P(category | group) - log P(category), smoothed, from events: group [n] (0 = none), item [n].

    float32 [groups + 1, K + 1]; row 0 and column 0 are 0.
    """
    columns = len(catalog.category_names) + len(catalog.new_categories) + 1
    values, start = catalog.categories.take(item)
    counts = np.zeros((groups + 1, columns), np.float64)
    np.add.at(counts, (np.repeat(group, np.diff(start)), values), 1)
    whole = counts.sum(axis=0)
    usual = (whole + 1) / (whole.sum() + columns)
    share = (counts + SMOOTH * usual) / (counts.sum(axis=1, keepdims=True) + SMOOTH)
    lift = np.log(share / usual)
    lift[0], lift[:, 0] = 0, 0
    return np.asarray(lift, np.float32)


def _of_users(log: Interactions, names: list[str]) -> list[str]:
    return [names[user] for user in log.user.tolist()] if names else [""] * len(log)
