"""How is a catalog of millions searched in half a millisecond? By lists of like directions, longest items first.

An answer by inner product is long and points the right way. So items are put into lists by their direction alone, and
within a list they stand by their length. A list is only read as far down as an item of that length, pointing as much
towards the user as items of the list may, could still be among the n best found so far. How far they may is the
slack, in standard deviations of what the centre of the list does not tell; it is the one number to be tuned.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.models.index.arrays import Layout, mapped, written
from foryou.models.index.exact import Allowed, Found, among, best_of, products

DEPTH = 500  # every search goes at least as deep as the one that the slack was measured with
FEW = 20_000  # allowed items up to which all of them are scored instead of searched
PER_CENTRE, SWEEPS = 40, 6  # of k-means: items of the sample per list, iterations
TREE_ABOVE = 4_096  # lists above which the list of an item is searched for among the centres of the nearest groups
GROUPS, GROUPS_READ = 128, 12
CHUNK = 131_072


class InvertedFile:
    """Reads the lists with 8-bit vectors, then scores the best anew with the real ones.

    The file is mapped: all processes of a machine share its pages. vectors [N+1, D], float32 or float16, may have more
    rows than the file knows of: the newer ones are scanned exactly.
    """

    def __init__(self, path: Path, vectors: NDArray[np.float32], slack: float) -> None:
        self._lists, self._vectors, self.slack = mapped(path), vectors, slack
        self._new = np.arange(int(self._lists["items"][0]) + 1, len(vectors), dtype=np.int32)

    def search(self, user: NDArray[np.float32], n: int, allowed: Allowed = None) -> Found:
        """Give the n best items found and their exact products."""
        user = np.ascontiguousarray(user, np.float32)
        if allowed is not None:
            few = np.flatnonzero(allowed[1 : len(self._vectors)]).astype(np.int32) + np.int32(1)
            if len(few) <= FEW:
                return among(user, self._vectors, few, n)
        item, _ = self.near(user, n, allowed)
        score = products(user, self._vectors, item)
        new = self._new if allowed is None else self._new[allowed[self._new]]
        if len(new):
            more, product = among(user, self._vectors, new, n)
            item, score = np.concatenate([item, more], axis=1), np.concatenate([score, product], axis=1)
        return best_of(item, score, n)

    def near(self, user: NDArray[np.float32], n: int, allowed: Allowed = None) -> tuple[NDArray[np.int32], int]:
        """Give the n best by the 8-bit vectors, and how many were looked at in all."""
        deep = max(n, DEPTH)
        item, score = np.empty((len(user), deep), np.int32), np.empty((len(user), deep), np.float32)
        a = self._lists
        mask = np.ones(0, np.bool_) if allowed is None else allowed
        looked = kernels.scan_lists(
            user, a["centre"], a["centre_unit"], a["spread"], a["block_start"], a["longest"], a["code"], a["unit"],
            a["number"], mask, self.slack, item, score,
        )  # fmt: skip
        return best_of(item, score, n)[0], looked


@dataclass(frozen=True, slots=True)
class _Places:
    """Where items go: list int32 [N] and norm float32 [N] of each; cosine float64 [L], mean to the centre."""

    list_: NDArray[np.int32]
    norm: NDArray[np.float32]
    cosine: NDArray[np.float64]


def write(
    vectors: NDArray[np.floating], path: Path, threads: int, seed: int,
    on_progress: Callable[[str, int, int], None] = lambda *_: None,
) -> None:  # fmt: skip
    """Write the lists of vectors [N+1, D] to `path`, under another name until they are whole. Row 0 stays out."""
    faiss.omp_set_num_threads(threads)
    items = len(vectors) - 1
    lists = int(min(65_536, max(16, 4 * np.sqrt(items)), max(1, items // 8)))
    random = np.random.default_rng(seed)
    sample = np.sort(random.choice(items, min(items, PER_CENTRE * lists), replace=False)) + 1
    centre = _centres(_directions(vectors[sample])[0], lists, seed)
    places = _places(vectors, centre, on_progress)
    size = np.bincount(places.list_, minlength=lists)
    start = np.zeros(lists + 1, np.int64)
    np.cumsum(-(-size // kernels.BLOCK), out=start[1:])
    rows = int(start[-1]) * kernels.BLOCK
    width = vectors.shape[1]
    layout: Layout = {
        "items": ("i8", (1,)), "centre": ("i1", (lists, width)), "centre_unit": ("f4", (lists,)),
        "spread": ("f4", (lists,)), "block_start": ("i8", (lists + 1,)), "longest": ("f4", (int(start[-1]),)),
        "number": ("i4", (rows,)), "unit": ("f4", (rows,)), "code": ("i1", (rows, width)),
    }  # fmt: skip
    with written(path, layout) as out:
        out["items"][0], out["block_start"][:] = items, start
        kernels.in_bytes((centre * places.cosine[:, None]).astype(np.float32), out["centre"], out["centre_unit"])
        out["spread"][:] = np.sqrt(np.maximum(0, 1 - places.cosine**2) / width)
        order = np.lexsort((-places.norm, places.list_))
        of = places.list_[order]
        before = np.cumsum(size) - size
        place = start[of] * kernels.BLOCK + np.arange(items) - before[of]
        norm = np.zeros(rows, np.float32)
        norm[place], out["number"][place] = places.norm[order], order + 1
        out["longest"][:] = norm.reshape(-1, kernels.BLOCK)[:, 0]
        for at in range(0, rows, CHUNK):
            part = slice(at, at + CHUNK)
            taken = np.asarray(vectors[out["number"][part]], np.float32)
            taken[out["number"][part] == 0] = 0
            kernels.in_bytes(taken, out["code"][part], out["unit"][part])
            on_progress("index: writing", min(rows, at + CHUNK), rows)


def _directions(vectors: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give unit vectors and norms; a zero vector has no direction and stays zero."""
    wide = np.asarray(vectors, np.float32)
    norm = np.linalg.norm(wide, axis=1).astype(np.float32)
    return wide / np.maximum(norm, np.float32(1e-20))[:, None], norm


