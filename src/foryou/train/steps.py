"""What of a long job is done already? Each step's outcome is kept whole, and found again by whoever goes on.

A step is done when its folder stands under its name. It is filled under another name, brought to the disk and renamed
last: a process that is killed leaves a folder that the next one deletes, and the step is done from its beginning.
"""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from foryou.domain.clock import Clock
from foryou.domain.errors import Conflict, ForyouError, Unavailable

Arrays = Mapping[str, NDArray[np.generic]]
Tell = Callable[[dict[str, Any]], None]
_T = TypeVar("_T")
_SAID = "said.json"
_PART = ".part"


class Overdue(ForyouError):
    """The job's time is over; what is done is kept."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step gave: arrays (mapped), something said in JSON, and the folder with files of its own."""

    folder: Path
    arrays: Arrays
    said: bytes

    def read(self, kind: type[_T]) -> _T:
        """Give what was said. Raises msgspec.ValidationError if it is something else."""
        return msgspec.json.decode(self.said, type=kind)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a step is tried while a store is away, the first pause (each is twice the last), the end of it all.

    ends_s: `time.monotonic()` after which no step is begun.
    """

    tries: int = 4
    pause_s: float = 2.0
    ends_s: float = float("inf")


@dataclass(slots=True)
class Steps:
    """The steps of one run, in `folder`. `tell` hears of each as a record for a structured log."""

    folder: Path
    tell: Tell
    patience: Patience = field(default_factory=Patience)
    seconds: dict[str, float] = field(default_factory=dict)

    def step(self, name: str, make: Callable[[Path], tuple[Arrays, Any]]) -> Outcome:
        """Give the outcome of a step; `make` is only called if it was not done before.

        `make` gets a folder for files of its own and gives arrays and something that can be said in JSON.
        Raises Overdue if the time is over, and what `make` raises once all tries are used up.
        """
        place = self.folder / name
        if place.is_dir():
            self._told(name, "kept")
            return _kept(place)
        if time.monotonic() > self.patience.ends_s:
            self._told(name, "overdue")
            raise Overdue(
                f"The time is over before step {name!r}; the next run goes on there (give it more with --deadline)"
            )
        self._told(name, "begun")
        start = time.monotonic()
        self._tried(name, lambda: _made(place, make))
        self.seconds[name] = round(time.monotonic() - start, 3)
        self._told(name, "done", seconds=self.seconds[name])
        return _kept(place)

    def _tried(self, name: str, make: Callable[[], None]) -> None:
        pause_s = self.patience.pause_s
        for attempt in range(1, self.patience.tries + 1):
            try:
                return make()
            except (Unavailable, Conflict) as error:
                if attempt == self.patience.tries:
                    self._told(name, "failed", error=str(error), attempt=attempt)
                    raise
                self._told(name, "tried", error=str(error), attempt=attempt, again_s=pause_s)
                time.sleep(pause_s)
                pause_s *= 2
            except Exception as error:
                self._told(name, "failed", error=f"{type(error).__name__}: {error}", attempt=attempt)
                raise
        return None

    def _told(self, name: str, what: str, **more: Any) -> None:
        self.tell({"at_ms": Clock().now_ms(), "step": name, "event": what} | more)


def _made(place: Path, make: Callable[[Path], tuple[Arrays, Any]]) -> None:
    part = place.with_name(place.name + _PART)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    arrays, said = make(part)
    for name, array in arrays.items():
        np.save(part / f"{name}.npy", array, allow_pickle=False)
    (part / _SAID).write_bytes(msgspec.json.encode(said))
    for file in part.iterdir():
        _synced(file)
    _synced(part)
    part.rename(place)
    _synced(place.parent)


def _synced(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _kept(place: Path) -> Outcome:
    arrays = {path.stem: np.load(path, mmap_mode="r") for path in sorted(place.glob("*.npy"))}
    return Outcome(place, arrays, (place / _SAID).read_bytes())
