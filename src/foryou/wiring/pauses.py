"""What makes a process pause? The garbage collector, threads that do not let go, and others that start."""

import gc
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

NICE = 10
Result = TypeVar("Result")


def aside(work: Callable[[], Result]) -> Result:
    """Do work in a thread that gives way to all other processes, and wait for it.

    A server that starts costs seconds of CPU, which those that answer on the same machine would miss. Only this thread
    gives way: a process that had been made nice as a whole could not be made less so again. No thread should be started
    by the work, for it would stay so.
    """

    def nice() -> None:
        if sys.platform == "linux":  # elsewhere a thread has no priority of its own
            with suppress(OSError):  # where it may not be changed, it starts as any other
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)

    with ThreadPoolExecutor(1, "aside", initializer=nice) as pool:
        return pool.submit(work).result()


def fewer_pauses() -> None:
    """Keep what is long-lived out of garbage collection, and let nobody wait longer than 0.5 ms for another thread.

    Called once, when everything long-lived is there. Events, records and answers hold no cycles: they go by themselves.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)
    sys.setswitchinterval(0.0005)
