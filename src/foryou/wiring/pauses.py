"""What makes a process that answers or folds pause? The garbage collector, and threads that do not let go."""

import gc
import sys


def fewer_pauses() -> None:
    """Keep what is long-lived out of garbage collection, and let nobody wait longer than 0.5 ms for another thread.

    Called once, when everything long-lived is there. Events, records and answers hold no cycles: they go by themselves.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)
    sys.setswitchinterval(0.0005)
