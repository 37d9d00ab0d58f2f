"""Which arm of an experiment answers a user? A salted hash gives a slot, the experiment says whose slot that is."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import msgspec

from foryou.domain.errors import Invalid
from foryou.domain.event import hash64
from foryou.domain.release import MAIN

SLOTS = 10_000  # a share is a number of them
MAX_ARMS = 20
MAX_EXPERIMENTS = 200
SPLIT, INTERLEAVE = "split", "interleave"  # kinds: users are dealt to arms, or each list is filled by both arms
METRICS = ("ctr", "clicks", "conversion", "dwell", "revenue", "diversity")
Runs = tuple[tuple[str, int], ...]  # (arm, slots), one after the other; they sum to SLOTS


class Arm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One way to answer: the placement with other sources, another ranker, other rules; `share` of the users (0..1).

    `sources`: candidates per source, those not named are off; None = as the placement. `rules`: settings of the
    placement. `family`: of the release, which chooses the bundle.
    """

    name: str
    share: float
    family: str = MAIN
    sources: dict[str, int] | None = None
    ranker: str = ""
    rules: dict[str, Any] = {}


class Guardrail(msgspec.Struct, frozen=True):
    """A metric that an arm must not lower by more than `drop`, relative to the control (0.05 = 5 %)."""

    metric: str
    drop: float = 0.0


class Experiment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An experiment as it is kept. The first arm is the control; times in ms since 1970, stop 0 = none.

    `slots`: whose each slot is; `metric`: what it is judged by; `effect`: the relative change that it looks for, for
    which its sequential intervals are narrowest; `pre_days`: days before the start that tell users apart (CUPED);
    `kind`: SPLIT, or INTERLEAVE of two arms in each list, whatever their shares.
    """

    name: str
    arms: tuple[Arm, ...]
    placements: tuple[str, ...] = ()
    salt: str = ""
    start_ms: int = 0
    stop_ms: int = 0
    metric: str = "ctr"
    effect: float = 0.05
    guardrails: tuple[Guardrail, ...] = ()
    pre_days: float = 28.0
    slots: Runs = ()
    kind: str = SPLIT

    def holds(self, placement: str, now_ms: int) -> bool:
        """Say whether it runs there and then: from start_ms on, until just before stop_ms."""
        here = not self.placements or placement in self.placements
        return here and self.start_ms <= now_ms and not self.ended(now_ms)

    def ended(self, now_ms: int) -> bool:
        """Say whether it is over."""
        return bool(self.stop_ms) and self.stop_ms <= now_ms

    def arm(self, name: str) -> Arm:
        """Give the arm of that name. Raises Invalid."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        known = ", ".join(arm.name for arm in self.arms)
        raise Invalid("arm", f"experiment {self.name!r} has no arm {name!r}", f"it has {known}")


class ExperimentChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record of the stream `experiments`: the experiment as it is from now on."""

    name: str
    received_ms: int = 0
    now: Experiment


def slot_of(user_id: str, salt: str) -> int:
    """Give the slot of a user, 0 .. SLOTS - 1: the same in every process, and for another salt independent of it."""
    return hash64(f"experiment:{salt}:{user_id}") % SLOTS


class Wheel:
    """Whose each slot is, ready to be looked up."""

    __slots__ = ("_arms", "_ends")

    def __init__(self, slots: Runs) -> None:
        self._arms, self._ends, end = [name for name, _ in slots], list[int](), 0
        for _, count in slots:
            end += count
            self._ends.append(end)

    def arm(self, slot: int) -> str:
        """Give the name of the arm that has the slot."""
        return self._arms[bisect_right(self._ends, slot)]


def arm_for(user_id: str, experiment: Experiment) -> str:
    """Give the name of the arm of a user: what the server does, for one user and without its memory."""
    return Wheel(experiment.slots).arm(slot_of(user_id, experiment.salt))


def allotted(arms: Sequence[Arm], held: Runs = ()) -> Runs:
    """Give each arm its share of the slots. Of those `held` only as many change hands as must.

    An arm that shrinks gives its last slots away; arms that grow take the free ones in turn. The number of slots that
    move is half the sum of the changes, which no other way can undercut.
    """
    wanted = _counts(arms)
    owner: list[str] = [name for name, count in held for _ in range(count)] or [""] * SLOTS
    spare = dict(wanted)
    for slot, name in enumerate(owner):
        if spare.get(name, 0) > 0:
            spare[name] -= 1
        else:
            owner[slot] = ""
    free = (slot for slot, name in enumerate(owner) if not name)
    for name, count in spare.items():
        for _ in range(count):
            owner[next(free)] = name
    return tuple((name, len(list(run))) for name, run in groupby(owner))


def _counts(arms: Sequence[Arm]) -> dict[str, int]:
    """Give the slots of each arm: its share rounded down, what remains by the largest remainders."""
    exact = {arm.name: arm.share * SLOTS for arm in arms}
    counts = {name: int(value + 1e-9) for name, value in exact.items()}
    left = SLOTS - sum(counts.values())
    for name in sorted(exact, key=lambda one: counts[one] - exact[one])[:left]:
        counts[name] += 1
    return counts


def checked(experiment: Experiment) -> Experiment:
    """Give the experiment if it makes sense in itself. Raises Invalid with the field."""
    names = [arm.name for arm in experiment.arms]
    for place, arm in enumerate(experiment.arms):
        if not arm.name or "/" in arm.name:
            raise Invalid(f"arms/{place}/name", f"{arm.name!r} is no name of an arm", "1 character or more, no /")
        if names.index(arm.name) != place:
            raise Invalid(f"arms/{place}/name", f"{arm.name!r} is said twice", "give each arm a name of its own")
        if not 0 <= arm.share <= 1:
            raise Invalid(f"arms/{place}/share", f"{arm.share} is not between 0 and 1", "write 25 % as 0.25")
    if not 2 <= len(names) <= MAX_ARMS:
        raise Invalid("arms", f"there are {len(names)}", f"an experiment compares 2 to {MAX_ARMS}")
    if abs((total := sum(arm.share for arm in experiment.arms)) - 1) > 1e-6:
        raise Invalid("arms", f"the shares sum to {total:.6g}", "they must sum to 1: the control takes what is left")
    if experiment.stop_ms and experiment.stop_ms <= experiment.start_ms:
        where = f"{experiment.stop_ms} is not after start_ms {experiment.start_ms}"
        raise Invalid("stop_ms", where, "send a later one, or 0 for none")
    guarded = {f"guardrails/{place}/metric": guard.metric for place, guard in enumerate(experiment.guardrails)}
    for where, metric in ({"metric": experiment.metric} | guarded).items():
        if metric not in METRICS:
            raise Invalid(where, f"{metric!r} is not measured", f"use one of {', '.join(METRICS)}")
    if not 0 < experiment.effect <= 1:
        raise Invalid("effect", f"{experiment.effect} is not between 0 and 1", "write 5 % as 0.05")
    _check_kind(experiment)
    return experiment


def _check_kind(experiment: Experiment) -> None:
    if experiment.kind not in (SPLIT, INTERLEAVE):
        raise Invalid("kind", f"{experiment.kind!r} is none", f"use {SPLIT} or {INTERLEAVE}")
    if experiment.kind == INTERLEAVE and len(experiment.arms) != 2:
        raise Invalid("arms", f"there are {len(experiment.arms)}", "two arms can be interleaved, no more")
    if experiment.kind == INTERLEAVE and experiment.guardrails:
        raise Invalid("guardrails", "cannot be kept where both arms fill each list", "leave them out, or split users")


def begun(said: Experiment, held: Experiment | None, now_ms: int) -> Experiment:
    """Give the experiment as it is kept: with a salt, a start, and slots moved from those that it holds already."""
    salt = said.salt or (held.salt if held else said.name)
    start = said.start_ms or (held.start_ms if held else now_ms)
    slots = allotted(said.arms, held.slots if held and held.salt == salt else ())
    return msgspec.structs.replace(said, salt=salt, start_ms=start, slots=slots)


def without(experiment: Experiment, arm: str) -> Experiment:
    """Give the experiment with an arm stopped: its users go to the control, nobody else moves."""
    stopped, control = experiment.arm(arm), experiment.arms[0]
    if experiment.kind == INTERLEAVE:
        raise Invalid("arm", f"{arm!r} fills lists together with the other one", "stop the experiment instead")
    if stopped is control:
        raise Invalid("arm", f"{arm!r} is the control, to which others are compared", "stop the experiment instead")
    shares = {arm: 0.0, control.name: control.share + stopped.share}
    arms = tuple(msgspec.structs.replace(one, share=shares.get(one.name, one.share)) for one in experiment.arms)
    return msgspec.structs.replace(experiment, arms=arms, slots=allotted(arms, experiment.slots))


@dataclass(frozen=True, slots=True)
class Assigned:
    """Which experiment a user takes part in, with which arm; beside: the other one, where both fill each list."""

    experiment: str
    arm: Arm
    beside: Arm | None = None

    def key(self, placement: str) -> str:
        """Give the name under which the pipeline of this arm stands beside those of the placements."""
        return f"{placement}@{self.experiment}/{self.arm.name}"

    def other(self) -> "Assigned | None":
        """Give the part of the other arm, where both fill each list."""
        return Assigned(self.experiment, self.beside) if self.beside else None


@dataclass(frozen=True, slots=True)
class Experiments:
    """All experiments as of a position of the stream `experiments`; replaced whole, never changed."""

    by_name: Mapping[str, Experiment] = field(default_factory=dict)
    position: Mapping[int, int] = field(default_factory=dict)
    _ready: tuple[tuple[Experiment, Wheel, Mapping[str, Assigned]], ...] = ()

    def changed(self, changes: Iterable[ExperimentChange], position: Mapping[int, int]) -> "Experiments":
        """Give the experiments after the changes. The one that began first stands first, then by name."""
        found = dict(self.by_name) | {change.name: change.now for change in changes}
        ready = tuple(
            (one, Wheel(one.slots), {arm.name: Assigned(one.name, arm) for arm in one.arms})
            for one in sorted(found.values(), key=lambda one: (one.start_ms, one.name))
            if sum(count for _, count in one.slots) == SLOTS
        )
        return Experiments(dict(sorted(found.items())), dict(position), ready)

    def choose(self, user_id: str, placement: str, now_ms: int) -> Assigned | None:
        """Give the arm that answers a user there and then; None outside of experiments, and for nobody by name."""
        if user_id:
            for experiment, wheel, arms in self._ready:
                if experiment.holds(placement, now_ms):
                    found = arms[wheel.arm(slot_of(user_id, experiment.salt))]
                    return found if experiment.kind == SPLIT else Assigned(experiment.name, *experiment.arms)
        return None

    def open(self, now_ms: int) -> list[tuple[Experiment, Assigned]]:
        """Give the arms of experiments that are not over."""
        return [(one, arm) for one, _, arms in self._ready if not one.ended(now_ms) for arm in arms.values()]

    def clash(self, said: Experiment) -> Experiment | None:
        """Give another experiment that runs at a placement and a time of this one."""
        for other in self.by_name.values():
            apart = said.ended(other.start_ms) or other.ended(said.start_ms)
            shared = not (said.placements and other.placements) or set(said.placements) & set(other.placements)
            if other.name != said.name and shared and not apart:
                return other
        return None


NO_EXPERIMENTS = Experiments()
