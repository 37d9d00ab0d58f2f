"""How is a rollout shown and steered?"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from foryou.api.schema.console import ConsoleShare
from foryou.api.schema.wire import Wire
from foryou.observe.evidence import Compared, Evidence


class SteerAction(StrEnum):
    """What can be done with bundles."""

    PROMOTE = "promote"
    ROLLOUT = "rollout"
    PAUSE = "pause"
    RESUME = "resume"
    NEXT = "next"
    FINISH = "finish"
    BACK = "back"


class Steer(Wire):
    """What shall become of a bundle. `promote`: for everybody at once; `rollout`: by a schedule; the others of it."""

    action: SteerAction
    version: Annotated[str, Meta(max_length=128, description="of promote and rollout: the bundle")] = ""
    schedule: Annotated[
        str, Meta(max_length=500, description="of rollout: shadow:10m,10:1h,50:6h,100:1h; empty = as configured")
    ] = ""
    why: Annotated[str, Meta(max_length=500, description="what the release shall say")] = ""


class StepOut(msgspec.Struct):
    """A step: the share of the users (0 = in the shadow), and for how long at least."""

    share: float
    hold_ms: int


class RolloutOut(msgspec.Struct):
    """The newest rollout. state: running, paused, returned (`why` says why) or done; at: the step, from 0."""

    old: str
    new: str
    state: str
    why: str
    steps: list[StepOut]
    at: int
    since_ms: int
    begun_ms: int


class Models(msgspec.Struct):
    """Which bundles serve, the newest rollout, and what is known of old and new one on this machine."""

    generation: int
    reason: str
    serves: list[ConsoleShare]
    rollout: RolloutOut | None
    evidence: list[Evidence]
    compared: Compared | None
