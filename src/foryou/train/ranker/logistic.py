"""How is the light ranker learned? Logistic regression by L-BFGS: one answer, within seconds, without PyTorch."""

from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from foryou.train.ranker.choice import chosen
from foryou.train.ranker.groups import FORMS, PLACES, Arrays, Groups, Problem, Settings, exported, posed
from foryou.train.ranker.loss import residual

POSITION_RIDGE = 1e-4  # on what a position adds: positions that hardly occur stay near 0


def fit_logistic(
    groups: Groups, settings: Settings, validation: Groups | None = None, prior: NDArray[np.float32] | None = None
) -> Arrays:
    """Give the arrays of a logistic ranker for groups.

    prior float32 [F], per unit of the input: an input that never varies keeps it, the others are pulled towards it.
    Raises Invalid if nothing was chosen or the prior does not fit.
    """
    problem = posed(groups, settings, prior)
    return chosen(lambda one: exported(problem, *solved(problem, one)), problem, settings, validation)


def solved(problem: Problem, settings: Settings) -> tuple[NDArray[Any], float, NDArray[Any]]:
    """Give the wide weights [F] per standard deviation, the bias, and what each position adds [PLACES]."""
    groups, width = problem.groups, problem.z.shape[1]
    form = FORMS[settings.objective]
    slope = np.empty(len(problem.z))
    target = np.concatenate([problem.prior, np.zeros(1 + PLACES)]).astype(np.float64)
    ridge = np.concatenate([np.full(width, settings.ridge), [0.0], np.full(PLACES, POSITION_RIDGE)])

    def objective(found: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        position = np.append(found[width + 1 :], 0.0)
        logit = problem.z @ found[:width].astype(np.float32) + found[width] + position[problem.place]
        loss = residual(logit, groups.start, groups.label, groups.weight, form, slope)
        places = np.bincount(problem.place, slope, PLACES + 1)[:PLACES]
        gradient = np.concatenate([slope.astype(np.float32) @ problem.z, [slope.sum()], places])
        away = found - target
        return loss + float(ridge @ away**2), gradient + 2 * ridge * away

    start = target.copy()
    if settings.objective == "pointwise":
        share = np.clip(groups.label.mean(), 1e-6, 1 - 1e-6)
        start[width] = np.log(share / (1 - share))
    if settings.objective == "watch_time":
        start[width] = np.log(groups.label.sum() / max(int((groups.label == 0).sum()), 1))
    found = scipy.optimize.minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    wide = np.where(problem.alive, found[:width], problem.prior)
    return wide, float(found[width]), found[width + 1 :]
