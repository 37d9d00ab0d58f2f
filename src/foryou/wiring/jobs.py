"""How did the last training go? A small file in the home says so; the processes that serve make metrics of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from foryou.domain.bundle import Manifest
from foryou.observe.metrics import Metrics

FILE = Path("run") / "training.json"


class Job(msgspec.Struct, frozen=True):
    """When trainings began and ended, s since 1970 (0 = never), why the last one failed, and what it was judged by."""

    begun_s: float = 0.0
    success_s: float = 0.0
    failure_s: float = 0.0
    why: str = ""
    version: str = ""
    figures: dict[str, float] = {}


@contextmanager
def noted(home: Path) -> Iterator[Callable[[Manifest, bool], None]]:
    """Note that a training begins, and how it ends; to be held with the training's lock.

    Call what it gives with the manifest and whether the gate was content. Whatever ends it before is a failure.
    """
    _keep(home, msgspec.structs.replace(last(home), begun_s=time.time(), why=""))
    try:
        yield lambda manifest, content: _ended(home, manifest, content)
    except BaseException as error:
        failed(home, str(error) or type(error).__name__)
        raise


def failed(home: Path, why: str) -> None:
    """Note that a training failed."""
    _keep(home, msgspec.structs.replace(last(home), failure_s=time.time(), why=why))


def last(home: Path) -> Job:
    """Give how the last training on this home went; nothing where none is known."""
    try:
        return msgspec.json.decode((home / FILE).read_bytes(), type=Job)
    except (OSError, msgspec.DecodeError):
        return Job()


class Telling:
    """Makes metrics of the last training whenever it has changed."""

    def __init__(self, home: Path, metrics: Metrics) -> None:
        self._home, self._metrics, self._told = home, metrics, Job()

    def look(self) -> None:
        """Set the meters, if there is news."""
        job = last(self._home)
        if job == self._told:
            return
        self._told = job
        for name, at_s in (("begun", job.begun_s), ("success", job.success_s), ("failure", job.failure_s)):
            self._metrics.trained[name].set(at_s)
        for figure, value in job.figures.items():
            self._metrics.trained_figure.labels(figure).set(value)


def _ended(home: Path, manifest: Manifest, content: bool) -> None:
    figures = {name: float(value) for name, value in manifest.gate.metrics.items()}
    now_s, before = time.time(), last(home)
    if content:
        said = msgspec.structs.replace(before, success_s=now_s, why="")
    else:
        said = msgspec.structs.replace(before, failure_s=now_s, why=f"gate: {manifest.gate.reason}")
    _keep(home, msgspec.structs.replace(said, version=manifest.version, figures=figures))


def _keep(home: Path, job: Job) -> None:
    place = home / FILE
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(place.name + ".part")
    part.write_bytes(msgspec.json.encode(job))
    part.replace(place)
