"""Which ranker is served? Each is learned on the older choices, judged on the newer, then learned from all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.domain.errors import Unavailable
from foryou.models.calibration import NAME as CALIBRATION
from foryou.models.mlp import Ranker
from foryou.train import blend, calibrate, importance
from foryou.train.blend import Choices
from foryou.train.metrics import ndcg_of_rank, paired_bootstrap
from foryou.train.ranker import Groups, Objective, Settings, calibration, fit_logistic, fit_mlp, told

Arrays = dict[str, NDArray[np.generic]]
Scorer = dict[str, NDArray[np.float32]]  # of one ranker
Score = Callable[
    [NDArray[np.float32], bool], NDArray[np.float32]
]  # of inputs [F, C], and of whether there is a history
Figures = dict[str, float]
KEPT = 300  # candidates of a list that are kept for learning, the best by a draft …
CHANCE = 100  # … and some by chance
CROWDS = 2_000
LEAST_APART = 100  # choices of users without (with) a history, for weights of their own
SAMPLED = 180  # others of a list that a ranker learns from, by chance: the hardest ones alone mislead (journal)
KINDS = ("ensemble", "blend", "logistic", "mlp")  # from the lightest to the heaviest


@dataclass(frozen=True, slots=True)
class RankSettings:
    """`priors`: input -> weight before anything was learned; `draft`: weights that tell which candidates are worth
    learning from; `ensemble` gives the fixed mix for deviations [F]."""

    priors: dict[str, float]
    draft: dict[str, float]
    ensemble: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    kinds: tuple[str, ...] = KINDS
    fit: Settings = field(default_factory=lambda: fit_for("listwise"))
    seed: int = 42
    teacher_share: float = 0.0  # of what the MLP learns that a teacher says, where there is one

    @property
    def watching(self) -> bool:
        """Say whether what was chosen counts by the seconds that it was watched."""
        return self.fit.objective == "watch_time"

    @property
    def prior(self) -> NDArray[np.float32]:
        """Give the prior weights.  float32 [F]"""
        return np.array(list(self.priors.values()), np.float32)

    def worth_keeping(self, inputs: NDArray[np.float32], chosen: list[int], seed: int) -> NDArray[np.intp]:
        """Give the candidates to learn from of inputs [F, C]: what was chosen, KEPT by the draft, CHANCE by chance."""
        weight = np.array([self.draft.get(name, 0.0) for name in self.priors], np.float32)
        order = np.argsort(-(weight @ inputs), kind="stable")
        rest = order[KEPT:]
        some = np.random.default_rng((self.seed, seed)).permutation(rest)[:CHANCE]
        return np.unique(np.concatenate([np.array(chosen, np.intp), order[:KEPT], some]))


@dataclass(frozen=True, slots=True)
class Ranked:
    """All rankers as arrays of a bundle, which one won with which NDCG@10, and what else is known of the winner."""

    arrays: Arrays
    chosen: str
    figures: dict[str, float]
    report: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Fitted:
    """The rankers of one set of choices: scores inputs [F, C] of a list, by name."""

    arrays: Arrays
    scores: dict[str, Score]


def fit_for(objective: Objective) -> Settings:
    """Give how rankers are fitted for an objective."""
    return Settings(objective=objective, epochs=4, dropout=0.1)


def unlearned(settings: RankSettings) -> Ranked:
    """Give what is served where there is too little to learn from: the fixed weights."""
    ones = np.ones(len(settings.priors), np.float32)
    return Ranked({"ensemble": settings.ensemble(ones), "blend": np.tile(settings.prior, (2, 1))}, "blend", {})


def learned(
    choices: Choices, settings: RankSettings, on_progress: Callable[[str, int, int], None],
    teachers: tuple[Mapping[str, NDArray[Any]], Mapping[str, NDArray[Any]]] | None = None,
) -> Ranked:  # fmt: skip
    """Give the rankers of these choices, which stand in the order of time.

    teachers: networks that the MLP learns from, too: one for the older half, one for all.
    """
    of_half, of_all = teachers or (None, None)
    half = len(choices.inputs) // 2
    lists = np.array(choices.lists)
    on_progress("rankers", 0, 3)
    early = _fitted(choices, np.arange(half), settings, of_half)
    late = np.flatnonzero(lists >= half)
    gains = {name: _gains(choices, late, score) for name, score in early.scores.items()}
    figures = {name: float(gain.mean()) for name, gain in gains.items()}
    chosen = _winner(gains, np.unique(np.array(choices.user)[lists[late]], return_inverse=True)[1], settings)
    on_progress("rankers", 1, 3)
    whole = _fitted(choices, np.arange(len(choices.inputs)), settings, of_all)
    on_progress("rankers", 2, 3)
    newer, winner = np.arange(half, len(choices.inputs)), early.scores[chosen]
    report = importance.permuted(choices, newer, winner, tuple(settings.priors), settings.seed)
    knots, measured = _calibrated(choices, newer, winner, whole.scores[chosen])
    on_progress("rankers", 3, 3)
    return Ranked(whole.arrays | knots, chosen, figures, report | measured)


def _calibrated(choices: Choices, lists: NDArray[np.intp], early: Score, whole: Score) -> tuple[Arrays, Figures]:
    """Give the curve of the served fit, from lists that the early fit did not learn from, and how true it is."""
    if not len(lists):
        return {}, {}
    then, now = (np.concatenate([score(choices.inputs[q], choices.warm[q]) for q in lists]) for score in (early, whole))
    start = np.concatenate([[0], np.cumsum([choices.inputs[q].shape[1] for q in lists])])
    label = np.zeros(start[-1], np.bool_)
    for q, place in zip(choices.lists, choices.chosen, strict=True):
        if q >= lists[0] and place >= 0:
            label[start[q - lists[0]] + place] = True
    knots = calibrate.curve(then, label)
    if knots is None:
        return {}, {}
    half = np.repeat(np.arange(len(lists)) % 2 == 0, np.diff(start))
    return {CALIBRATION: calibrate.rescaled(knots, then, now)}, calibrate.figures(then, label, half)


def _winner(gains: dict[str, NDArray[np.float64]], user: NDArray[np.intp], settings: RankSettings) -> str:
    """Give the ranker to serve: a heavier one only if it is surely better, by users, than the best lighter one.

    The fixed mix is served only if it is surely better than the blend. Of watch time only the learned ones know.
    """
    user = user % CROWDS  # many users are drawn in crowds: the resampling stays small
    order: tuple[str, ...] = ("blend", "logistic", "mlp", "ensemble")
    if settings.watching and {"logistic", "mlp"} & set(gains):
        order = ("logistic", "mlp")
    best, *others = [name for name in order if name in gains]
    for name in others:
        if len(user) and gains[best].any():
            ratio = paired_bootstrap(gains[name], gains[best], user.astype(np.int32))
            best = name if ratio.low > 1 else best
    return best


def by_input(choices: Choices, name: str, settings: RankSettings) -> float:
    """Give NDCG@10 of the newer half of the choices if one input alone ranked."""
    place = list(settings.priors).index(name)
    late = np.flatnonzero(np.array(choices.lists) >= len(choices.inputs) // 2)
    return float(_gains(choices, late, lambda inputs, warm: inputs[place]).mean()) if len(late) else 0.0


def ndcg(choices: Choices, first: int, ranker: Ranker) -> float:
    """Give NDCG@10 of a learned ranker on the lists from `first` on."""
    late = np.flatnonzero(np.array(choices.lists) >= first)
    return float(_gains(choices, late, _of_network(ranker)).mean()) if len(late) else 0.0


def _gains(choices: Choices, events: NDArray[np.intp], score: Score) -> NDArray[np.float64]:
    """Give NDCG@10 of these events, each among all candidates of its list, by what it is worth (on average 1)."""
    rank = np.full(len(events), -1, np.int64)
    last, scores = -1, np.zeros(0, np.float32)
    for place, event in enumerate(events.tolist()):
        q, mine = choices.lists[event], choices.chosen[event]
        if q != last:
            last, scores = q, score(choices.inputs[q], choices.warm[q])
        if mine >= 0:
            rank[place] = blend.rank_of(scores, mine)
    worth = np.array(choices.worth)[events]
    return np.asarray(ndcg_of_rank(rank) * worth / max(float(worth.mean()) if len(worth) else 1.0, 1e-9))


def _fitted(
    choices: Choices, lists: NDArray[np.intp], settings: RankSettings,
    teacher: Mapping[str, NDArray[Any]] | None = None,
) -> _Fitted:  # fmt: skip
    among = np.flatnonzero(np.isin(choices.lists, lists))
    weight = _blend(choices, settings.prior, among)
    groups = grouped(choices, lists, settings)
    fixed = settings.ensemble(groups.inputs.std(axis=0))
    arrays: Arrays = {"ensemble": fixed, "blend": weight}
    scores: dict[str, Score] = {
        "ensemble": lambda inputs, warm: np.asarray(fixed[int(warm)] @ inputs),
        "blend": lambda inputs, warm: np.asarray(weight[int(warm)] @ inputs),
    }
    for name, fit in (("logistic", fit_logistic), ("mlp", fit_mlp)):
        if name not in settings.kinds or not (groups.label > 0).any():
            continue
        try:
            taught = teacher and name == "mlp" and not settings.watching
            heard = told(groups, teacher, settings.teacher_share) if teacher and taught else groups
            found = fit(heard, settings.fit, None, settings.prior)
        except Unavailable:  # PyTorch is not installed: the others do without
            continue
        if settings.watching:  # as if all that was passed over had been learned from
            found["bias"] = found["bias"] + np.float32(np.log(_sampled(choices, lists, groups)))
        elif name == "mlp":
            found = _joined(found, weight[1], groups)
        arrays |= {f"{name}-{key}": array for key, array in found.items()}
        scores[name] = _of_network(Ranker(found))
    return _Fitted(arrays, scores)


def _joined(mlp: Scorer, weight: NDArray[np.float32], groups: Groups) -> Scorer:
    """Give an MLP whose wide part holds the blend, too: the mean of both scores, each by its deviation within a list.

    One was climbed for NDCG, the other fitted for likelihood: they err in different places, and together less. An
    input that never varied keeps its weight.
    """
    logit, linear = np.empty(len(groups.inputs), np.float32), groups.inputs @ weight
    Ranker(mlp).score(np.ascontiguousarray(groups.inputs.T), logit)
    share = np.float32(_spread(logit, groups.start) / max(_spread(linear, groups.start), 1e-9))
    varied = groups.inputs.std(axis=0) > 0
    wide = np.where(varied, (mlp["wide"] + share * weight * mlp["scale"]) / 2, mlp["wide"]).astype(np.float32)
    last = f"layer{sum(name.endswith('.weight') for name in mlp) - 1}"
    halved = {name: np.asarray(mlp[name] / 2, np.float32) for name in ("bias", f"{last}.weight", f"{last}.bias")}
    joined = np.asarray((logit + share * (linear - mlp["mean"] @ weight)) / 2, np.float32)
    return mlp | halved | {"wide": wide, "calibration": calibration(groups, joined)}


def _spread(score: NDArray[np.float32], start: NDArray[np.int64]) -> float:
    """Give the mean deviation of scores within their lists."""
    return float(np.mean([score[a:b].std() for a, b in pairwise(start.tolist())]))


def _blend(choices: Choices, prior: NDArray[np.float32], among: NDArray[np.intp]) -> NDArray[np.float32]:
    """Give the weights for users without and with a history, each learned from their own choices.  float32 [2, F]

    Where there are few of either, those without keep the prior, and those with share what all choices say.
    """
    warm = np.array(choices.warm)[np.array(choices.lists)[among]]
    cold, known = among[~warm], among[warm]
    return np.stack([
        blend.learn(choices, prior, cold) if len(cold) >= LEAST_APART else prior,
        blend.learn(choices, prior, known if len(known) >= LEAST_APART else among),
    ])  # fmt: skip


def _of_network(ranker: Ranker) -> Score:
    def score(inputs: NDArray[np.float32], warm: bool) -> NDArray[np.float32]:  # noqa: ARG001
        out = np.empty(inputs.shape[1], np.float32)
        ranker.score(inputs, out)
        return out

    return score


def grouped(choices: Choices, lists: NDArray[np.intp], settings: RankSettings) -> Groups:
    """Give the lists as groups: what was chosen, and SAMPLED of the others by chance."""
    random = np.random.default_rng(settings.seed)
    chosen: dict[int, list[int]] = {}
    worth: dict[int, list[float]] = {}
    for q, place, one in zip(choices.lists, choices.chosen, choices.worth, strict=True):
        if place >= 0:
            chosen.setdefault(q, []).append(place)
            worth.setdefault(q, []).append(one if settings.watching else 1.0)
    inputs, labels, places, sizes, weights = [], [], [], [], []
    for q in lists.tolist():
        mine = chosen.get(q, [])
        if not mine and not settings.watching:  # of seconds, lists tell from which nothing was chosen, too
            continue
        whole = choices.inputs[q]
        others = np.setdiff1d(np.arange(whole.shape[1]), mine)
        some = random.choice(others, min(SAMPLED, len(others)), replace=False)
        rows = np.concatenate([mine, some]).astype(np.intp)
        inputs.append(whole[:, rows].T)
        places.append(choices.position[q][rows])
        labels.append(np.concatenate([worth.get(q, []), np.zeros(len(some))]))
        sizes.append(len(rows))
        weights.append(1 if settings.watching else len(mine))
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    width = len(settings.priors)
    return Groups(
        np.ascontiguousarray(np.concatenate([np.zeros((0, width), np.float32), *inputs])), start,
        np.concatenate([np.zeros(0), *labels]).astype(np.float32),
        np.concatenate([np.zeros(0, np.int16), *places]),
        np.array(weights, np.float32), not settings.watching,
    )  # fmt: skip


def _sampled(choices: Choices, lists: NDArray[np.intp], groups: Groups) -> float:
    """Give the share of the candidates that were passed over which the groups of these lists hold."""
    every = sum(choices.inputs[q].shape[1] for q in lists.tolist())
    positive = int((groups.label > 0).sum())
    return float(max(len(groups.label) - positive, 1) / max(every - positive, 1))
