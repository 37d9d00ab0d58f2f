"""How is a graph filter found? Sharpened links between items, and the singular vectors of the normalised matrix.

With G = R̃ᵀR̃, R̃ = D_u^-a R D_i^-b, and V_k the first k right singular vectors of D_u^-½ R D_i^-½, the operator is
B = D_i^-b [ H / ‖H‖ + β V_k V_kᵀ / ‖V_k V_kᵀ‖ ] D_i^e with H = G to the power q, entry by entry, without its diagonal.
q = 1 is the filter of GF-CF (Shen et al. 2021); above 1 strong links count more, as in item neighbours (Deshpande,
Karypis 2004 keep only the strongest). Served as D vectors and K links per item.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
from numpy.typing import NDArray

from foryou.domain.ragged import Ragged
from foryou.train.als import pairs
from foryou.train.dataset import Interactions

BLOCK = 1_024  # rows of the operator at a time: 1,024 x 41,000 items take 168 MB
OVERSAMPLED = 32  # more directions than are wanted, so that the last wanted ones are found well
SWEEPS = 4
DEPENDENT = 1e-3  # ratio of the diagonal of a Cholesky factor in which single precision has lost the last columns

Floats = NDArray[np.float32]
Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """a, b, e: powers of the degrees of users, items, and of what is scored; q; k and β; D and K that are served."""

    user_power: float = 0.25
    item_power: float = 0.5
    score_power: float = 0.5
    sharpness: float = 1.5
    spectrum: int = 1_024
    low_pass: float = 0.5
    width: int = 128
    neighbours: int = 300
    seed: int = 42


@dataclass(frozen=True, slots=True)
class Operator:
    """B in parts: into, out float32 [N+1, D] · ids int32, values float32 [N+1, K], largest value first, 0 = none."""

    into: Floats
    out: Floats
    ids: NDArray[np.int32]
    values: Floats


def fit(log: Interactions, settings: GraphSettings, on_progress: Report = lambda done, total: None) -> Operator:
    """Give the operator of a log. Only what is liked counts, each pair of user and item once."""
    size = 2 * log.items
    vectors = spectrum(log, settings, lambda done, total: on_progress(done * log.items // total, size))
    return operator(
        log, vectors, settings, lambda done, total: on_progress(log.items + done * log.items // total, size)
    )


def spectrum(log: Interactions, settings: GraphSettings, on_progress: Report = lambda done, total: None) -> Floats:
    """Give V_k float32 [N+1, k]."""
    plain, _ = adjacency(log, 0.5, 0.5)
    _, vectors = singular(plain, settings.spectrum, settings.seed, on_progress)
    vectors[0] = 0
    return vectors


def operator(
    log: Interactions, vectors: Floats, settings: GraphSettings, on_progress: Report = lambda done, total: None
) -> Operator:
    """Give the operator with these singular vectors."""
    scaled = vectors * np.float32(np.sqrt(settings.low_pass) * max(vectors.shape[1], 1) ** -0.25)
    normal, degree = adjacency(log, settings.user_power, settings.item_power)
    before = degree[:, None] ** np.float32(-settings.item_power)
    after = degree[:, None] ** np.float32(settings.score_power)
    kept = np.ascontiguousarray(scaled[:, : settings.width])
    links = _links(normal, scaled[:, settings.width :], (before, after), settings, on_progress)
    return Operator(kept * before, kept * after, *links)


def scores(of: Operator, own: Ragged, users: NDArray[np.int64]) -> Floats:
    """Give the scores float32 [B, N+1] of all items for users with these items, each of weight 1."""
    size, links = of.ids.shape
    start = np.arange(size + 1, dtype=np.int64) * links
    held = scipy.sparse.csr_matrix((of.values.ravel(), of.ids.ravel(), start), shape=(size, size))
    item, begin = own.take(users)
    rows = scipy.sparse.csr_matrix((np.ones(len(item), np.float32), item, begin), shape=(len(users), size))
    found: Floats = (rows @ held).toarray()
    found += (rows @ of.into) @ of.out.T
    return found


def adjacency(log: Interactions, user_power: float, item_power: float) -> tuple[scipy.sparse.csr_matrix, Floats]:
    """Give R̃ [U, N+1] and the degrees of the items float32 [N+1], 1 for those that nobody likes."""
    user, item, taste = pairs(log)
    user, item = user[taste > 0], item[taste > 0]
    of_user = np.maximum(np.bincount(user, minlength=len(log.user_ids)), 1).astype(np.float32)
    of_item = np.maximum(np.bincount(item, minlength=log.items + 1), 1).astype(np.float32)
    weight = of_user[user] ** np.float32(-user_power) * of_item[item] ** np.float32(-item_power)
    shape = (len(log.user_ids), log.items + 1)
    return scipy.sparse.csr_matrix((weight, (user, item)), shape=shape, dtype=np.float32), of_item


def singular(
    matrix: scipy.sparse.csr_matrix, k: int, seed: int, on_progress: Report = lambda done, total: None
) -> tuple[Floats, Floats]:
    """Give the k largest singular values, float32 [k], and right vectors, float32 [N, k], fewer if it has fewer.

    Subspace iteration from a random start (Halko, Martinsson, Tropp 2011).
    """
    size = min(k + OVERSAMPLED, *matrix.shape)
    transposed = matrix.T.tocsr()
    random = np.random.default_rng(seed)
    basis = _orthonormal(transposed @ random.standard_normal((matrix.shape[0], size), np.float32))
    for sweep in range(SWEEPS):
        basis = _orthonormal(transposed @ (matrix @ basis))
        on_progress(sweep + 1, SWEEPS)
    image = matrix @ basis
    squares, turn = np.linalg.eigh((image.T @ image).astype(np.float64))
    order = np.argsort(-squares)[: min(k, size)]
    order = order[squares[order] > 1e-10 * max(float(squares.max(initial=0)), 1e-30)]
    return np.sqrt(squares[order]).astype(np.float32), basis @ turn[:, order].astype(np.float32)


def _orthonormal(matrix: Floats) -> Floats:
    """Give an orthonormal basis of the columns [N, m]: by the Cholesky factor of their Gram matrix, which is several
    times as fast as QR, and by QR where they depend on one another."""
    gram = (matrix.T @ matrix).astype(np.float64)
    factor, failed = scipy.linalg.lapack.dpotrf(gram / np.trace(gram), lower=False)
    spread = np.diag(factor).min() / np.diag(factor).max()
    if failed or spread < DEPENDENT:
        basis, _ = scipy.linalg.qr(matrix, mode="economic", check_finite=False)
        return np.ascontiguousarray(basis, np.float32)
    inverse = scipy.linalg.solve_triangular(factor, np.eye(len(factor)), check_finite=False)
    found: Floats = matrix @ (inverse / np.sqrt(np.trace(gram))).astype(np.float32)
    return found


def _links(
    normal: scipy.sparse.csr_matrix, vectors: Floats, powers: tuple[Floats, Floats], settings: GraphSettings,
    on_progress: Report,
) -> tuple[NDArray[np.int32], Floats]:  # fmt: skip
    """Give the K heaviest entries per row of H and of these vectors, those beyond D. powers: of degrees, [N+1, 1]."""
    size, (before, after) = normal.shape[1], powers
    k = min(settings.neighbours, size - 1)
    ids, values = np.zeros((size, k), np.int32), np.zeros((size, k), np.float32)
    transposed = normal.T.tocsr()
    blocks = [slice(begin, min(begin + BLOCK, size)) for begin in range(0, size, BLOCK)]
    squares = sum(
        float((_sharp(transposed, normal, rows, settings.sharpness).data.astype(np.float64) ** 2).sum())
        for rows in blocks
    )
    for rows in blocks:
        block = _sharp(transposed, normal, rows, settings.sharpness).toarray()
        block /= np.float32(max(np.sqrt(squares), 1e-30))
        block += vectors[rows] @ vectors.T
        block *= after[:, 0]
        block *= before[rows]
        block[:, 0] = 0
        block[np.arange(len(block)), np.arange(rows.start, rows.stop)] = 0
        ids[rows], values[rows] = _heaviest(block, k)
        on_progress(rows.stop, size)
    ids[0], values[0] = 0, 0
    return ids, values


def _sharp(
    transposed: scipy.sparse.csr_matrix, normal: scipy.sparse.csr_matrix, rows: slice, power: float
) -> scipy.sparse.csr_matrix:
    """Give rows of H [rows, N+1]."""
    block = (transposed[rows] @ normal).tocoo()
    block.data[block.col == block.row + rows.start] = 0  # itself
    return scipy.sparse.csr_matrix((block.data ** np.float32(power), (block.row, block.col)), shape=block.shape)


def _heaviest(block: Floats, k: int) -> tuple[NDArray[np.int32], Floats]:
    ids = np.argpartition(-np.abs(block), k - 1, axis=1)[:, :k].astype(np.int32)
    values = np.take_along_axis(block, ids, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    ids, values = np.take_along_axis(ids, order, axis=1), np.take_along_axis(values, order, axis=1)
    ids[values == 0] = 0
    return ids, values
