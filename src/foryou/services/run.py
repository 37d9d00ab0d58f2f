"""How do services start, how do they stand, how do they stop? Each in a folder of its own, found again by its pids.

    <folder>/<service>/state.json      its ports, and the pid of each process
    <folder>/<service>/<process>/      what a process works in: data and what it says

A folder keeps the ports of its first start until its data are wiped: clusters remember where their nodes are.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec
from filelock import FileLock, Timeout

from foryou.domain.errors import Conflict, Unavailable
from foryou.services import ports as tcp
from foryou.services.processes import OUTPUT, is_ours, last_words, let_go, spawn, stop
from foryou.services.registry import SERVICES, named
from foryou.services.service import Place, Report, Service

FOLDER = Path("var/services")
FIRST_PORT = 17_000
STATE = "state.json"
LOCK_S = 900  # for another `up` to install and start
LOOK_S = 0.05


class _State(msgspec.Struct, frozen=True):
    ports: tuple[int, ...]
    pids: dict[str, int] = {}


class Standing(msgspec.Struct, frozen=True):
    """How a service stands: `up` means that it was used a moment ago and worked; `failing` that `why` is the matter."""

    service: str
    state: Literal["up", "down", "failing"]
    url: str = ""
    ports: tuple[int, ...] = ()
    pids: dict[str, int] = {}
    variables: dict[str, str] = {}
    took_s: float = 0.0
    why: str = ""


def up(
    names: Sequence[str], folder: Path, first_port: int | None = FIRST_PORT, report: Report = lambda _: None
) -> list[Standing]:
    """Start services (all where none is named) that do not run, and wait until they are usable.

    `first_port`: of all services, each has its place above it; None = ports that are free. Safe beside another `up` in
    the same folder. Raises NotFound for an unknown name, Unavailable if a program cannot be had, a port is taken or a
    server does not get ready; what was started of that service is stopped then.
    """
    return [_up(service, folder, first_port, report) for service in _chosen(names)]


def down(names: Sequence[str], folder: Path, wipe: bool = False, report: Report = lambda _: None) -> list[Standing]:
    """Stop services (all where none is named): SIGTERM, then SIGKILL. `wipe` deletes their data and logs, too.

    A pid that is not (or no longer) that of the service is left alone. Raises NotFound for an unknown name.
    """
    standings = []
    for service in _chosen(names):
        place = folder / service.name
        if place.is_dir():
            with _alone(place):
                _stop(place, service, report)
            if wipe:
                shutil.rmtree(place)
        standings.append(Standing(service.name, "down"))
    return standings


def status(names: Sequence[str], folder: Path) -> list[Standing]:
    """Give how services (all where none is named) stand; each that runs is used once. Raises NotFound."""
    return [_standing(service, folder / service.name) for service in _chosen(names)]


def _chosen(names: Sequence[str]) -> list[Service]:
    return [named(name) for name in dict.fromkeys(names or SERVICES)]


def _up(service: Service, folder: Path, first_port: int | None, report: Report) -> Standing:
    started = time.monotonic()
    home = (folder / service.name).resolve()
    home.mkdir(parents=True, exist_ok=True)
    with _alone(home):
        found = _standing(service, home)
        if found.state != "up":
            _stop(home, service, report)
            state = _read(home)
            ports = state.ports if state else _ports(service, first_port)
            _start(service, Place(home, ports, lambda said: report(f"{service.name}: {said}")))
            found = _standing(service, home)
    return msgspec.structs.replace(found, took_s=round(time.monotonic() - started, 3))


def _ports(service: Service, first_port: int | None) -> tuple[int, ...]:
    if first_port is None:
        return tcp.free(service.ports)
    start = first_port + service.offset
    return tuple(range(start, start + service.ports))


def _start(service: Service, place: Place) -> None:
    commands = service.commands(place)
    if taken := [port for port in place.ports if tcp.is_taken(port)]:
        raise Unavailable(
            f"{service.name}: port {taken[0]} is taken; stop what listens there, or wipe {place.folder} and start with"
            " other ports (`--ports free`)"
        )
    place.report(f"starting on port {place.ports[0]}")
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in commands.items():
            processes[name] = spawn(place.folder / name, command)
            _write(place.folder, _State(place.ports, {name: one.pid for name, one in processes.items()}))
        _wait(service, place, processes)
    except BaseException:  # Ctrl-C, too, leaves nothing behind
        for name, process in processes.items():
            stop(process.pid, place.folder / name)
        _write(place.folder, _State(place.ports))
        raise
    finally:
        for process in processes.values():
            let_go(process)


def _wait(service: Service, place: Place, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    end = time.monotonic() + service.patience_s
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                folder = place.folder / name
                raise Unavailable(
                    f"{service.name}: {name} ended with status {process.returncode}: {last_words(folder)}; all that it"
                    f" said is in {folder / OUTPUT}"
                )
        try:
            return service.settle(place)
        except Unavailable as error:
            if time.monotonic() > end:
                raise Unavailable(f"{service.name} is not usable after {service.patience_s:.0f} s: {error}") from error
        time.sleep(LOOK_S)


def _standing(service: Service, home: Path) -> Standing:
    state = _read(home)
    running = {name: pid for name, pid in state.pids.items() if is_ours(pid, home / name)} if state else {}
    if state is None or not running:
        return Standing(service.name, "down")
    place = Place(home, state.ports)
    why = ""
    if missing := sorted(set(state.pids) - set(running)):
        why = (
            f"{', '.join(missing)} ended: {last_words(home / missing[0])}; `foryou services up {service.name}` mends it"
        )
    else:
        try:
            service.settle(place)
        except Unavailable as error:
            why = str(error)
    return Standing(
        service.name, "failing" if why else "up", service.url(place), state.ports, running,
        dict(service.variables(place)), why=why,
    )  # fmt: skip


def _stop(home: Path, service: Service, report: Report) -> None:
    state = _read(home)
    if state is None or not state.pids:
        return
    for name, pid in state.pids.items():
        if stop(pid, home / name):
            report(f"{service.name}: stopped {name} (pid {pid})")
    _write(home, _State(state.ports))


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    try:
        with FileLock(home / "lock", timeout=LOCK_S):
            yield
    except Timeout:
        raise Conflict(f"{home} is in use by another `foryou services` for {LOCK_S} s; stop that one first") from None


def _read(home: Path) -> _State | None:
    try:
        return msgspec.json.decode((home / STATE).read_bytes(), type=_State)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise Unavailable(
            f"{home / STATE} is damaged: {error}; stop what runs in {home} and delete the folder"
        ) from error


def _write(home: Path, state: _State) -> None:
    staged = home / f"{STATE}.new"
    staged.write_bytes(msgspec.json.encode(state))
    staged.replace(home / STATE)
