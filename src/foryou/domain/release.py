"""Which bundle serves whom? Replaced whole; promoting and rolling back are one more release."""

import msgspec

from foryou.domain.event import hash64

Shares = tuple[tuple[str, float], ...]  # (version, share of users), shares sum to 1
MAIN = "main"


class Step(msgspec.Struct, frozen=True):
    """A step of a rollout: the share of the users that have the new bundle (0 = shadow), and for how long at least."""

    share: float
    hold_ms: int

    @property
    def name(self) -> str:
        """Give what people call it: `shadow`, or the percentage."""
        return f"at {100 * self.share:g} %" if self.share else "in the shadow"


class Rollout(msgspec.Struct, frozen=True):
    """The way of a new bundle to everybody. `at`: the step, `since_ms`: when it began, `begun_ms`: when the first did.

    `ended`: why the new bundle was taken back, empty = it was not. The time of the last step is the watch over it: the
    old bundle stays ready.
    """

    old: str
    new: str
    steps: tuple[Step, ...]
    at: int
    since_ms: int
    begun_ms: int
    paused: bool = False
    ended: str = ""

    @property
    def step(self) -> Step:
        """Give the step that it is at."""
        return self.steps[self.at]


class Release(msgspec.Struct, frozen=True):
    """The versions that serve, by family, with their shares of the users, and the rollout that changes them."""

    generation: int
    families: dict[str, Shares]
    created_ms: int = 0
    reason: str = ""
    rollout: Rollout | None = None

    @property
    def version(self) -> str:
        """Give the version in force: the one that most have; during a rollout the old one, until all have the new."""
        rollout = self.rollout
        if rollout and not rollout.ended and rollout.step.share < 1:
            return rollout.old
        shares = self.families.get(MAIN) or next(iter(self.families.values()))
        return max(shares, key=lambda one: one[1])[0]

    def salt(self, family: str) -> str:
        """Give the salt of a family: of each rollout another one, so that not always the same users go first."""
        rollout = self.rollout
        return f"{family}:{rollout.new}" if rollout and not rollout.ended and family == MAIN else family


def version_for(user_id: str, shares: Shares, salt: str) -> str:
    """Give the version that serves this user: a stable hash of salt and user against the shares."""
    place = (hash64(f"{salt}:{user_id}") >> 11) / 2**53
    for version, share in shares:
        place -= share
        if place < 0:
            return version
    return shares[-1][0]
