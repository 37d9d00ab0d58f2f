"""How much does each input of a ranker matter? Its order is judged again with the input taken from other lists."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from foryou.train.blend import Choices, ndcg

Score = Callable[[NDArray[np.float32], bool], NDArray[np.float32]]

PREFIX = "importance_"
LISTS = 200  # judged at most …
ROWS = 40_000  # … with so many candidates together: seconds, also for the MLP
REPEATS = 2


def permuted(
    choices: Choices, lists: NDArray[np.intp], score: Score, names: Sequence[str], seed: int
) -> dict[str, float]:
    """Give `importance_<input>`: the NDCG@10 lost on these lists when the input's values come from other lists.

    Permutation importance (Breiman 2001; Fisher, Rudin, Dominici 2019), mean of REPEATS draws; 0 for an input that
    never varied. Below 0: the ranker would do better without it. Inputs that say the same share what they matter.
    """
    drawn = _Drawn(choices, lists, seed)
    if len(drawn.start) < 3:  # there are no other lists
        return {f"{PREFIX}{name}": 0.0 for name in names}
    whole, found = drawn.judged(score), {}
    for place, name in enumerate(names):
        kept = drawn.inputs[place].copy()
        lost = 0.0
        if kept.std() > 0:
            for _ in range(REPEATS):
                drawn.inputs[place] = kept[drawn.elsewhere()]
                lost += (whole - drawn.judged(score)) / REPEATS
            drawn.inputs[place] = kept
        found[f"{PREFIX}{name}"] = lost
    return found


def heaviest(report: Mapping[str, float], count: int = 5) -> list[tuple[str, float]]:
    """Give the inputs that matter most by the report of a manifest, with the NDCG@10 that each is worth."""
    all_of_them = [(key.removeprefix(PREFIX), value) for key, value in report.items() if key.startswith(PREFIX)]
    return sorted((one for one in all_of_them if one[1] > 0), key=lambda one: -one[1])[:count]


class _Drawn:
    """Some lists of which something was chosen, one after another.  inputs float32 [F, T]"""

    def __init__(self, choices: Choices, lists: NDArray[np.intp], seed: int) -> None:
        self._random = np.random.default_rng(seed)
        of, chosen = np.array(choices.lists, np.int64), np.array(choices.chosen, np.int64)
        among = np.isin(of, lists)
        hit = among & (chosen >= 0)
        self._share = hit.sum() / max(among.sum(), 1)  # of the events: those whose item was no candidate stay at 0
        drawn = self._random.permutation(np.unique(of[hit]))[:LISTS]
        size = np.cumsum([choices.inputs[q].shape[1] for q in drawn])
        drawn = np.sort(drawn[: max(2, int(np.searchsorted(size, ROWS, side="right")))])
        events = np.flatnonzero(hit & np.isin(of, drawn))
        self._lists, self._chosen = np.searchsorted(drawn, of[events]), chosen[events]
        self.start = np.zeros(len(drawn) + 1, np.int64)
        np.cumsum([choices.inputs[q].shape[1] for q in drawn], out=self.start[1:])
        self.inputs = np.concatenate([choices.inputs[q] for q in drawn], axis=1) if len(drawn) else np.zeros((0, 0))
        self._warm = np.repeat(np.array([choices.warm[q] for q in drawn], np.bool_), np.diff(self.start))

    def judged(self, score: Score) -> float:
        """Give NDCG@10 of the events of these lists."""
        scores = np.empty(self.inputs.shape[1], np.float32)
        for warm in (False, True):
            rows = np.flatnonzero(self._warm == warm)
            if len(rows):
                scores[rows] = score(np.ascontiguousarray(self.inputs[:, rows], np.float32), warm)
        return float(ndcg(scores, self.start, self._lists, self._chosen)) * float(self._share)

    def elsewhere(self) -> NDArray[np.int64]:
        """Give for each row one of another list, by chance.  int64 [T]"""
        size = np.repeat(np.diff(self.start), np.diff(self.start))
        first = np.repeat(self.start[:-1], np.diff(self.start))
        drawn = self._random.integers(0, self.start[-1] - size)
        return np.asarray(np.where(drawn < first, drawn, drawn + size), np.int64)
