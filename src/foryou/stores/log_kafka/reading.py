"""How are records read from a topic? One consumer per stream; what arrives ahead of the reader waits in memory.

Offsets have gaps: compaction takes records away, and a transaction leaves marks that are no records. A consumer tells
of a record, or that it has come to the end; so `ends` looks at the last record itself, and `read` always reaches it.
"""

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.cimpl import Message as Delivered

from foryou.domain.log import Entry, Position, Record
from foryou.stores.log_kafka.topics import PATIENCE_S, RECORD_BYTES, Address, away, reached
from foryou.stores.log_kafka.writing import ID

AHEAD = 10_000  # records of a partition that may wait in memory
THROUGH = 1_000  # records that are read on the way to the end; beyond, the reader jumps
WAIT_MS = 50  # how long a broker may hold an empty answer: a partition that is read anew waits for it
FULL_MS = 10  # after which a partition of which enough waits is looked at again; meanwhile a new one waits, too
PULL = 5_000
_LATEST = -1


@dataclass(slots=True)
class _Part:
    """One partition that is followed: `waiting` holds all records from offset `start` until just before `end`.

    paused: enough wait, the broker is asked for no more.
    """

    start: int
    end: int
    waiting: deque[Entry] = field(default_factory=deque)
    paused: bool = False

    def skip(self, after: int) -> bool:
        """Go on behind this offset; False if that is not here."""
        if not self.start <= after + 1 <= self.end:
            return False
        while self.waiting and self.waiting[0].offset <= after:
            self.waiting.popleft()
        self.start = after + 1
        return True


class Asker:
    """Asks where topics end, over a connection of its own: on one that waits for records an answer waits, too."""

    def __init__(self, address: Address) -> None:
        self._servers = address.servers
        self._client = Consumer({**address.client(), "group.id": "foryou-ends", "isolation.level": "read_committed"})

    def ends(self, topic: str, partitions: Iterable[int]) -> Position:
        """Give the offset that each partition's next record will have. Raises Unavailable."""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            asked = [TopicPartition(topic, partition, _LATEST) for partition in partitions]
            try:
                told = self._client.offsets_for_times(asked, timeout=PATIENCE_S)
            except KafkaException as error:
                problem = error.args[0]
            else:
                problem = next((one.error for one in told if one.error is not None), None)
                if problem is None:
                    return {one.partition: max(0, one.offset) for one in told}
            if time.monotonic() > give_up:
                raise away(self._servers, problem)
            time.sleep(0.01)  # a new topic, or one that moves, has a leader soon

    def close(self) -> None:
        """End the connection."""
        self._client.close()


