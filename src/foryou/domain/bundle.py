"""What does a trained model consist of? A readable manifest and named arrays, memory-mapped, no pickle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

FORMAT = 1


class Gate(msgspec.Struct, frozen=True):
    """The verdict on a bundle: `pass`, `warn` or `refuse`, in words, with the figures that it rests on."""

    verdict: str
    reason: str
    metrics: dict[str, float] = {}


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle is and how it came to be. Written last: a bundle without one does not exist.

    `through`: the position of the log that it was trained to. `settings`: every number that the models need at
    serving time (weights of the blend, decay, …). `ranker`: the one that won on validation. `checksums`: file name ->
    blake2b of its bytes.
    """

    version: str
    family: str
    created_ms: int
    schema: str
    catalog: str
    through: dict[int, int] = {}
    settings: dict[str, float] = {}
    gate: Gate = Gate("none", "not judged")
    ranker: str = "blend"
    report: dict[str, float] = {}
    checksums: dict[str, str] = {}
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """Manifest and named arrays (read-only once loaded); `files` are those that a library maps itself."""

    manifest: Manifest
    arrays: Mapping[str, NDArray[np.generic]]
    files: Mapping[str, Path] = field(default_factory=dict)
