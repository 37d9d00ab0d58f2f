"""Who takes a rollout from step to step, and who looks whether users like it? A thread beside the fold does.

Several may run: each change is a release, and of those who make one at once one wins.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from foryou.api.experiments import Registry
from foryou.api.reports import report_of
from foryou.domain.errors import Conflict, Refused
from foryou.domain.event import Event
from foryou.domain.exposure import Exposure
from foryou.domain.log import Position, Stream
from foryou.domain.release import Release, Rollout
from foryou.domain.rollout import active, due, returned
from foryou.ingest.codec import event_of, exposure_of
from foryou.observe.evidence import Compared, Notes
from foryou.observe.said import say
from foryou.trial.estimate import ALPHA, Lift, Sample, lift, mean_of
from foryou.trial.outcomes import Gathering
from foryou.trial.power import noise, users_needed
from foryou.wiring.home import Home

T = TypeVar("T")
READ = 5_000
SETTLED_MS = 5_000  # after the begin of a step, until which some processes are still at the one before
SHARE = 0.05  # of the time may go into looks at what users did


class Outcomes:
    """What users of old and new did since a step began; each `follow` reads what the log has more.

    Events are taken in one look later than they are read: the answer that they belong to may reach the log after them.
    """

    def __init__(self, home: Home, rollout: Rollout) -> None:
        self._home, self.rollout = home, rollout
        self._since_ms = rollout.since_ms + SETTLED_MS
        first = {one.item_id: one.categories[0] for one in home.items.scan() if one.categories}
        self._gathering = Gathering(
            "", (rollout.old, rollout.new), (self._since_ms, 0), 0, lambda item_id: first.get(item_id, "")
        )
        self._at = {stream: began(home, stream, rollout.since_ms) for stream in (Stream.EXPOSURES, Stream.EVENTS)}
        self._waiting: list[Event] = []

    def follow(self) -> None:
        """Take in what is new."""
        events = list(self._news(Stream.EVENTS, event_of))
        for one in self._news(Stream.EXPOSURES, exposure_of):
            self._expose(one)
        for event in self._waiting:
            self._gathering.act(event)
        self._waiting = events

    def _expose(self, one: Exposure) -> None:
        if one.user_id and not one.experiment and one.bundle in (self.rollout.old, self.rollout.new):
            self._gathering.expose(msgspec.structs.replace(one, arm=one.bundle))

    def _news(self, stream: Stream, decode: Callable[[bytes], T]) -> Iterator[T]:
        position = self._at[stream]
        for partition, end in self._home.log.ends(stream).items():
            after = position.get(partition, -1)
            while after < end and (entries := self._home.log.read(stream, partition, after, READ)):
                for entry in entries:
                    try:
                        yield decode(entry.record.body)
                    except Refused:
                        continue  # the fold passes over it, too, and says so
                after = position[partition] = entries[-1].offset

    def compared(self) -> tuple[Compared, Lift | None]:
        """Give what is known, with intervals that hold at all looks of all steps together."""
        said, rollout, found = self._home.config.rollout, self.rollout, self._gathering.outcomes()
        old, new = (Sample(*found.sample(said.metric, place)[:2]) for place in (0, 1))
        share, alpha = rollout.step.share, alpha_of(rollout)
        change = lift(old, new, said.effect, alpha)
        means = [mean_of(one).value if len(one) else 0.0 for one in (old, new)]
        needed = (
            users_needed(noise(old), said.effect, (1 - share, share), alpha=alpha, drop=True) if old.enough() else 0
        )
        told = Compared(
            rollout.new, rollout.since_ms, said.metric, len(old), len(new), means[0], means[1], needed=needed
        )
        if change:
            told = msgspec.structs.replace(told, change=change.value, low=change.low, high=change.high)
        return told, change


def alpha_of(rollout: Rollout) -> float:
    """Give the chance of a false alarm of one step: that of all of them together is ALPHA."""
    return ALPHA / max(1, sum(0 < step.share < 1 for step in rollout.steps))


def began(home: Home, stream: Stream, at_ms: int) -> Position:
    """Give the last places of a stream before a time, found by halving: arrival times grow with the offset."""
    found = {}
    for partition, end in home.log.ends(stream).items():
        low, high = -1, end
        while low < high:
            middle = (low + high) // 2
            entries = home.log.read(stream, partition, middle, 1)
            if entries and entries[0].appended_ms < at_ms:
                low = min(entries[0].offset, high)
            else:
                high = middle
        found[partition] = low
    return found


class Controller:
    """Looks at the release in force; `look` gives what it changed, empty = nothing."""

    def __init__(self, home: Home) -> None:
        self._home, self._notes = home, Notes(Path(home.config.home))
        self._outcomes: Outcomes | None = None
        self._guarded = 0.0

    def look(self) -> str:
        """Compare what users do, take the new bundle back if they like it less, else take the step that is due."""
        held, now_ms = self._home.models.release(), self._home.clock.now_ms()
        rollout = active(held, now_ms)
        if held is None or rollout is None:
            self._outcomes = None
            return ""
        if why := self._disliked(rollout):
            return self._change(held, returned(held, now_ms, why))
        following = due(held, now_ms)
        return self._change(held, following) if following else ""

    def _disliked(self, rollout: Rollout) -> str:
        if not 0 < rollout.step.share < 1:
            return ""
        if self._outcomes is None or self._outcomes.rollout != rollout:
            self._outcomes = Outcomes(self._home, rollout)
        self._outcomes.follow()
        told, change = self._outcomes.compared()
        self._notes.compare(told)
        if change is None or change.high >= -self._home.config.rollout.drop:
            return ""
        return (
            f"{told.metric} {change.value:+.1%} ({change.low:+.1%} to {change.high:+.1%} at any look),"
            f" {told.users_new:,} users beside {told.users_old:,} of the old one"
        )

    def _change(self, held: Release, new: Release) -> str:
        try:
            self._home.models.replace_release(new, held.generation)
        except Conflict:
            return ""  # another was faster; the next look sees what it wanted
        return new.reason

    def guard(self) -> list[str]:
        """Stop the arms of running experiments that certainly break a guardrail; gives them."""
        registry = Registry(self._home.log, self._home.clock, self._home.config.placements)
        now_ms, stopped = self._home.clock.now_ms(), list[str]()
        for one in registry.read().by_name.values():
            if not one.guardrails or one.start_ms > now_ms or one.ended(now_ms):
                continue
            running = {arm.name for arm in one.arms if arm.share > 0}
            for arm in report_of(self._home.log, self._home.items, one).arms:
                if arm.broken and arm.name in running:
                    registry.stop_arm(one.name, arm.name)
                    stopped.append(f"{one.name}/{arm.name} lowers {', '.join(arm.broken)}: its users have the control")
        return stopped


def keep_rollouts(home: Home, stop: threading.Event) -> None:
    """Look again and again until `stop`: at the rollout, and more rarely at the guardrails of experiments."""
    said, controller, told = home.config.rollout, Controller(home), ""
    wait, guards_due = said.look_s, time.monotonic() + said.guardrails_s
    while not stop.wait(wait):
        started, why = time.monotonic(), ""
        try:
            if changed := controller.look():
                say(f"rollout: {changed}")
            if said.guardrails_s and started >= guards_due:
                begun = time.monotonic()
                for stopped in controller.guard():
                    say(f"experiment: {stopped}")
                guards_due = time.monotonic() + max(said.guardrails_s, (time.monotonic() - begun) / SHARE)
        except Exception as error:  # noqa: BLE001 - without this thread a rollout would stand still for ever
            why = repr(error)
        if why and why != told:
            say(f"rollout: no look this time: {why}")
        told = why
        wait = max(said.look_s, (time.monotonic() - started) / SHARE)
