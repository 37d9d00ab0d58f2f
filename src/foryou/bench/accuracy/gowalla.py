"""How good are the models on Gowalla? The split of LightGCN: Recall@20 and NDCG@20 over all test users.

Settings were chosen on `fit.txt` and `valid.txt`, a cut of `train.txt`; test is looked at once per model.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.bench.accuracy import lists
from foryou.domain.ragged import Ragged
from foryou.train import als, graph
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
ALS = als.AlsSettings(width=128, iterations=10, unobserved=0.01, regularisation=0.003, power=1.0, steps=3)
GRAPH = graph.GraphSettings()
SERVED = ((1_024, 300),)  # D and K
BLEND = 0.4  # weight of ALS beside the graph filter
SCALED = 500  # users whose scores say how large those of a model are


def measure(folder: Path, on_progress: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Give the figures of every model on validation and on test, for the data in this folder or its `gowalla`.

    Raises Invalid where the files are not found or are damaged.
    """
    place = lists.located(folder, "gowalla", FILES)
    parts = {name.removesuffix(".txt"): lists.read(place / name) for name in FILES}
    items = int(max(part.values.max(initial=0) for part in parts.values()))
    rows: dict[str, dict[str, Any]] = {}
    for split, train, held in (("validation", "fit", "valid"), ("test", "train", "test")):
        for name, fit in models(lists.as_log(parts[train], items), parts[train]):
            wall, cpu = time.perf_counter(), time.process_time()
            score = fit()
            row = rows.setdefault(name, {"model": name})
            row |= {"fit_s": round(time.perf_counter() - wall, 1), "fit_cpu_s": round(time.process_time() - cpu, 1)}
            row[split] = rank_all(
                score, parts[train], parts[held], K, on_progress=partial(on_progress, f"{name}, {split}")
            ).means(K)
    best = max(rows.values(), key=lambda row: row["validation"][f"ndcg_at_{K}"])
    return {
        "protocol": PROTOCOL, "items": items, "ours": best["test"] | {"model": best["model"]},
        "models": list(rows.values()),
        "published": {name: {"recall_at_20": r, "ndcg_at_20": n} for name, (r, n) in PUBLISHED.items()},
    }  # fmt: skip


def models(log: Interactions, own: Ragged) -> Iterator[tuple[str, Callable[[], Score]]]:
    """Give each model's name and what fits it, for a log and the same as lists."""
    yield "popularity", partial(popularity, log)
    yield f"als, {ALS.width}-D", partial(factors, log)
    vectors: list[NDArray[np.float32]] = []  # found once, with the first filter, whose time it counts to

    def filtered(settings: graph.GraphSettings) -> Score:
        if not vectors:
            vectors.append(graph.spectrum(log, settings))
        return partial(graph.scores, graph.operator(log, vectors[0], settings), own)

    for width, links in SERVED:
        settings = replace(GRAPH, width=width, neighbours=links)
        yield f"graph filter, {width}-D and {links} links", partial(filtered, settings)
        yield (
            f"graph filter and als, {width}-D and {ALS.width}-D",
            partial(_both, partial(filtered, settings), log, len(own.start) - 1),
        )


def _both(filtered: Callable[[], Score], log: Interactions, users: int) -> Score:
    return blended(filtered(), factors(log), users)


def blended(first: Score, second: Score, users: int) -> Score:
    """Give the sum of two models' scores, the second `BLEND` times as heavy, by their norms over some users."""
    some = np.sort(np.random.default_rng(0).choice(users, min(SCALED, users), replace=False))
    scale = np.float32(BLEND * np.linalg.norm(first(some)) / max(float(np.linalg.norm(second(some))), 1e-30))

    def score(block: NDArray[np.int64]) -> NDArray[np.float32]:
        both = first(block)
        both += scale * second(block)
        return both

    return score


def popularity(log: Interactions) -> Score:
    """Give the same scores to everybody: how many users an item has."""
    count = np.bincount(log.item, minlength=log.items + 1).astype(np.float32)
    return lambda users: np.tile(count, (len(users), 1))


def factors(log: Interactions) -> Score:
    """Give the scores of implicit ALS, each user folded in from his own items."""
    items = als.factorise(log, ALS)
    users = als.folded(log, items, ALS)

    def score(block: NDArray[np.int64]) -> NDArray[np.float32]:
        return users[block] @ items.T

    return score
