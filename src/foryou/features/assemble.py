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


def assemble_without(
    schema: FeatureSchema, batch: QueryBatch, item: NDArray[np.int32], entries: int
) -> NDArray[np.float32]:
    """Give the inputs if one history entry were not there: item [B, C] -> float32 [F, B, L, C], L = `entries`."""
    inputs = np.zeros((len(schema.features), len(item), entries, item.shape[1]), np.float32)
    for place, feature in enumerate(schema.features):
        if not feature.without(batch, item, inputs[place]):
            plain = np.zeros(item.shape, np.float32)
            feature.fill(batch, item, plain)
            inputs[place] = plain[:, None, :]
    return inputs
