"""How does a bundle look to those who read Parquet? One table per array, with item ids instead of numbers."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from foryou.domain.bundle import ModelBundle
from foryou.domain.catalog import Catalog
from foryou.domain.errors import Conflict, Invalid
from foryou.models.tower import PREFIX

MANIFEST = "manifest.json"
ROW_OF_ITEMS = (  # [N+1] or [N+1, D]: row n is item n
    "vectors", "popularity", "rating", "lately", "sequence_into", "sequence_out", "content_vectors", "graph_into",
    "graph_out", f"{PREFIX}vectors",
)  # fmt: skip
COLUMN_OF_ITEMS = ("stage_counts", "stage_lift")  # [G, N+1]: column n is item n; names that end in _lift, too
NUMBERS = ("popular", "kin_items", "postings_ids")  # int32 [n]: the values are items
OF_INPUTS = ("blend", "ensemble")  # [F] or [2, F]; mean, scale and wide of the learned rankers, too
PAIRS = {"link_ids": "link_values", "graph_ids": "graph_values"}  # [N+1, K] items, and what they weigh


def export(
    bundle: ModelBundle, catalog: Catalog, inputs: Sequence[str], folder: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:  # fmt: skip
    """Write each array as a Parquet file and the manifest as JSON into a folder that appears whole or not at all.

    catalog: that of the bundle, for the ids · inputs: names of the ranker's inputs [F]. Gives the names of the files.
    Raises Conflict if the folder exists, Invalid if it cannot be made.
    """
    if folder.exists():
        raise Conflict(f"{folder} exists already; name another folder, or remove it")
    ids = _ids(catalog)
    half = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}")
    try:
        half.mkdir(parents=True)
    except OSError as error:
        raise Invalid("--out", f"{folder} cannot be made ({error.strerror})", "name a folder to write into") from None
    try:
        written = []
        names = [name for name in bundle.arrays if name not in PAIRS.values()]
        for done, name in enumerate(names):
            on_progress(done, len(names))
            written.append(f"{name}.parquet")
            table(name, bundle.arrays, ids, inputs).write_parquet(half / written[-1], compression="zstd")
        (half / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(bundle.manifest)))
        os.rename(half, folder)  # noqa: PTH104 - of folders, and atomic
        on_progress(len(names), len(names))
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return [*written, MANIFEST]


def table(name: str, arrays: Mapping[str, NDArray[Any]], ids: pl.Series, inputs: Sequence[str]) -> pl.DataFrame:
    """Give one array as a table; item 0, which is nobody, is left out.

    Rows of items: item_id, value or vector. Links: item_id, other_id, weight (0 left out). Columns of items: item_id,
    group, value. Weights of inputs: row, input, weight. All else: row, value or vector.
    """
    array = np.asarray(arrays[name])
    if name == "links":
        row, column = np.nonzero(array[1:, 1:])
        return _linked(ids, row + 1, column + 1, array[row + 1, column + 1])
    if name in PAIRS:
        row, column = np.nonzero(array)
        return _linked(ids, row, array[row, column], np.asarray(arrays[PAIRS[name]])[row, column])
    if name == "kin" and "kin_items" in arrays:
        row, column = np.nonzero(array)
        return _linked(ids, np.asarray(arrays["kin_items"])[row], array[row, column], -column).drop("weight")
    if name in ROW_OF_ITEMS and len(array) == len(ids):
        return pl.DataFrame({"item_id": ids[1:], **_values(array[1:])})
    if (name in COLUMN_OF_ITEMS or name.endswith("_lift")) and array.shape[-1] == len(ids):
        return _across(array, ids)
    if name in NUMBERS:
        return pl.DataFrame({"row": np.arange(len(array)), "item_id": ids.gather(array)})
    if array.shape[-1:] == (len(inputs),) and (name in OF_INPUTS or name.endswith(("-mean", "-scale", "-wide"))):
        whole = np.atleast_2d(array)
        return pl.DataFrame({
            "row": np.repeat(np.arange(len(whole)), len(inputs)), "input": list(inputs) * len(whole),
            "weight": whole.ravel(),
        })  # fmt: skip
    return pl.DataFrame({"row": np.arange(len(array)), **_values(array)})


def _across(array: NDArray[Any], ids: pl.Series) -> pl.DataFrame:
    groups, items = array.shape[0], array.shape[1] - 1
    return pl.DataFrame({
        "item_id": ids.gather(np.tile(np.arange(1, items + 1), groups)),
        "group": np.repeat(np.arange(groups), items), "value": array[:, 1:].ravel(),
    })  # fmt: skip


def _linked(
    ids: pl.Series, row: NDArray[np.integer], other: NDArray[np.integer], weight: NDArray[np.generic]
) -> pl.DataFrame:
    return pl.DataFrame({"item_id": ids.gather(row), "other_id": ids.gather(other), "weight": weight})


def _values(array: NDArray[Any]) -> dict[str, Any]:
    if array.ndim == 1:
        return {"value": array}
    flat = np.ascontiguousarray(array).reshape(len(array), int(np.prod(array.shape[1:])))
    return {"vector": pl.Series(flat, dtype=pl.Array(pl.Series(flat.ravel()[:0]).dtype, flat.shape[1]))}


def _ids(catalog: Catalog) -> pl.Series:
    return pl.Series([None, *(catalog.id_of(number) for number in range(1, len(catalog) + 1))], dtype=pl.String)
