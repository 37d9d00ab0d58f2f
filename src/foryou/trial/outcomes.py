"""What came of what was shown? Outcomes per user, from exposures and the events that are credited to them."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foryou.domain.clock import DAY_MS
from foryou.domain.event import Action, Event
from foryou.domain.exposure import Exposure

CREDIT_MS = DAY_MS  # an action without a recommendation_id belongs to what showed the item so long ago at most
CLICKS = (Action.CLICK, Action.VIEW)
SUMS = ("lists", "shown", "clicks", "bought", "dwell", "revenue", "diversity")
PER = {  # metric -> what is summed, and per what
    "ctr": ("clicks", "shown"), "clicks": ("clicks", "user"), "conversion": ("bought", "lists"),
    "dwell": ("dwell", "lists"), "revenue": ("revenue", "user"), "diversity": ("diversity", "lists"),
}  # fmt: skip
BEFORE = ("lists", "clicks", "bought", "dwell", "revenue")  # of the time before the start: what tells users apart
_COLUMN = {name: place for place, name in enumerate(SUMS)}


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What came of an experiment, per user.

    arm     int64 [n] place in `arms`          first_ms  int64 [n] first list
    sums    float64 [n, 7] totals by SUMS      before    float64 [n, 5] totals before the start, by BEFORE
    places  int64 [m] users, and               seen      int64 [m] items that they were shown, as numbers from 0
    crossed: users seen in several arms, who are left out
    """

    arms: tuple[str, ...]
    users: tuple[str, ...]
    arm: NDArray[np.int64]
    first_ms: NDArray[np.int64]
    sums: NDArray[np.float64]
    before: NDArray[np.float64]
    crossed: int
    places: NDArray[np.int64]
    seen: NDArray[np.int64]

    def sample(self, metric: str, arm: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Give numerator, denominator and what was known before, of the users of an arm."""
        rows = self.arm == arm
        return *measured(self.sums[rows], metric), self.before[rows]


@dataclass(slots=True)
class _Known:
    """What is known of one user: lists and their times in order, times at which each item was shown."""

    arms: set[str] = field(default_factory=set)
    first_ms: int = 0
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(SUMS)))
    before: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(BEFORE)))
    shown: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    items: Counter[str] = field(default_factory=Counter)


def measured(sums: NDArray[np.float64], metric: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give what a metric divides by what, of totals [..., 7] by SUMS."""
    above, below = PER[metric]
    per = np.ones(sums.shape[:-1]) if below == "user" else sums[..., _COLUMN[below]]
    return sums[..., _COLUMN[above]], per


class Gathering:
    """Gathers outcomes: first all exposures, then all events, in any order.

    Of the exposures those of the experiment count, from `start_ms` until before `stop_ms` (0 = open). An action is
    credited to the answer that its recommendation_id names, else to the last one that showed the item to this user
    within CREDIT_MS before it; clicks and purchases once per answer and item. first_category: item id -> "" = unknown.
    """

    def __init__(
        self, name: str, arms: tuple[str, ...], span: tuple[int, int], pre_ms: int, first_category: Callable[[str], str]
    ) -> None:
        self._name, self._arms, (self._start, self._stop) = name, arms, span
        self._pre_ms, self._first_category = pre_ms, first_category
        self._users: dict[str, _Known] = defaultdict(_Known)
        self._answers: dict[str, tuple[str, frozenset[str]]] = {}
        self._earlier: dict[str, Counter[str]] = defaultdict(Counter)
        self._done: set[tuple[str, str, str]] = set()

    def expose(self, one: Exposure) -> None:
        """Take in what was shown."""
        if self._start - self._pre_ms <= one.now_ms < self._start:
            self._earlier[one.user_id]["lists"] += 1
        if one.experiment != self._name or one.now_ms < self._start or (self._stop and one.now_ms >= self._stop):
            return
        known = self._users[one.user_id]
        known.arms.add(one.arm)
        known.first_ms = min(known.first_ms or one.now_ms, one.now_ms)
        known.items.update(one.items)
        known.sums += [1, len(one.items), 0, 0, 0, 0, self._diversity(one.items)]
        for item in one.items:
            known.shown[item].append((one.now_ms, one.recommendation_id))
        self._answers[one.recommendation_id] = one.user_id, frozenset(one.items)

    def act(self, event: Event) -> None:
        """Take in what somebody did."""
        if event.user_id in self._users and self._start - self._pre_ms <= event.at_ms < self._start:
            self._earlier_act(self._users[event.user_id].before, event)
            return
        if event.at_ms < self._start or not (answer := self._credited(event)):
            return
        known = self._users[self._answers[answer][0]]
        new = (answer, event.item_id, "click" if event.action in CLICKS else event.action) not in self._done
        self._done.add((answer, event.item_id, "click" if event.action in CLICKS else event.action))
        if event.action in CLICKS and new:
            known.sums[_COLUMN["clicks"]] += 1
        elif event.action is Action.DWELL:
            known.sums[_COLUMN["dwell"]] += event.value or 0
        elif event.action is Action.PURCHASE:
            known.sums[_COLUMN["bought"]] += new
            known.sums[_COLUMN["revenue"]] += event.value or 0

    def clicked(self) -> frozenset[tuple[str, str]]:
        """Give what was clicked: answer and item."""
        return frozenset((answer, item) for answer, item, what in self._done if what == "click")

    def outcomes(self) -> Outcomes:
        """Give what was gathered. Users who were answered by several arms are left out and counted."""
        crossed = sum(len(known.arms) > 1 for known in self._users.values())
        users = sorted(
            name for name, known in self._users.items() if known.arms <= set(self._arms) and len(known.arms) == 1
        )
        for name in users:
            self._users[name].before[0] = self._earlier[name]["lists"]
        found = [self._users[name] for name in users]
        numbers: dict[str, int] = {}
        pairs = [
            (row, numbers.setdefault(item, len(numbers))) for row, known in enumerate(found) for item in known.items
        ]
        where = np.array(pairs, np.int64).reshape(-1, 2)
        return Outcomes(
            self._arms, tuple(users), np.array([self._arms.index(min(known.arms)) for known in found], np.int64),
            np.array([known.first_ms for known in found], np.int64),
            np.array([known.sums for known in found]).reshape(-1, len(SUMS)),
            np.array([known.before for known in found]).reshape(-1, len(BEFORE)), crossed, where[:, 0], where[:, 1],
        )  # fmt: skip

    def _credited(self, event: Event) -> str:
        """Give the answer to which an action belongs, empty = none."""
        if event.recommendation_id in self._answers:
            return event.recommendation_id if event.item_id in self._answers[event.recommendation_id][1] else ""
        known = self._users.get(event.user_id)
        times = known.shown.get(event.item_id, []) if known else []
        times.sort()
        last = bisect_right(times, (event.at_ms, "\U0010ffff")) - 1
        return times[last][1] if last >= 0 and event.at_ms - times[last][0] <= CREDIT_MS else ""

    def _earlier_act(self, before: NDArray[np.float64], event: Event) -> None:
        if event.action in CLICKS:
            before[1] += 1
        elif event.action is Action.DWELL:
            before[3] += event.value or 0
        elif event.action is Action.PURCHASE:
            before[2] += 1
            before[4] += event.value or 0

    def _diversity(self, items: tuple[str, ...]) -> float:
        """Give the share of the pairs of a list whose first categories differ."""
        counts: Mapping[str, int] = Counter(self._first_category(item) for item in items)
        pairs = len(items) * (len(items) - 1)
        return 1 - sum(count * (count - 1) for count in counts.values()) / pairs if pairs else 0.0


def gathered(gathering: Gathering, exposures: Iterable[Exposure], events: Iterable[Event]) -> Outcomes:
    """Give the outcomes of these exposures and events."""
    for exposure in exposures:
        gathering.expose(exposure)
    for event in events:
        gathering.act(event)
    return gathering.outcomes()
