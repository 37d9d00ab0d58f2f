"""What if the log is away for a while? Events and exposures wait in a spool, and follow in order when it is back."""

import threading
from collections.abc import Sequence

from foryou.domain.errors import Invalid, Unavailable
from foryou.domain.log import Appended, Entry, Position, Record, Stream
from foryou.domain.ports import EventLog, Share
from foryou.stores.spool import Spool

# What may wait, and up to which share of the spool: exposures leave room for events. Items, users and lists may not:
# of two changes the later one must win, also if another process makes it.
SHARES = {Stream.EVENTS: 1.0, Stream.EXPOSURES: 0.5}
RETRY_S = 0.5


class Spooled:
    """An EventLog before another one. What that one cannot take now is durable in the spool when `append` returns.

    As long as something waits, everything queues behind it, so that this process changes no order. After a kill some
    records are sent again: at least once, as the port says; whoever reads drops repeats by id.
    """

    def __init__(self, log: EventLog, spool: Spool) -> None:
        self._log, self.spool = log, spool
        self.why = ""  # why the log could not be reached last; empty = it can be
        self._gate = threading.Lock()
        self._waiting = threading.Event()
        self._stop = threading.Event()
        if spool.records:
            self._waiting.set()
        self._thread = threading.Thread(target=self._forward, name="spool", daemon=True)
        self._thread.start()

    def append(self, stream: Stream, records: Sequence[Record]) -> Appended:
        """Store the records in the log, or queue them. Raises Unavailable if neither can take them."""
        share = SHARES.get(stream)
        if share is None or not records:
            return self._log.append(stream, records)
        if not self._waiting.is_set():
            try:
                return self._log.append(stream, records)
            except Unavailable as error:
                self.why = str(error)
        with self._gate:
            ticket = self.spool.write(stream, records, share)
            self._waiting.set()
        self.spool.sync(ticket)
        return Appended(len(records), 0)

    def partitions(self) -> int:
        """Give the number of partitions of every stream."""
        return self._log.partitions()

    def read(self, stream: Stream, partition: int, after: int, limit: int, fresh: bool = True) -> list[Entry]:
        """Give up to `limit` records with offsets above `after`: of the log only, nothing that waits."""
        return self._log.read(stream, partition, after, limit, fresh)

    def ends(self, stream: Stream, exact: bool = True) -> Position:
        """Give the offset of the last record of each partition of the log."""
        return self._log.ends(stream, exact)

    def changed(self, stream: Stream, partitions: Sequence[int] | None = None) -> int:
        """Give the log's ticket."""
        return self._log.changed(stream, partitions)

    def share(self, group: str) -> Share:
        """Take part in folding the log."""
        return self._log.share(group)

    def close(self) -> None:
        """Let go. What waits is taken over by the next process."""
        self._stop.set()
        self._waiting.set()
        self._thread.join()
        self._log.close()
        self.spool.close()

    def _forward(self) -> None:
        while self._waiting.wait() and not self._stop.is_set():
            try:
                self._send()
            except Unavailable as error:
                self.why = str(error)
                self._stop.wait(RETRY_S)
            except Exception as error:  # noqa: BLE001 - without this thread nothing would ever be sent
                self.why = f"not sent: {error!r}"
                self._stop.wait(RETRY_S)

    def _send(self) -> None:
        """Send what waits; lets appends go to the log again once nothing does."""
        while not self._stop.is_set():
            batch = self.spool.peek()
            if batch is None:
                with self._gate:
                    if self.spool.records == 0:
                        self._waiting.clear()
                        self.why = ""
                        return
                continue
            try:
                self._log.append(batch.stream, batch.records)
            except Invalid as error:  # the log will never take it
                self.why = str(error)
                self.spool.set_aside()
            else:
                self.spool.drop(batch)

    def age_s(self, now_ms: int) -> float:
        """Give how long the oldest record has been waiting, s; 0 = none waits."""
        oldest_ms = self.spool.oldest_ms
        return max(0, now_ms - oldest_ms) / 1e3 if oldest_ms else 0.0
