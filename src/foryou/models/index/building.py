"""Which index does a bundle get? One that is tried on the bundle's own vectors until its recall is what was asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foryou.domain.errors import Refused
from foryou.models.index import hnsw, inverted
from foryou.models.index.exact import EXACT_UP_TO, Exact, Index
from foryou.models.index.hnsw import Hnsw
from foryou.models.index.inverted import DEPTH, InvertedFile

RECALL_TARGET = 0.95  # of the exact top 20, measured on the bundle's own vectors when the index is built
TOP = 20
MARGIN = 0.005  # that half of the users must show above the target, so that the other half shows it, too
SLACKS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 6.0, 9.0)
DEPTHS = (DEPTH, 700, 1_000, 1_400, 2_000, 2_800, 4_000)
EFFORTS = {"ivf": SLACKS, "hnsw": DEPTHS}
CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Built:
    """What `build` made and found out.

    file          of the index; its ending is the kind
    effort        slack of lists, depth of a graph: the least that reaches the target
    recall_at_20  share of the exact top 20 among the 500 found, for users that the effort was not chosen with
    """

    file: Path
    effort: float
    recall_at_20: float
    recall_at_500: float

    def figures(self, name: str) -> dict[str, float]:
        """Give what a manifest says of the index of this name."""
        return {
            f"{name}_effort": self.effort,
            f"{name}_recall_at_20": self.recall_at_20,
            f"{name}_recall_at_500": self.recall_at_500,
        }


def chosen(kind: str, items: int) -> str:
    """Give the kind of index that a catalog of this size gets, if `auto` is asked for; else the kind itself."""
    return kind if kind != "auto" else "exact" if items <= EXACT_UP_TO else "ivf"


def build(
    vectors: NDArray[np.floating], users: NDArray[np.float32], base: Path, kind: str = "ivf", threads: int = 2,
    seed: int = 0, target: float = RECALL_TARGET, on_progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Built:  # fmt: skip
    """Build an index of a kind (ivf, hnsw) over vectors [N+1, D] into `base`.kind, as deep as the recall target needs.

    The effort is chosen with every other one of `users` [U, D], the recall is that of the others, both against the
    exact answer. Item numbers are the ids; row 0 stays out.
    """
    file = base.with_name(f"{base.name}.{kind}")
    if kind == "hnsw":
        hnsw.write(vectors, file, threads)
    else:
        inverted.write(vectors, file, threads, seed, on_progress)
    return tuned(file, vectors, users, target)


def tuned(
    file: Path, vectors: NDArray[np.floating], users: NDArray[np.float32], target: float = RECALL_TARGET
) -> Built:
    """Choose the effort of an index of these vectors that is there, as `build` does."""
    exact = best(vectors, users, DEPTH)
    effort = 0.0
    for effort in EFFORTS[file.suffix[1:]]:
        if recalls(of_file(file, vectors, effort), users[::2], exact[::2])[0] >= target + MARGIN:
            break
    at_20, at_500 = recalls(of_file(file, vectors, effort), users[1::2], exact[1::2])
    return Built(file, effort, at_20, at_500)


def recalls(index: Index, users: NDArray[np.float32], exact: NDArray[np.int64]) -> tuple[float, float]:
    """Give the shares of the exact top 20 and of all of `exact` [U, 500], best first, that an index finds."""
    if not len(users):
        return 1.0, 1.0
    return shares([index.search(user[None], DEPTH)[0][0] for user in users], exact)


def shares(found: Sequence[NDArray[np.int32]], exact: NDArray[np.int64]) -> tuple[float, float]:
    """Give the shares of the first 20 and of all of exact [U, n] that are among those found."""
    held = [np.isin(row, some) & (row > 0) for some, row in zip(found, exact, strict=True)]
    there = [max(1, int((row > 0).sum())) for row in exact]
    at_20 = [row[:TOP].sum() / min(TOP, all_) for row, all_ in zip(held, there, strict=True)]
    return float(np.mean(at_20)), float(np.mean([row.sum() / all_ for row, all_ in zip(held, there, strict=True)]))


def opened(name: str, files: Mapping[str, Path], vectors: NDArray[np.float32], report: Mapping[str, float]) -> Index:
    """Give the index of this name over vectors [N+1, D]: that of its file, or the exact one if there is none.

    Raises Refused for a file of a kind that an older release wrote.
    """
    mine = [path for file, path in files.items() if file.rpartition(".")[0] == name]
    if not mine:
        return Exact(vectors)
    if mine[0].suffix not in (".ivf", ".hnsw"):
        raise Refused(
            f"The bundle has an index {mine[0].name} of an older release of foryou; train again with `foryou train`"
        )
    return of_file(mine[0], vectors, report[f"{name}_effort"])


def of_file(file: Path, vectors: NDArray[np.floating], effort: float) -> Index:
    """Give the index of a file at an effort."""
    narrow: NDArray[np.float32] = vectors  # kernels read float16 as well
    return Hnsw(file, narrow, int(effort)) if file.suffix == ".hnsw" else InvertedFile(file, narrow, effort)


def best(vectors: NDArray[np.floating], users: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """Give the exact n best items of each user, best first.  int64 [U, n], 0 = none"""
    score, item = [np.zeros(0, np.float32)] * len(users), [np.zeros(0, np.int64)] * len(users)
    floor = np.full(len(users), -np.inf, np.float32)
    for start in range(1, len(vectors), CHUNK):
        scores = users @ np.asarray(vectors[start : start + CHUNK], np.float32).T
        for u, row in enumerate(scores):
            over = np.flatnonzero(row > floor[u])
            product, name = np.concatenate([score[u], row[over]]), np.concatenate([item[u], over + start])
            first = np.argsort(-product, kind="stable")[:n]
            score[u], item[u] = product[first], name[first]
            if len(first) == n:
                floor[u] = score[u][-1]
    found = np.zeros((len(users), n), np.int64)
    for u, names in enumerate(item):
        found[u, : len(names)] = names
    return found
