"""Is a score of 2 likely or not? Isotonic regression of what was chosen on the score, on lists not learned from."""

# mypy: disable-error-code="untyped-decorator"
import numpy as np
from numba import njit
from numpy.typing import NDArray

from foryou.models.calibration import probability

BINS = 64  # of the scores before they are pooled
LEAST = 100  # chosen candidates below which nothing is said
BEYOND = 10.0  # ranges of the scores that the curve goes on for, with its mean slope
RISE = 1e-5  # of a chance, relative, that makes it higher: less is rounding, and lost in the float32 of the knots
JUDGED = 15  # bins of equal size that the error is measured in

F32 = NDArray[np.float32]


def curve(score: F32, label: NDArray[np.bool_]) -> F32 | None:
    """Give knots float32 [2, K] of the log odds of being chosen by score, strictly rising.

    None where too few were chosen, or a higher score does not make it likelier.

    Pool adjacent violators (Ayer et al. 1955) over bins that hold equal shares of all and of the chosen candidates;
    each bin begins with one candidate of the usual chance, so no probability is 0 or 1.
    """
    label = np.asarray(label, np.bool_)
    if label.sum() < LEAST or label.all() or score.min() == score.max():
        return None
    order = np.argsort(score, kind="stable")
    x, y = score[order].astype(np.float64), label[order].astype(np.float64)
    mass = np.cumsum(0.5 / len(y) + 0.5 * y / y.sum())
    edges = np.searchsorted(mass, np.arange(1, BINS) / BINS)
    edges = np.searchsorted(x, x[edges])  # equal scores stay together
    start = np.unique(np.concatenate([[0], edges]))
    size = np.diff(np.append(start, len(x)))
    usual = y.mean()
    middle, share = _pooled(
        np.add.reduceat(x, start) / size, (np.add.reduceat(y, start) + usual) / (size + 1), size + 1.0
    )
    odds = np.log(share / (1 - share))
    if len(middle) < 2:
        return None
    wide = (middle[-1] - middle[0]) * BEYOND
    tall = (odds[-1] - odds[0]) * BEYOND
    knots = np.array([
        [middle[0] - wide, *middle, middle[-1] + wide], [odds[0] - tall, *odds, odds[-1] + tall],
    ], np.float32)  # fmt: skip
    return np.ascontiguousarray(knots[:, np.append(True, np.diff(knots[0]) > 0)])


@njit(cache=True)
def _pooled(
    x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the mean x and y of blocks whose y > 0 rises, each by more than RISE of the one before."""
    mx, my, mw, blocks = x.copy(), y.copy(), weight.copy(), 0
    for one in range(len(x)):
        mx[blocks], my[blocks], mw[blocks] = x[one], y[one], weight[one]
        blocks += 1
        while blocks > 1 and my[blocks - 2] * (1 + RISE) >= my[blocks - 1]:
            total = mw[blocks - 2] + mw[blocks - 1]
            mx[blocks - 2] = (mw[blocks - 2] * mx[blocks - 2] + mw[blocks - 1] * mx[blocks - 1]) / total
            my[blocks - 2] = (mw[blocks - 2] * my[blocks - 2] + mw[blocks - 1] * my[blocks - 1]) / total
            mw[blocks - 2] = total
            blocks -= 1
    return mx[:blocks], my[:blocks]


def rescaled(knots: F32, then: F32, now: F32) -> F32:
    """Give the knots for another fit of the ranker, which scores the same candidates `now` where one said `then`.

    Scores of two fits differ in measure, hardly in order: a straight line by deviation and mean.
    """
    ratio = max(float(now.std()), 1e-9) / max(float(then.std()), 1e-9)
    found = knots.astype(np.float64)
    found[0] = (found[0] - float(then.mean())) * ratio + float(now.mean())
    return found.astype(np.float32)


def figures(score: F32, label: NDArray[np.bool_], half: NDArray[np.bool_]) -> dict[str, float]:
    """Give `calibration_ece` and `calibration_brier`, each half judged by the curve of the other; empty if too few.

    Expected calibration error over JUDGED bins of equal size (Naeini, Cooper, Hauskrecht 2015), Brier score (1950), and
    `calibration_brier_usual`, that of saying the same chance of every candidate.
    """
    said = np.empty(len(score), np.float32)
    for part in (half, ~half):
        knots = curve(score[~part], label[~part])
        if knots is None:
            return {}
        said[part] = probability(knots, score[part])
    order = np.argsort(said, kind="stable")
    parts = [one for one in np.array_split(order, JUDGED) if len(one)]
    away = sum(len(one) * abs(float(said[one].mean()) - float(label[one].mean())) for one in parts) / len(order)
    return {
        "calibration_ece": float(away), "calibration_brier": float(np.mean((said - label) ** 2)),
        "calibration_brier_usual": float(np.mean((label.mean() - label) ** 2)),
    }  # fmt: skip