class Tape:
    """One topic, read by any thread. A partition is followed once somebody has read it."""

    def __init__(self, address: Address, topic: str, compacted: bool, asker: Asker) -> None:
        self._address, self._topic, self._compacted, self._asker = address, topic, compacted, asker
        self._parts: dict[int, _Part] = {}
        self._last: Position = {}  # the newest offset known to be that of a record
        self._looked: Position = {}  # the end of the partition when it was looked for
        self._arrived = 0
        self._problem: object = "no answer"
        self._lock = threading.Lock()
        self._consumer = Consumer({
            **address.client(), "group.id": f"{topic}-readers", "enable.auto.commit": False,
            "enable.auto.offset.store": False, "auto.offset.reset": "earliest", "enable.partition.eof": True,
            "isolation.level": "read_committed", "fetch.wait.max.ms": WAIT_MS, "fetch.error.backoff.ms": 50,
            "fetch.queue.backoff.ms": FULL_MS,
            "queued.min.messages": AHEAD, "queued.max.messages.kbytes": 16_384,
            "fetch.message.max.bytes": RECORD_BYTES, "fetch.max.bytes": 16 * RECORD_BYTES,
        })  # fmt: skip

    def read(self, partition: int, after: int, limit: int, fresh: bool = True) -> list[Entry]:
        """Give up to `limit` records above `after`; not `fresh`: of those that have arrived. Raises Unavailable."""
        with self._lock:
            self._pull(0, partition)
            part = self._parts.get(partition)
            if part is None or not part.skip(after):
                part = None
            if part is None or (fresh and len(part.waiting) < limit):
                end = self._asker.ends(self._topic, [partition])[partition]
                if after + 1 >= end:
                    return []
                part = part or self._follow(partition, after + 1)
                self._reach(partition, part, end, limit)
            found = [part.waiting.popleft() for _ in range(min(limit, len(part.waiting)))]
            part.start = found[-1].offset + 1 if found else part.start
            if len(part.waiting) < AHEAD / 2:
                self._resume(partition, part)
            return found

    def ends(self) -> Position:
        """Give the offset of the last record of each partition that has any. Raises Unavailable."""
        with self._lock:
            self._pull(0)
            found = {}
            for partition, end in self._asker.ends(self._topic, range(self._address.partitions)).items():
                if end and self._last.get(partition) != end - 1 and self._looked.get(partition) != end:
                    self._look(partition, end)
                    self._looked[partition] = end
                if partition in self._last:
                    found[partition] = self._last[partition]
            return found

    def about(self) -> Position:
        """Give the offset of whatever is last in each partition that has anything. Raises Unavailable."""
        ends = self._asker.ends(self._topic, range(self._address.partitions))
        return {partition: end - 1 for partition, end in ends.items() if end}

    def changed(self, partitions: Sequence[int]) -> int:
        """Give how many records have arrived here. Raises Unavailable when it starts to follow a partition."""
        with self._lock:
            for partition in self._parts.keys() - set(partitions):
                self._leave(partition)
            strange = [number for number in partitions if number not in self._parts]
            if strange:
                for partition, end in self._asker.ends(self._topic, strange).items():
                    self._follow(partition, end)
            if all(len(part.waiting) < AHEAD for part in self._parts.values()):
                self._pull(0)
            return self._arrived

    def close(self) -> None:
        """End the consumer."""
        with self._lock:
            self._consumer.close()

    def _look(self, partition: int, end: int) -> None:
        """Find the last record before `end`: on the way there, else from its place on, further and further back."""
        part = self._parts.get(partition)
        if part is not None and part.end < end <= part.end + THROUGH:
            start = part.end
            self._pass(partition, part, end)
            if self._last.get(partition, -1) >= start:
                return
        for back in (16**power for power in count()):
            start = max(0, end - back)
            self._pass(partition, self._follow(partition, start), end)
            if start == 0 or self._last.get(partition, -1) >= start:
                return

    def _pass(self, partition: int, part: _Part, end: int) -> None:
        """Take in everything until `end`; what does not fit into memory is let go."""
        self._reach(partition, part, end, AHEAD)
        while part.end < end:
            part.waiting.clear()
            part.start = part.end
            self._reach(partition, part, end, AHEAD)

    def _follow(self, partition: int, start: int) -> _Part:
        where = TopicPartition(self._topic, partition, start)
        with reached(self._address.servers):
            if partition in self._parts and not self._parts[partition].paused:
                self._consumer.incremental_unassign([where])
            self._consumer.incremental_assign([where])
        self._parts[partition] = part = _Part(start, start)
        return part

    def _reach(self, partition: int, part: _Part, end: int, limit: int) -> None:
        """Take in what arrives until `limit` records wait or `end` is reached. Raises Unavailable if it stops."""
        give_up = time.monotonic() + PATIENCE_S
        while part.end < end and len(part.waiting) < limit:
            self._resume(partition, part)
            before = part.end
            self._pull(0.1, partition)
            if part.end > before:
                give_up = time.monotonic() + PATIENCE_S
            elif time.monotonic() > give_up:
                raise away(self._address.servers, self._problem)

    def _pull(self, timeout_s: float, reading: int = -1) -> None:
        """Take in what has arrived, after waiting for the first of it. Who has enough is asked for no more."""
        first = self._consumer.poll(timeout_s) if timeout_s else None  # an empty message is false
        for message in [*([] if first is None else [first]), *self._consumer.consume(PULL, 0)]:
            self._take(message)
        for partition, part in self._parts.items():
            if len(part.waiting) > AHEAD and partition != reading and not part.paused:
                self._consumer.incremental_unassign([TopicPartition(self._topic, partition)])
                part.paused = True

    def _resume(self, partition: int, part: _Part) -> None:
        if part.paused:
            self._consumer.incremental_assign([TopicPartition(self._topic, partition, part.end)])
            part.paused = False

    def _leave(self, partition: int) -> None:
        if not self._parts.pop(partition).paused:
            self._consumer.incremental_unassign([TopicPartition(self._topic, partition)])

    def _take(self, message: Delivered) -> None:
        error, partition, offset = message.error(), message.partition() or 0, message.offset() or 0
        at_end = error is not None and error.code() == KafkaError._PARTITION_EOF
        if error is not None and not at_end:
            self._problem = error
            return
        part = self._parts.get(partition)
        if part is None or offset < part.end:
            return
        part.end = offset if at_end else offset + 1
        if not at_end:
            part.waiting.append(self._entry(message, partition, offset))
            self._last[partition] = max(self._last.get(partition, -1), offset)
            self._arrived += 1

    def _entry(self, message: Delivered, partition: int, offset: int) -> Entry:
        key, record_id = _text(message.key()), ""
        for name, value in message.headers() or []:  # type: ignore[str-unpack]
            if name == ID:
                record_id = _text(value)
                break
        record = Record(
            key.partition("\0")[0] if self._compacted else key,
            record_id or f"{self._topic}:{partition}:{offset}",  # of somebody else's record
            message.value() or b"",
        )
        return Entry(partition, offset, message.timestamp()[1], record)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else ""
