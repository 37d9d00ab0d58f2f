"""Does the log say what people like? A log without positives, or an action that never is one, teaches nothing."""

import numpy as np

from foryou.domain.event import ACTIONS, CODE, INTEREST, Action, interest
from foryou.ingest.doctor.finding import Batch, Finding, Hits, Scope, Severity

LEAST = 20  # actions of a kind from which it tells
_MENDS = {
    Action.RATING: "bring the ratings to 1..5 (scale = [lowest, highest] in the mapping): up to 2 is a dislike",
    Action.DWELL: "send dwell in seconds: shorter than 5 is a dislike",
}


class Taste:
    """Actions that were never positive."""

    def __init__(self, _scope: Scope) -> None:
        self._all = np.zeros(len(ACTIONS), np.int64)
        self._good = np.zeros(len(ACTIONS), np.int64)
        self._hits = {action: Hits() for action in ACTIONS}

    def see(self, batch: Batch) -> None:
        """Count actions, and those that say that somebody wants an item."""
        cols = batch.columns
        good = interest(cols.action, cols.value) > 0
        self._all += np.bincount(cols.action, minlength=len(ACTIONS))
        self._good += np.bincount(cols.action[good], minlength=len(ACTIONS))
        for code in np.unique(cols.action).tolist():
            if INTEREST.get(ACTIONS[code], 0) > 0:
                self._hits[ACTIONS[code]].note(batch, (cols.action == code) & ~good)

    def findings(self) -> list[Finding]:
        """Say which actions, or that there is nothing to learn from."""
        total = int(self._all.sum())
        if not total:
            mend = "import a data set (`foryou import PATH`) or post some events first"
            return [Finding("actions never positive", Severity.ERROR, 0, 0, "events are in the log", (), mend)]
        found = []
        if not self._good.any():
            there = ", ".join(f"{self._all[CODE[action]]:,} {action}" for action in ACTIONS if self._all[CODE[action]])
            found.append(Finding(
                "actions never positive", Severity.ERROR, total, total, "events, and none of them says that somebody"
                " likes an item", (there,), "send views, clicks, likes, purchases or ratings above 2; there is nothing"
                " to learn from what was only shown or disliked",
            ))  # fmt: skip
        for action in ACTIONS:
            count = int(self._all[CODE[action]])
            if INTEREST.get(action, 0) > 0 and count >= LEAST and not self._good[CODE[action]]:
                mend = _MENDS.get(action, "see that the mapping gives this action to what people like")
                found.append(Finding(
                    "actions never positive", Severity.ERROR, count, count, f"actions `{action}`, all of them dislikes",
                    tuple(self._hits[action].examples), mend,
                ))  # fmt: skip
        return found
