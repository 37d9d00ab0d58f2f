"""What is a service? One or more server processes on ports of their own, and the test that they are usable."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one service runs: its folder, its ports on 127.0.0.1, and whom to tell what takes long."""

    folder: Path
    ports: tuple[int, ...]
    report: Report = lambda _: None


@dataclass(frozen=True, slots=True)
class Service:
    """One service; another one is a file beside this one and a line in the registry.

    `offset`: of its first port above the first port of all. `commands` installs what is missing, writes what is read
    at the start and gives the command of each process by its name; a process works in a folder of that name.
    `settle` makes ready what can only be made ready once they run, and raises Unavailable until all is usable; it is
    asked again and again. `url` says where the service is, `variables` which variables of the environment lead there.
    """

    name: str
    offset: int
    ports: int
    patience_s: float
    commands: Callable[[Place], Mapping[str, Sequence[str]]]
    settle: Callable[[Place], None]
    url: Callable[[Place], str]
    variables: Callable[[Place], Mapping[str, str]] = field(default=lambda _: {})
