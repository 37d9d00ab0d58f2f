"""How good are the models on the published protocol? ML-100K, 75/25 random split per user, NDCG@10, five fixed seeds.

All items unseen in train are ranked; every rating in the test part counts as relevant, also a low one, as the
published tables have it. The blend's weight is chosen on a validation cut of the train part of each seed.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.train import als, item_item
from foryou.train.dataset import Interactions

SEEDS = (1, 2, 3, 4, 5)
PUBLISHED = {"SVD": 0.096, "SAR": 0.382, "LightGCN": 0.420, "BPR": 0.442, "BiVAE": 0.475}
BLENDS = (0.0, 0.25, 0.5, 1.0, 2.0)  # weight of the vector model beside EASE
EASE = item_item.EaseSettings(400.0)
ALS = als.AlsSettings(unobserved=0.1, regularisation=0.02, power=1.0)


def random_split(log: Interactions, on_progress: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Give the mean NDCG@10 over the seeds of popularity, EASE, ALS and the blend of both."""
    log = _likes(log)
    runs = []
    for number, seed in enumerate(SEEDS):
        runs.append(_one(log, seed))
        on_progress("seeds", number + 1, len(SEEDS))
    names = ("popularity", "ease", "als", "ours")
    return {
        "protocol": "75/25 per user, every rating relevant, all items unseen in train ranked, NDCG@10",
        "seeds": list(SEEDS),
        "ours": {"ndcg_at_10": float(np.mean([run["ours"] for run in runs])), "model": "EASE and ALS 128-D, blended"},
        **{
            name: {"ndcg_at_10": float(np.mean([run[name] for run in runs])), "per_seed": [run[name] for run in runs]}
            for name in names
            if name != "ours"
        },
        "blend_weight_per_seed": [run["weight"] for run in runs],
        "ours_per_seed": [run["ours"] for run in runs],
        "published": PUBLISHED,
    }


def _likes(log: Interactions) -> Interactions:
    """Give the log with every action as a like: the protocol has no dislikes."""
    likes = log.where(np.arange(len(log)))
    likes.taste[:] = 1
    return likes


def _one(log: Interactions, seed: int) -> dict[str, float]:
    random = np.random.default_rng(seed)
    train = split(log, 0.75, random)
    inner = split(log.where(np.flatnonzero(train)), 0.75, random)
    fitted = log.where(np.flatnonzero(train))
    ease, vectors = _scores(fitted.where(np.flatnonzero(inner)))
    held = fitted.where(np.flatnonzero(~inner))
    tried = [_ndcg(ease + weight * vectors, fitted.where(np.flatnonzero(inner)), held) for weight in BLENDS]
    weight = BLENDS[int(np.argmax(tried))]
    ease, vectors = _scores(fitted)
    test = log.where(np.flatnonzero(~train))
    count = np.bincount(fitted.item, minlength=log.items + 1).astype(np.float32)
    return {
        "popularity": _ndcg(np.tile(count, (len(log.user_ids), 1)), fitted, test),
        "ease": _ndcg(ease, fitted, test), "als": _ndcg(vectors, fitted, test),
        "ours": _ndcg(ease + weight * vectors, fitted, test), "weight": weight,
    }  # fmt: skip


def split(log: Interactions, share: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Say which rows are in the train part: a share of each user's rows, drawn at random.  bool [n]"""
    order = np.lexsort((random.random(len(log)), log.user))
    start = np.searchsorted(log.user[order], np.arange(len(log.user_ids) + 1))
    place = np.empty(len(log), np.int64)
    place[order] = np.arange(len(log)) - start[log.user[order]]
    size = np.diff(start)
    return place < np.rint(share * size)[log.user]


def _scores(train: Interactions) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the scores [U, N+1] of EASE and of ALS for the histories that they were fitted on."""
    rows = np.zeros((len(train.user_ids), train.items + 1), np.float32)
    rows[train.user, train.item] = 1
    items = als.factorise(train, ALS)
    gram = ALS.unobserved * items.T.astype(np.float64) @ items
    users = np.zeros((len(rows), items.shape[1]))
    for user in np.unique(train.user):
        own = items[train.item[train.user == user]].astype(np.float64)
        ridge = ALS.regularisation * (len(own) + ALS.unobserved * train.items) ** ALS.power
        users[user] = np.linalg.solve(gram + own.T @ own + ridge * np.eye(len(gram)), own.sum(axis=0))
    return rows @ item_item.ease(train, EASE), (users @ items.T).astype(np.float32)


def _ndcg(scores: NDArray[np.float32], train: Interactions, test: Interactions) -> float:
    """Give the mean over test users of NDCG@10 against all their test items."""
    scores = scores.copy()
    scores[train.user, train.item] = -np.inf
    scores[:, 0] = -np.inf
    relevant = np.zeros(scores.shape, np.bool_)
    relevant[test.user, test.item] = True
    best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    gains = 1 / np.log2(np.arange(10) + 2.0)
    found = (np.take_along_axis(relevant, best, axis=1) * gains).sum(axis=1)
    count = relevant.sum(axis=1)
    ideal = np.concatenate([[0.0], np.cumsum(gains)])[np.minimum(count, 10)]
    return float((found[count > 0] / ideal[count > 0]).mean())
