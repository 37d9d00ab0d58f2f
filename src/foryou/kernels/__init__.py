"""Which arithmetic runs on the hot path? Plain functions of arrays, compiled at first call and cached.

Shapes use the letters of `domain.slate`: B queries · C candidate places · D width · H history · N items. Every
kernel treats each query on its own and in the same order, so one query gives the same bits alone and in a batch.
Oracles of a few lines stand in `tests/oracles.py`. A kernel calls only kernels of its own file: what numba keeps beside
the source is made anew when that file changes, and only then.
"""

from foryou.kernels.candidates import (
    count_kept,
    gather,
    gather_rows,
    member,
    merge,
    numbers_of,
    starts_of_rows,
    take_rows,
)
from foryou.kernels.exploring import CONTENDERS, GRID, dealt, explorable, explore, hopes, uniform
from foryou.kernels.foldin import MAX_FOLD, fold_in, without_each
from foryou.kernels.folding import beginnings, latest, remember, see
from foryou.kernels.halves import dots_of_halves, widened
from foryou.kernels.histories import largest, links, means_without, recent, sparse_links, sums_without
from foryou.kernels.lists import BLOCK, in_bytes, scan_lists
from foryou.kernels.picking import beyond_cap, top
from foryou.kernels.sums import (
    add_rows,
    all_dots,
    best_of_sparse_rows,
    dots,
    dots_between,
    mean_and_deviation,
    sum_at,
    sum_sparse_at,
    weighted,
)
from foryou.kernels.terms import (
    affinity,
    best_of_postings,
    dots_of_two,
    encode,
    group_links,
    profile,
    share_of_same,
    share_of_terms,
    sum_of_groups,
    sum_of_vectors,
    times,
)
from foryou.kernels.tower import tower_users
from foryou.kernels.variety import arrivals, calibrate

__all__ = [
    "BLOCK",
    "CONTENDERS",
    "GRID",
    "MAX_FOLD",
    "add_rows",
    "affinity",
    "all_dots",
    "arrivals",
    "beginnings",
    "best_of_postings",
    "best_of_sparse_rows",
    "beyond_cap",
    "calibrate",
    "count_kept",
    "dealt",
    "dots",
    "dots_between",
    "dots_of_halves",
    "dots_of_two",
    "encode",
    "explorable",
    "explore",
    "fold_in",
    "gather",
    "gather_rows",
    "group_links",
    "hopes",
    "in_bytes",
    "largest",
    "latest",
    "links",
    "mean_and_deviation",
    "means_without",
    "member",
    "merge",
    "numbers_of",
    "profile",
    "recent",
    "remember",
    "scan_lists",
    "see",
    "share_of_same",
    "share_of_terms",
    "sparse_links",
    "starts_of_rows",
    "sum_at",
    "sum_of_groups",
    "sum_of_vectors",
    "sum_sparse_at",
    "sums_without",
    "take_rows",
    "times",
    "top",
    "tower_users",
    "uniform",
    "weighted",
    "widened",
    "without_each",
]
