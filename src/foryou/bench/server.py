"""How is a server started for a measurement, and what did its processes use? Read from /proc, all of them together."""

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from foryou.bench.load import wait_ready
from foryou.config import Config
from foryou.services import ports
from foryou.wiring.launching import launch

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A running `foryou serve`, its address and how long it took until it was ready."""

    process: "subprocess.Popen[bytes]"
    host: str
    port: int
    ready_s: float

    @property
    def url(self) -> str:
        """Give the address."""
        return f"http://{self.host}:{self.port}"

    def family(self) -> list[int]:
        """Give the process ids of the server and all below it."""
        found, parents = [self.process.pid], _parents()
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu_s(self) -> float:
        """Give the CPU seconds that all processes have used."""
        return sum(_ticks(pid) for pid in self.family()) / TICK

    def pss_mb(self) -> dict[str, float]:
        """Give the proportional set size per process and in all, MB: a page shared by two counts half for each."""
        sizes = {f"{pid} {_name(pid)}": _pss_kb(pid) / 1024 for pid in self.family()}
        return {name: round(size, 1) for name, size in sizes.items()} | {"total": round(sum(sizes.values()), 1)}

    def stages(self) -> list[dict[str, float | str]]:
        """Give the mean ms per batch of each stage, from /metrics of all processes."""
        sums: dict[str, float] = {}
        counts: dict[str, float] = {}
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith("foryou_stage_ms_"):
                    kind, stage = line[16:].split("{")[0], line.split('stage="')[1].split('"')[0]
                    into = {"sum": sums, "count": counts}.get(kind)
                    if into is not None:
                        into[stage] = into.get(stage, 0.0) + float(line.rsplit(" ", 1)[1])
        return [
            {"stage": stage, "batches": counts[stage], "mean_ms": round(sums[stage] / counts[stage], 4)}
            for stage in sums
            if counts.get(stage)
        ]


@contextmanager
def running(config: Config, workers: int = 2, seconds: float = 180) -> Iterator[Server]:
    """Start a server on a free port, wait until it is ready, and stop it at the end."""
    port = ports.free()[0]
    config = msgspec.structs.replace(config, serve=msgspec.structs.replace(config.serve, port=port, workers=workers))
    command, environment = launch(config)
    process = subprocess.Popen(command, env=environment)
    try:
        ready_s = wait_ready(f"http://127.0.0.1:{port}", process, seconds)
        yield Server(process, "127.0.0.1", port, ready_s)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()


def machine() -> dict[str, object]:
    """Say on what this was measured."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "at": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _parents() -> dict[int, int]:
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
    return found


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _pss_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "gone"
