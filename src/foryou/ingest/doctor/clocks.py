"""Do the clocks agree? Times in the future, before all logs, long before their arrival, or without an hour."""

import numpy as np

from foryou.domain.clock import DAY_MS, HOUR_MS
from foryou.domain.event import LATE_MS
from foryou.ingest.doctor.finding import Batch, Finding, Hits, Scope, Severity, share
from foryou.ingest.importers.ratings import EARLIEST_MS

SOME = 0.01
MOST = 0.9
MIDNIGHTS = 100  # events from which days without an hour are told


class Clocks:
    """Times that cannot be right, or that say less than they seem to."""

    def __init__(self, scope: Scope) -> None:
        self._now_ms, self._of = scope.now_ms, 0
        self._ahead, self._old, self._late, self._arrival, self._midnight = (Hits() for _ in range(5))

    def see(self, batch: Batch) -> None:
        """Compare the times of each event."""
        at, received = batch.columns.at_ms, batch.received
        live = (received > 0) & (np.abs(batch.appended - received) < HOUR_MS)  # not from an import
        self._of += len(at)
        self._ahead.note(batch, at > self._now_ms + LATE_MS)
        self._old.note(batch, at < EARLIEST_MS)
        self._late.note(batch, (received > 0) & (received - at > DAY_MS))
        self._arrival.note(batch, live & (at == received))
        self._midnight.note(batch, at % DAY_MS == 0)

    def findings(self) -> list[Finding]:
        """Say which times are wrong."""
        late = Severity.WARNING if share(self._late.count, self._of) > SOME else Severity.NOTE
        rows = [
            (self._ahead, Severity.ERROR, "events lie in the future",
             "mend the clock or the unit of time of who sends them; until then they count as the newest ones"),
            (self._old, Severity.ERROR, "events lie before 1990",
             'seconds were taken for ms: say unit = "s" in the mapping, or send ms'),
            (self._late, late, "events arrived more than a day after they happened",
             "send events at once, or import what is old; nothing is lost, but trends of the day miss them"),
            (self._arrival, Severity.NOTE, "events have their arrival as their time",
             "they came without at_ms, or were clamped as they lay more than 5 minutes ahead: send at_ms by a clock"
             " that is right"),
        ]  # fmt: skip
        if share(self._midnight.count, self._of) > MOST and self._of >= MIDNIGHTS:
            what = "events happened at midnight: dates without an hour"
            mend = "import times with hours and minutes; the order within a day and sessions are unknown"
            rows.append((self._midnight, Severity.WARNING, what, mend))
        return [
            Finding("clock skew", severity, hits.count, self._of, what, tuple(hits.examples), mend)
            for hits, severity, what, mend in rows if hits.count
        ]  # fmt: skip
