"""How does a new bundle reach everybody? By steps with a share and a time each; at any of them it can be taken back."""

import re
from itertools import pairwise

import msgspec

from foryou.domain.clock import DAY_MS
from foryou.domain.errors import Conflict, Invalid
from foryou.domain.release import MAIN, Release, Rollout, Shares, Step

SHADOW = "shadow"
MAX_STEPS = 20
_STEP = re.compile(r"(shadow|\d+(?:\.\d+)?)(?:\s*%)?\s*:\s*(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_FORM = "write steps as shadow:10m,10:1h,50:6h,100:1h (percent of the users, and for how long: ms, s, m, h, d)"


def steps_of(schedule: str, where: str = "schedule") -> tuple[Step, ...]:
    """Give the steps that a schedule says. Raises Invalid unless shares grow from step to step, and end with 100.

    A schedule that does not end with 100 gets `100:0s`, which is: everybody, and no watch over it.
    """
    found = []
    for part in filter(None, (part.strip() for part in schedule.split(","))):
        match = _STEP.fullmatch(part)
        if match is None:
            raise Invalid(where, f"{part!r} is no step", _FORM)
        share = 0.0 if match[1] == SHADOW else float(match[1]) / 100
        if not 0 <= share <= 1 or (share == 0 and match[1] != SHADOW):
            raise Invalid(where, f"{part!r} has a share outside of 0..100", _FORM)
        found.append(Step(share, int(float(match[2]) * _MS[match[3]])))
    if not found or len(found) > MAX_STEPS:
        raise Invalid(where, f"has {len(found)} steps, 1 to {MAX_STEPS} are possible", _FORM)
    if any(later.share <= former.share for former, later in pairwise(found)):
        raise Invalid(where, f"{schedule!r} has a share that does not grow", _FORM)
    return tuple(found) if found[-1].share == 1 else (*found, Step(1.0, 0))


def active(release: Release | None, now_ms: int) -> Rollout | None:
    """Give the rollout that is under way: not ended, and the time of its last step not over; None = there is none.

    One that begins more than a day from now was made on another clock (`serve --clock log`), and is none here.
    """
    found = release.rollout if release else None
    if found is None or found.ended or found.since_ms > now_ms + DAY_MS:
        return None
    last = found.at == len(found.steps) - 1
    return None if last and not found.paused and now_ms >= found.since_ms + found.step.hold_ms else found


def stable(release: Release, now_ms: int) -> str:
    """Give the version that most users of the main family have; while one is tried, the one to which they return."""
    rollout = active(release, now_ms)
    return rollout.old if rollout else release.version


def begun(release: Release, new: str, steps: tuple[Step, ...], now_ms: int, reason: str) -> Release:
    """Give the release that begins to put `new` in the place of what serves. Raises Conflict if it serves already."""
    old = stable(release, now_ms)
    if new == old:
        raise Conflict(f"{new} serves already; `foryou models list` shows what could be rolled out")
    return _at(release, Rollout(old, new, steps, 0, now_ms, now_ms), now_ms, reason)


def due(release: Release, now_ms: int) -> Release | None:
    """Give the release of the next step if the time of this one is over and nobody has paused it."""
    rollout = active(release, now_ms)
    if rollout is None or rollout.paused or now_ms < rollout.since_ms + rollout.step.hold_ms:
        return None
    return stepped(release, now_ms, "by schedule")


def stepped(release: Release, now_ms: int, why: str) -> Release:
    """Give the release of the next step. Raises Conflict where there is none."""
    rollout = _running(release, now_ms)
    if rollout.at == len(rollout.steps) - 1:
        raise Conflict(f"{rollout.new} serves everybody already; `foryou models back` would take it back")
    on = msgspec.structs.replace(rollout, at=rollout.at + 1, since_ms=now_ms, paused=False)
    return _at(release, on, now_ms, f"{rollout.new} {on.step.name}: {why}")


def finished(release: Release, now_ms: int, why: str) -> Release:
    """Give the release with the last step, which is still watched for its time."""
    rollout = _running(release, now_ms)
    last = msgspec.structs.replace(rollout, at=len(rollout.steps) - 1, since_ms=now_ms, paused=False)
    return _at(release, last, now_ms, f"{rollout.new} {last.step.name}: {why}")


def returned(release: Release, now_ms: int, why: str) -> Release:
    """Give the release that takes the new bundle back from everybody."""
    rollout = _running(release, now_ms)
    families = {**release.families, MAIN: ((rollout.old, 1.0),)}
    ended = msgspec.structs.replace(rollout, ended=why or "by hand", since_ms=now_ms)
    reason = f"returned from {rollout.new} to {rollout.old}: {why}"
    return Release(release.generation + 1, families, now_ms, reason, ended)


def paused(release: Release, now_ms: int, why: str, stop: bool = True) -> Release:
    """Give the release in which the schedule stands still, or goes on with this step from its start."""
    rollout = _running(release, now_ms)
    if rollout.paused is stop:
        raise Conflict(f"The rollout of {rollout.new} {'is paused' if stop else 'is not paused'}; nothing to do")
    changed = msgspec.structs.replace(rollout, paused=stop, since_ms=now_ms)
    word = "paused" if stop else "resumed"
    return Release(release.generation + 1, release.families, now_ms, f"{rollout.new} {word}: {why}", changed)


def _running(release: Release, now_ms: int) -> Rollout:
    rollout = active(release, now_ms)
    if rollout is None:
        raise Conflict("No rollout is under way; `foryou models rollout VERSION` begins one")
    return rollout


def _at(release: Release, rollout: Rollout, now_ms: int, reason: str) -> Release:
    families = {**release.families, MAIN: shares_at(rollout)}
    return Release(release.generation + 1, families, now_ms, reason, rollout)


def shares_at(rollout: Rollout) -> Shares:
    """Give the shares of the step: the new bundle first, so that who has it keeps it when its share grows."""
    share = rollout.step.share
    both = ((rollout.new, share), (rollout.old, 1 - share))
    return tuple((version, part) for version, part in both if part > 0)
