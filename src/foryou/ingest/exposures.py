"""How is remembered what was shown? Off the hot path: a bounded queue, written in batches by one thread."""

import threading
from collections import deque

from foryou.domain.errors import ForyouError
from foryou.domain.exposure import Exposure
from foryou.domain.log import Stream
from foryou.domain.ports import EventLog
from foryou.ingest.codec import exposure_record

BATCH = 500
PAUSE_S = 0.2  # between batches: many answers share one transaction


class Exposures:
    """Takes exposures at once and writes them soon. What does not fit the queue is dropped and counted."""

    def __init__(self, log: EventLog, limit: int) -> None:
        self._log, self._limit = log, limit
        self._waiting: deque[Exposure] = deque()
        self._stop = threading.Event()
        self.dropped = 0
        self.written = 0
        self._thread = threading.Thread(target=self._work, name="exposures", daemon=True)
        self._thread.start()

    def put(self, exposure: Exposure) -> None:
        """Queue an exposure; never waits."""
        if len(self._waiting) >= self._limit:
            self.dropped += 1
        else:
            self._waiting.append(exposure)

    def close(self) -> None:
        """Write what waits, then stop."""
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.wait(PAUSE_S) or self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            if not batch:
                continue
            try:
                self._log.append(Stream.EXPOSURES, [exposure_record(exposure) for exposure in batch])
                self.written += len(batch)
            except ForyouError:
                self.dropped += len(batch)
