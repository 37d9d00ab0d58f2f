"""How does a large network teach the ranker of every day? It is fitted once a week, kept as a file, and asked for soft
labels when the small one is fitted.

There are two of it, of the older half of the choices and of all of them: the first teaches the ranker that is judged on
the newer half of its own choices, and must not have seen them.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from foryou.domain.errors import Invalid, Refused
from foryou.models.mlp import Ranker
from foryou.train import rank
from foryou.train.blend import Choices
from foryou.train.rank import RankSettings
from foryou.train.ranker import fit_mlp

HIDDEN = (256, 128, 64)
DROPOUT = 0.2
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Teacher:
    """Arrays of the two networks, until when each saw choices, the fingerprint of their inputs, NDCG@10 of `early`."""

    early: Arrays
    whole: Arrays
    early_ms: int
    whole_ms: int
    schema: str
    ndcg_at_10: float

    def may_teach(self, choices: Choices) -> bool:
        """Say whether the networks know nothing that rankers of these choices are judged by."""
        half = len(choices.inputs) // 2
        return self.early_ms <= choices.known_ms[half] and self.whole_ms <= choices.known_ms[-1]


def learned(
    choices: Choices, settings: RankSettings, schema: str, on_progress: Callable[[str, int, int], None]
) -> Teacher:
    """Give the teacher of these choices.

    Raises Unavailable without PyTorch, Invalid where rankers are fitted for watch time or nothing was chosen.
    """
    if settings.watching:
        raise Invalid("train.objective", "watch_time has no teacher", "choose `click`, or train without --weekly")
    count, networks = len(choices.inputs), []
    fit = replace(settings.fit, hidden=HIDDEN, dropout=DROPOUT)
    for done, end in enumerate((count // 2, count)):
        on_progress("teacher", done, 2)
        networks.append(fit_mlp(rank.grouped(choices, np.arange(end), settings), fit, None, settings.prior))
    on_progress("teacher", 2, 2)
    early, whole = networks
    return Teacher(
        early, whole, choices.known_ms[count // 2 - 1], choices.known_ms[-1], schema,
        rank.ndcg(choices, count // 2, Ranker(early)),
    )  # fmt: skip


def save(teacher: Teacher, path: Path) -> None:
    """Write a teacher in place of the one before, whole or not at all."""
    said: dict[str, Any] = {
        "early_ms": np.array(teacher.early_ms), "whole_ms": np.array(teacher.whole_ms),
        "schema": np.array(teacher.schema), "ndcg_at_10": np.array(teacher.ndcg_at_10),
    }  # fmt: skip
    for name, arrays in (("early", teacher.early), ("whole", teacher.whole)):
        said |= {f"{name}-{key}": array for key, array in arrays.items()}
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, **said)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def load(path: Path) -> Teacher | None:
    """Give the teacher of a file; None where there is none. Raises Refused where the file is damaged."""
    if not path.exists():
        return None
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            said = {name: arrays[name] for name in arrays.files}
        of = {
            name: {key.removeprefix(f"{name}-"): array for key, array in said.items() if key.startswith(f"{name}-")}
            for name in ("early", "whole")
        }
        return Teacher(
            of["early"], of["whole"], int(said["early_ms"]), int(said["whole_ms"]), str(said["schema"]),
            float(said["ndcg_at_10"]),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise Refused(
            f"{path} is no teacher ({error}); remove it, or make it anew by `foryou train --weekly`"
        ) from None
