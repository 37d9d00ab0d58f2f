"""Where do vectors come from at sizes that no public data set reaches? From here: items, users, popularity, by seed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CHUNK = 250_000  # items made at a time: the arrays of 10 M items need no more memory than they have themselves
LIKED = 6  # items that a user's vector is the mean of
_WITHIN = 0.8  # length of a cluster's centre in its items


@dataclass(frozen=True, slots=True)
class Shape:
    """What to make: N items and U users of width D.

    overlap      standard deviation of an item around its cluster (clusters have 0.8): larger is harder
    norm_spread  standard deviation of the log norm; popular items are longer, as trained factors are
    dtype        of the items: float32 or float16
    """

    items: int
    users: int
    width: int = 128
    seed: int = 7
    dtype: str = "float32"
    overlap: float = 0.6
    norm_spread: float = 0.35


@dataclass(frozen=True, slots=True)
class Vectors:
    """item [N, D] of the shape's dtype · user float32 [U, D] · popularity float64 [N], sums to 1."""

    item: NDArray[np.floating]
    user: NDArray[np.float32]
    popularity: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Clusters:
    """centre float32 [K, D] · share float64 [K], sums to 1 · spectrum float32 [D], spread of each dimension."""

    centre: NDArray[np.float32]
    share: NDArray[np.float64]
    spectrum: NDArray[np.float32]


def vectors(shape: Shape, folder: Path | None = None) -> Vectors:
    """Make the vectors of a shape; equal shapes give equal arrays.

    Items lie in overlapping clusters of Zipf-like sizes whose spectrum decays, their norms spread by popularity;
    a user is a noisy mixture of a few items and one cluster. With a folder, the arrays are saved there as
    items.npy (mapped while it is made), users.npy and popularity.npy.
    """
    rng = np.random.default_rng(shape.seed)
    clusters = _clusters(rng, shape)
    popularity = 1 / np.arange(1, shape.items + 1) ** 0.9
    rng.shuffle(popularity)
    popularity /= popularity.sum()
    item = _items(rng, shape, clusters, popularity, folder)
    user = _users(rng, shape, clusters, popularity, item)
    if folder is not None:
        np.save(folder / "users.npy", user)
        np.save(folder / "popularity.npy", popularity)
    return Vectors(item, user, popularity)


def _clusters(rng: np.random.Generator, shape: Shape) -> _Clusters:
    count = max(50, shape.items // 600)
    spectrum = (1 / np.sqrt(1 + np.arange(shape.width) / 8)).astype(np.float32)
    centre = rng.standard_normal((count, shape.width), dtype=np.float32) * spectrum
    share = 1 / np.arange(1, count + 1) ** 0.7
    return _Clusters(centre, share / share.sum(), spectrum)


def _items(
    rng: np.random.Generator, shape: Shape, clusters: _Clusters, popularity: NDArray[np.float64], folder: Path | None
) -> NDArray[np.floating]:
    size, dtype = (shape.items, shape.width), np.dtype(shape.dtype)
    item = (
        np.empty(size, dtype) if folder is None else np.lib.format.open_memmap(folder / "items.npy", "w+", dtype, size)
    )
    rank = np.empty(shape.items, np.float32)  # by popularity, from -1.5 (least) to 1.5
    rank[np.argsort(popularity)] = np.linspace(-1.5, 1.5, shape.items, dtype=np.float32)
    for start in range(0, shape.items, CHUNK):
        end = min(shape.items, start + CHUNK)
        chunk = clusters.centre[rng.choice(len(clusters.share), end - start, p=clusters.share)] * _WITHIN
        chunk += rng.standard_normal(chunk.shape, dtype=np.float32) * clusters.spectrum * shape.overlap
        chunk /= np.linalg.norm(chunk, axis=1, keepdims=True)
        noise = rng.standard_normal(end - start, dtype=np.float32)
        chunk *= np.exp(shape.norm_spread * (0.6 * rank[start:end] + 0.8 * noise))[:, None]
        item[start:end] = chunk
    return item


def _users(
    rng: np.random.Generator,
    shape: Shape,
    clusters: _Clusters,
    popularity: NDArray[np.float64],
    item: NDArray[np.floating],
) -> NDArray[np.float32]:
    liked = rng.choice(shape.items, (shape.users, LIKED), p=popularity)
    taste = clusters.centre[rng.choice(len(clusters.share), shape.users, p=clusters.share)]
    user: NDArray[np.float32] = (
        np.asarray(item[liked.ravel()], np.float32).reshape(shape.users, LIKED, shape.width).mean(1)
    )
    user += 0.3 * taste / np.linalg.norm(taste, axis=1, keepdims=True)
    user += 0.03 * rng.standard_normal(user.shape, dtype=np.float32)
    return user
