"""What is a server in a drill? `foryou serve` and `foryou stream` as real processes, of which each can be killed."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import psutil
from machines import until

from foryou import config
from foryou.bench.load import wait_ready
from foryou.bench.server import Server
from foryou.services import ports
from foryou.wiring import launching

READY_S = 120
Settings = dict[str, dict[str, object]]


class Served:
    """A home that is served. What its processes say goes to `said` in the home."""

    def __init__(self, home: Path, settings: Settings, workers: int = 1) -> None:
        self.home, self.port = home, ports.free()[0]
        self.url = f"http://127.0.0.1:{self.port}"
        write(home, settings)
        self._workers = workers
        self.start()

    def start(self) -> None:
        """Start it (again); `ready` waits."""
        loaded = config.load(self.home, {}, serve={"port": self.port, "workers": self._workers})
        command, environment = launching.launch(loaded)
        with (self.home / "said").open("ab") as said:
            self._process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)

    def ready(self) -> None:
        """Wait until it answers, and all of its processes are there."""
        wait_ready(self.url, self._process, READY_S)
        until(lambda: self.whole() and self.streams(), "all processes")

    def whole(self) -> bool:
        """Say whether every API process listens: one that starts does so once it can answer."""
        listening = 0
        for pid in self.apis():
            with suppress(psutil.Error):
                found = psutil.Process(pid).net_connections("tcp")
                listening += any(one.status == psutil.CONN_LISTEN and one.laddr.port == self.port for one in found)
        return listening == self._workers

    def said(self) -> str:
        return (self.home / "said").read_text(errors="replace")

    def apis(self) -> list[int]:
        """Give the pids of the API processes."""
        return [pid for pid, what in self._children() if what.endswith("foryou.wiring.start serve")]

    def streams(self) -> list[int]:
        """Give the pid of the stream process, if it runs."""
        return [pid for pid, what in self._children() if what.endswith("foryou.wiring.start stream")]

    def _children(self) -> list[tuple[int, str]]:
        found = []
        for pid in Server(self._process, "127.0.0.1", self.port, 0.0).family()[1:]:
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
                found.append((pid, " ".join(words)))
        return found

    def meter(self, name: str, **labels: str) -> float:
        """Give a meter of all processes, 0 = never measured."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        matching = [line for line in lines if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rsplit(" ", 1)[1]) for line in matching if all(part in line for part in wanted))

    def model(self) -> str:
        """Give the version that answers, empty = nobody does."""
        where = f"{self.url}/v1/recommendations?user_id=user-1"
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(where, timeout=10) as answer:
            return str(json.load(answer)["model_version"])
        return ""

    def stop(self) -> None:
        """Stop it as an operator does."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=60)

    def close(self) -> None:
        """Stop it, whatever state it is in."""
        family = [self._process.pid, *(pid for pid, _ in self._children())]
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            for pid in family:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()


class Folding:
    """A `foryou stream` of its own."""

    def __init__(self, home: Path, settings: Settings) -> None:
        write(home, settings)
        command = [sys.executable, "-c", "from foryou.cli import main; main()", "stream", "--home", str(home)]
        with (home / "said").open("ab") as said:
            self._process = subprocess.Popen(command, stdout=said, stderr=said)
        self.pid = self._process.pid

    def ready(self) -> None:
        """Wait until it has asked for work: it is connected then."""
        found = psutil.Process(self.pid)
        until(lambda: any(one.status == psutil.CONN_ESTABLISHED for one in found.net_connections()), "it connects")

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)
        self._process.terminate()
        self._process.wait(timeout=60)


def write(home: Path, settings: Settings) -> None:
    """Write foryou.toml."""
    home.mkdir(parents=True, exist_ok=True)
    lines = [
        line
        for group, leaves in settings.items()
        for line in (f"[{group}]", *(f"{name} = {_toml(value)}" for name, value in leaves.items()))
    ]
    (home / "foryou.toml").write_text("\n".join(lines) + "\n")


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()
