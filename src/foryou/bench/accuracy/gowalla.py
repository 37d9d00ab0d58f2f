"""How good are the models on Gowalla? The split of LightGCN: Recall@20 and NDCG@20 over all test users.

Settings were chosen on `fit.txt` and `valid.txt`, a cut of `train.txt`; test is looked at once per model.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.bench.accuracy import lists
from foryou.domain.ragged import Ragged
from foryou.train import als
from foryou.train.dataset import Interactions
from foryou.train.ranking import Score, rank_all

FILES = ("fit.txt", "valid.txt", "train.txt", "test.txt")
K = 20
PROTOCOL = (
    "LightGCN split; fit on train, settings chosen on fit/valid; all items but the user's train items ranked; "
    "Recall@20 = hits / test items, NDCG@20 binary with the ideal over min(20, test items); mean over test users"
)
PUBLISHED = {  # Recall@20, NDCG@20
    "MF-BPR": (0.1627, 0.1378), "YoutubeDNN": (0.1754, 0.1473), "EASE": (0.1765, 0.1467), "LightGCN": (0.1820, 0.1547),
    "GF-CF": (0.1849, 0.1518), "UltraGCN": (0.1862, 0.1580), "SimpleX": (0.1872, 0.1557),
    "MF + bilateral softmax loss": (0.1882, 0.1584), "LightGCN + bilateral softmax loss": (0.1892, 0.1590),
    "BSPM-EM": (0.1920, 0.1597),
}  # fmt: skip
ALS = als.AlsSettings(width=64, iterations=12, unobserved=0.1, regularisation=0.02, power=1.0)

Fit = Callable[[Interactions, Ragged], Score]


def measure(folder: Path, on_progress: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Give the figures of every model on validation and on test, for the data in this folder or its `gowalla`.

    Raises Invalid where the files are not found or are damaged.
    """
    place = lists.located(folder, "gowalla", FILES)
    parts = {name.removesuffix(".txt"): lists.read(place / name) for name in FILES}
    items = int(max(part.values.max(initial=0) for part in parts.values()))
    rows = [{"model": name} | _run(fit, parts, items, partial(on_progress, name)) for name, fit in models()]
    best = max(rows, key=lambda row: row["validation"][f"ndcg_at_{K}"])
    return {
        "protocol": PROTOCOL, "items": items, "ours": best["test"] | {"model": best["model"]}, "models": rows,
        "published": {name: {"recall_at_20": r, "ndcg_at_20": n} for name, (r, n) in PUBLISHED.items()},
    }  # fmt: skip


def models() -> Iterator[tuple[str, Fit]]:
    """Give each model's name and what fits it."""
    yield "popularity", popularity
    yield "als", factors


def _run(fit: Fit, parts: dict[str, Ragged], items: int, on_progress: Callable[[int, int], None]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for place, (name, train, held) in enumerate((("validation", "fit", "valid"), ("test", "train", "test"))):
        wall, cpu = time.perf_counter(), time.process_time()
        score = fit(lists.as_log(parts[train], items), parts[train])
        row |= {"fit_s": round(time.perf_counter() - wall, 1), "fit_cpu_s": round(time.process_time() - cpu, 1)}
        row[name] = rank_all(score, parts[train], parts[held], K).means(K)
        on_progress(place + 1, 2)
    return row


def popularity(log: Interactions, own: Ragged) -> Score:  # noqa: ARG001
    """Give the same scores to everybody: how many users an item has."""
    count = np.bincount(log.item, minlength=log.items + 1).astype(np.float32)
    return lambda users: np.tile(count, (len(users), 1))


def factors(log: Interactions, own: Ragged) -> Score:  # noqa: ARG001
    """Give the scores of implicit ALS, each user folded in from his own items."""
    items = als.factorise(log, ALS)
    users = als.folded(log, items, ALS)

    def score(block: NDArray[np.int64]) -> NDArray[np.float32]:
        return users[block] @ items.T

    return score
