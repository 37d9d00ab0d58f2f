"""What is known before a clickout about each hotel shown? One pass through the log, each input one line of a table.

Nothing of the clickout itself but the list as it was shown (hotels, places, prices, filters) enters. What a session
did counts at once; what everybody did counts from the next second on, so events of one second cannot know each other.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foryou.bench.trivago.log import CLICKOUT, Event
from foryou.train.ranker import Groups

KINDS = {
    "interaction item image": 0, "interaction item info": 1, "interaction item rating": 2,
    "interaction item deals": 3, "search for item": 4, CLICKOUT: 5,
}  # fmt: skip
CLICKED = KINDS[CLICKOUT]
SORTED_BY = {"price": ("Sort by Price", "price only", "price and recommended"),
             "rating": ("Sort By Rating", "rating only", "rating and recommended"),
             "distance": ("Sort By Distance", "distance only", "distance and recommended")}  # fmt: skip


@dataclass(slots=True)
class Touched:
    """What a person did with one hotel: how often by kind, and when last."""

    counts: NDArray[np.float32] = field(default_factory=lambda: np.zeros(len(KINDS), np.float32))
    step: int = 0
    at_s: int = 0


@dataclass(slots=True)
class Session:
    """What a session did so far."""

    touched: dict[int, Touched] = field(default_factory=dict)  # by hotel
    last: int = 0  # the hotel touched last
    last_clicked: int = 0
    last_s: int = 0
    steps: int = 0
    clickouts: int = 0
    sort: str = ""
    shown_before: set[int] = field(default_factory=set)
    price: dict[int, float] = field(default_factory=dict)  # hotel -> last price shown

    def live(self, event: Event) -> None:
        """Take in an event."""
        self.steps, self.last_s = self.steps + 1, event.at_s
        if event.action == "change of sort order":
            self.sort = event.reference
        if event.item and event.action in KINDS:
            touched = self.touched.setdefault(event.item, Touched())
            touched.counts[KINDS[event.action]] += 1
            touched.step, touched.at_s = event.step, event.at_s
            self.last = event.item
        if event.action == CLICKOUT:
            self.clickouts, self.last_clicked = self.clickouts + 1, event.item
            self.shown_before = set(event.shown.tolist())
            self.price |= zip(event.shown.tolist(), event.prices.tolist(), strict=True)


class Counters:
    """What everybody did so far, by hotel: float32 [N+1] each."""

    def __init__(self, size: int) -> None:
        self.shown, self.clicked, self.touched = np.zeros((3, size), np.float32)

    def count(self, events: Iterable[Event]) -> None:
        """Take in events."""
        for event in events:
            if event.action == CLICKOUT:
                self.shown[event.shown] += 1
                self.clicked[event.item] += 1
            elif event.action in KINDS:
                self.touched[event.item] += 1


@dataclass(frozen=True, slots=True)
class Moment:
    """A clickout before it happens: the list, what the session and the user did, what everybody did."""

    event: Event
    session: Session
    others: list[Session]  # of this user
    counters: Counters
    place: NDArray[np.float32]

    def of(self, read: Callable[[Touched], float], history: dict[int, Touched], absent: float) -> NDArray[np.float32]:
        """Give for each hotel shown what a history says of it."""
        return np.array(
            [read(history[item]) if item in history else absent for item in self.event.shown.tolist()], np.float32
        )

    def kind(self, name: str) -> NDArray[np.float32]:
        """Give how often this session did this with each hotel, as a logarithm."""
        at = KINDS[name]
        return np.log1p(self.of(lambda one: float(one.counts[at]), self.session.touched, 0.0))

    def before(self, kinds: slice) -> NDArray[np.float32]:
        """Give how often this user did this with each hotel in other sessions, as a logarithm."""
        count = np.zeros_like(self.place)
        for session in self.others:
            count += self.of(lambda one: float(one.counts[kinds].sum()), session.touched, 0.0)
        return np.log1p(count)

    def behind(self, item: int) -> NDArray[np.float32]:
        """Give how many places each hotel stands below `item`, 0 where that is not shown."""
        at = np.flatnonzero(self.event.shown == item)
        return self.place - np.float32(at[0]) if len(at) else np.zeros_like(self.place)

    def sorted_by(self, what: str) -> bool:
        """Say whether the list is ordered by this, as filters or the last change of order tell."""
        return any(one in SORTED_BY[what] for one in (*self.event.filters, self.session.sort))


def _rank(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the share of the list that is smaller, 0..1."""
    return np.asarray((values[None, :] < values[:, None]).mean(axis=1), np.float32)


def _price_liked(m: Moment) -> NDArray[np.float32]:
    """Give the logarithm of price over the mean price of what the session touched, 0 where it touched nothing."""
    known = [m.session.price[item] for item in m.session.touched if item in m.session.price]
    return np.log(m.event.prices / np.mean(known)).astype(np.float32) if known else np.zeros_like(m.place)


def _same(m: Moment, value: float) -> NDArray[np.float32]:
    return np.full_like(m.place, value)


def _rate(m: Moment) -> NDArray[np.float32]:
    """Give clicks per time shown, pulled towards 1 in 23."""
    return (m.counters.clicked[m.event.shown] + 1) / (m.counters.shown[m.event.shown] + 23)


