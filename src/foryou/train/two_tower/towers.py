"""What do the towers compute? The same as `kernels.tower`, on tensors of whole batches, with dropout and gradients.

An item is its own vector plus the mean of those of its terms. A user is a causal transformer over the items of the
history (Kang, McAuley 2018, SASRec) with the norms before the parts, what nearness adds instead of places (so the same
weights serve any window), and a short convolution before each attention. Before the first item stands who the user is.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.kernels.tower import EPSILON

Tensor = Any
HIDDEN = -1e9  # what keeps a row from looking ahead


@dataclass(frozen=True, slots=True)
class Shape:
    """D `vectors`, W `width`, blocks, heads, F = `wide` · W, distances told apart, and the sizes of the tables."""

    items: int
    terms: int
    people: int
    vectors: int
    width: int
    blocks: int
    heads: int
    wide: int
    window: int


def initial(shape: Shape, seed: int) -> dict[str, NDArray[np.float32]]:
    """Give the parameters before training, drawn with the seed."""
    random = np.random.default_rng(seed)

    def drawn(spread: float, *size: int) -> NDArray[np.float32]:
        return random.normal(0, spread, size).astype(np.float32)

    d, w, n, f = shape.vectors, shape.width, shape.blocks, shape.wide * shape.width
    basis, _ = np.linalg.qr(random.normal(size=(max(d, w), min(d, w))))
    into = np.asarray(basis.T if w <= d else basis, np.float32)
    ids, terms = drawn(0.05, shape.items + 1, d), drawn(0.05, shape.terms, d)
    ids[0] = 0
    ones, noughts = np.ones, np.zeros
    return {
        "ids": ids, "terms": terms, "people": drawn(0.02, shape.people, w), "start": noughts(w, np.float32),
        "into": np.ascontiguousarray(into), "entry": np.stack([ones(w), noughts(w)]).astype(np.float32),
        "taps": noughts((n, 2, w), np.float32), "attend": drawn(w**-0.5 * 0.58, n, 3 * w, w),
        "merge": drawn(0.02, n, w, w), "near": noughts((n, shape.heads, shape.window + 1), np.float32),
        "norms": np.tile(np.stack([ones(w), noughts(w)]), (n, 2, 1)).astype(np.float32),
        "up": drawn(w**-0.5 * 0.58, n, f, w), "up_bias": noughts((n, f), np.float32),
        "down": drawn(0.02, n, w, f), "down_bias": noughts((n, w), np.float32),
        "last": np.stack([ones(w), noughts(w)]).astype(np.float32), "outward": np.ascontiguousarray(into.T),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bags:
    """Which rows of a table make each of m sums: rows int64 [v] one after the other, start int64 [m]."""

    rows: Tensor
    start: Tensor


@dataclass(frozen=True, slots=True)
class Asked:
    """A batch for the user tower.

    place int64 [B, L] of each history entry among the item vectors of the step, oldest first; what is behind the end
    of a row is anything · people who the users are
    """

    place: Tensor
    people: Bags


class Towers:
    """The forward pass over parameters that carry gradients; `drop` forgets a share of values while learning."""

    def __init__(self, torch: Any, parameters: dict[str, Tensor], share: float = 0.0, generator: Any = None) -> None:
        self.torch, self.parameters = torch, parameters
        self._share, self._generator = share, generator

    def seed(self, seed: int) -> None:
        """Begin what is dropped anew: equal seeds drop equal values."""
        self._generator.manual_seed(seed)

    def items(self, item: Tensor, terms: Bags, kept: Tensor | None = None) -> Tensor:
        """Give the vectors of items int64 [M]: float32 [M, D]. kept [M, 1]: 0 where an item is to do without its id."""
        p, torch = self.parameters, self.torch
        own = p["ids"][item]
        if kept is not None:
            own = own * kept
        if not len(p["terms"]):
            return own
        mean = torch.nn.functional.embedding_bag(terms.rows, p["terms"], terms.start, mode="mean")
        return own + mean

    def users(self, asked: Asked, vectors: Tensor) -> Tensor:
        """Give what is expected before the first entry and after each: float32 [B, L + 1, W], for `outward`.

        vectors [M, D]: those of the step's items.
        """
        p, torch = self.parameters, self.torch
        entries = self._normed(vectors @ p["into"].T, p["entry"])[asked.place]
        start = p["start"].expand(len(asked.place), -1)
        if len(p["people"]):
            people = asked.people
            start = start + torch.nn.functional.embedding_bag(people.rows, p["people"], people.start, mode="sum")
        x = self._dropped(torch.cat([start[:, None], entries], dim=1))
        ahead, distance = self._distances(x.shape[1], x.device)
        for block in range(len(p["attend"])):
            near = p["near"][block][:, distance] + ahead
            x = x + self._dropped(self._attended(self._normed(x, p["norms"][block, :2]), block, near))
            wide = torch.relu(self._normed(x, p["norms"][block, 2:]) @ p["up"][block].T + p["up_bias"][block])
            x = x + self._dropped(wide @ p["down"][block].T + p["down_bias"][block])
        return self._normed(x, p["last"])

    def _distances(self, length: int, device: Any) -> tuple[Tensor, Tensor]:
        place = self.torch.arange(length, device=device)
        distance = place[:, None] - place
        return self.torch.where(distance < 0, HIDDEN, 0.0), distance.clamp(0)

    def _attended(self, x: Tensor, block: int, near: Tensor) -> Tensor:
        p, torch = self.parameters, self.torch
        pad, taps = torch.nn.functional.pad, p["taps"][block]
        x = x + pad(x, (0, 0, 1, 0))[:, :-1] * taps[0] + pad(x, (0, 0, 2, 0))[:, :-2] * taps[1]
        rows, length, width = x.shape
        mixed = (x @ p["attend"][block].T).view(rows, length, 3, len(near), -1).permute(2, 0, 3, 1, 4)
        query, key, value = mixed[0], mixed[1], mixed[2]
        score = query @ key.transpose(-1, -2) * (width // len(near)) ** -0.5 + near
        taken = torch.softmax(score, dim=-1) @ value
        return taken.transpose(1, 2).reshape(rows, length, width) @ p["merge"][block].T

    def _normed(self, x: Tensor, weights: Tensor) -> Tensor:
        return self.torch.nn.functional.layer_norm(x, (x.shape[-1],), weights[0], weights[1], EPSILON)

    def _dropped(self, x: Tensor) -> Tensor:
        """Give x with a share of its values 0 and the others raised; in steps of 1/256, from 64 random bits at once."""
        threshold = round(self._share * 256)
        if not threshold:
            return x
        torch, n = self.torch, x.numel()
        bits = torch.empty((n + 7) // 8, dtype=torch.int64, device=x.device)
        bits.random_(-(2**63), None, generator=self._generator)
        kept = (bits.view(torch.uint8)[:n] >= threshold).view(x.shape)
        return x * (kept * (256 / (256 - threshold)))
