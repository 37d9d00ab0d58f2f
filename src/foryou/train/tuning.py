"""Which settings of the models predict best? A search on the validation window within minutes; it can go on later."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.domain.errors import Invalid, Unavailable
from foryou.models.foldin import rotated
from foryou.train import als, baselines, item_item, replay
from foryou.train.dataset import Interactions
from foryou.train.metrics import ndcg_of_rank

SPACE = {  # setting of `train` -> from, to, whether its logarithm is what is searched
    "unobserved": (0.02, 2.0, True), "regularisation": (0.01, 30.0, True), "power": (0.0, 1.0, False),
    "ease_regularisation": (30.0, 3_000.0, True), "ease_decay": (0.9, 1.0, False),
}  # fmt: skip
OF_EASE = ("ease_regularisation", "ease_decay")
FIRST = 8  # trials by chance before the search learns from them

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Searched:
    """What is searched from: the settings in force, the models' sizes, how many minutes, which seed, and where it lies.

    last: newest items of a history that count · ease_up_to: items above which EASE is not solved
    """

    now: Mapping[str, float]
    als: als.AlsSettings
    last: int
    ease_up_to: int
    minutes: float
    seed: int
    path: Path


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best settings so far, NDCG@10 with them and with those in force, and how many trials there were."""

    settings: Figures
    ndcg_at_10: float
    before_ndcg_at_10: float
    trials: int
    new_trials: int
    stopped: bool


def tune(
    log: Interactions, cut: int, searched: Searched, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Tuned:
    """Give the settings that rank best what was done after row `cut`, with models fitted on what was done before.

    Tree-structured Parzen estimator (Bergstra et al. 2011) of Optuna, the settings in force first. Trials lie in a
    SQLite file, so a second call on the same log goes on; Ctrl-C ends it with the best so far.
    Raises Unavailable without Optuna, Invalid if nothing can be held back.
    """
    optuna = _optuna()
    if cut < 1 or cut >= len(log):
        raise Invalid("events", f"{len(log)} are too few to hold any back", "import more, at least a hundred")
    fitted, shown = log.part(0, cut), replay.window(log, cut, len(log))
    names = [name for name in SPACE if name not in OF_EASE or log.items <= searched.ease_up_to]

    def objective(trial: Any) -> float:
        drawn = {
            name: trial.suggest_float(name, low, high, log=scale)
            for name, (low, high, scale) in SPACE.items() if name in names
        }  # fmt: skip
        found = float(ndcg_of_rank(replay.ranks(shown, _scorer(fitted, drawn, searched))).mean())
        on_progress(min(int(time.monotonic() - start), seconds), seconds)
        return found

    seconds, stopped = max(int(searched.minutes * 60), 1), False
    study = _study(optuna, log, cut, searched)
    before = len(_done(study))
    study.enqueue_trial(_within({name: searched.now[name] for name in names}), skip_if_exists=True)
    start = time.monotonic()
    on_progress(0, seconds)
    try:
        study.optimize(objective, n_trials=1)  # one at least
        while time.monotonic() - start < seconds:
            study.optimize(objective, n_trials=1)
    except KeyboardInterrupt:
        stopped = True
    done = _done(study)
    if not done:
        raise KeyboardInterrupt  # before anything was found
    now = _within({name: searched.now[name] for name in names})
    usual = [one.value for one in done if one.params == now]
    best = study.best_trial
    return Tuned(dict(best.params), best.value, usual[0] if usual else 0.0, len(done), len(done) - before, stopped)


def _within(settings: Mapping[str, float]) -> Figures:
    return {name: min(max(float(value), SPACE[name][0]), SPACE[name][1]) for name, value in settings.items()}


def _done(study: Any) -> list[Any]:
    return [one for one in study.get_trials(deepcopy=False) if one.state.name == "COMPLETE"]


def _study(optuna: Any, log: Interactions, cut: int, searched: Searched) -> Any:
    """Open the study of this log and these sizes: trials on other data cannot be compared."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    searched.path.parent.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(f"sqlite:///{searched.path}")
    size = f"{searched.als.width}-{searched.als.iterations}-{searched.last}-{log.items <= searched.ease_up_to}"
    name = f"{len(log)}-{cut}-{log.items}-{int(log.at_ms[-1])}-{size}"
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
    seed = searched.seed + len(study.get_trials(deepcopy=False))  # the same from the start; other draws when it goes on
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=FIRST)
    return study


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise Unavailable("Optuna, which searches, is not installed; pip install 'foryou[tune]'") from error
    return optuna


def _scorer(log: Interactions, drawn: Mapping[str, float], searched: Searched) -> baselines.Score:
    """Give the sum of both models' scores, each by its deviation: near to what the blend makes of them."""
    how = replace(
        searched.als, unobserved=drawn["unobserved"], regularisation=drawn["regularisation"], power=drawn["power"]
    )
    count = baselines.counts(log)
    parts = [baselines.folded_in(*rotated(als.factorise(log, how)), how, searched.last, count)]
    if "ease_regularisation" in drawn:
        links = item_item.ease(log, item_item.EaseSettings(drawn["ease_regularisation"], drawn["ease_decay"]))
        parts.append(baselines.summed(links, searched.last, count))

    def score(history: NDArray[np.int32], taste: NDArray[np.float32]) -> NDArray[np.float32]:
        total = np.zeros((len(history), log.items + 1), np.float32)
        for part in parts:
            one = part(history, taste)
            total += one / np.maximum(one.std(axis=1, keepdims=True), 1e-9)
        return total

    return score