FEATURES: dict[str, Callable[[Moment], NDArray[Any]]] = {
    # the list as it is shown
    "place": lambda m: m.place,
    "log_place": lambda m: np.log1p(m.place),
    "first": lambda m: (m.place == 0).astype(np.float32),
    "size": lambda m: _same(m, len(m.place)),
    "log_price": lambda m: np.log(m.event.prices),
    "price_to_mean": lambda m: np.log(m.event.prices / m.event.prices.mean()),
    "price_rank": lambda m: _rank(m.event.prices),
    "cheapest": lambda m: (m.event.prices == m.event.prices.min()).astype(np.float32),
    "price_to_above": lambda m: np.diff(np.log(m.event.prices), prepend=np.log(m.event.prices[0])),
    "by_price": lambda m: _same(m, m.sorted_by("price")),
    "by_rating": lambda m: _same(m, m.sorted_by("rating")),
    "by_distance": lambda m: _same(m, m.sorted_by("distance")),
    "price_rank_by_price": lambda m: _rank(m.event.prices) * m.sorted_by("price"),
    "filters": lambda m: _same(m, np.log1p(len(m.event.filters))),
    "mobile": lambda m: _same(m, m.event.device == "mobile"),
    "tablet": lambda m: _same(m, m.event.device == "tablet"),
    # what this session did with the hotel
    "images": lambda m: m.kind("interaction item image"),
    "infos": lambda m: m.kind("interaction item info"),
    "ratings": lambda m: m.kind("interaction item rating"),
    "deals": lambda m: m.kind("interaction item deals"),
    "searched": lambda m: m.kind("search for item"),
    "clicked": lambda m: m.kind(CLICKOUT),
    "touched": lambda m: m.of(lambda one: 1.0, m.session.touched, 0.0),
    "touched_last": lambda m: (m.event.shown == m.session.last).astype(np.float32),
    "clicked_last": lambda m: (m.event.shown == m.session.last_clicked).astype(np.float32),
    "steps_since": lambda m: m.of(lambda one: np.exp(-0.1 * (m.event.step - one.step)), m.session.touched, 0.0),
    "seconds_since": lambda m: m.of(lambda one: -np.log1p(m.event.at_s - one.at_s), m.session.touched, -9.0),
    "touch_share": lambda m: m.of(lambda one: one.counts.sum(), m.session.touched, 0.0) / max(1, m.session.steps),
    "below_touched": lambda m: m.behind(m.session.last),
    "next_below_touched": lambda m: (m.behind(m.session.last) == 1).astype(np.float32),
    "above_touched": lambda m: (m.behind(m.session.last) < 0).astype(np.float32),
    "below_clicked": lambda m: m.behind(m.session.last_clicked),
    "new_in_list": lambda m: np.array([one not in m.session.shown_before for one in m.event.shown.tolist()], "f4"),
    "price_to_liked": _price_liked,
    "far_from_liked": lambda m: np.abs(_price_liked(m)),
    # what the session is like
    "steps": lambda m: _same(m, np.log1p(m.session.steps)),
    "clickouts": lambda m: _same(m, np.log1p(m.session.clickouts)),
    "hotels_touched": lambda m: _same(m, np.log1p(len(m.session.touched))),
    "seconds_idle": lambda m: _same(m, np.log1p(m.event.at_s - m.session.last_s if m.session.last_s else 0)),
    "last_is_shown": lambda m: _same(m, (m.event.shown == m.session.last).any()),
    # what this user did in other sessions, and everybody
    "touched_before": lambda m: m.before(slice(0, CLICKED)),
    "clicked_before": lambda m: m.before(slice(CLICKED, None)),
    "shown_by_all": lambda m: np.log1p(m.counters.shown[m.event.shown]),
    "clicked_by_all": lambda m: np.log1p(m.counters.clicked[m.event.shown]),
    "touched_by_all": lambda m: np.log1p(m.counters.touched[m.event.shown]),
    "rate": lambda m: np.log(_rate(m)),
    "rate_rank": lambda m: _rank(_rate(m)),
    "popular_rank": lambda m: _rank(m.counters.touched[m.event.shown] + m.counters.clicked[m.event.shown]),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """The clickouts as groups, in time order; user [Q] whose each is, at_s [Q] when."""

    groups: Groups
    user: NDArray[np.int64]
    at_s: NDArray[np.int64]
    skipped: int  # clickouts of a hotel that was not shown


def table(events: Iterable[Event]) -> Table:
    """Give inputs and label of each hotel shown in each clickout."""
    events = list(events)
    counters = Counters(1 + max(int(max(one.item, one.shown.max(initial=0))) for one in events))
    users: dict[str, dict[str, Session]] = defaultdict(dict)
    numbers: dict[str, int] = {}
    waiting: list[Event] = []
    inputs, labels, kept, skipped = [], [], [], 0
    for event in events:
        if waiting and waiting[0].at_s < event.at_s:
            counters.count(waiting)
            waiting = []
        own = users[event.user]
        session = own.setdefault(event.session, Session())
        label = (event.shown == event.item).astype(np.float32)
        if event.action == CLICKOUT and label.any():
            moment = Moment(
                event, session, [one for name, one in own.items() if name != event.session], counters,
                np.arange(len(label), dtype=np.float32),
            )  # fmt: skip
            inputs.append(np.column_stack([feature(moment) for feature in FEATURES.values()]).astype(np.float32))
            labels.append(label)
            kept.append((numbers.setdefault(event.user, len(numbers)), event.at_s))
        skipped += event.action == CLICKOUT and not label.any()
        session.live(event)
        waiting.append(event)
    start = np.concatenate([[0], np.cumsum([len(one) for one in labels])]).astype(np.int64)
    groups = Groups(
        np.concatenate(inputs), start, np.concatenate(labels), np.full(start[-1], -1, np.int16),
        np.ones(len(labels), np.float32),
    )  # fmt: skip
    user, at_s = np.array(kept, np.int64).T
    return Table(groups, user, at_s, skipped)
