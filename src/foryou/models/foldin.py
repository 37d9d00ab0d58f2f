"""Where does a user vector come from? From the live history, solved at request time: new users need no training."""

from dataclasses import dataclass, field

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

    vectors float32 [N+1, D] in the eigenbasis of YᵀY, spectrum float32 [D] its eigenvalues (see `rotated`).
    """

    name, of_history = "collaborative", True

    def __init__(self, vectors: NDArray[np.float32], spectrum: NDArray[np.float32], settings: FoldInSettings) -> None:
        self.vectors, self.spectrum, self.settings = vectors, spectrum, settings

    def represent(self, batch: QueryBatch) -> None:
        """Fill the batch's user vectors; a user without history gets zeros."""
        history, confidence, preference = self._inputs(batch)
        batch.user = np.zeros((len(batch), self.vectors.shape[1]), np.float32)
        most = min(kernels.MAX_FOLD, int((confidence > 0).sum(axis=1).max()))
        batch.inverse = np.zeros((len(batch), most, most), np.float64)
        batch.place = np.full((len(batch), most), -1, np.int32)
        kernels.fold_in(
            self.vectors, self.spectrum, history, confidence, preference, *self._weights(),
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
        kernels.dots(batch.user, self.vectors, item, out)

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> bool:
        """Fill out [B, L, C] with user·item of the user that had not entry l, by the closed form."""
        if batch.user.shape[1] != self.vectors.shape[1]:
            return False
        kernels.without_each(
            self.vectors, self.spectrum, batch.history, self._preference(batch), *self._weights(),
            batch.inverse, batch.place, batch.user, item, out,
        )  # fmt: skip
        return True


def rotated(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the vectors [N+1, D] in the eigenbasis of YᵀY, where that matrix is diagonal, and its eigenvalues [D].

    A rotation: every dot product stays what it is.
    """
    gram = np.zeros((vectors.shape[1], vectors.shape[1]), np.float64)
    for start in range(0, len(vectors), 65_536):
        part = vectors[start : start + 65_536].astype(np.float64)
        gram += part.T @ part
    spectrum, basis = np.linalg.eigh(gram)
    turned = np.empty_like(vectors)
    for start in range(0, len(vectors), 65_536):
        turned[start : start + 65_536] = vectors[start : start + 65_536] @ basis.astype(np.float32)
    return turned, np.maximum(spectrum, 0).astype(np.float32)