def _centres(sample: NDArray[np.float32], lists: int, seed: int) -> NDArray[np.float32]:
    """Give unit centres float32 [L, D] of directions by spherical k-means."""
    means = faiss.Kmeans(
        sample.shape[1], lists, niter=SWEEPS, spherical=True, seed=seed, min_points_per_centroid=1,
        max_points_per_centroid=PER_CENTRE,
    )  # fmt: skip
    means.train(np.ascontiguousarray(sample))
    return np.asarray(means.centroids, np.float32)


def _places(
    vectors: NDArray[np.floating], centre: NDArray[np.float32], on_progress: Callable[[str, int, int], None]
) -> _Places:
    items, lists = len(vectors) - 1, len(centre)
    flat = faiss.IndexFlatIP(centre.shape[1])
    nearest: Any = flat
    if lists > TREE_ABOVE:
        nearest = faiss.IndexIVFFlat(flat, centre.shape[1], GROUPS, faiss.METRIC_INNER_PRODUCT)
        nearest.cp.min_points_per_centroid = 1
        nearest.train(centre)
        nearest.nprobe = GROUPS_READ
    nearest.add(centre)
    list_, norm, total = np.empty(items, np.int32), np.empty(items, np.float32), np.zeros(lists)
    for at in range(0, items, CHUNK):
        part = slice(at, min(items, at + CHUNK))
        direction, norm[part] = _directions(vectors[part.start + 1 : part.stop + 1])
        cosine, where = nearest.search(direction, 1)
        list_[part] = where[:, 0]
        total += np.bincount(list_[part], cosine[:, 0], lists)
        on_progress("index: lists", part.stop, items)
    return _Places(list_, norm, np.clip(total / np.maximum(1, np.bincount(list_, minlength=lists)), 0, 1))
