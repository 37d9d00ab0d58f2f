"""How likely is each candidate to be chosen? The forward pass of a wide and deep ranker, without PyTorch.

logit = bias + wide · z + mlp(z), z = (x − mean) / scale (Cheng et al. 2016). Without layers it is the logistic
ranker. Every candidate is worked out on its own, in the same order of operations and in blocks of one fixed size,
so a score has the same bits alone, in a batch and in any place of it; a matrix product of BLAS does not promise that.
"""

# mypy: disable-error-code="untyped-decorator"
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from foryou.domain.errors import Invalid

F32 = NDArray[np.float32]

BLOCK = 128  # candidates worked out together
STEP = 4  # inputs, and units, of a layer worked out at once; widths are filled up to multiples of it
LIMIT = np.float32(10.0)  # of a standardised input inside the MLP: what lies far outside is not extrapolated


class Ranker:
    """The exported arrays of `train.ranker`, ready to score.

    mean, scale, wide  float32 [F] · bias [1] · position [P] (not used: dropped when serving) · calibration [2] ·
    layer0.weight [128, F], layer0.bias [128], … (none: logistic)
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Pack the arrays for the kernel.

        Raises Invalid if an array is missing or has a shape that does not fit.
        """
        missing = [name for name in ("mean", "scale", "wide", "bias", "calibration") if name not in arrays]
        if missing:
            raise Invalid("ranker", f"the arrays {missing} are missing", "train again with `foryou train`")
        self.inputs = len(arrays["mean"])
        self._wide = np.stack([arrays["mean"], 1 / arrays["scale"], arrays["wide"]]).astype(np.float32)
        self._bias = np.float32(arrays["bias"][0])
        self._calibration = arrays["calibration"].astype(np.float32)
        layers = [arrays[f"layer{n}.weight"] for n in range(len(arrays)) if f"layer{n}.weight" in arrays]
        biases = [arrays[f"layer{n}.bias"] for n in range(len(layers))]
        self._deep = _deep(layers, self.inputs)
        narrow = [layers[0][:, self._deep], *layers[1:]] if layers and len(self._deep) < self.inputs else layers
        self._sizes, self._weights = _packed(narrow, biases, len(self._deep))
        self.alive = np.asarray(self._wide[2] != 0)
        if layers:
            self.alive[self._deep] = True

    def score(self, inputs: F32, out: F32, wanted: NDArray[np.bool_] | None = None) -> None:
        """Fill out [...] with the logits of inputs [F, ...]; both float32, e.g. [F, B, C] and [B, C].

        wanted bool [...]: where; None = everywhere. What is not wanted stays as it is.
        """
        if len(inputs) != self.inputs or inputs.shape[1:] != out.shape:
            raise Invalid(
                "inputs", f"shape {inputs.shape} does not fit {self.inputs} inputs and an output of {out.shape}",
                "give inputs [F, ...] and out [...]",
            )  # fmt: skip
        flat = np.ascontiguousarray(inputs, np.float32).reshape(self.inputs, out.size)
        rows = np.arange(out.size) if wanted is None else np.flatnonzero(wanted)
        logit = np.empty(len(rows), np.float32)
        _forward(flat, rows, self._wide, self._bias, self._deep, self._sizes, self._weights, logit)
        if wanted is None:
            out[...] = logit.reshape(out.shape)
        else:
            out[wanted] = logit

    def logits(self, rows: F32) -> F32:
        """Give the logits float32 [T] of rows float32 [T, F]."""
        out = np.empty(len(rows), np.float32)
        self.score(np.ascontiguousarray(rows.T), out)
        return out

    def probability(self, logit: F32) -> F32:
        """Give the probability of being chosen, calibrated on what the training saw; it keeps the order."""
        slope, shift = self._calibration
        return np.asarray(1 / (1 + np.exp(-(slope * logit + shift))), np.float32)

    @staticmethod
    def seconds(logit: F32) -> F32:
        """Give the seconds that a candidate is expected to be watched, where the objective was `watch_time`."""
        return np.exp(logit)


def _deep(layers: list[NDArray[Any]], inputs: int) -> NDArray[np.int64]:
    """Give the inputs that the layers weigh: one that did not vary in training has no weight there.  int64 [<= F]"""
    if not layers or layers[0].shape[1] != inputs:
        return np.arange(inputs)
    return np.flatnonzero(np.any(layers[0] != 0, axis=0))


