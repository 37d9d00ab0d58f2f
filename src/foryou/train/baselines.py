"""What must a recommender beat? Simple strong baselines, each tuned on the validation window with the same budget."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from foryou import kernels
from foryou.models.foldin import rotated
from foryou.train import als, item_item, replay
from foryou.train.dataset import Interactions
from foryou.train.metrics import ndcg_of_rank

Score = Callable[[NDArray[np.int32], NDArray[np.float32]], NDArray[np.float32]]
TRIES = 4  # settings tried per baseline


@dataclass(frozen=True, slots=True)
class Baseline:
    """A model with its settings: `fit(log)` gives score(history [q, H], taste [q, H]) -> float32 [q, N+1]."""

    name: str
    settings: dict[str, float]
    fit: Callable[[Interactions], Score]


def candidates() -> dict[str, list[Baseline]]:
    """Give every baseline in at most TRIES settings."""
    return {
        "popularity": [Baseline("popularity", {}, _popularity)],
        "item_knn": [_knn(shrink, last) for shrink, last in ((10, 20), (10, 100), (100, 20), (100, 100))],
        "ease": [_ease("ease", regularisation, 100) for regularisation in (100, 200, 400, 800)],
        "ease_last_20": [_ease("ease_last_20", regularisation, 20) for regularisation in (100, 200, 400, 800)],
        "als_fold_in": [
            _als(regularisation, power, last)
            for regularisation, power, last in ((0.02, 1.0, 20), (0.02, 1.0, 50), (0.3, 0.5, 20), (3.0, 0.0, 20))
        ],
    }


@dataclass(frozen=True, slots=True)
class Chosen:
    """A baseline with the settings that did best on validation, and how well."""

    baseline: Baseline
    validation_ndcg: float


def tuned(
    log: Interactions, cut: int, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Iterator[Chosen]:
    """Give each baseline in its best setting: fitted on rows before `cut`, replayed on those after."""
    fitted, shown = log.part(0, cut), replay.window(log, cut, len(log))
    families = candidates()
    total, done = sum(map(len, families.values())), 0
    for tries in families.values():
        scored = []
        for baseline in tries:
            rank = replay.ranks(shown, baseline.fit(fitted)) if len(tries) > 1 else np.zeros(1, np.int32)
            scored.append(float(ndcg_of_rank(rank).mean()))
            done += 1
            on_progress(done, total)
        best = int(np.argmax(scored))
        yield Chosen(tries[best], scored[best] if len(tries) > 1 else float("nan"))


def _popularity(log: Interactions) -> Score:
    count = counts(log)
    return lambda history, taste: np.tile(count, (len(history), 1))


def counts(log: Interactions) -> NDArray[np.float32]:
    """Give how many events each item has.  float32 [N+1]"""
    return np.bincount(log.item, minlength=log.items + 1).astype(np.float32)


def _or_popular(
    scores: NDArray[np.float32], history: NDArray[np.int32], count: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Show the popular items to users without any history: a baseline must answer them, too."""
    scores[~history.any(axis=1)] = count
    return scores


def _knn(shrink: float, last: int) -> Baseline:
    def fit(log: Interactions) -> Score:
        gram = item_item.co_occurrence(log, 1.0)
        norm = np.sqrt(np.diag(gram))
        links = (gram / (norm[:, None] * norm[None, :] + shrink)).astype(np.float32)
        np.fill_diagonal(links, 0)
        return summed(links, last, counts(log))

    return Baseline("item_knn", {"shrink": shrink, "last": last}, fit)


def _ease(name: str, regularisation: float, last: int) -> Baseline:
    def fit(log: Interactions) -> Score:
        return summed(item_item.ease(log, item_item.EaseSettings(regularisation)), last, counts(log))

    return Baseline(name, {"regularisation": regularisation, "last": last}, fit)


def summed(links: NDArray[np.float32], last: int, count: NDArray[np.float32]) -> Score:
    """Sum the rows of the newest items; every action counts one, also a low rating (as published protocols have it)."""

    def score(history: NDArray[np.int32], taste: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: ARG001
        newest = history[:, :last]
        row, column = np.nonzero(newest)
        shape = (len(history), len(links))
        matrix = scipy.sparse.csr_matrix((np.ones(len(row), np.float32), (row, newest[row, column])), shape=shape)
        return _or_popular(np.asarray(matrix @ links, np.float32), history, count)

    return score


def _als(regularisation: float, power: float, last: int, unobserved: float = 0.1) -> Baseline:
    settings = als.AlsSettings(regularisation=regularisation, power=power, unobserved=unobserved)

    def fit(log: Interactions) -> Score:
        everything = log.where(np.arange(len(log)))
        everything.taste[:] = 1
        vectors, spectrum = rotated(als.factorise(everything, settings))
        return folded_in(vectors, spectrum, settings, last, counts(log))

    return Baseline("als_fold_in", {"regularisation": regularisation, "power": power, "last": last}, fit)


def folded_in(
    vectors: NDArray[np.float32],
    spectrum: NDArray[np.float32],
    settings: als.AlsSettings,
    last: int,
    count: NDArray[np.float32],
) -> Score:
    """Give a score by user vectors that are folded in from the newest items."""

    def score(history: NDArray[np.int32], taste: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: ARG001
        newest = np.ascontiguousarray(history[:, :last])
        ones = np.ones(newest.shape, np.float32)
        user = np.zeros((len(newest), vectors.shape[1]), np.float32)
        inverse = np.zeros((len(newest), kernels.MAX_FOLD, kernels.MAX_FOLD))
        place = np.zeros((len(newest), kernels.MAX_FOLD), np.int32)
        kernels.fold_in(
            vectors, spectrum, newest, ones, ones, settings.unobserved, settings.regularisation, settings.power,
            len(vectors) - 1, user, inverse, place,
        )  # fmt: skip
        return _or_popular(np.asarray(user @ vectors.T, np.float32), history, count)

    return score
