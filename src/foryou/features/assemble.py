"""Which inputs does the ranker see? An ordered schema with a fingerprint; trainer and server call the same code."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from foryou.domain.ports import Feature
from foryou.domain.slate import QueryBatch

VERSION = 1  # raise it when the meaning of an input changes


@dataclass(frozen=True, slots=True)
class FeatureSchema:
    """The inputs in order. F is their number."""

    features: tuple[Feature, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Give the names in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def fingerprint(self) -> str:
        """Give what a bundle must have been trained with to be served by this schema."""
        return fingerprint(self.names)


def fingerprint(names: Sequence[str]) -> str:
    """Give the fingerprint of a schema with these inputs."""
    return blake2b(f"{VERSION}:{','.join(names)}".encode(), digest_size=8).hexdigest()


def assemble(schema: FeatureSchema, batch: QueryBatch, item: NDArray[np.int32]) -> NDArray[np.float32]:
    """Give the inputs of every candidate: item int32 [B, C] -> float32 [F, B, C]."""
    inputs = np.zeros((len(schema.features), *item.shape), np.float32)
    for place, feature in enumerate(schema.features):
        feature.fill(batch, item, inputs[place])
    return inputs


def assemble_anew(
    schema: FeatureSchema, batch: QueryBatch, item: NDArray[np.int32], inputs: NDArray[np.float32]
) -> None:
    """Work out again, in inputs [F, B, C], what depends on history: that of the batch is another one now."""
    for place, feature in enumerate(schema.features):
        if feature.of_history:
            feature.fill(batch, item, inputs[place])


def assemble_without(
    schema: FeatureSchema, batch: QueryBatch, item: NDArray[np.int32], inputs: NDArray[np.float32], entries: int
) -> NDArray[np.float32]:
    """Give the inputs if one history entry were not there: item [B, C] -> float32 [F, B, L, C], L = `entries`.

    inputs float32 [F, B, C]: those of the whole history, which are not worked out again.
    """
    out = np.repeat(inputs[:, :, None, :], entries, axis=2)
    for place, feature in enumerate(schema.features):
        if feature.of_history:
            feature.without(batch, item, out[place])
    return out
