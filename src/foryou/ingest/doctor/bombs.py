"""Did somebody push an item, or one user speak for all? An implausible share of a day's positive actions."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from foryou.domain.clock import DAY_MS
from foryou.domain.event import interest
from foryou.ingest.doctor.finding import EXAMPLES, Batch, Finding, Scope, Severity, Tally

ITEM_SHARE = 0.2  # of a day's positives for one item
ITEM_LEAST = 200  # of them
TIMES = 10  # as much as its share of all other days
USER_SHARE = 0.5  # of a day's positives by one user
USER_LEAST = 500
OF_ALL = 0.01  # of all positives of the log
NAMED = 200_000  # hashes whose names are kept for the examples


class Bombs:
    """Items and users with an implausible share of the positives of one day (UTC)."""

    def __init__(self, _scope: Scope) -> None:
        self._items, self._users = Tally(), Tally()
        self._names: dict[int, str] = {}

    def see(self, batch: Batch) -> None:
        """Count the positives by day."""
        cols = batch.columns
        positive = (interest(cols.action, cols.value) > 0) & (cols.item != 0)
        day = cols.at_ms[positive] // DAY_MS
        self._items.add(day, cols.item[positive])
        self._users.add(day, cols.user[positive])
        for row in np.flatnonzero(positive).tolist() if len(self._names) < NAMED else ():
            event = batch.events[row]
            self._names[int(cols.item[row])] = event.item_id
            self._names[int(cols.user[row])] = event.user_id

    def findings(self) -> list[Finding]:
        """Say which item or user, on which day."""
        return [
            *self._found(
                self._items, "item", ITEM_SHARE, ITEM_LEAST, Severity.ERROR, lambda part, usual: part >= TIMES * usual,
                "look who did it and when (`foryou events`); DELETE /v1/users/{user_id} takes a user's actions out of"
                " the next training",
            ),
            *self._found(
                self._users, "user", USER_SHARE, USER_LEAST, Severity.WARNING, lambda part, usual: True,
                "see that it is a person and not a test account or a default user_id such as 0 or guest",
            ),
        ]  # fmt: skip

    def _found(
        self, tally: Tally, what: str, least_share: float, least: int, severity: Severity,
        odd: Callable[[float, float], bool], mend: str,
    ) -> list[Finding]:  # fmt: skip
        rows = tally.rows()
        if not len(rows):
            return []
        day, count = rows["first"], rows["count"]
        days, place = np.unique(day, return_inverse=True)
        of_day = np.bincount(place, count).astype(np.float64)[place]
        total = int(count.sum())
        _, which = np.unique(rows["second"], return_inverse=True)
        of_key = np.bincount(which, count)[which]
        hit = (count >= max(least, OF_ALL * total)) & (count >= least_share * of_day)
        if len(days) == 1 and what == "item":  # nothing to compare with
            hit &= count > 0.5 * of_day
        bad = [
            row for row in np.flatnonzero(hit).tolist()
            if odd(count[row] / of_day[row], (of_key[row] - count[row]) / max(total - of_day[row], 1))
        ]  # fmt: skip
        if not bad:
            return []
        examples = tuple(self._example(what, rows, of_day, row) for row in bad[:EXAMPLES])
        said = (
            f"positive actions of one day were on one {what}" if what == "item" else "positives of one day by one user"
        )
        return [Finding("label bombs", severity, int(count[bad].sum()), total, said, examples, mend)]

    def _example(self, what: str, rows: NDArray[np.void], of_day: NDArray[np.float64], row: int) -> str:
        name = self._names.get(int(rows["second"][row]), f"with hash {int(rows['second'][row]):016x}")
        date = datetime.fromtimestamp(int(rows["first"][row]) * DAY_MS / 1_000, UTC).date()
        count = int(rows["count"][row])
        return f"{what} {name} on {date}: {count:,} of {int(of_day[row]):,} positives"
