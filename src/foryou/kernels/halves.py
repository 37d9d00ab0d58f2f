"""How are vectors of 16 bits read? As bit patterns that the processor widens; numba knows no float16 on it."""

# mypy: disable-error-code="untyped-decorator"
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from foryou.kernels.arrays import F32, I32, SUMS


def _half(_context: Any, bits: Any) -> Any:  # noqa: ARG001  numba calls it by its types
    """Give the float32 of the float16 whose bits are a uint16."""

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return types.float32(types.uint16), code


_widened: Any = intrinsic(_half)


@njit(cache=True, nogil=True)
def widened(vectors: NDArray[np.uint16], item: I32, out: F32) -> None:
    """Fill out [n, D] with the rows item [n] of float16 vectors [N+1, D], given as bits."""
    for r in range(len(item)):
        row = vectors[item[r]]
        for d in range(row.shape[0]):
            out[r, d] = _widened(row[d])


@njit(cache=True, nogil=True, fastmath=SUMS)
def dots_of_halves(user: F32, vectors: NDArray[np.uint16], item: I32, out: F32) -> None:
    """Fill out [B, C] as `dots` does, from the bits of float16 vectors [N+1, D]."""
    for b in range(item.shape[0]):
        for c in range(item.shape[1]):
            total = np.float32(0.0)
            if 0 < item[b, c] < vectors.shape[0]:
                row = vectors[item[b, c]]
                for d in range(row.shape[0]):
                    total += user[b, d] * _widened(row[d])
            out[b, c] = total
