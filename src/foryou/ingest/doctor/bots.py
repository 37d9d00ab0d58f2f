"""Which users are machines? Too fast, too regular, or busy with a single item."""

from dataclasses import dataclass

from foryou.domain.clock import HOUR_MS
from foryou.domain.event import Action
from foryou.ingest.doctor.finding import EXAMPLES, Batch, Finding, Scope, Severity, share

MINUTE_MS = 60_000
A_MINUTE = 240  # actions within a minute
AN_HOUR = 3_000  # actions within an hour
GAPS = 100  # between actions, from which their regularity tells
REGULAR = 0.05  # standard deviation of the gaps / their mean
FLOOD = 100  # actions on one item
ONE_ITEM = 0.6  # lead of an item over all others / actions: 0.6 means 80 % of them
MANY = 0.2  # of all events: from here it is an error


@dataclass(slots=True)
class _User:
    """What is remembered of a user while his partition is read."""

    count: int = 0
    minute: int = 0
    in_minute: int = 0
    most_in_minute: int = 0
    hour: int = 0
    in_hour: int = 0
    most_in_hour: int = 0
    last_ms: int = 0
    gaps: int = 0
    mean: float = 0.0
    squares: float = 0.0  # sum of squared distances from the mean (Welford 1962)
    item: str = ""
    lead: int = 0  # of the item over all others (Boyer and Moore 1981)

    def act(self, at_ms: int, item: str) -> None:
        """Take note of an action."""
        self.count += 1
        if (minute := at_ms // MINUTE_MS) != self.minute:
            self.minute, self.in_minute = minute, 0
        self.in_minute += 1
        self.most_in_minute = max(self.most_in_minute, self.in_minute)
        if (hour := at_ms // HOUR_MS) != self.hour:
            self.hour, self.in_hour = hour, 0
        self.in_hour += 1
        self.most_in_hour = max(self.most_in_hour, self.in_hour)
        gap = abs(at_ms - self.last_ms)
        if self.last_ms and gap:
            self.gaps += 1
            step = gap - self.mean
            self.mean += step / self.gaps
            self.squares += step * (gap - self.mean)
        self.last_ms = at_ms
        if item == self.item:
            self.lead += 1
        elif self.lead:
            self.lead -= 1
        else:
            self.item, self.lead = item, 1

    def verdict(self) -> str:
        """Say why this is a machine, "" if it is not."""
        if self.most_in_minute >= A_MINUTE:
            return f"{self.most_in_minute:,} actions within a minute"
        if self.most_in_hour >= AN_HOUR:
            return f"{self.most_in_hour:,} actions within an hour"
        if self.gaps >= GAPS and (self.squares / self.gaps) ** 0.5 < REGULAR * self.mean:
            return f"one action every {self.mean / 1_000:,.1f} s, {self.gaps:,} times"
        if self.lead >= FLOOD and self.item and self.lead >= ONE_ITEM * self.count:
            return f"{self.count:,} actions, nearly all on item {self.item}"
        return ""


class Bots:
    """Users whom no human could be. Memory goes with the users of one partition."""

    def __init__(self, _scope: Scope) -> None:
        self._users: dict[str, _User] = {}
        self._partition = -1
        self._bots = self._events = self._of = 0
        self._examples: list[str] = []

    def see(self, batch: Batch) -> None:
        """Follow each user; what was only shown to him is no action."""
        if batch.partition != self._partition:
            self._judge()
            self._partition = batch.partition
        for event in batch.events:
            if event.action is not Action.IMPRESSION:
                self._of += 1
                user = self._users.get(event.user_id)
                if user is None:
                    user = self._users[event.user_id] = _User()
                user.act(event.at_ms, event.item_id)

    def _judge(self) -> None:
        for name, user in self._users.items():
            if why := user.verdict():
                self._bots += 1
                self._events += user.count
                if len(self._examples) < EXAMPLES:
                    self._examples.append(f"user {name}: {why}")
        self._users = {}

    def findings(self) -> list[Finding]:
        """Say who."""
        self._judge()
        if not self._bots:
            return []
        bad = share(self._events, self._of) > MANY
        return [Finding(
            "bots", Severity.ERROR if bad else Severity.WARNING, self._events, self._of,
            f"actions come from {self._bots:,} users who act like machines", tuple(self._examples),
            "leave them out (skip in a mapping; DELETE /v1/users/{user_id} for those in the log), and let the site tell"
            " crawlers and tests from people",
        )]  # fmt: skip
