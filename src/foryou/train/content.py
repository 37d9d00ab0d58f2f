"""How are items described to the models? TF-IDF of their terms, its truncated SVD, and an index from term to items."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.catalog import Catalog
from foryou.domain.ragged import Ragged

POSTINGS = 500  # items kept per term, the most popular ones
ROUNDS = 4  # of subspace iteration
OVERSAMPLING = 10


@dataclass(frozen=True, slots=True)
class ContentSettings:
    """`width`: D of the vectors; `terms`: V at most, the most frequent; `own`: weight of the caller's embeddings."""

    width: int = 64
    terms: int = 50_000
    own: float = 1.0
    seed: int = 42


def fit(catalog: Catalog, popularity: NDArray[np.float32], settings: ContentSettings) -> dict[str, NDArray[np.generic]]:
    """Give the arrays of `models.content.Content` for all items of the catalog.  popularity float32 [N+1]"""
    items = np.arange(len(catalog) + 1, dtype=np.int32)
    values, start = catalog.terms.take(items)
    terms, idf = _vocabulary(values, start, settings.terms)
    place = np.searchsorted(terms, values)
    known = np.append(terms, np.uint32(0))[place] == values  # the last place is beyond all terms
    known &= place < len(terms)
    row = np.repeat(items, np.diff(start))[known]
    table = scipy.sparse.csr_matrix((idf[place[known]], (row, place[known])), shape=(len(items), len(terms)))
    table.sum_duplicates()
    norm = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    table = scipy.sparse.diags_array(1 / np.maximum(norm, 1e-9)).astype(np.float32) @ table
    own = _own(catalog.embeddings, len(items))
    weighted = scipy.sparse.csr_matrix(own * np.float32(settings.own))
    projection = _directions(scipy.sparse.hstack([table, weighted]).tocsr() if own.shape[1] else table, settings)
    projection[len(terms) :] *= np.float32(settings.own)  # so that an own vector of unit length has its weight here
    vectors = np.zeros((len(items), projection.shape[1]), np.float32)
    kernels.encode(terms, idf, projection, values, start, vectors)
    if own.shape[1]:
        vectors += own @ projection[len(terms) :]
        vectors /= np.maximum(np.sqrt((vectors**2).sum(axis=1, keepdims=True)), 1e-9)
    by_term = table.tocsc()
    return {
        "content_terms": terms, "content_idf": idf, "content_projection": projection, "content_vectors": vectors,
        **_postings(by_term, catalog, popularity),
    }  # fmt: skip


def _vocabulary(
    values: NDArray[np.uint32], start: NDArray[np.int64], most: int
) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """Give the terms that describe two items or more (at most `most` of them), sorted, with log(1 + N / df)."""
    terms, count = np.unique(values, return_counts=True)
    kept = np.flatnonzero(count >= 2)
    if len(kept) > most:
        kept = np.sort(kept[np.argsort(-count[kept], kind="stable")[:most]])
    idf = np.log1p(max(1, len(start) - 2) / count[kept]).astype(np.float32)
    return terms[kept].astype(np.uint32), idf


def _own(embeddings: Ragged, rows: int) -> NDArray[np.float32]:
    """Give the caller's vectors of unit length, [N+1, E]; E is the most frequent width, 0 where nobody has one."""
    size = np.diff(embeddings.start)
    widths = np.bincount(size[size > 0]) if (size > 0).any() else np.zeros(1, np.int64)
    width = int(widths.argmax()) if widths.any() else 0
    out = np.zeros((rows, width), np.float32)
    for item in np.flatnonzero(size == width) if width else ():
        own = embeddings.of(int(item))
        out[item] = own / max(float(np.sqrt((own.astype(np.float64) ** 2).sum())), 1e-9)
    return out


def _directions(table: scipy.sparse.csr_matrix, settings: ContentSettings) -> NDArray[np.float32]:
    """Give the first right singular vectors [V + E, D], by subspace iteration (Halko et al. 2011, algorithm 4.4)."""
    width = min(settings.width, *table.shape)
    if not table.nnz:
        return np.zeros((table.shape[1], max(1, width)), np.float32)
    random = np.random.default_rng(settings.seed)
    wide = min(width + OVERSAMPLING, *table.shape)
    basis = random.standard_normal((table.shape[1], wide))
    for _ in range(ROUNDS):
        basis = np.linalg.qr(table.T @ np.linalg.qr(table @ basis)[0])[0]
    _, _, turned = np.linalg.svd(table @ basis, full_matrices=False)
    return np.asarray((basis @ turned[:width].T), np.float32)


def _postings(
    by_term: scipy.sparse.csc_matrix, catalog: Catalog, popularity: NDArray[np.float32]
) -> dict[str, NDArray[np.generic]]:
    """Give the index: per term its items, the most popular first, with the weight that the term has in each."""
    ids, values, start = [], [], np.zeros(by_term.shape[1] + 1, np.int64)
    liked = np.zeros(len(catalog) + 1, np.float32)
    liked[: len(popularity)] = popularity[: len(liked)]
    for term in range(by_term.shape[1]):
        rows = slice(by_term.indptr[term], by_term.indptr[term + 1])
        item, weight = by_term.indices[rows], by_term.data[rows]
        best = np.lexsort((item, -liked[item]))[:POSTINGS]
        ids.append(item[best])
        values.append(weight[best])
        start[term + 1] = start[term] + len(best)
    return {
        "postings_start": start,
        "postings_ids": np.concatenate([np.zeros(0, np.int32), *ids]).astype(np.int32),
        "postings_values": np.concatenate([np.zeros(0, np.float32), *values]).astype(np.float32),
    }
