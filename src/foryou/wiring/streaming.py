"""What does a stream process do? It folds its share of the log until it is told to stop, whatever is away meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from foryou.config import Config
from foryou.domain.errors import Conflict, Refused, StalePosition, Unavailable
from foryou.domain.event import Action, Event
from foryou.domain.exposure import Exposure
from foryou.domain.log import Stream
from foryou.features.fold import fold
from foryou.ingest.codec import exposure_of
from foryou.ingest.outcomes import Outcomes
from foryou.ingest.worker import FOLDED, Progress, Worker
from foryou.observe.metrics import Metrics
from foryou.observe.said import say
from foryou.wiring.home import Home, open_home
from foryou.wiring.pauses import fewer_pauses
from foryou.wiring.rollouts import keep_rollouts

LEASE_RENEWALS = 3  # per lease time
AGAIN_S = 0.5
REFUSED_S = 5.0
QUIET_S = 1.0  # without news, after which looks are QUIETER times as rare: each costs, and most find nothing
QUIETER = 4
KNOWN = 2_000  # answers of a partition that a process which takes it over reads again, to credit them
COUNTED = ("lists", "shown", "clicks", "bought", "dwells")


def stream(config: Config, stopped: Callable[[], bool], metrics: Metrics | None = None) -> None:
    """Fold until `stopped`, then give the share back; waits while a process that is no member of the group writes."""
    metrics = metrics or Metrics()
    home = open_home(config)
    fold({}, [Event("warm", "nobody", Action.VIEW, 0, "nothing")], [0])  # loads kernels: the first event would wait
    done = threading.Event()
    rollouts = threading.Thread(target=keep_rollouts, args=(home, done), daemon=True)
    rollouts.start()
    try:
        outcomes = Outcomes(config.observe.credited_answers, lambda *before: _answers(home, *before))
        worker = _member(home, stopped, outcomes)
        fewer_pauses()
        while worker and not stopped():
            try:
                worker.lease()
                _Turn(home, worker, metrics, outcomes).work(stopped)
            except StalePosition:  # another was faster, or the store was set back: go on from where it stands
                metrics.fold_conflicts.inc()
            except Conflict:  # another process folds: stand by
                time.sleep(config.fold.lease_ms / 1e3 / LEASE_RENEWALS)
            except (Unavailable, Refused) as error:
                metrics.fold_away.inc()
                _say(str(error))
                time.sleep(REFUSED_S if isinstance(error, Refused) else AGAIN_S)
        if worker:
            _leave(worker)
    finally:
        done.set()
        rollouts.join()
        home.close()


def _answers(home: Home, partition: int, before: int) -> Iterator[Exposure]:
    """Give the newest answers of a partition up to an offset, those that can be read."""
    with suppress(Unavailable):
        for entry in home.log.read(Stream.EXPOSURES, partition, max(-1, before - KNOWN), KNOWN):
            if entry.offset <= before:
                with suppress(Refused):
                    yield exposure_of(entry.record.body)


def _member(home: Home, stopped: Callable[[], bool], outcomes: Outcomes) -> Worker | None:
    """Join those who fold this log, as soon as it can be reached; None = stopped before."""
    while not stopped():
        try:
            return home.member(outcomes.folded)
        except (Unavailable, Refused) as error:
            _say(str(error))
            time.sleep(REFUSED_S if isinstance(error, Refused) else AGAIN_S)
    return None


def _leave(worker: Worker) -> None:
    try:
        worker.release()
    except Unavailable as error:
        _say(f"the right to write could not be given back, it ends by itself: {error}")


class _Turn:
    """Folding, from taking the right to write until it is lost."""

    def __init__(self, home: Home, worker: Worker, metrics: Metrics, outcomes: Outcomes) -> None:
        self._home, self._worker, self._metrics, self._outcomes = home, worker, metrics, outcomes
        self._every_s = home.config.fold.lease_ms / 1e3 / LEASE_RENEWALS
        self._tended = time.monotonic()
        self._tickets: dict[Stream, int] = {}  # what each stream was at when there was nothing left in it
        self._fresh = True  # not all partitions are followed yet
        self._own: tuple[int, ...] = ()
        self._told = ""
        self._busy = 0.0

    def work(self, stopped: Callable[[], bool]) -> None:
        """Fold until `stopped`. Raises StalePosition if another was faster, Unavailable if the log is away."""
        while not stopped():
            if time.monotonic() - self._tended > self._every_s:
                self._tend()
            own = self._worker.partitions()
            if own != self._own:
                self._own, self._tickets, self._fresh = own, {}, True
                self._metrics.fold_partitions.set(len(own))
            seen = {one: self._home.log.changed(one, self._of(one)) for one in FOLDED}
            news = [one for one in FOLDED if seen[one] != self._tickets.get(one)]
            done = self._worker.step(news, self._fresh) if news else Progress()
            if not done.away and not done.resting:
                self._fresh = False
                self._tickets |= {one: seen[one] for one in news if not done.folded[one]}
            if not done.idle:
                self._busy = time.monotonic()
                self._measure(done)
            if done.idle or done.resting:
                quiet = time.monotonic() - self._busy > QUIET_S
                time.sleep(self._home.config.fold.poll_ms / 1e3 * (QUIETER if quiet else 1))

    def _of(self, stream: Stream) -> tuple[int, ...] | None:
        """Give the partitions to follow: of items all, for each home has all documents."""
        return None if stream is Stream.ITEMS else self._own

    def _tend(self) -> None:
        """Do what must be done every now and then: keep the right to write, look for what a failover lost, tell."""
        self._tended = time.monotonic()
        worker, metrics = self._worker, self._metrics
        try:
            worker.lease()
            if lost := worker.rewind():
                metrics.rewound.inc(len(lost))
                self._tickets = {}
                _say(f"the records of partitions {lost} were set back; folding again from where they stand")
            worker.tell()
            for name, count in worker.behind().items():
                metrics.fold_behind.labels(name).set(count)
        except Unavailable as error:  # one shard of many; whoever can be reached is folded on
            metrics.fold_away.inc()
            self._note(str(error))

    def _measure(self, done: Progress) -> None:
        metrics = self._metrics
        for name, count in done.folded.items():
            if count:
                metrics.folded.labels(name).inc(count)
        now_ms = self._home.clock.now_ms() if done.appended_ms else 0
        for appended_ms in done.appended_ms:
            metrics.fold_lag.observe(max(0, now_ms - appended_ms))
        _count(self._outcomes, metrics)
        metrics.poison.inc(len(done.poison))
        for what in done.poison:
            _say(f"cannot be folded, put aside in dead_letters: {what}")
        if done.away:
            metrics.fold_away.inc()
            self._note(next(iter(done.away.values())))
        elif done.events and not done.resting:
            self._note("")

    def _note(self, away: str) -> None:
        """Say that a store is away, once, and that it is back."""
        if bool(away) != bool(self._told):
            _say(away or "all partitions can be folded again")
            self._told = away


def _count(outcomes: Outcomes, metrics: Metrics) -> None:
    for where, tally in outcomes.taken().items():
        for name in COUNTED:
            if count := getattr(tally, name):
                metrics.outcomes.labels(*where, name).inc(count)
        metrics.dwell.labels(*where).inc(tally.dwell_s)
        metrics.revenue.labels(*where).inc(tally.revenue)
    metrics.credited.set(len(outcomes))


def _say(what: str) -> None:
    say(f"stream: {what}")
