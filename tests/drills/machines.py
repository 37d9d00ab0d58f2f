"""What is killed in a drill? Server processes that nobody else uses, found by name and started again as they were."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil

from foryou.domain.errors import Unavailable
from foryou.services import run
from foryou.services.processes import let_go, spawn, stop
from foryou.services.registry import named
from foryou.services.service import Place

READY_S = 60


def until(seen: Callable[[], object], what: str, within_s: float = 60, every_s: float = 0.05) -> None:
    """Return once it is so. Fails after `within_s`."""
    end = time.monotonic() + within_s
    while not seen():
        assert time.monotonic() < end, f"not within {within_s:.0f} s: {what}"
        time.sleep(every_s)


class Machines:
    """Servers of `foryou.services` in a folder of their own, by the name of the service and of its process."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder = folder
        with ThreadPoolExecutor(len(names)) as pool:
            found = [one[0] for one in pool.map(lambda name: run.up([name], folder, first_port=None), names)]
        self.urls = {one.service: one.url for one in found}
        self._places = {one.service: Place((folder / one.service).resolve(), one.ports) for one in found}
        self._pids = {self._places[one.service].folder / name: pid for one in found for name, pid in one.pids.items()}

    def processes(self, service: str) -> list[str]:
        """Give the names of the processes of a service."""
        return [path.name for path in self._pids if path.parent.name == service]

    def pid(self, service: str, process: str) -> int:
        return self._pids[self._places[service].folder / process]

    def ports(self, service: str) -> tuple[int, ...]:
        return self._places[service].ports

    def kill(self, service: str, *processes: str, number: int = signal.SIGKILL) -> None:
        """End processes (all of the service where none is named) at once, and wait until they are gone."""
        for process in processes or self.processes(service):
            path = self._places[service].folder / process
            os.kill(self._pids[path], number)
        for process in processes or self.processes(service):
            with suppress(psutil.NoSuchProcess, ChildProcessError):
                pid = self.pid(service, process)
                until(lambda pid=pid: _gone(pid), f"the end of {process}")

    def start(self, service: str, *processes: str, wait: bool = True) -> None:
        """Start again what was killed, and wait until the service is usable."""
        commands = named(service).commands(self._places[service])
        for process in processes or self.processes(service):
            path = self._places[service].folder / process
            started = spawn(path, commands[process])
            self._pids[path] = started.pid
            let_go(started)
        if wait:
            until(lambda: self.usable(service), f"{service} is usable", READY_S)

    def usable(self, service: str) -> bool:
        try:
            named(service).settle(self._places[service])
        except Unavailable:
            return False
        return True

    def close(self) -> None:
        """Stop everything and delete what it kept."""
        for path, pid in self._pids.items():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            stop(pid, path)
        shutil.rmtree(self._folder, ignore_errors=True)


def _gone(pid: int) -> bool:
    """Say whether a process has ended; one that is our child is also buried."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
