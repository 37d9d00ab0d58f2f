"""When is a graph of neighbours the better index? For vectors of like lengths: long ones become hubs."""

from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from foryou.models.index.exact import Allowed, Found, among, best_of, products

LINKS, BUILD_DEPTH = 32, 80
FEW = 20_000
_LIBRARY: Any = faiss  # its stubs know less than it does


class Hnsw:
    """Walks a navigable small world of 8-bit vectors (Malkov, Yashunin 2016), then scores with the real ones."""

    def __init__(self, path: Path, vectors: NDArray[np.float32], depth: int) -> None:
        faiss.omp_set_num_threads(1)
        self._index: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        self._vectors, self.depth = vectors, depth
        self._new = np.arange(self._index.ntotal + 1, len(vectors), dtype=np.int32)

    def search(self, user: NDArray[np.float32], n: int, allowed: Allowed = None) -> Found:
        """Give the n best items found and their exact products."""
        user = np.ascontiguousarray(user, np.float32)
        settings = _LIBRARY.SearchParametersHNSW(efSearch=max(self.depth, n))
        new = self._new
        if allowed is not None:
            few = np.flatnonzero(allowed[1 : len(self._vectors)]).astype(np.int32) + np.int32(1)
            if len(few) <= FEW:
                return among(user, self._vectors, few, n)
            bits = np.packbits(allowed[1 : self._index.ntotal + 1], bitorder="little")
            settings.sel = _LIBRARY.IDSelectorBitmap(bits)
            new = self._new[allowed[self._new]]
        _, found = self._index.search(user, n, params=settings)
        item = np.asarray(found + 1, np.int32)
        score = products(user, self._vectors, item)
        if len(new):
            more, product = among(user, self._vectors, new, n)
            item, score = np.concatenate([item, more], axis=1), np.concatenate([score, product], axis=1)
        return best_of(item, score, n)


def write(vectors: NDArray[np.floating], path: Path, threads: int) -> None:
    """Write the graph of vectors [N+1, D] to `path`, under another name until it is whole. Row 0 stays out."""
    faiss.omp_set_num_threads(threads)
    graph: Any = faiss.index_factory(vectors.shape[1], f"HNSW{LINKS},SQ8", faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = BUILD_DEPTH
    chunk = 131_072
    graph.train(np.asarray(vectors[1 : 1 + 2 * chunk], np.float32))
    for at in range(1, len(vectors), chunk):
        graph.add(np.asarray(vectors[at : at + chunk], np.float32))
    part = path.with_name(f"{path.name}.part")
    faiss.write_index(graph, str(part))
    part.rename(path)
