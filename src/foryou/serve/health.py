"""How does a bundle do in this process? What went wrong, and how long its batches took beside those of another."""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from foryou.domain.slate import Answer, Query, Trace

KEPT = 64  # newest times per size of batch
NEWEST = 20  # batches that are looked at for long ones
ENOUGH = 10  # times of one size of batch from which its median is known
STORE = "hydrate"  # what fails with the store, whichever bundle asks
FAULTS = ("raised", "stage", "not_finite", "empty")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a new bundle may do, and not more. fault_share: of its queries (0..1), from `faults` of them on.

    slower, slower_ms: as many times as long as the old one takes, and as much longer; long_ms: batches longer than this
    count as faults where the old one's do not last so long.
    """

    fault_share: float = 0.01
    faults: int = 3
    slower: float = 2.0
    slower_ms: float = 5.0
    long_ms: float = 50.0


class Stopwatch:
    """Measures from its making: by the clock, and what this thread has computed, which does not grow while it waits."""

    __slots__ = ("_clock", "_cpu")

    def __init__(self) -> None:
        self._clock, self._cpu = time.perf_counter(), time.thread_time()

    def ms(self) -> float:
        """Give the ms by the clock."""
        return (time.perf_counter() - self._clock) * 1e3

    def cpu_ms(self) -> float:
        """Give the ms of computing."""
        return (time.thread_time() - self._cpu) * 1e3


@dataclass(slots=True)
class Health:
    """Counts of one bundle. Written by who answers (and who rehearses), read by who judges; for two threads.

    faults: kind -> queries, `why`: the newest one of each kind in words; times: log2 of the queries in a batch -> ms of
    computing; computed, lasted: ms of the newest batches, of computing and by the clock.
    """

    queries: int = 0
    batches: int = 0
    total_ms: float = 0.0
    short: int = 0  # answers with fewer items than were asked for
    rehearsed: int = 0  # queries answered in the shadow: seen by nobody
    overlap: float = 0.0  # sum over those of the share of items that were shown for real
    faults: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAULTS, 0))
    why: dict[str, str] = field(default_factory=dict)
    times: dict[int, deque[float]] = field(default_factory=dict)
    computed: deque[float] = field(default_factory=lambda: deque(maxlen=NEWEST))
    lasted: deque[float] = field(default_factory=lambda: deque(maxlen=NEWEST))

    def note(self, queries: int, ms: float, cpu_ms: float) -> None:
        """Take note of a batch that was answered: how long it lasted, and how much of that was computing."""
        self.queries += queries
        self.batches += 1
        self.total_ms += ms
        size = queries.bit_length()
        if size not in self.times:
            self.times[size] = deque(maxlen=KEPT)
        self.times[size].append(cpu_ms)
        self.computed.append(cpu_ms)
        self.lasted.append(ms)

    def fault(self, kind: str, queries: int, why: str) -> None:
        """Take note of queries that could not be answered as they should be."""
        self.faults[kind] += queries
        self.why[kind] = why


def fault_in(trace: Trace, answers: Iterable[Answer], queries: Iterable[Query]) -> tuple[str, str]:
    """Give the kind of what is wrong with a batch and say it in words; empty = nothing.

    An answer without items is wrong only if another bundle would have some: whoever asks must see to that.
    """
    if errors := [error for error in trace.errors if not error.startswith(f"{STORE}:")]:
        return "stage", errors[0]
    if trace.not_finite:
        return "not_finite", f"{trace.not_finite} scores are NaN or infinite"
    if any(query.k and not answer.items for answer, query in zip(answers, queries, strict=True)):
        return "empty", "an answer without items"
    return "", ""


def breach(new: Health, old: Health, limits: Limits) -> str:
    """Say why the new bundle must go, empty = it may stay."""
    asked, wrong = new.queries, sum(new.faults.values())
    if wrong >= limits.faults and wrong > limits.fault_share * asked:
        said = "; ".join(f"{kind}: {count} ({new.why[kind]})" for kind, count in new.faults.items() if count)
        return f"{wrong} of {asked} queries went wrong in it, limit {limits.fault_share:.1%}: {said}"
    for mine, others, least in (
        (new.computed, old.computed, limits.faults), (new.lasted, old.lasted, NEWEST // 2)
    ):  # fmt: skip
        if why := _long(tuple(mine), tuple(others), least, limits.long_ms):
            return why
    return slower(new, old, limits)


def _long(mine: tuple[float, ...], others: tuple[float, ...], least: int, long_ms: float) -> str:
    """Say that batches take too long, if they do so far more often than those of the old bundle; empty = they do not.

    Waiting is judged by more of them than computing: a busy machine makes all batches wait.
    """
    slow, usual = (sum(ms > long_ms for ms in some) for some in (mine, others))
    if slow < least or slow * max(1, len(others)) <= 3 * usual * len(mine):
        return ""
    return (
        f"{slow} of its newest {len(mine)} batches took more than {long_ms:g} ms (up to {max(mine):.0f} ms), of the old"
        f" bundle's {usual} of {len(others)}"
    )


def slower(new: Health, old: Health, limits: Limits) -> str:
    """Compare medians over batches of like size, as a batch of many takes longer than one of few; empty = fast."""
    pairs = [
        (median(tuple(new.times[size])), median(tuple(old.times[size])))
        for size in list(new.times)
        if size in old.times and min(len(new.times[size]), len(old.times[size])) >= ENOUGH
    ]
    if not pairs:
        return ""
    now, before = (sum(pair[place] for pair in pairs) / len(pairs) for place in (0, 1))
    if now > limits.slower * before and now - before > limits.slower_ms:
        return (
            f"its batches take {now:.1f} ms, those of the old one {before:.1f} ms (medians); limit {limits.slower:g}"
            f" times and {limits.slower_ms:g} ms more"
        )
    return ""
