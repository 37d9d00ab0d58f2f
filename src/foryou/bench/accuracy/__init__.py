"""How good are the models on public data? One file per data set, each with its published protocol and figures.

A new data set is one file and one line in `OF_FOLDER`: a function of its folder and a progress report that gives a
dictionary with `protocol`, `ours` (`recall_at_20` or whatever the protocol counts) and, apart from it, `published`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from foryou.bench.accuracy import gowalla, ml_1m, ml_100k

Progress = Callable[[str, int, int], None]

OF_LOG = {"ml-100k": ml_100k.random_split}  # measured on the log of a home into which the data set was imported
OF_FOLDER: dict[str, Callable[[Path, Progress], dict[str, Any]]] = {
    "gowalla": gowalla.measure, "ml-1m": ml_1m.measure,
}  # fmt: skip
DATASETS = (*OF_LOG, *OF_FOLDER)

__all__ = ["DATASETS", "OF_FOLDER", "OF_LOG"]
