"""How are the best items for a vector found? Exactly while the catalog is small, by an inverted file above."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from foryou import kernels

EXACT_UP_TO = 50_000  # items: an exact scan of 50 k x 128 takes about 1 ms
TRAIN_VECTORS = 262_144
RECALL_TARGET = 0.95  # of the exact top 20, measured on the bundle's own vectors when the index is built
PROBES = (8, 16, 32, 64, 128, 256, 512)


class Index(Protocol):
    """Finds items by inner product."""

    def search(self, user: NDArray[np.float32], n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Give the n best items per user [B, D] and their products, int32 and float32 [B, n], 0 = none, in no order."""
        ...


class Exact:
    """Scans all vectors [N+1, D]."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = vectors

    def search(self, user: NDArray[np.float32], n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Give the n best of all items."""
        scores = np.empty((len(user), len(self._vectors)), np.float32)
        kernels.all_dots(user, self._vectors, scores)
        scores[:, 0] = -np.inf
        n = min(n, scores.shape[1] - 1)
        found = (
            np.argpartition(-scores, n - 1, axis=1)[:, :n].astype(np.int32) if n else np.zeros((len(user), 0), np.int32)
        )
        return found, scores[np.arange(len(found))[:, None], found]


class InvertedFile:
    """Scans the lists of the nearest centroids with 8-bit vectors, then scores the best anew with the real ones.

    The file is mapped: all processes of a machine share its pages.
    """

    def __init__(self, path: Path, vectors: NDArray[np.float32], probes: int) -> None:
        faiss.omp_set_num_threads(1)
        faiss.cvar.distance_compute_blas_threshold = 1 << 30  # one query must take the same path as a batch
        mapped: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        mapped.nprobe = probes
        self._index = mapped
        self._vectors = vectors

    def search(self, user: NDArray[np.float32], n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Give the n best items found and their exact products."""
        _, found = self._index.search(np.ascontiguousarray(user), n)
        item = np.maximum(found, 0).astype(np.int32)
        score = np.empty(item.shape, np.float32)
        kernels.dots(user, self._vectors, item, score)
        return item, score


@dataclass(frozen=True, slots=True)
class Built:
    """What `build` found out: lists to probe and the recall of the exact top 20 that this gives."""

    probes: int
    recall_at_20: float


def build(
    vectors: NDArray[np.float32], users: NDArray[np.float32], path: Path, threads: int = 2, seed: int = 0
) -> Built:
    """Build the inverted file over vectors [N+1, D] into `path`; probes as few lists as the recall target allows.

    The target is measured with `users` [U, D] against the exact answer. Item numbers are the ids; row 0 stays out.
    """
    faiss.omp_set_num_threads(threads)
    lists = int(min(65_536, max(64, 4 * np.sqrt(len(vectors)))))
    index: Any = faiss.index_factory(vectors.shape[1], f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    sample = np.random.default_rng(seed).choice(len(vectors) - 1, min(TRAIN_VECTORS, len(vectors) - 1), replace=False)
    index.train(np.ascontiguousarray(vectors[np.sort(sample) + 1]))
    for start in range(1, len(vectors), 131_072):
        part = np.ascontiguousarray(vectors[start : start + 131_072])
        index.add_with_ids(part, np.arange(start, start + len(part)))
    exact = _exact_top(vectors, users, 20)
    recall, probes = 0.0, PROBES[0]
    for probes in PROBES:
        index.nprobe = probes
        _, found = index.search(users, 100)
        recall = float(np.mean([len(np.intersect1d(a, b)) for a, b in zip(found, exact, strict=True)]) / exact.shape[1])
        if recall >= RECALL_TARGET:
            break
    faiss.write_index(index, str(path))
    return Built(probes, recall)


def _exact_top(vectors: NDArray[np.float32], users: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    best = np.full((len(users), n), -np.inf, np.float32)
    item = np.zeros((len(users), n), np.int64)
    for start in range(1, len(vectors), 131_072):
        scores = users @ vectors[start : start + 131_072].T
        both = np.concatenate([best, scores], axis=1)
        names = np.concatenate([item, np.broadcast_to(np.arange(start, start + scores.shape[1]), scores.shape)], axis=1)
        keep = np.argpartition(-both, n - 1, axis=1)[:, :n]
        best, item = np.take_along_axis(both, keep, axis=1), np.take_along_axis(names, keep, axis=1)
    return item
