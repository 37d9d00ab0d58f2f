"""How does one thread start a process while another forks? Never at the same moment.

`Popen` learns by a pipe that its program runs. A fork in between keeps that pipe open as long as the forked process
lives, and `Popen` waits for it: the supervisor's thread would never see its stream process end.
"""

import os
import subprocess
import threading
from collections.abc import Sequence

_gate = threading.Lock()


def guard() -> None:
    """Let every fork of this process wait for a start that is under way; called once."""
    os.register_at_fork(before=_gate.acquire, after_in_parent=_gate.release, after_in_child=_gate.release)


def spawn(command: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Start a process."""
    with _gate:
        return subprocess.Popen(command)
