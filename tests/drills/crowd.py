"""Who else uses this machine? Latencies are judged only where the processor had time for the drill."""

import resource
import time

import psutil

CROWDED = 0.1  # share of all cores that others use; above, a slow call says nothing about the servers


class Crowd:
    """Measures, from its making on, what others than this process and those below it use of the processor."""

    def __init__(self) -> None:
        self._began, self._busy, self._own = time.monotonic(), _busy_s(), _own_s()

    def share(self) -> float:
        """Give the share of all cores that others used (0..1)."""
        seconds = (time.monotonic() - self._began) * psutil.cpu_count()
        return max(0.0, (_busy_s() - self._busy - (_own_s() - self._own)) / seconds)


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(sum(times[:7]) + times.steal - times.idle - times.iowait)


def _own_s() -> float:
    ours = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    used = sum(one.ru_utime + one.ru_stime for one in ours)
    for process in psutil.Process().children(recursive=True):
        try:
            used += sum(process.cpu_times()[:4])  # its own, and that of those below it that ended
        except psutil.NoSuchProcess:
            continue
    return used
