"""What would another configuration have earned? Logged lists are dealt again, by it and by the one that ran.

Both say with which chance each item would have stood at each place. A click counts for the other configuration as far
as it would have shown the item there, too: the model of items at places (Li et al. 2018), in which a click depends on
the user, the item and its place, and not on what else is in the list.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from foryou.config import Config
from foryou.domain.errors import ForyouError, NotFound
from foryou.domain.exposure import Exposure
from foryou.domain.log import Stream
from foryou.domain.slate import QueryBatch, Slate
from foryou.features.tallied import USUAL, examined
from foryou.ingest.codec import event_of
from foryou.serve.exploration import Exploration
from foryou.serve.pipeline import Pipeline
from foryou.trial.ope import Estimate, Evaluated, Logged, evaluate
from foryou.trial.outcomes import Gathering
from foryou.wiring.diff import newest
from foryou.wiring.home import Home
from foryou.wiring.past import Progress, entries
from foryou.wiring.rewound import Rewound
from foryou.wiring.skew import WHOLE

CLOSE = 1e-3  # how near a chance that is worked out again must come to the logged one
SURE = 1 - 1e-5
KNOWN = 5.0  # clicks as expected that the model of the reward begins with
Floats = NDArray[np.float64]


class Judged(msgspec.Struct, frozen=True):
    """What another configuration would have earned, in clicks per item shown.

    supported: share of what it would show that the log may have shown, where it would stand; of the rest the log says
    nothing: IPS counts it as never clicked, SNIPS as clicked like what is supported, doubly robust as the ranker
    expects. lists: of whole lists; explored: of the places alone that chance fills in the log, None = there are none.
    logged, explored_logged: what was earned. passed_over: answers that could not be dealt again, by reason.
    """

    answers: int
    passed_over: dict[str, int]
    shown: int
    clicks: int
    supported: float
    logged: Estimate
    lists: Evaluated
    explored_shown: int
    explored_supported: float
    explored_logged: Estimate | None
    explored: Evaluated | None


@dataclass(frozen=True, slots=True)
class Dealt:
    """One list before chance: its candidates by id, the chance of a click that the ranker sees, float64 [C], and the
    chance of each to stand at each place, float64 [C, L].
    """

    row: dict[str, int]
    hope: Floats
    chance: Floats

    def at(self, item_id: str, place: int) -> float:
        """Give the chance of an item to stand at a place."""
        row = self.row.get(item_id)
        return float(self.chance[row, place]) if row is not None and place < self.chance.shape[1] else 0.0

    def hoped(self, item_id: str) -> float:
        """Give the chance of a click that the ranker sees, 0 for what is never shown."""
        row = self.row.get(item_id)
        return float(self.hope[row]) if row is not None else 0.0


NO_LIST = Dealt({}, np.zeros(0), np.zeros((0, 0)))


@dataclass(slots=True)
class Noting:
    """A rule in the place of chance: it draws nothing and notes all chances. drawn: None where chance has no place."""

    drawn: Exploration | None
    pipeline: Pipeline
    name: str = "exploration"
    essential: bool = True
    noted: Dealt = NO_LIST

    def apply(self, batch: QueryBatch, slate: Slate) -> None:
        """Note the chances of the first query."""
        if self.drawn is None:
            best = slate.top(batch.k)[:1]
            chance = np.zeros((1, slate.item.shape[1], best.shape[1]), np.float32)
            chance[0, best[0, best[0] >= 0], np.flatnonzero(best[0] >= 0)] = 1
        else:
            chance = self.drawn.chances(batch, slate)
        there = np.flatnonzero((chance[0] > 0).any(axis=1))
        ids = [batch.view.catalog.id_of(item) for item in slate.item[0, there].tolist()]
        said = np.frombuffer(self.pipeline.stages.expect((slate.score - slate.boost)[0, there]), np.float16)
        hope = said.astype(np.float64) if len(said) == len(there) else np.full(len(there), USUAL)
        self.noted = Dealt({one: row for row, one in enumerate(ids)}, hope, chance[0, there].astype(np.float64))


class Dealer:
    """Deals logged lists again. Where a configuration is named, as it would have, else as the one that ran did."""

    def __init__(self, rewound: Rewound) -> None:
        self._rewound = rewound
        self._noting: dict[int, Noting] = {}

    def deal(self, exposure: Exposure, config: Config | None = None) -> Dealt:
        """Give the chances. Raises KeyError for a placement that the configuration lacks."""
        used: list[Noting] = []

        def within(pipeline: Pipeline) -> Pipeline:
            if id(pipeline) not in self._noting:
                self._noting[id(pipeline)] = noting(pipeline)
            used.append(self._noting[id(pipeline)])
            return used[0].pipeline

        self._rewound.answer(exposure, config, within)
        return used[0].noted


def noting(pipeline: Pipeline) -> Noting:
    """Give a pipeline that notes chances where the given one draws."""
    drawn = next((rule for rule in pipeline.stages.adjusters if isinstance(rule, Exploration)), None)
    others = [rule for rule in pipeline.stages.adjusters if not isinstance(rule, Exploration)]
    made = Noting(drawn, pipeline)
    made.pipeline = Pipeline(replace(pipeline.stages, adjusters=(*others, made)), pipeline.version)
    return made


@dataclass(slots=True)
class _Rounds:
    """Places of lists as rounds of a log: what was shown there, by which chances, and what was expected of it."""

    user: list[str] = field(default_factory=list)
    reward: list[bool] = field(default_factory=list)
    chance: list[float] = field(default_factory=list)
    wanted: list[float] = field(default_factory=list)
    expected: list[float] = field(default_factory=list)  # clicks, by the ranker that showed it
    guess: list[float] = field(default_factory=list)  # by that of the other configuration
    value: list[float] = field(default_factory=list)
    mass: list[float] = field(default_factory=list)  # what the other configuration shows there, 1 = something
    supported: list[float] = field(default_factory=list)  # of it, what the log may have shown there

    def add(self, exposure: Exposure, ours: Dealt, theirs: Dealt, clicked: frozenset[tuple[str, str]]) -> None:
        """Add all places of a list."""
        looked = examined(len(exposure.items)).tolist()
        both = np.array([ours.row.get(item_id, -1) for item_id in theirs.row], np.intp)
        for place, item_id in enumerate(exposure.items):
            column = theirs.chance[:, place] if place < theirs.chance.shape[1] else np.zeros(len(theirs.row))
            known = np.where(both >= 0, ours.chance[both, place], 0) > 0
            self.user.append(exposure.user_id)
            self.reward.append((exposure.recommendation_id, item_id) in clicked)
            self.chance.append(ours.at(item_id, place))
            self.wanted.append(theirs.at(item_id, place))
            self.expected.append(ours.hoped(item_id) * looked[place])
            self.guess.append(theirs.hoped(item_id) * looked[place])
            self.value.append(float(column @ theirs.hope) * looked[place])
            self.mass.append(float(column.sum()))
            self.supported.append(float(column[known].sum()))


def judged(home: Home, other: Config, requests: int, placement: str, on_progress: Progress) -> Judged:
    """Judge another configuration by the newest logged answers to users; its placements count, nothing else of it.

    placement: only answers of this one, empty = of all. Raises NotFound where none can be dealt again.
    """
    logged = newest(home, requests)
    clicked = _clicks(home, logged, on_progress)
    rewound = Rewound(home, [one for one in logged if placement in ("", one.placement)], on_progress)
    rounds, passed, dealer = _Rounds(), Counter[str](), Dealer(rewound)
    for done, exposure in enumerate(rewound.in_order, start=1):
        try:
            why, ours = _again(dealer, exposure)
            if not why:
                plain = msgspec.structs.replace(exposure, experiment="", arm="main")
                rounds.add(exposure, ours, dealer.deal(plain, other), clicked)
        except (ForyouError, KeyError) as error:
            why = "no such placement" if isinstance(error, KeyError) else type(error).__name__
        passed.update([why] if why else [])
        on_progress("deal", done, len(rewound.in_order))
    rewound.close()
    if not rounds.reward:
        told = ", ".join(f"{why}: {count:,}" for why, count in passed.items()) or "none to users was logged"
        raise NotFound(f"No logged answer could be dealt again ({told}); serve a while, or ask for more --requests")
    return _told(rounds, len(rewound.in_order) - passed.total(), dict(passed))


def _again(dealer: Dealer, exposure: Exposure) -> tuple[str, Dealt]:
    """Deal an answer as it was; gives why it cannot be judged (empty = it can), and the chances."""
    if exposure.teams:
        return "interleaved", NO_LIST
    if not set(exposure.degraded) <= WHOLE:
        return "degraded", NO_LIST
    found = dealer.deal(exposure)
    for place, (item_id, logged) in enumerate(zip(exposure.items, exposure.propensities, strict=True)):
        if found.at(item_id, place) <= 0:
            return "not reproduced", NO_LIST
        drawn = float(found.chance[found.row[item_id]].sum())
        if logged < 1 and abs(drawn - logged) > CLOSE:
            return "not reproduced", NO_LIST
    return "", found


def _clicks(home: Home, logged: Sequence[Exposure], on_progress: Progress) -> frozenset[tuple[str, str]]:
    """Give what was clicked of these answers: answer and item."""
    gathering = Gathering("", ("main",), (1, 0), 0, lambda item_id: "")
    for exposure in logged:
        gathering.expose(msgspec.structs.replace(exposure, experiment="", arm="main"))
    ends = home.log.ends(Stream.EVENTS)
    total = sum(end + 1 for end in ends.values())
    for done, entry in enumerate(entries(home, Stream.EVENTS, ends), start=1):
        try:
            gathering.act(event_of(entry.record.body))
        except ForyouError:
            continue  # the fold passed over it, too
        if done % 5_000 == 0:
            on_progress("read clicks", done, total)
    return gathering.clicked()


def _told(rounds: _Rounds, answers: int, passed: dict[str, int]) -> Judged:
    columns = {name: np.array(getattr(rounds, name), np.float64) for name in _Rounds.__slots__ if name != "user"}
    user = np.unique(rounds.user, return_inverse=True)[1]
    by_chance = columns["chance"] < SURE
    guess, value = columns["guess"], columns["value"]
    for part in (by_chance, ~by_chance):
        for own, scale in _scales(columns["reward"], columns["expected"], user, part):
            guess, value = np.where(own, guess * scale, guess), np.where(own, value * scale, value)
    log = Logged(columns["reward"], columns["chance"], columns["wanted"], guess, value, user.astype(np.int64))
    mass, supported = columns["mass"], columns["supported"]
    some = bool(by_chance.any())
    return Judged(
        answers=answers, passed_over=passed, shown=len(user), clicks=int(columns["reward"].sum()),
        supported=_share(supported, mass), logged=_itself(log), lists=_estimated(log, mass),
        explored_shown=int(by_chance.sum()), explored_supported=_share(supported[by_chance], mass[by_chance]),
        explored_logged=_itself(log.part(by_chance)) if some else None,
        explored=_estimated(log.part(by_chance), mass[by_chance]) if some else None,
    )  # fmt: skip


def _scales(
    reward: Floats, expected: Floats, user: NDArray[np.intp], part: NDArray[np.bool_], folds: int = 5
) -> Iterator[tuple[NDArray[np.bool_], float]]:
    """Give, for one fold of the users after the other, its rounds of a part, and how far clicks of the other folds
    are beyond what was expected.
    """
    for fold in range(folds):
        learned, own = part & (user % folds != fold), part & (user % folds == fold)
        yield own, (float(reward[learned].sum()) + KNOWN) / (float(expected[learned].sum()) + KNOWN)


def _share(of: Floats, all_: Floats) -> float:
    return float(of.sum() / all_.sum()) if all_.any() else 0.0


def _itself(log: Logged) -> Estimate:
    """Give what was earned, with its interval."""
    return evaluate(replace(log, wanted=log.chance)).ips


def _estimated(log: Logged, mass: Floats) -> Evaluated:
    """Give the estimates per item that the other configuration would show."""
    per = float(mass.mean()) or 1.0
    scaled = replace(
        log, reward=log.reward / per,
        guess=None if log.guess is None else log.guess / per, value=None if log.value is None else log.value / per,
    )  # fmt: skip
    return evaluate(scaled)
