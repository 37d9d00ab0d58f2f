"""What is known of old and new while a bundle is rolled out? Each process notes it in a file, whoever asks adds up."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

FOLDER = Path("run") / "rollout"
OUTCOMES = "outcomes.json"


class Evidence(msgspec.Struct, frozen=True):
    """How a bundle does in one process, or in all of a machine. faults: kind -> queries, `why`: the newest in words.

    rehearsed: queries answered in the shadow; overlap: mean share of their items that were shown for real; ms: median
    time of a batch; short: answers with fewer items than were asked for.
    """

    version: str
    queries: int = 0
    rehearsed: int = 0
    overlap: float = 0.0
    short: int = 0
    ms: float = 0.0
    faults: dict[str, int] = {}
    why: dict[str, str] = {}


class Compared(msgspec.Struct, frozen=True):
    """What users did with the new bundle, beside the old one, in this step. change, low, high: relative, at any look.

    None = too few users to say. needed: users after which a change of the size that is looked for shows, by the power
    calculator, 0 = unknown.
    """

    new: str
    since_ms: int
    metric: str
    users_old: int
    users_new: int
    value_old: float
    value_new: float
    change: float | None = None
    low: float | None = None
    high: float | None = None
    needed: int = 0


class _Noted(msgspec.Struct, frozen=True):
    begun_ms: int
    evidence: tuple[Evidence, ...]


class Notes:
    """The folder of notes of a home."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER

    def write(self, begun_ms: int, found: Sequence[Evidence]) -> None:
        """Note what this process knows of the rollout that began then."""
        self._put(f"{os.getpid()}.json", msgspec.json.encode(_Noted(begun_ms, tuple(found))))

    def compare(self, what: Compared) -> None:
        """Note what users did."""
        self._put(OUTCOMES, msgspec.json.encode(what))

    def read(self, begun_ms: int) -> list[Evidence]:
        """Give what all processes of this machine know of the rollout that began then, by version."""
        found: dict[str, list[Evidence]] = {}
        for path in sorted(self._folder.glob("[0-9]*.json")):
            with suppress(OSError, msgspec.DecodeError):
                noted = msgspec.json.decode(path.read_bytes(), type=_Noted)
                for one in noted.evidence if noted.begun_ms == begun_ms else ():
                    found.setdefault(one.version, []).append(one)
        return [_summed(some) for some in found.values()]

    def compared(self, new: str) -> Compared | None:
        """Give what users did with this bundle at the last look; None = nobody has looked."""
        with suppress(OSError, msgspec.DecodeError):
            found = msgspec.json.decode((self._folder / OUTCOMES).read_bytes(), type=Compared)
            return found if found.new == new else None
        return None

    def _put(self, name: str, body: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f".{name}.{os.getpid()}"
        part.write_bytes(body)
        part.rename(self._folder / name)


def _summed(some: list[Evidence]) -> Evidence:
    rehearsed = sum(one.rehearsed for one in some)
    faults: dict[str, int] = {}
    for one in some:
        for kind, count in one.faults.items():
            faults[kind] = faults.get(kind, 0) + count
    timed = [one.ms for one in some if one.queries]
    return Evidence(
        some[0].version, sum(one.queries for one in some), rehearsed,
        sum(one.overlap * one.rehearsed for one in some) / max(1, rehearsed), sum(one.short for one in some),
        max(timed, default=0.0), faults, {kind: why for one in some for kind, why in one.why.items()},
    )  # fmt: skip
