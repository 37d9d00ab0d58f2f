"""What is a candidate worth? A weighted sum of the ranker's inputs."""

import numpy as np
from numpy.typing import NDArray

from foryou.domain.slate import QueryBatch, Slate
from foryou.features.assemble import FeatureSchema, assemble, assemble_without


class Blend:
    """score = Σ_f weight_f · input_f: linear, so each part of a score can be named.  weight float32 [F]"""

    def __init__(self, schema: FeatureSchema, weight: NDArray[np.float32]) -> None:
        self.schema, self.weight = schema, weight
        counts = [(feature, one) for feature, one in zip(schema.features, weight, strict=True) if one != 0]
        self._used = FeatureSchema(tuple(feature for feature, _ in counts))  # an input without weight is not worked out
        self._weights = np.array([one for _, one in counts], np.float32)

    def score(self, batch: QueryBatch, slate: Slate, out: NDArray[np.float32]) -> None:
        """Fill out [B, C] with the score of each candidate."""
        _sum(self._weights, assemble(self._used, batch, slate.item), out)

    def without(self, batch: QueryBatch, item: NDArray[np.int32], entries: int) -> NDArray[np.float32]:
        """Give the scores if one history entry were not there: item [B, C] -> float32 [B, L, C]."""
        out = np.empty((len(item), entries, item.shape[1]), np.float32)
        _sum(self._weights, assemble_without(self._used, batch, item, entries), out)
        return out

    def parts(self, batch: QueryBatch, item: NDArray[np.int32]) -> tuple[dict[str, float], dict[str, float]]:
        """Give the inputs of one item [1, 1] of a batch of one, and what each adds to its score."""
        inputs = assemble(self.schema, batch, item)[:, 0, 0]
        names = self.schema.names
        return (
            {name: float(value) for name, value in zip(names, inputs, strict=True)},
            {name: float(value) for name, value in zip(names, inputs * self.weight, strict=True)},
        )

    def sum(self, inputs: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """Fill out with the weighted sum of inputs [F, ...]."""
        _sum(self.weight, inputs, out)


def _sum(weights: NDArray[np.float32], inputs: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    out[:] = 0
    for weight, column in zip(weights, inputs, strict=True):  # one by one: a batch sums as a single query does
        out += weight * column


class Prior:
    """score = the source's own score: what the similar-items page shows."""

    def score(self, batch: QueryBatch, slate: Slate, out: NDArray[np.float32]) -> None:  # noqa: ARG002
        """Fill out [B, C] with the priors."""
        out[:] = slate.prior
