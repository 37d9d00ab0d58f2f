"""What should the kernel of the user tower compute? The slow, obvious version, for one user, in float64."""

from collections.abc import Mapping

import numpy as np

Array = np.ndarray


def normed(rows: Array, scale: Array, shift: Array) -> Array:
    """Give each row with mean 0 and variance 1, scaled and shifted."""
    away = rows - rows.mean(axis=1, keepdims=True)
    return away / np.sqrt((away**2).mean(axis=1, keepdims=True) + 1e-5) * scale + shift


def attended(mixed: Array, near: Array) -> Array:
    """Give what each row takes from itself and those before it, head beside head."""
    long, width = mixed.shape[0], mixed.shape[1] // 3
    query, key, value = (np.split(part, len(near), axis=1) for part in np.split(mixed, 3, axis=1))
    heads = []
    for q, k, v, add in zip(query, key, value, near, strict=True):
        score = q @ k.T / np.sqrt(width / len(near))
        for i in range(long):
            for j in range(long):
                score[i, j] = score[i, j] + add[i - j] if j <= i else -np.inf
        share = np.exp(score - score.max(axis=1, keepdims=True))
        heads.append(share / share.sum(axis=1, keepdims=True) @ v)
    return np.hstack(heads)


def tower_users(entries: Array, start: Array, weights: Mapping[str, Array]) -> Array:
    """Give the vector of a user from the item vectors of the history, oldest first, and what stands before it."""
    w = {name: one.astype(np.float64) for name, one in weights.items()}
    x = np.vstack([start, normed(entries @ w["into"].T, *w["entry"])])
    for block in range(len(w["attend"])):
        y = normed(x, *w["norms"][block, :2])
        z = y.copy()
        z[1:] += y[:-1] * w["taps"][block, 0]
        z[2:] += y[:-2] * w["taps"][block, 1]
        x = x + attended(z @ w["attend"][block].T, w["near"][block]) @ w["merge"][block].T
        wide = np.maximum(normed(x, *w["norms"][block, 2:]) @ w["up"][block].T + w["up_bias"][block], 0)
        x = x + wide @ w["down"][block].T + w["down_bias"][block]
    return np.asarray(w["outward"] @ normed(x[-1:], *w["last"])[0])
