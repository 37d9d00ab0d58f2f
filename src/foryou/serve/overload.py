"""What gives way when more is asked than can be answered? First what costs most and matters least, at last the request.

The queue is judged by the time that requests wait in it, as CoDel does (Nichols and Jacobson 2012): a wait that stays
above the target for a whole interval is a standing queue, not a burst.
"""

import math
from enum import Enum

RUNGS = (  # what answers lack on each rung; the first one is the whole answer
    (),
    ("overload:exploration",),
    ("overload:exploration", "overload:light_ranker", "overload:explain"),
    ("overload:exploration", "overload:priors", "overload:explain"),
)
PREPARED = "overload:prepared"  # what is answered from the lists for strangers, when the queue is too long for the rest
INTERVAL_S = 0.1  # a wait above the target for so long leads one rung up
CALM_S = 1.0  # a wait below half of it for so long leads one rung down
TARGET = 0.2  # of the deadline: a wait that is no matter
FULL = 0.5  # of the deadline: who would wait longer is not let in
OVER = 0.9  # of the deadline: a wait after which not even lists are given away
FADING = 0.2  # weight of the newest batch in the cost of a query


class Verdict(Enum):
    """What becomes of a request at the door."""

    ADMIT = "admitted"
    PREPARED = "prepared"
    REFUSE = "refused"


class Ladder:
    """Knows how long requests wait, and what follows. All times are seconds of one steady clock.

    rung: the step on which queries are answered now, an index of RUNGS.
    """

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._least, self._most, self._since = math.inf, 0.0, 0.0
        self._calm_since: float | None = None
        self._cost_s, self._last_s, self._last_at = 0.0, 0.0, -math.inf
        self.rung = 0

    def waited(self, longest_s: float, now_s: float) -> None:
        """Take note of how long the first of a batch has waited when its turn comes."""
        if now_s - self._last_at > CALM_S:  # nobody asked for so long that nothing is left of it
            self.rung, self._calm_since = 0, None
        self._last_s, self._last_at = longest_s, now_s
        target = TARGET * self._deadline_s
        if now_s - self._since > 2 * INTERVAL_S:  # too few waited for a judgement
            self._since, self._least = now_s, math.inf
        self._least = min(self._least, longest_s)
        if now_s - self._since >= INTERVAL_S:
            if self._least > target and self.rung < len(RUNGS) - 1:
                self.rung += 1
            self._since, self._least = now_s, math.inf
        if longest_s > target / 2:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = now_s
        elif now_s - self._calm_since >= CALM_S and self.rung:
            self.rung -= 1
            self._calm_since = now_s

    def answered(self, queries: int, took_s: float) -> None:
        """Take note of what a batch took."""
        each = took_s / queries
        self._cost_s = each if self._cost_s == 0 else (1 - FADING) * self._cost_s + FADING * each

    def verdict(self, waiting: int, now_s: float) -> Verdict:
        """Say what becomes of a request that would stand behind so many others."""
        last = self.rung == len(RUNGS) - 1  # a stall of a moment is no overload: cheaper answers are tried before
        if last and waiting and self._last_s > OVER * self._deadline_s and now_s - self._last_at < INTERVAL_S:
            return Verdict.REFUSE
        if waiting and waiting * self._cost_s > FULL * self._deadline_s:
            return Verdict.PREPARED
        return Verdict.ADMIT


def on_rung(rung: int, placement: str) -> str:
    """Give the name of the pipeline that answers for a placement on a rung."""
    return f":{rung} {placement}" if rung else placement
