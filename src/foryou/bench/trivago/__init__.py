"""How good is the ranker on a public log of hotels? Our rankers and LightGBM on the same inputs with the same budget.

13,596 clickouts of the RecSys 2019 challenge, in time order: the first 60 % train, the next 20 % stop and tune, the
last 20 % are looked at once, by the setting that was best on validation.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.bench.trivago.features import FEATURES, Table, table
from foryou.bench.trivago.log import located, read
from foryou.bench.trivago.rivals import RIVALS, Rival, Score, speed_ms
from foryou.domain.errors import Unavailable
from foryou.train.metrics import interval, paired_bootstrap
from foryou.train.ranker import Groups, judged, ranks

CUTS = (0.6, 0.8)  # of the clickouts, by time
SPEED_ROWS = 1_000
Progress = Callable[[str, int, int], None]


def compare(folder: Path, tries: int, on_progress: Progress, rivals: tuple[Rival, ...] = RIVALS) -> dict[str, Any]:
    """Give MRR on test, intervals, ratios and seconds of each ranker for the log in this folder.

    Raises Invalid where the log is not found.
    """
    began = time.perf_counter()
    whole = table(read(located(folder)))
    parts = split(whole)
    train, validation, test = (whole.groups.where(part) for part in parts)
    features_s = time.perf_counter() - began
    user = whole.user[parts[2]]
    found = {"as shown": Tuned(_as_shown)}
    absent = []
    for rival in rivals:
        try:
            found[rival.name] = _tuned(rival, train, validation, tries, on_progress)
        except Unavailable as error:
            absent.append(str(error))
    reciprocal = {}
    for name, one in found.items():  # the only look at test
        reciprocal[name] = 1 / (1 + ranks(one.score(test.inputs), test.start, test.label))
    return {
        "protocol": "time split 60/20/20 of the clickouts, inputs known before each; tuned on validation, test once",
        "clickouts": {name: len(part) for name, part in zip(("train", "validation", "test"), parts, strict=True)},
        "inputs": len(FEATURES), "tries": tries, "features_s": round(features_s, 1),
        "skipped_not_shown": whole.skipped, "absent": absent,
        "rankers": [_row(name, one, reciprocal[name], test, user) for name, one in found.items()],
        "ratios": _ratios(reciprocal, user),
    }  # fmt: skip


def split(whole: Table) -> list[NDArray[np.int64]]:
    """Give the clickouts of train, validation and test; those of one second stay together."""
    cuts = [whole.at_s[int(share * len(whole.at_s))] for share in CUTS]
    return np.split(np.arange(len(whole.at_s)), np.searchsorted(whole.at_s, cuts).tolist())


def _as_shown(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return -rows[:, list(FEATURES).index("place")]


@dataclass(frozen=True, slots=True)
class Tuned:
    """A ranker with the setting that was best on validation."""

    score: Score
    settings: Mapping[str, Any] = field(default_factory=dict)
    validation_mrr: float = 0.0
    fit_s: float = 0.0
    tuning_s: float = 0.0


def _tuned(rival: Rival, train: Groups, validation: Groups, tries: int, on_progress: Progress) -> Tuned:
    best: Tuned | None = None
    began = time.perf_counter()
    for number, settings in enumerate(rival.settings(tries)):
        fitting = time.perf_counter()
        score = rival.fit(train, validation, settings)
        fit_s = time.perf_counter() - fitting
        figure = judged(validation, score(validation.inputs))["mrr"]
        if best is None or figure > best.validation_mrr:
            best = Tuned(score, settings, figure, fit_s)
        on_progress(rival.name, number + 1, tries)
    assert best is not None, "one setting is tried at least"
    return replace(best, tuning_s=time.perf_counter() - began)


def _row(
    name: str, tuned: Tuned, reciprocal: NDArray[np.float64], test: Groups, user: NDArray[np.int64]
) -> dict[str, Any]:
    low, high = interval(reciprocal, user)
    return {
        "ranker": name, "mrr": float(reciprocal.mean()), "low": low, "high": high,
        "validation_mrr": tuned.validation_mrr, "fit_s": round(tuned.fit_s, 1), "tuning_s": round(tuned.tuning_s, 1),
        "ms_per_1000": speed_ms(tuned.score, test.inputs[:SPEED_ROWS]), "setting": dict(tuned.settings),
    }  # fmt: skip


def _ratios(reciprocal: Mapping[str, NDArray[np.float64]], user: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Give MRR over MRR, users resampled together, for our rankers against the others."""
    pairs = [("mlp", "lightgbm"), ("mlp", "logistic"), ("logistic", "lightgbm"), ("mlp", "as shown")]
    rows = []
    for ours, theirs in pairs:
        if ours in reciprocal and theirs in reciprocal:
            ratio = paired_bootstrap(reciprocal[ours], reciprocal[theirs], user)
            rows.append({"of": ours, "to": theirs, "ratio": ratio.value, "low": ratio.low, "high": ratio.high})
    return rows
