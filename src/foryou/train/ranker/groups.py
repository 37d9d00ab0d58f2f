"""What does a ranker learn from? Groups of candidates with what was chosen, seen in one measure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from foryou.domain.errors import Invalid

Objective = Literal["pointwise", "listwise", "watch_time", "auto"]
FORMS = {"pointwise": 0, "listwise": 1, "watch_time": 2}  # of the loss
Arrays = dict[str, NDArray[np.float32]]

PLACES = 64  # positions that get a bias of their own; those behind share the last


@dataclass(frozen=True, slots=True)
class Settings:
    """How a ranker is fitted. `auto` fits pointwise and listwise, and keeps the better one on validation."""

    objective: Objective = "auto"
    ridge: float = 1e-3  # pulls the wide weights (per standard deviation of the input) towards the prior
    debias: bool = True  # learn what a position adds, where positions are known
    hidden: tuple[int, ...] = (128, 64, 32)
    rate: float = 1e-3  # learning rate of AdamW
    decay: float = 1e-2  # weight decay of the MLP's layers
    dropout: float = 0.0  # share of hidden units switched off while learning
    epochs: int = 20  # at most, with validation; exactly, without
    patience: int = 3  # epochs without progress on validation before it stops
    batch_rows: int = 2_048
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Groups:
    """Lists of candidates and what was chosen.  T rows in Q groups, group q is rows start[q]..start[q+1]

    inputs float32 [T, F] · start int64 [Q+1] · label float32 [T], 0..1, 1 = chosen (watch_time: seconds watched) ·
    position int16 [T], place in the list that was shown, 0 = first, -1 = not known · weight float32 [Q]
    """

    inputs: NDArray[np.float32]
    start: NDArray[np.int64]
    label: NDArray[np.float32]
    position: NDArray[np.int16]
    weight: NDArray[np.float32]
    unit: bool = True  # labels are 0..1, not seconds

    def __post_init__(self) -> None:
        """Check the shapes and values.

        Raises Invalid.
        """
        rows = len(self.inputs)
        if self.start[0] != 0 or self.start[-1] != rows or (np.diff(self.start) < 0).any():
            raise Invalid("start", f"must rise from 0 to the {rows} rows", "give where each group starts, then the end")
        if (len(self.label), len(self.position), len(self.weight)) != (rows, rows, len(self)):
            raise Invalid(
                "groups",
                f"{len(self.label)} labels, {len(self.position)} positions and {len(self.weight)} weights do not fit "
                f"{rows} rows in {len(self)} groups", "give one label and position per row, one weight per group",
            )  # fmt: skip
        if (broken := np.flatnonzero(~np.isfinite(self.inputs).all(axis=0))).size:
            raise Invalid("inputs", f"column {broken[0]} has a value that is not finite", "fill it before training")
        most = 1 if self.unit else float("inf")
        if rows and not 0 <= float(self.label.min()) <= float(self.label.max()) <= most:
            raise Invalid("label", f"{float(self.label.min())} to {float(self.label.max())}", "labels are 0 to 1")

    def __len__(self) -> int:
        """Give the number of groups."""
        return len(self.start) - 1

    def rows(self, groups: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give where each of these groups starts (int64 [q+1]) when their rows (int64 [t]) stand one after another."""
        size = np.diff(self.start)[groups]
        start = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
        return start, np.repeat(self.start[groups] - start[:-1], size) + np.arange(start[-1])

    def where(self, groups: NDArray[np.integer]) -> "Groups":
        """Give these groups, in this order."""
        start, rows = self.rows(groups)
        return Groups(self.inputs[rows], start, self.label[rows], self.position[rows], self.weight[groups], self.unit)


@dataclass(frozen=True, slots=True)
class Problem:
    """Groups as the fits see them: standardised inputs, bounded positions, the prior per standard deviation.

    z float32 [T, F] · place int64 [T], PLACES = none · prior float32 [F] · alive bool [F], columns with variance
    """

    groups: Groups
    z: NDArray[np.float32]
    place: NDArray[np.int64]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    prior: NDArray[np.float32]
    alive: NDArray[np.bool_]


def posed(groups: Groups, settings: Settings, prior: NDArray[np.float32] | None) -> Problem:
    """Standardise the inputs of groups; a column without variance gets mean as it is and scale 1.

    Raises Invalid if there is nothing to learn from.
    """
    if not (groups.label > 0).any():
        raise Invalid("groups", f"nothing was chosen in {len(groups)} groups", "collect clicks or purchases first")
    width = groups.inputs.shape[1]
    if prior is not None and prior.shape != (width,):
        raise Invalid("prior", f"{prior.shape[0]} weights for {width} inputs", "give one weight per input")
    mean = groups.inputs.mean(axis=0, dtype=np.float64)
    spread = groups.inputs.std(axis=0, dtype=np.float64)
    alive = spread > 1e-6 * np.maximum(1.0, np.abs(mean))
    scale = np.where(alive, spread, 1.0).astype(np.float32)
    start = np.zeros(width, np.float32) if prior is None else (prior * scale).astype(np.float32)
    z = np.where(alive, (groups.inputs - mean.astype(np.float32)) / scale, np.float32(0))
    place = places(groups, settings.debias)
    return Problem(groups, np.ascontiguousarray(z), place, mean.astype(np.float32), scale, start, alive)


def seen_as(groups: Groups, problem: Problem) -> Problem:
    """Give other groups (validation) in the measure of a problem."""
    z = np.ascontiguousarray((groups.inputs - problem.mean) / problem.scale, np.float32)
    return replace(problem, groups=groups, z=z, place=places(groups, True))


def places(groups: Groups, debias: bool) -> NDArray[np.int64]:
    """Give the position of each row, PLACES = one that adds nothing.  int64 [T]"""
    place = np.minimum(groups.position.astype(np.int64), PLACES - 1)
    place[(place < 0) | (not debias)] = PLACES
    return place


def exported(problem: Problem, wide: NDArray[Any], bias: float, position: NDArray[Any]) -> Arrays:
    """Give the arrays that every ranker has; calibration is still that of the logit as it is."""
    return {
        "mean": problem.mean, "scale": problem.scale, "wide": wide.astype(np.float32),
        "bias": np.array([bias], np.float32), "position": position.astype(np.float32),
        "calibration": np.array([1.0, 0.0], np.float32),
    }  # fmt: skip


def biases(arrays: Mapping[str, NDArray[Any]], problem: Problem) -> NDArray[np.float32]:
    """Give what its position added to each row.  float32 [T]"""
    return np.append(arrays["position"], np.float32(0))[problem.place]