def _packed(layers: list[NDArray[Any]], biases: list[NDArray[Any]], inputs: int) -> tuple[NDArray[np.int64], F32]:
    """Give the widths [L+1] of the layers (filled up to STEP) and one array of their weights and biases.

    Unit after unit: its weights, then its bias. Added units have no weight, added inputs count nothing.
    """
    sizes, packed, width = [_filled(inputs)], [], inputs
    for n, (weight, bias) in enumerate(zip(layers, biases, strict=True)):
        if weight.shape[1] != width or bias.shape != (weight.shape[0],):
            raise Invalid(
                f"layer{n}", f"weight {weight.shape} and bias {bias.shape} do not follow a layer of {width}",
                "train again with `foryou train`",
            )  # fmt: skip
        width = weight.shape[0]
        units = _filled(width)
        block = np.zeros((units, sizes[-1] + 1), np.float32)
        block[:width, : weight.shape[1]], block[:width, -1] = weight, bias
        sizes.append(units)
        packed.append(block.ravel())
    if layers and width != 1:
        raise Invalid(f"layer{len(layers) - 1}", f"the last layer has {width} units", "it must have one")
    return np.array(sizes, np.int64), np.concatenate(packed) if packed else np.zeros(0, np.float32)


def _filled(width: int) -> int:
    return -(-width // STEP) * STEP


@njit(cache=True, nogil=True, fastmath={"contract"})
def _forward(
    x: F32, rows: NDArray[np.int64], wide: F32, bias: np.float32, deep: NDArray[np.int64], sizes: NDArray[np.int64],
    weights: F32, out: F32,
) -> None:  # fmt: skip
    """Fill out [R] with the logits of x [F, T] at rows [R]; wide [3, F] holds mean, 1 / scale and weight.

    deep: the inputs that go through the layers, rising; one that has no weight here and there is not looked at.
    """
    widest = sizes.max()
    row, place = np.zeros(BLOCK, np.float32), np.full(x.shape[0], -1, np.int64)
    for n in range(len(deep)):
        place[deep[n]] = n
    here, there = np.zeros((widest, BLOCK), np.float32), np.zeros((widest, BLOCK), np.float32)
    total = np.empty(BLOCK, np.float32)
    for first in range(0, len(out), BLOCK):
        count = min(BLOCK, len(out) - first)
        total[:] = bias
        here[: sizes[0]] = 0.0
        for f in range(x.shape[0]):
            mean, inverse, weight = wide[0, f], wide[1, f], wide[2, f]
            if place[f] < 0 and weight == 0:
                continue
            for c in range(count):
                row[c] = x[f, rows[first + c]]
            for c in range(BLOCK):
                z = (row[c] - mean) * inverse
                total[c] += weight * z
                row[c] = min(max(z, -LIMIT), LIMIT)
            if place[f] >= 0:
                here[place[f]] = row
        at = 0
        for layer in range(len(sizes) - 1):
            units = sizes[layer + 1]
            _layer(here, weights[at:], sizes[layer], units, there)
            at += (sizes[layer] + 1) * units
            if layer < len(sizes) - 2:
                for u in range(units):
                    for c in range(BLOCK):
                        there[u, c] = max(there[u, c], np.float32(0.0))
            here, there = there, here
        if len(sizes) > 1:
            for c in range(BLOCK):
                total[c] += here[0, c]
        for c in range(count):
            out[first + c] = total[c]


@njit(cache=True, nogil=True, fastmath={"contract"})
def _layer(x: F32, weights: F32, inputs: int, units: int, out: F32) -> None:
    """Fill out [units, BLOCK] with the layer's answer to x [inputs, BLOCK] before its ReLU, 4 units by 4 inputs."""
    n = inputs + 1
    for u in range(0, units, STEP):
        w = weights[u * n : (u + STEP) * n]
        for k in range(STEP):
            for c in range(BLOCK):
                out[u + k, c] = w[k * n + inputs]
        for f in range(0, inputs, STEP):
            p0, p1, p2, p3 = w[f], w[f + 1], w[f + 2], w[f + 3]
            q0, q1, q2, q3 = w[n + f], w[n + f + 1], w[n + f + 2], w[n + f + 3]
            r0, r1, r2, r3 = w[2 * n + f], w[2 * n + f + 1], w[2 * n + f + 2], w[2 * n + f + 3]
            s0, s1, s2, s3 = w[3 * n + f], w[3 * n + f + 1], w[3 * n + f + 2], w[3 * n + f + 3]
            for c in range(BLOCK):
                x0, x1, x2, x3 = x[f, c], x[f + 1, c], x[f + 2, c], x[f + 3, c]
                out[u, c] = out[u, c] + p0 * x0 + p1 * x1 + p2 * x2 + p3 * x3
                out[u + 1, c] = out[u + 1, c] + q0 * x0 + q1 * x1 + q2 * x2 + q3 * x3
                out[u + 2, c] = out[u + 2, c] + r0 * x0 + r1 * x1 + r2 * x2 + r3 * x3
                out[u + 3, c] = out[u + 3, c] + s0 * x0 + s1 * x1 + s2 * x2 + s3 * x3
