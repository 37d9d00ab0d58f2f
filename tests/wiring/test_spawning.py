"""Does a process start although others are forked meanwhile?"""

import subprocess
import sys

# Forks live until the end; a start that one of them came into waits for it.
PLAYED = """
import os, signal, sys, threading
from foryou.wiring.spawning import guard, spawn
if sys.argv[1] == "guarded":
    guard()
stop = threading.Event()
def start():
    while not stop.is_set():
        spawn([sys.executable, "-c", ""]).kill()
thread = threading.Thread(target=start, daemon=True)
thread.start()
forked = []
for _ in range(300):
    pid = os.fork()
    if not pid:
        signal.pause()
    forked.append(pid)
stop.set()
thread.join(5)
print("hangs" if thread.is_alive() else "ends", flush=True)
for pid in forked:
    os.kill(pid, signal.SIGKILL)
os._exit(0)
"""


def played(how: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", PLAYED, how]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def test_a_start_does_not_wait_for_a_process_that_was_forked_meanwhile() -> None:
    assert played("guarded") == "ends"
