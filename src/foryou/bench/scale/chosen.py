"""What would users of a generated world choose of what they are shown? From that a ranker is learned."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.config import Config
from foryou.domain.bundle import ModelBundle
from foryou.domain.slate import Query, QueryBatch, Slate
from foryou.features.hydrate import Hydrate
from foryou.train.ranker import Groups, Settings, fit_mlp
from foryou.wiring.models import FEATURES, PRIORS
from foryou.wiring.pipelines import pipelines

USERS, BATCH, K = 480, 16, 20
CHOSEN, BESIDE = 5, 120  # of each slate: what is chosen, and what else is learned from
TASTE, FAME, KIND = (
    1.5,
    0.5,
    1.0,
)  # log odds per deviation of the product and of popularity; of a category of the user's
EPOCHS = 3


class Shown:
    """Keeps the inputs of slates with what users choose: by their real taste, fame and category, with chance."""

    def __init__(self, vectors: NDArray[Any], popularity: NDArray[np.float32], seed: int) -> None:
        self._vectors, self._popularity = vectors, popularity
        self._random = np.random.default_rng(seed)
        self.inputs: list[NDArray[np.float32]] = []
        self.label: list[NDArray[np.float32]] = []

    def __call__(self, batch: QueryBatch, slate: Slate, inputs: NDArray[np.float32]) -> None:
        """Take in a batch."""
        catalog = batch.view.catalog
        for b, there in enumerate(slate.kept()):
            place = np.flatnonzero(there)
            item, liked = slate.item[b, place], batch.history[b][batch.history[b] > 0]
            if len(place) <= CHOSEN or not len(liked):
                continue
            taste = np.asarray(self._vectors[liked], np.float32).mean(axis=0)
            worth = TASTE * _deviations(np.asarray(self._vectors[item], np.float32) @ taste)
            worth += FAME * _deviations(self._popularity[item])
            worth += KIND * np.isin(catalog.category[item], catalog.category[liked]) + self._random.gumbel(
                size=len(item)
            )
            best = np.argsort(-worth)
            kept = np.concatenate([best[:CHOSEN], self._random.permutation(best[CHOSEN:])[:BESIDE]])
            self.inputs.append(inputs[:, b, place[kept]].T)
            self.label.append((np.arange(len(kept)) < CHOSEN).astype(np.float32))


def _deviations(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-6), np.float32)


def learned(
    bundle: ModelBundle, config: Config, hydrate: Hydrate, users: Sequence[str], now_ms: int, seed: int
) -> dict[str, NDArray[Any]]:
    """Give the arrays of an MLP 128-64-32-1 learned from what these users choose, named as in a bundle."""
    arrays: Any = bundle.arrays
    shown = Shown(arrays["vectors"], arrays["popularity"], seed)
    home = pipelines(bundle, config, hydrate, shown)["home"]
    shown.inputs.clear()  # of the warming up
    shown.label.clear()
    for first in range(0, min(USERS, len(users)), BATCH):
        home.run([Query(user, K, now_ms, n, explain=False) for n, user in enumerate(users[first : first + BATCH])])
    groups = _groups(shown)
    held = len(groups) * 4 // 5
    prior = np.array([PRIORS[name] for name in FEATURES], np.float32)
    found = fit_mlp(
        groups.where(np.arange(held)), Settings("listwise", epochs=EPOCHS, seed=seed),
        groups.where(np.arange(held, len(groups))), prior,
    )  # fmt: skip
    return {f"mlp-{name}": array for name, array in found.items()}


def _groups(shown: Shown) -> Groups:
    start = np.zeros(len(shown.label) + 1, np.int64)
    np.cumsum([len(label) for label in shown.label], out=start[1:])
    rows = int(start[-1])
    return Groups(
        np.concatenate(shown.inputs), start, np.concatenate(shown.label), np.full(rows, -1, np.int16),
        np.ones(len(shown.label), np.float32),
    )  # fmt: skip
