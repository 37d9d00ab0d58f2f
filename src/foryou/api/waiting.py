"""How long does a change wait for its effect? Until a look shows it, or for a second."""

import asyncio
import time
from collections.abc import Callable

from foryou.domain.errors import Unavailable

VISIBLE_WITHIN_S = 1.0
LOOK_EVERY_S = 0.005


async def until(seen: Callable[[], bool]) -> bool:
    """Wait until `seen` or until patience ends; say which."""
    give_up = time.perf_counter() + VISIBLE_WITHIN_S
    while not (visible := await asyncio.to_thread(_is_true, seen)) and time.perf_counter() < give_up:
        await asyncio.sleep(LOOK_EVERY_S)
    return visible


def _is_true(seen: Callable[[], bool]) -> bool:
    """Ask; a store that is away shows nothing."""
    try:
        return seen()
    except Unavailable:
        return False
