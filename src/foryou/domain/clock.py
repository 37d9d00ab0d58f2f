"""What time is it? Every part is given a clock; data from the past runs on the past's own time."""

import time
from dataclasses import dataclass

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall time plus a fixed offset. With the offset of old data, 'the last 24 h' means its last 24 h."""

    offset_ms: int = 0

    def now_ms(self) -> int:
        """Give the present, ms since 1970 UTC."""
        return time.time_ns() // 1_000_000 + self.offset_ms


@dataclass(slots=True)
class ManualClock:
    """A clock that a test or a replay sets by hand."""

    at_ms: int

    def now_ms(self) -> int:
        """Give the time that was set."""
        return self.at_ms
