"""Where do events lie when there are many machines? In Kafka: a topic per stream, durable when `append` returns.

A message has the record's key, body and, as header `id`, record id; its time is that of the log's clock. Whoever else
reads the topics finds users and items as keys. Opening asks nothing of the broker that it cannot ask later: while it
is away everything raises Unavailable, and the topics are looked at as soon as it is back.
"""

import threading
from collections.abc import Callable, Sequence

from foryou.domain.log import PARTITIONS, Appended, Entry, Position, Record, Stream, partition_of
from foryou.domain.ports import Share, TimeSource
from foryou.stores.log_kafka.member import Member
from foryou.stores.log_kafka.reading import Asker, Tape
from foryou.stores.log_kafka.topics import COMPACTED, TOPICS, Address, ensure
from foryou.stores.log_kafka.writing import Message, Writer

__all__ = ["Address", "KafkaLog"]

Whole = Callable[[Stream, Record], bool]


class KafkaLog:
    """An EventLog on Kafka. `whole` says of a record of `items` or `users` that the earlier ones of its key are
    needless: compaction may take those away. It takes no other record, for a patch says only a part.

    Raises Invalid for a URL that is none, Refused if topics exist with another number of partitions, both when it is
    opened; Refused also later, if the broker was away then.
    """

    def __init__(
        self, url: str, clock: TimeSource, whole: Whole = lambda stream, record: False, partitions: int = PARTITIONS
    ) -> None:
        self._address, self._clock, self._whole = Address.of(url, partitions), clock, whole
        self._tapes: dict[Stream, Tape] = {}
        self._lock = threading.Lock()
        self._there = ensure(self._address, patient=False)  # the topics, as they must be
        self._writer, self._asker = Writer(self._address), Asker(self._address)

    def append(self, stream: Stream, records: Sequence[Record]) -> Appended:
        """Store the records; they are durable when this returns. Raises Unavailable; then some may be stored, too."""
        if not records:
            return Appended(0, 0)
        self._checked()
        messages = [self._message(stream, record) for record in records]
        self._writer.send(self._address.topic(TOPICS[stream]), self._clock.now_ms(), messages)
        return Appended(len(records), 0)

    def _message(self, stream: Stream, record: Record) -> Message:
        """Give the message; its key is its own where compaction must not take an earlier record for it."""
        needed = stream in COMPACTED and not self._whole(stream, record)
        key = f"{record.key}\0{record.record_id}" if needed else record.key
        partition = partition_of(record.key, self._address.partitions)
        return Message(partition, key.encode(), record.record_id.encode(), record.body)

    def partitions(self) -> int:
        """Give the number of partitions of every stream."""
        return self._address.partitions

    def read(self, stream: Stream, partition: int, after: int, limit: int, fresh: bool = True) -> list[Entry]:
        """Give up to `limit` records with offsets above `after` (-1: from the start), in order. Raises Unavailable.

        fresh: ask the broker where the end is; else give what it has sent, if it was asked for these before.
        """
        return self._tape(stream).read(partition, after, limit, fresh)

    def ends(self, stream: Stream, exact: bool = True) -> Position:
        """Give the offset of the last record of each partition that has any. Raises Unavailable.

        Not `exact`: of whatever is last, be it the mark of a transaction; no record is read for it.
        """
        return self._tape(stream).ends() if exact else self._tape(stream).about()

    def changed(self, stream: Stream, partitions: Sequence[int] | None = None) -> int:
        """Give a ticket that grows within milliseconds of an append. Asks only what has arrived here already.

        Partitions that are not asked for are no longer sent to this machine.
        """
        return self._tape(stream).changed(range(self._address.partitions) if partitions is None else partitions)

    def share(self, group: str) -> Share:
        """Join the consumer group of this name: its members divide the partitions of the topic of events."""
        self._checked()
        return Member(self._address, self._address.topic(TOPICS[Stream.EVENTS]), group)

    def close(self) -> None:
        """Let go of all connections."""
        self._writer.close()
        for tape in self._tapes.values():
            tape.close()
        self._asker.close()

    def _tape(self, stream: Stream) -> Tape:
        self._checked()
        with self._lock:
            if stream not in self._tapes:
                topic = self._address.topic(TOPICS[stream])
                self._tapes[stream] = Tape(self._address, topic, stream in COMPACTED, self._asker)
            return self._tapes[stream]

    def _checked(self) -> None:
        """Look at the topics if the broker was away when this log was opened."""
        if not self._there:
            self._there = ensure(self._address, patient=True)
