"""What comes of what was answered, as it is folded? Actions are credited to answers and counted, each place once."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from sys import intern

from foryou.domain.clock import DAY_MS
from foryou.domain.event import Action, Event
from foryou.domain.exposure import Exposure
from foryou.domain.log import Stream
from foryou.ingest.turn import News

CREDIT_MS = DAY_MS  # an action without a recommendation_id belongs to what showed the item so long ago at most
CLICKS = (Action.CLICK, Action.VIEW)
CREDITED = frozenset((*CLICKS, Action.DWELL, Action.PURCHASE))
NAMES = 1_000  # event ids of one answer that are remembered, so that a client's retry does not count again
Where = tuple[str, str]  # placement, arm


@dataclass(slots=True)
class Tally:
    """What was counted. dwell_s: seconds of all dwells; revenue: amounts as the events say them."""

    lists: int = 0
    shown: int = 0
    clicks: int = 0
    bought: int = 0
    dwells: int = 0
    dwell_s: float = 0.0
    revenue: float = 0.0


@dataclass(slots=True, eq=False)
class _Answer:
    """An answer that may yet be credited. done: (item, click or purchase) and event ids that counted."""

    name: str
    user: str
    at_ms: int
    where: Where
    items: tuple[str, ...]
    done: set[str | tuple[str, str]] = field(default_factory=set)


class Outcomes:
    """Counts what comes of answers; `folded` may be called from several threads.

    An action is credited as `trial.outcomes` does it: to the answer that its recommendation_id names, else to the last
    one that showed the item to this user within CREDIT_MS; clicks and purchases once per answer and item. At most
    `limit` answers are remembered, the newest. What is folded again (a place of the log at or before one that counted)
    does not count again; a process that starts knows the answers that `earlier` gives: those of a partition before an
    offset.
    """

    def __init__(self, limit: int, earlier: Callable[[int, int], Iterable[Exposure]] = lambda *_: ()) -> None:
        self._limit, self._earlier = limit, earlier
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._of_user: dict[str, list[_Answer]] = {}
        self._counted: dict[tuple[str, int], int] = {}
        self._tallies: dict[Where, Tally] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Give the number of answers that are remembered."""
        return len(self._answers)

    def folded(self, news: News) -> None:
        """Count what is new in a partition, after its records were written."""
        if not self._limit:
            return
        with self._lock:
            partition = news.partition
            if (Stream.EXPOSURES.value, partition) not in self._counted:
                before = self._counted[Stream.EXPOSURES.value, partition] = news.before[Stream.EXPOSURES.value]
                for one in self._earlier(partition, before):
                    self._remember(one)
            for exposure, offset in zip(news.exposures.values, news.exposures.offsets, strict=True):
                if self._is_new(Stream.EXPOSURES, partition, offset):
                    self._expose(exposure)
            for event, offset in zip(news.events.values, news.events.offsets, strict=True):
                if self._is_new(Stream.EVENTS, partition, offset) and event.action in CREDITED:
                    self._act(event)

    def taken(self) -> dict[Where, Tally]:
        """Give what was counted since this was asked last, by placement and arm."""
        with self._lock:
            found, self._tallies = self._tallies, {}
        return found

    def _is_new(self, stream: Stream, partition: int, offset: int) -> bool:
        key = stream.value, partition
        if offset <= self._counted.get(key, -1):
            return False
        self._counted[key] = offset
        return True

    def _expose(self, one: Exposure) -> None:
        if self._remember(one):
            tally = self._tallies.setdefault(_where(one), Tally())
            tally.lists += 1
            tally.shown += len(one.items)

    def _remember(self, one: Exposure) -> bool:
        """Remember an answer; False = it is known, as it was written twice."""
        if one.recommendation_id in self._answers:
            return False
        items = tuple(map(intern, one.items))
        answer = _Answer(one.recommendation_id, one.user_id, one.now_ms, _where(one), items)
        self._answers[answer.name] = answer
        if answer.user:
            self._of_user.setdefault(answer.user, []).append(answer)
        while len(self._answers) > self._limit or next(iter(self._answers.values())).at_ms < one.now_ms - CREDIT_MS:
            self._forget(self._answers.popitem(last=False)[1])
        return True

    def _forget(self, answer: _Answer) -> None:
        if answer.user:
            left = self._of_user[answer.user]
            left.remove(answer)
            if not left:
                del self._of_user[answer.user]

    def _act(self, event: Event) -> None:
        answer = self._credited(event)
        if answer is None or event.event_id in answer.done:
            return
        tally = self._tallies.setdefault(answer.where, Tally())
        if len(answer.done) < NAMES:
            answer.done.add(event.event_id)
        once = event.item_id, "click" if event.action in CLICKS else event.action.value
        new = once not in answer.done
        value = event.value or 0.0
        if event.action is Action.DWELL:
            tally.dwells += 1
            tally.dwell_s += max(0.0, value)
            return
        answer.done.add(once)
        if event.action in CLICKS:
            tally.clicks += new
        else:
            tally.bought += new
            tally.revenue += max(0.0, value)

    def _credited(self, event: Event) -> _Answer | None:
        named = self._answers.get(event.recommendation_id)
        if named is not None:
            return named if event.item_id in named.items else None
        best: _Answer | None = None
        for answer in self._of_user.get(event.user_id, ()):
            fits = 0 <= event.at_ms - answer.at_ms <= CREDIT_MS and event.item_id in answer.items
            if fits and (best is None or answer.at_ms >= best.at_ms):
                best = answer
        return best


def _where(one: Exposure) -> Where:
    """Give placement and arm; an arm outside of experiments is `main`."""
    return one.placement, f"{one.experiment}/{one.arm}" if one.experiment else "main"
