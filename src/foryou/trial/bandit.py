"""What do logs of the Open Bandit form say? Read them, and judge one policy's log by another's.

The form is that of the Open Bandit Dataset (Saito et al. 2021): CSV with a head line, one row per item shown, at least
the columns item_id, position, click and propensity_score.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foryou.domain.errors import Invalid
from foryou.trial.ope import Evaluated, Floats, Logged, evaluate

COLUMNS = ("item_id", "position", "click", "propensity_score")
SHRINK = 20.0  # rounds that the overall mean weighs in the model of an item at a position
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Bandit:
    """Rounds: item and position int64 [n], click and the chance of the item at its position float64 [n]."""

    item: NDArray[np.int64]
    position: NDArray[np.int64]
    click: Floats
    chance: Floats


def read(path: Path) -> Bandit:
    """Give the rounds of a file. Raises Invalid with file, line and column."""
    rows: list[tuple[float, float, float, float]] = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = csv.DictReader(file)
            if missing := [name for name in COLUMNS if name not in (lines.fieldnames or ())]:
                raise Invalid(str(path), f"has no column {missing[0]}", f"its head must name {', '.join(COLUMNS)}")
            for number, line in enumerate(lines, start=2):
                rows.append(_row(f"{path}:{number}", line))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Invalid(str(path), f"cannot be read ({error})", "name a CSV file") from None
    if not rows:
        raise Invalid(str(path), "holds no rounds", "name a log with at least one row")
    item, position, click, chance = np.array(rows).T
    return Bandit(item.astype(np.int64), position.astype(np.int64), click, chance)


def _row(where: str, line: dict[str, str]) -> tuple[float, float, float, float]:
    found = []
    for name in COLUMNS:
        try:
            found.append(float(line[name]))
        except (TypeError, ValueError):
            raise Invalid(where, f"{name} {line[name]!r} is no number", "mend or remove the line") from None
    if not 0 < found[3] <= 1:
        raise Invalid(where, f"propensity_score {found[3]} is not in (0, 1]", "mend or remove the line")
    return found[0], found[1], found[2], found[3]


def judged(log: Bandit, policy: NDArray[np.float64]) -> Evaluated:
    """Give what a policy would have earned per round.  policy float64 [positions, items], a row sums to 1

    The model is the mean click of an item at a position, shrunk to that of the position, cross-fitted.
    """
    positions, items = policy.shape
    place = np.unique(log.position, return_inverse=True)[1]
    cell = place * items + log.item
    fold = np.random.default_rng(42).integers(0, FOLDS, len(cell))
    guess, value = np.zeros(len(cell)), np.zeros(len(cell))
    for one in range(FOLDS):
        learned, mine = fold != one, fold == one
        count = np.bincount(cell[learned], minlength=positions * items).reshape(positions, items)
        clicks = np.bincount(cell[learned], log.click[learned], positions * items).reshape(positions, items)
        mean = clicks.sum(axis=1, keepdims=True) / np.maximum(count.sum(axis=1, keepdims=True), 1)
        model = (clicks + SHRINK * mean) / (count + SHRINK)
        guess[mine] = model.ravel()[cell[mine]]
        value[mine] = (policy * model).sum(axis=1)[place[mine]]
    return evaluate(Logged(log.click, log.chance, policy.ravel()[cell], guess, value))


def shown_by(log: Bandit, other: Bandit) -> NDArray[np.float64]:
    """Give the policy of another log: how often it showed each item at each position.  float64 [positions, items]"""
    items = int(max(log.item.max(), other.item.max())) + 1
    positions = np.unique(log.position)
    found = np.zeros((len(positions), items))
    for row, position in enumerate(positions.tolist()):
        shown = np.bincount(other.item[other.position == position], minlength=items)
        found[row] = shown / max(shown.sum(), 1)
    return found
