"""Who changes which bundle serves? People and training; each of their words is one more release, and one wins."""

from collections.abc import Callable, Mapping

from foryou.domain.errors import Conflict, Invalid
from foryou.domain.ports import ModelStore
from foryou.domain.release import MAIN, Release, Step
from foryou.domain.rollout import begun, finished, paused, returned, stable, stepped
from foryou.serve.live import UNTRAINED

Change = Callable[[Release, int, str], Release]
WORDS: Mapping[str, Change] = {
    "pause": paused,
    "resume": lambda release, now_ms, why: paused(release, now_ms, why, stop=False),
    "next": stepped,
    "finish": finished,
    "back": returned,
}


def begin(models: ModelStore, version: str, steps: tuple[Step, ...], now_ms: int, reason: str) -> Release:
    """Begin to roll a bundle out. Where none serves yet, or this one does, it is for everybody at once.

    Raises NotFound for an unknown version, Conflict if somebody else was faster.
    """
    models.load(version)
    held = models.release()
    if held is None or stable(held, now_ms) in (version, UNTRAINED):
        generation = held.generation if held else 0
        new = Release(generation + 1, {MAIN: ((version, 1.0),)}, now_ms, reason)
    else:
        new = begun(held, version, steps, now_ms, reason)
    models.replace_release(new, new.generation - 1)
    return new


def steer(models: ModelStore, word: str, now_ms: int, why: str) -> Release:
    """Pause, resume, take to the next step or to the last, or take back what is rolled out.

    Raises Conflict where no rollout is under way, or somebody else was faster; Invalid for another word.
    """
    if word not in WORDS:
        raise Invalid("action", f"{word!r} is unknown", f"use one of {', '.join(WORDS)}")
    held = models.release()
    if held is None:
        raise Conflict("No bundle is in force; `foryou train` makes one")
    new = WORDS[word](held, now_ms, why)
    models.replace_release(new, held.generation)
    return new
