"""Which users are machines? Too fast, too regular, or busy with a single item: one look for doctor and training."""

from dataclasses import dataclass

from foryou.domain.clock import HOUR_MS

MINUTE_MS = 60_000
A_MINUTE = 240  # actions within a minute
AN_HOUR = 3_000  # actions within an hour
GAPS = 100  # between actions, from which their regularity tells
REGULAR = 0.05  # standard deviation of the gaps / their mean
FLOOD = 100  # actions on one item
ONE_ITEM = 0.6  # lead of an item over all others / actions: 0.6 means 80 % of them


@dataclass(slots=True)
class Behaviour:
    """What is remembered of how a user acts, one action after the other. Constant memory."""

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

    def verdict(self) -> tuple[str, str]:
        """Say by what this is a machine (rate, regularity, flood) and in words why; ("", "") if it is not."""
        if self.most_in_minute >= A_MINUTE:
            return "rate", f"{self.most_in_minute:,} actions within a minute"
        if self.most_in_hour >= AN_HOUR:
            return "rate", f"{self.most_in_hour:,} actions within an hour"
        if self.gaps >= GAPS and (self.squares / self.gaps) ** 0.5 < REGULAR * self.mean:
            return "regularity", f"one action every {self.mean / 1_000:,.1f} s, {self.gaps:,} times"
        if self.lead >= FLOOD and self.item and self.lead >= ONE_ITEM * self.count:
            return "flood", f"{self.count:,} actions, nearly all on item {self.item}"
        return "", ""
