"""What is a candidate worth? A weighted sum of the ranker's inputs, or what was learned from choices."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from foryou.domain.slate import QueryBatch, Slate
from foryou.features.assemble import FeatureSchema, assemble, assemble_without
from foryou.kernels import uniform
from foryou.models.mlp import Ranker as Network

Inputs = NDArray[np.float32]


class Explained(Protocol):
    """A ranker that can say what a score is made of."""

    schema: FeatureSchema

    def score(self, batch: QueryBatch, slate: Slate, out: Inputs) -> None:
        """Fill out [B, C] with the score of each candidate."""
        ...

    def without(self, batch: QueryBatch, item: NDArray[np.int32], entries: int) -> Inputs:
        """Give the scores if one history entry were not there: item [B, C] -> float32 [B, L, C]."""
        ...

    def parts(self, batch: QueryBatch, item: NDArray[np.int32]) -> tuple[dict[str, float], dict[str, float]]:
        """Give the inputs of one item [1, 1] of a batch of one, and what each adds to its score."""
        ...

    def sum(self, inputs: Inputs, batch: QueryBatch, out: Inputs) -> None:
        """Fill out [B, C] with the scores of inputs [F, B, C]."""
        ...


class Blend:
    """score = Σ_f weight_f · input_f: linear, so each part of a score can be named.

    weight float32 [F], or [2, F]: for users without any history, and for all others
    """

    def __init__(self, schema: FeatureSchema, weight: NDArray[np.float32]) -> None:
        self.schema, self.weight = schema, np.atleast_2d(weight)
        used = np.asarray(self.weight.any(axis=0))
        self._used = FeatureSchema(tuple(one for one, on in zip(schema.features, used, strict=True) if on))
        self._weights = np.ascontiguousarray(self.weight[:, used])  # an input without weight is not worked out

    def score(self, batch: QueryBatch, slate: Slate, out: Inputs) -> None:
        """Fill out [B, C] with the score of each candidate."""
        self._add(self._weights, assemble(self._used, batch, slate.item), batch, out)

    def without(self, batch: QueryBatch, item: NDArray[np.int32], entries: int) -> Inputs:
        """Give the scores if one history entry were not there: item [B, C] -> float32 [B, L, C]."""
        out = np.empty((len(item), entries, item.shape[1]), np.float32)
        self._add(self._weights, assemble_without(self._used, batch, item, entries), batch, out)
        return out

    def parts(self, batch: QueryBatch, item: NDArray[np.int32]) -> tuple[dict[str, float], dict[str, float]]:
        """Give the inputs of one item [1, 1] of a batch of one, and what each adds to its score."""
        inputs = assemble(self.schema, batch, item)[:, 0, 0]
        weight = self.weight[self._stage(batch)[0]]
        return _named(self.schema, inputs), _named(self.schema, inputs * weight)

    def sum(self, inputs: Inputs, batch: QueryBatch, out: Inputs) -> None:
        """Fill out [B, ...] with the weighted sum of inputs [F, B, ...]."""
        self._add(self.weight, inputs, batch, out)

    def _stage(self, batch: QueryBatch) -> NDArray[np.intp]:
        if len(self.weight) == 1:
            return np.zeros(len(batch), np.intp)
        return np.asarray(batch.history.any(axis=1), np.intp)

    def _add(self, weights: NDArray[np.float32], inputs: Inputs, batch: QueryBatch, out: Inputs) -> None:
        out[:] = 0
        shape = (len(batch), *(1,) * (out.ndim - 1))
        mine = weights[self._stage(batch)]
        for place, column in enumerate(inputs):  # one by one: a batch sums as a single query does
            out += mine[:, place].reshape(shape) * column


class Learned:
    """score = the logit of a ranker that was learned from choices: logistic, or wide and deep (`models.mlp`)."""

    def __init__(self, schema: FeatureSchema, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.schema, self._network = schema, Network(arrays)
        self._usual = arrays["mean"].astype(np.float32)

    def score(self, batch: QueryBatch, slate: Slate, out: Inputs) -> None:
        """Fill out [B, C] with the logit of each candidate."""
        self._network.score(assemble(self.schema, batch, slate.item), out)

    def without(self, batch: QueryBatch, item: NDArray[np.int32], entries: int) -> Inputs:
        """Give the logits if one history entry were not there: item [B, C] -> float32 [B, L, C]."""
        out = np.empty((len(item), entries, item.shape[1]), np.float32)
        self._network.score(assemble_without(self.schema, batch, item, entries), out)
        return out

    def parts(self, batch: QueryBatch, item: NDArray[np.int32]) -> tuple[dict[str, float], dict[str, float]]:
        """Give the inputs of one item [1, 1] of a batch of one, and what is lost if each were as usual."""
        inputs = assemble(self.schema, batch, item)[:, 0, :]
        without = np.repeat(inputs, len(inputs), axis=1)
        np.fill_diagonal(without, self._usual)
        scores = self._network.logits(np.concatenate([inputs, without], axis=1).T)
        return _named(self.schema, inputs[:, 0]), _named(self.schema, scores[0] - scores[1:])

    def sum(self, inputs: Inputs, batch: QueryBatch, out: Inputs) -> None:  # noqa: ARG002
        """Fill out [B, C] with the logits of inputs [F, B, C]."""
        self._network.score(inputs, out)


def _named(schema: FeatureSchema, values: NDArray[np.float32]) -> dict[str, float]:
    return {name: float(value) for name, value in zip(schema.names, values, strict=True)}


class Logged:
    """A ranker that leaves what it saw on the slate, for a share of the queries: they are drawn by their seeds."""

    def __init__(self, ranker: Explained, share: float) -> None:
        self._ranker, self._share = ranker, share
        self._schema = ranker.schema.fingerprint

    def score(self, batch: QueryBatch, slate: Slate, out: Inputs) -> None:
        """Fill out [B, C] as the ranker does."""
        slate.logged = frozenset(b for b, seed in enumerate(batch.seed) if uniform(seed)[1] < self._share)
        if not slate.logged:
            self._ranker.score(batch, slate, out)
            return
        slate.inputs, slate.schema = assemble(self._ranker.schema, batch, slate.item), self._schema
        self._ranker.sum(slate.inputs, batch, out)


class Prior:
    """score = the source's own score: what the similar-items page shows."""

    def score(self, batch: QueryBatch, slate: Slate, out: Inputs) -> None:  # noqa: ARG002
        """Fill out [B, C] with the priors."""
        out[:] = slate.prior
