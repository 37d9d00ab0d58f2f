"""Which objective does a ranker follow? The one asked for, or the one that ranks a validation better."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from foryou.models.mlp import Ranker
from foryou.train.ranker.groups import Arrays, Groups, Objective, Problem, Settings, biases, seen_as
from foryou.train.ranker.loss import calibration, judged


def chosen(
    fit: Callable[[Settings], Arrays], problem: Problem, settings: Settings, validation: Groups | None
) -> Arrays:
    """Give the arrays of the better objective, calibrated on validation (without it: pointwise, on the groups).

    The objectives are compared with the positions' bias added, since the validation was clicked under it; calibration
    is without it, as scores are served.
    """
    names: tuple[Objective, ...] = (settings.objective,)
    if settings.objective == "auto":
        names = ("pointwise",) if validation is None else ("pointwise", "listwise")
    best: Arrays = {}
    best_figure = -np.inf
    judge = problem if validation is None else seen_as(validation, problem)
    for name in names:
        arrays = fit(replace(settings, objective=name))
        logit = Ranker(arrays).logits(judge.groups.inputs)
        figure = judged(judge.groups, logit + biases(arrays, judge))["ndcg_at_10"] if len(names) > 1 else 0.0
        if figure > best_figure:
            best, best_figure = arrays, figure
            if name != "watch_time":  # its exp(logit) is seconds
                best = arrays | {"calibration": calibration(judge.groups, logit)}
    return best
