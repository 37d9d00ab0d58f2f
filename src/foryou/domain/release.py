"""Which bundle serves whom? Replaced whole; promoting and rolling back are one more release."""

import msgspec

from foryou.domain.event import hash64

Shares = tuple[tuple[str, float], ...]  # (version, share of users), shares sum to 1
MAIN = "main"


class Release(msgspec.Struct, frozen=True):
    """The versions that serve, by family, with their shares of the users."""

    generation: int
    families: dict[str, Shares]
    created_ms: int = 0
    reason: str = ""


def version_for(user_id: str, shares: Shares, salt: str) -> str:
    """Give the version that serves this user: a stable hash of salt and user against the shares."""
    place = (hash64(f"{salt}:{user_id}") >> 11) / 2**53
    for version, share in shares:
        place -= share
        if place < 0:
            return version
    return shares[-1][0]
