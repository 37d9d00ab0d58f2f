"""How is a server started in the background, found again by its pid, and stopped?"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import psutil

STOP_S = 15.0  # for a server to end by itself after SIGTERM
KILL_S = 5.0
OUTPUT = "output.log"


def spawn(folder: Path, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a server that outlives this program; it works in `folder`, and what it says goes to OUTPUT there."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / OUTPUT).open("wb") as output:
        return subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def let_go(process: subprocess.Popen[bytes]) -> None:
    """Say that the process is meant to outlive this program; else Python warns about it."""
    if process.returncode is None:
        process.returncode = 0


def is_ours(pid: int, folder: Path) -> bool:
    """Say whether `pid` is still the server that was started in this folder: it is the one that works there.

    A pid that the system has given to another program since is not ours.
    """
    return _found(pid, folder) is not None


def _found(pid: int, folder: Path) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or Path(process.cwd()) != folder.resolve():
            return None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return process


def stop(pid: int, folder: Path) -> bool:
    """End the server of this folder: SIGTERM, after STOP_S SIGKILL. False = `pid` was not (or no longer) it."""
    process = _found(pid, folder)
    if process is None:
        return False
    for end, patience_s in ((process.terminate, STOP_S), (process.kill, KILL_S)):
        try:
            end()
            process.wait(patience_s)
        except psutil.NoSuchProcess:
            break
        except psutil.TimeoutExpired:
            if not is_ours(pid, folder):  # a zombie whose parent does not care
                break
        else:
            break
    return True


def last_words(folder: Path) -> str:
    """Give the last line that the server of this folder said."""
    path = folder / OUTPUT
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
