"""How are the best items for a vector found? Exactly while the catalog is small, by sorted lists above."""

from foryou.models.index.building import RECALL_TARGET, Built, best, build, chosen, opened
from foryou.models.index.exact import EXACT_UP_TO, Exact, Index
from foryou.models.index.hnsw import Hnsw
from foryou.models.index.inverted import DEPTH, InvertedFile

__all__ = [
    "DEPTH",
    "EXACT_UP_TO",
    "RECALL_TARGET",
    "Built",
    "Exact",
    "Hnsw",
    "Index",
    "InvertedFile",
    "best",
    "build",
    "chosen",
    "opened",
]
