"""How do several arrays lie in one file that can be mapped? A line that says what is where, then the arrays."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Layout = dict[str, tuple[str, tuple[int, ...]]]  # name -> dtype and shape
HEAD, ALIGNED = 4_096, 64  # bytes: of the line, and at whose multiples arrays begin


@contextmanager
def written(path: Path, layout: Layout) -> Iterator[dict[str, NDArray[Any]]]:
    """Give mapped arrays of zeros to fill; the file has its name once they are filled."""
    part = path.with_name(f"{path.name}.part")
    places, end = {}, HEAD
    for name, (dtype, shape) in layout.items():
        places[name] = {"dtype": dtype, "shape": shape, "at": end}
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        end += -(-size // ALIGNED) * ALIGNED
    with part.open("wb") as file:
        file.write(json.dumps(places).encode().ljust(HEAD))
        file.truncate(end)
    arrays = _arrays(part, "r+")
    yield arrays
    del arrays
    part.rename(path)


def mapped(path: Path) -> Mapping[str, NDArray[Any]]:
    """Give the arrays of a file, read-only and mapped: all processes of a machine share their pages."""
    return _arrays(path, "r")


def _arrays(path: Path, mode: Any) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file:
        places = json.loads(file.read(HEAD))
    whole = np.memmap(path, np.uint8, mode).view(np.ndarray)
    found = {}
    for name, one in places.items():
        dtype, shape = np.dtype(one["dtype"]), tuple(one["shape"])
        size = int(np.prod(shape)) * dtype.itemsize
        found[name] = whole[one["at"] : one["at"] + size].view(dtype).reshape(shape)
    return found
