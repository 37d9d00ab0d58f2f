"""Where does a user vector come from? From the live history, solved at request time: new users need no training."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou import kernels
from foryou.domain.slate import QueryBatch
from foryou.models.recency import Recency


@dataclass(frozen=True, slots=True)
class FoldInSettings:
    """How a history becomes a vector.

    unobserved, regularisation, power: as in the training of the item vectors (weight of an item not acted on,
    λ, its growth with frequency). confidence: of an entry of age 0 and full taste. dislike: confidence of a
    dislike in the same measure (its preference is 0). recency: how confidence falls with age; the place in the
    history does not count, so that leaving one entry out leaves the others as they are.
    """

    unobserved: float = 0.1
    regularisation: float = 0.02
    power: float = 1.0
    confidence: float = 1.0
    dislike: float = 1.0
    recency: Recency = field(default_factory=lambda: Recency(50))


class FoldIn:
    """Scores by user·item with user vectors folded in from the history (implicit ALS).

    vectors float32 or float16 [N+1, D] in the eigenbasis of YᵀY, spectrum float32 [D] its eigenvalues (see `rotated`).
    """

    name, of_history = "collaborative", True

    def __init__(self, vectors: NDArray[Any], spectrum: NDArray[np.float32], settings: FoldInSettings) -> None:
        self.vectors, self.spectrum, self.settings = vectors, spectrum, settings

    def represent(self, batch: QueryBatch) -> None:
        """Fill the batch's user vectors; a user without history gets zeros."""
        history, confidence, preference = self._inputs(batch)
        batch.user = np.zeros((len(batch), self.vectors.shape[1]), np.float32)
        most = min(kernels.MAX_FOLD, int((confidence > 0).sum(axis=1).max()))
        batch.inverse = np.zeros((len(batch), most, most), np.float64)
        batch.place = np.full((len(batch), most), -1, np.int32)
        table, (history,) = self._narrowed(history)
        kernels.fold_in(
            table, self.spectrum, history, confidence, preference, *self._weights(), len(self.vectors) - 1,
            batch.user, batch.inverse, batch.place,
        )  # fmt: skip

    def _inputs(self, batch: QueryBatch) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
        taste = batch.taste
        strength = np.where(taste < 0, np.float32(-self.settings.dislike) * taste, taste)
        recency = self.settings.recency
        place = np.float32(self.settings.confidence) * (recency.places(taste.shape[1]) > 0)
        return batch.history, strength * recency.ages(batch) * place, self._preference(batch)

    @staticmethod
    def _preference(batch: QueryBatch) -> NDArray[np.float32]:
        return (batch.taste > 0).astype(np.float32)

    def _weights(self) -> tuple[float, float, float]:
        return self.settings.unobserved, self.settings.regularisation, self.settings.power

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> None:
        """Fill out [B, C] with user·item; 0 where `represent` did not come so far."""
        if batch.user.shape[1] != self.vectors.shape[1]:
            out[:] = 0
            return
        if self.vectors.dtype == np.float16:
            kernels.dots_of_halves(batch.user, self.vectors.view(np.uint16), item, out)
        else:
            kernels.dots(batch.user, self.vectors, item, out)

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> bool:
        """Fill out [B, L, C] with user·item of the user that had not entry l, by the closed form."""
        if batch.user.shape[1] != self.vectors.shape[1]:
            return False
        table, (history, item) = self._narrowed(batch.history, item)
        kernels.without_each(
            table, self.spectrum, history, self._preference(batch), *self._weights(), len(self.vectors) - 1,
            batch.inverse, batch.place, batch.user, item, out,
        )  # fmt: skip
        return True

    def of(self, item: NDArray[np.int32]) -> NDArray[np.float32]:
        """Give the vectors of items of any shape, zero for those without: [...] -> float32 [..., D]."""
        return np.asarray(self.vectors[np.where(item < len(self.vectors), item, 0)], np.float32)

    def _narrowed(self, *items: NDArray[np.int32]) -> tuple[NDArray[np.float32], Sequence[NDArray[np.int32]]]:
        """Give a table in float32 and the places of items [...] in it: all vectors, or of float16 only those asked."""
        if self.vectors.dtype == np.float32:
            return self.vectors, items
        short = [items[0][:, : _length(items[0])], *items[1:]]  # a history ends before its empty places
        parts = [np.where(item < len(self.vectors), item, 0) for item in short]
        asked = np.concatenate([np.zeros(1, np.int32), *(part.ravel() for part in parts)]).astype(np.int32)
        table, places, end = np.empty((len(asked), self.vectors.shape[1]), np.float32), [], 1
        kernels.widened(self.vectors.view(np.uint16), asked, table)
        for part in parts:
            places.append(np.where(part > 0, np.arange(end, end + part.size).reshape(part.shape), 0).astype(np.int32))
            end += part.size
        return table, places


def _length(history: NDArray[np.int32]) -> int:
    """Give how many places hold all that these histories [B, H] have, 1 at least."""
    there = np.flatnonzero((history > 0).any(axis=0))
    return int(there[-1]) + 1 if len(there) else 1


def rotated(vectors: NDArray[np.float32], out: NDArray[Any] | None = None) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Give the vectors [N+1, D] in the eigenbasis of YᵀY, where that matrix is diagonal, and its eigenvalues [D].

    A rotation: every dot product stays what it is. They are written to `out`, if it is given; float16 stays float16.
    """
    gram = np.zeros((vectors.shape[1], vectors.shape[1]), np.float64)
    for start in range(0, len(vectors), 65_536):
        part = vectors[start : start + 65_536].astype(np.float64)
        gram += part.T @ part
    spectrum, basis = np.linalg.eigh(gram)
    turned = np.empty_like(vectors) if out is None else out
    for start in range(0, len(vectors), 65_536):
        wide = np.asarray(vectors[start : start + 65_536], np.float32)
        turned[start : start + 65_536] = wide @ basis.astype(np.float32)
    return turned, np.maximum(spectrum, 0).astype(np.float32)
