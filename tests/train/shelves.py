"""Made-up lists whose truth is known: what a person would choose, and what the place in the list adds to it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foryou.train.ranker import Groups

SIZE = 10  # candidates per list


@dataclass(frozen=True, slots=True)
class Shelf:
    """Groups with the true appeal float32 [T] of each candidate, whatever its place."""

    groups: Groups
    appeal: NDArray[np.float32]


def shelf(inputs: NDArray[np.floating], appeal: NDArray[np.floating], seed: int = 0) -> Shelf:
    """Give lists of SIZE in which one candidate each is chosen, in proportion to exp(appeal)."""
    noise = np.random.default_rng(seed).gumbel(size=appeal.shape)
    label = np.zeros((len(appeal) // SIZE, SIZE), np.float32)
    label[np.arange(len(label)), (appeal + noise).reshape(-1, SIZE).argmax(axis=1)] = 1
    return Shelf(
        Groups(
            inputs.astype(np.float32), np.arange(0, len(appeal) + 1, SIZE, dtype=np.int64), label.ravel(),
            np.full(len(appeal), -1, np.int16), np.ones(len(label), np.float32),
        ),
        appeal.astype(np.float32),
    )  # fmt: skip


def halves(whole: Shelf) -> tuple[Shelf, Shelf]:
    """Give the first and the second half of the lists."""
    groups = np.arange(len(whole.groups))
    middle = len(groups) // 2
    return tuple(
        Shelf(whole.groups.where(part), whole.appeal[whole.groups.rows(part)[1]])
        for part in (groups[:middle], groups[middle:])
    )  # type: ignore[return-value]


def linear(lists: int, seed: int = 0) -> Shelf:
    """Appeal is 1, -0.5 and 0 times three inputs of different measure."""
    z = np.random.default_rng(seed).normal(size=(lists * SIZE, 3))
    return shelf(z * [1, 10, 0.1] + [0, 100, 5], z @ [1, -0.5, 0], seed)


def crossed(lists: int, seed: int = 0) -> Shelf:
    """Appeal is high where the signs of two inputs agree: no weighted sum can tell."""
    z = np.random.default_rng(seed).normal(size=(lists * SIZE, 2))
    return shelf(z, 4.0 * (np.sign(z[:, 0]) == np.sign(z[:, 1])), seed)


BIAS = -0.5 * np.arange(SIZE)  # what a place adds to the logit of a click


def biased(lists: int, seed: int = 0) -> Shelf:
    """Lists ordered by an older ranker that knew input 0 only; further down, less is clicked, whatever the appeal."""
    random = np.random.default_rng(seed)
    z = random.normal(size=(lists, SIZE, 2))
    order = np.argsort(-(z[:, :, 0] + 0.5 * random.normal(size=(lists, SIZE))), axis=1)
    z = np.take_along_axis(z, order[:, :, None], axis=1)
    appeal = z @ [0.3, 1.0]
    clicked = random.random((lists, SIZE)) < 1 / (1 + np.exp(-(appeal + BIAS)))
    groups = Groups(
        z.reshape(-1, 2).astype(np.float32), np.arange(0, lists * SIZE + 1, SIZE, dtype=np.int64),
        clicked.astype(np.float32).ravel(), np.tile(np.arange(SIZE, dtype=np.int16), lists), np.ones(lists, np.float32),
    )  # fmt: skip
    return Shelf(groups, appeal.astype(np.float32).ravel())
