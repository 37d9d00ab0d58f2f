"""What should the kernels of lists and of narrow vectors do? Their slow versions."""

import numpy as np


def in_bytes(vectors: np.ndarray) -> tuple[list[list[int]], list[float]]:
    """Give the codes and the unit of each vector, so that the largest code is 127."""
    unit = [max(abs(float(one)) for one in vector) / 127 for vector in vectors]
    return [
        [round(float(one) / u) if u else 0 for one in vector] for vector, u in zip(vectors, unit, strict=True)
    ], unit


def dots_of_halves(user: np.ndarray, halves: np.ndarray, item: np.ndarray) -> list[list[float]]:
    """Give user · vector of each candidate of each query; 0 for the places that are empty or unknown."""
    return [
        [float(u @ halves[i].astype(np.float32)) if 0 < i < len(halves) else 0.0 for i in row]
        for u, row in zip(user, item, strict=True)
    ]


def scan_lists(
    user: np.ndarray, vectors: np.ndarray, number: np.ndarray, allowed: np.ndarray, n: int
) -> list[list[tuple[float, int]]]:
    """Give the n largest products of each query and the numbers of their items, largest first."""
    kept = [r for r in range(len(vectors)) if number[r] > 0 and (len(allowed) == 0 or allowed[number[r]])]
    return [sorted(((float(u @ vectors[r]), int(number[r])) for r in kept), reverse=True)[:n] for u in user]


def widened(halves: np.ndarray, item: np.ndarray) -> list[list[float]]:
    """Give rows of float16 vectors as floats."""
    return [[float(value) for value in halves[name]] for name in item]
