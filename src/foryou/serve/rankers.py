"""What is a candidate worth? A weighted sum of the ranker's inputs, or what was learned from choices."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.slate import QueryBatch, Slate
from foryou.features.assemble import FeatureSchema, assemble
from foryou.models.mlp import Ranker as Network

Inputs = NDArray[np.float32]


class Explained(Protocol):
    """A ranker that can say what a score is made of. `used`: its schema, where what counts nothing is left 0."""

    schema: FeatureSchema
    used: FeatureSchema

    def score(self, batch: QueryBatch, slate: Slate, out: Inputs) -> None:
        """Fill out [B, C] with the score of each candidate, and leave what it was made of on the slate."""
        ...

    def parts(self, batch: QueryBatch, item: NDArray[np.int32]) -> tuple[dict[str, float], dict[str, float]]:
        """Give the inputs of one item [1, 1] of a batch of one, and what each adds to its score."""
        ...

    def sum(self, inputs: Inputs, batch: QueryBatch, out: Inputs) -> None:
        """Fill out [B, ...] with the scores of inputs [F, B, ...]."""
        ...


class Unused:
    """An input that is not worked out, because it has no weight: 0."""

    of_history = False

    def __init__(self, name: str) -> None:
        self.name = name

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: Inputs) -> None:
        """Leave out [B, C] as it is."""

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: Inputs) -> bool:  # noqa: ARG002
        """Say that no history entry matters."""
        return False


def _used(schema: FeatureSchema, counts: list[bool]) -> FeatureSchema:
    """Give the schema without the work for inputs that do not count."""
    return FeatureSchema(
        tuple(one if on else Unused(one.name) for one, on in zip(schema.features, counts, strict=True))
    )


class Blend:
    """score = Σ_f weight_f · input_f: linear, so each part of a score can be named.

    weight float32 [F], or [2, F]: for users without any history, and for all others
    """

    def __init__(self, schema: FeatureSchema, weight: NDArray[np.float32]) -> None:
        self.schema, self.weight = schema, np.atleast_2d(weight)
        self.used = _used(schema, np.any(self.weight, axis=0).tolist())

    def score(self, batch: QueryBatch, slate: Slate, out: Inputs) -> None:
        """Fill out [B, C] with the score of each candidate."""
        slate.inputs = assemble(self.used, batch, slate.item)
        self.sum(slate.inputs, batch, out)

    def parts(self, batch: QueryBatch, item: NDArray[np.int32]) -> tuple[dict[str, float], dict[str, float]]:
        """Give the inputs of one item [1, 1] of a batch of one, and what each adds to its score."""
        inputs = assemble(self.schema, batch, item)[:, 0, 0]
        weight = self.weight[self._stage(batch)[0]]
        return _named(self.schema, inputs), _named(self.schema, inputs * weight)

    def sum(self, inputs: Inputs, batch: QueryBatch, out: Inputs) -> None:
        """Fill out [B, ...] with the weighted sum of inputs [F, B, ...]."""
        total = np.empty((len(batch), out[0].size), np.float32)
        kernels.weighted(inputs.reshape(len(inputs), *total.shape), self.weight[self._stage(batch)], total)
        out[:] = total.reshape(out.shape)

    def _stage(self, batch: QueryBatch) -> NDArray[np.intp]:
        if len(self.weight) == 1:
            return np.zeros(len(batch), np.intp)
        return np.asarray(batch.history.any(axis=1), np.intp)


class Learned:
    """score = the logit of a ranker that was learned from choices: logistic, or wide and deep (`models.mlp`)."""

    def __init__(self, schema: FeatureSchema, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.schema, self._network = schema, Network(arrays)
        self.used = _used(schema, self._network.alive.tolist())
        self._usual = arrays["mean"].astype(np.float32)

    def score(self, batch: QueryBatch, slate: Slate, out: Inputs) -> None:
        """Fill out [B, C] with the logit of each candidate that is kept or asked about; -inf for all others."""
        slate.inputs = assemble(self.used, batch, slate.item)
        asked = (slate.item == batch.asked[:, None]) & (slate.item > 0)
        out[:] = -np.inf
        self._network.score(slate.inputs, out, slate.kept() | asked)

    def parts(self, batch: QueryBatch, item: NDArray[np.int32]) -> tuple[dict[str, float], dict[str, float]]:
        """Give the inputs of one item [1, 1] of a batch of one, and what is lost if each were as usual."""
        inputs = assemble(self.schema, batch, item)[:, 0, :]
        without = np.repeat(inputs, len(inputs), axis=1)
        np.fill_diagonal(without, self._usual)
        scores = self._network.logits(np.concatenate([inputs, without], axis=1).T)
        return _named(self.schema, inputs[:, 0]), _named(self.schema, scores[0] - scores[1:])

    def sum(self, inputs: Inputs, batch: QueryBatch, out: Inputs) -> None:  # noqa: ARG002
        """Fill out [B, ...] with the logits of inputs [F, B, ...]."""
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
        slate.logged = frozenset(b for b, seed in enumerate(batch.seed) if kernels.uniform(seed)[1] < self._share)
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
