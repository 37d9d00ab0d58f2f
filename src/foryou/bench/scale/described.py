"""How is a catalog of millions described to the content model? Terms fitted on a sample, then all items encoded."""

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.catalog import Catalog
from foryou.train.content import POSTINGS

SAMPLE, WIDTH = 200_000, 16
CHUNK = 250_000


def described(catalog: Catalog, popularity: NDArray[np.float32], seed: int) -> dict[str, NDArray[np.generic]]:
    """Give the arrays of `models.content.Content`: directions drawn at random (Achlioptas 2003), postings whole.

    popularity float32 [N+1] decides who stands first in a posting list.
    """
    random = np.random.default_rng(seed)
    drawn = np.sort(random.choice(len(catalog), min(SAMPLE, len(catalog)), replace=False)).astype(np.int32) + 1
    terms, count = np.unique(catalog.terms.take(drawn)[0], return_counts=True)
    idf = np.log1p(len(drawn) / count).astype(np.float32)
    projection = random.standard_normal((len(terms), WIDTH)).astype(np.float32)
    vectors = np.zeros((len(catalog) + 1, WIDTH), np.float32)
    for first in range(0, len(vectors), CHUNK):
        rows = np.arange(first, min(len(vectors), first + CHUNK), dtype=np.int32)
        values, start = catalog.terms.take(rows)
        kernels.encode(terms, idf, projection, values, start, vectors[rows[0] : rows[-1] + 1])
    return {
        "content_terms": terms, "content_idf": idf, "content_projection": projection, "content_vectors": vectors,
        **_postings(catalog, terms, idf, popularity),
    }  # fmt: skip


def _postings(
    catalog: Catalog, terms: NDArray[np.uint32], idf: NDArray[np.float32], popularity: NDArray[np.float32]
) -> dict[str, NDArray[np.generic]]:
    """Give per term its most popular items. Everybody has as many terms, so a weight is idf by the item's norm."""
    order = np.argsort(-popularity[1:], kind="stable").astype(np.int32) + 1
    each = (len(catalog.terms.values) // len(catalog)) if len(catalog) else 0
    values = catalog.terms.values.reshape(-1, each)[order - 1]
    place = np.minimum(np.searchsorted(terms, values), len(terms) - 1).astype(np.int32)
    known = terms[place] == values
    norm = np.sqrt((np.where(known, idf[place], 0) ** 2).sum(axis=1))
    which, row = place[known], np.nonzero(known)[0]
    del values
    sorted_ = np.argsort(which, kind="stable")
    which, row = which[sorted_], row[sorted_]
    rank = np.arange(len(which)) - np.searchsorted(which, which)
    which, row = which[rank < POSTINGS], row[rank < POSTINGS]
    start = np.zeros(len(terms) + 1, np.int64)
    np.cumsum(np.bincount(which, minlength=len(terms)), out=start[1:])
    return {
        "postings_start": start, "postings_ids": order[row].astype(np.int32),
        "postings_values": (idf[which] / norm[row]).astype(np.float32),
    }  # fmt: skip
