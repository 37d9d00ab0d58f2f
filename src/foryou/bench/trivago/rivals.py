"""Which rankers are compared, and which settings may each of them try? The same number, drawn by one seed."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.domain.errors import Unavailable
from foryou.models.mlp import Ranker
from foryou.train.ranker import Groups, Settings, fit_logistic, fit_mlp

Score = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # rows [T, F] -> [T]
Fit = Callable[[Groups, Groups, Mapping[str, Any]], Score]

OBJECTIVES = ("listwise", "pointwise")
MAX_TREES, PATIENCE = 600, 50


@dataclass(frozen=True, slots=True)
class Rival:
    """A ranker: how it is fitted, and what may be tried (the first of each is tried first, all together)."""

    name: str
    fit: Fit
    space: Mapping[str, tuple[Any, ...]]

    def settings(self, tries: int) -> list[dict[str, Any]]:
        """Give what is tried: the first of each, then drawn at random without repeats."""
        random = np.random.default_rng(0)
        found = [{name: values[0] for name, values in self.space.items()}]
        most = int(np.prod([len(values) for values in self.space.values()]))
        while len(found) < min(tries, most):
            drawn = {name: values[random.integers(len(values))] for name, values in self.space.items()}
            if drawn not in found:
                found.append(drawn)
        return found


def _logistic(train: Groups, validation: Groups, settings: Mapping[str, Any]) -> Score:
    return Ranker(fit_logistic(train, Settings(**settings), validation)).logits


def _mlp(train: Groups, validation: Groups, settings: Mapping[str, Any]) -> Score:
    return Ranker(fit_mlp(train, Settings(**settings), validation)).logits


def _lightgbm(train: Groups, validation: Groups, settings: Mapping[str, Any]) -> Score:
    try:
        import lightgbm
    except ImportError as error:
        raise Unavailable("LightGBM is not installed, so nothing is compared with it; pip install lightgbm") from error
    data = lightgbm.Dataset(train.inputs, train.label, group=np.diff(train.start))
    held = lightgbm.Dataset(validation.inputs, validation.label, group=np.diff(validation.start), reference=data)
    fixed = {
        "objective": "lambdarank", "metric": "ndcg", "eval_at": [10], "num_threads": 1, "verbosity": -1, "seed": 0,
        "deterministic": True,
    }  # fmt: skip
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    trees = lightgbm.train({**fixed, **settings}, data, MAX_TREES, valid_sets=[held], callbacks=[stop])
    return lambda rows: np.asarray(trees.predict(rows, num_threads=1), np.float32)


RIVALS = (
    Rival("logistic", _logistic, {"objective": OBJECTIVES, "ridge": (1e-3, 3e-2, 1e-2, 3e-3, 3e-4, 1e-4, 1e-5)}),
    Rival("mlp", _mlp, {
        "objective": OBJECTIVES, "rate": (1e-3, 5e-4, 2e-3, 3e-3), "decay": (1e-2, 1e-1, 1.0),
        "dropout": (0.0, 0.1, 0.2), "batch_rows": (2_048, 1_024, 4_096), "ridge": (1e-3, 1e-4),
    }),
    Rival("lightgbm", _lightgbm, {
        "num_leaves": (31, 7, 15, 63), "learning_rate": (0.05, 0.03, 0.1), "min_data_in_leaf": (50, 20, 200),
        "feature_fraction": (0.7, 0.5, 1.0), "lambda_l2": (0.0, 1.0, 10.0),
    }),
)  # fmt: skip


def speed_ms(score: Score, rows: NDArray[np.float32], times: int = 200) -> float:
    """Give the median milliseconds for scoring rows, one thread."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        score(rows)
        taken.append(time.perf_counter() - began)
    return 1000 * float(np.median(taken))
