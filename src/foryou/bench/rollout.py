"""How soon is a bundle that users like less taken back? Beside what the power calculator says, on resampled users."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.bench.verdicts import people
from foryou.trial.estimate import ALPHA, Sample, lift
from foryou.trial.outcomes import measured
from foryou.trial.power import noise, users_needed

LOOKS = 20  # per as many users as the power calculator wants
TIMES = 2  # a run ends after so many times as many users
POWER = 0.8
Progress = Callable[[str, int, int], None]
Floats = NDArray[np.float64]


def until_found(
    counts: Floats, per: Floats, drop: float, share: float, step: int, looks: int, alpha: float, seed: int
) -> int:  # fmt: skip
    """Give the users after which a drop is certain, looking after every `step` of them; 0 = it never was.

    counts, per [n]: what each user did, of what. Users are drawn with replacement; those of the new bundle (`share` of
    them) do each thing with the chance 1 - drop.
    """
    random = np.random.default_rng(seed)
    rows = random.integers(0, len(counts), step * looks)
    new = random.random(len(rows)) < share
    above, below = counts[rows], per[rows]
    above = np.where(new, random.binomial(above.astype(np.int64), 1 - drop), above)
    for look in range(1, looks + 1):
        seen = slice(0, look * step)
        old_one, new_one = (Sample(above[seen][side[seen]], below[seen][side[seen]]) for side in (~new, new))
        change = lift(old_one, new_one, drop or 0.1, alpha)
        if change is not None and change.high < 0:
            return look * step
    return 0


def measured_rollout(
    users: int, runs: int, seed: int, drop: float, share: float, steps: int, on_progress: Progress
) -> dict[str, Any]:
    """Give users until a drop of `ctr` is found, and how often one is found that is not there.

    steps: of the schedule with users of both bundles, among which the chance of a false alarm is divided.
    """
    known = people(users, users // 2, 60 * users, seed, on_progress)
    last = known.totals[known.totals[:, -1, 0] > 0, -1]
    counts, per = measured(last, "ctr")
    alpha = ALPHA / steps
    wanted = users_needed(noise(Sample(counts, per)), drop, (1 - share, share), POWER, alpha=alpha, drop=True)
    step = max(1, wanted // LOOKS)
    found, alarms = list[int](), 0
    for run in range(runs):
        found.append(until_found(counts, per, drop, share, step, TIMES * LOOKS, alpha, seed + run))
        alarms += until_found(counts, per, 0.0, share, step, TIMES * LOOKS, alpha, seed + runs + run) > 0
        on_progress("runs", run + 1, runs)
    took = np.array([one or TIMES * wanted for one in found])
    return {
        "drop": drop, "share": share, "runs": runs, "looks": TIMES * LOOKS, "users_predicted": wanted, "power": POWER,
        "found_by_then": float(np.mean(took <= LOOKS * step)), "users_median": float(np.median(took)),
        "users_at_power": float(np.quantile(took, POWER)), "never_found": float(np.mean([not one for one in found])),
        "false_returns": alarms / runs, "allowed": alpha,
    }  # fmt: skip
