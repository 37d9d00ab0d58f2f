"""Which partitions does this worker fold? Those that the consumer group gives it, moved one by one, never all at once.

The group says who works where, the feature store who has: a member that was away too long and does not know it yet
(stopped, cut off) folds from a position that is no longer the stored one, and is refused.
"""

from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition

from foryou.domain.log import Position
from foryou.stores.log_kafka.topics import Address, reached

SILENT_MS = 6_000  # after which a member is dead: the least that a broker allows by default
BEAT_MS = 1_000
STUCK_MS = 60_000  # a member that does not ask for its partitions for so long has hung
LEAVE_S = 5.0


class Member:
    """A share of a topic by consumer group. It reads nothing: what it owns is paused, and read elsewhere."""

    alone = False

    def __init__(self, address: Address, topic: str, group: str) -> None:
        self.holder = f"group {group}"
        self._topic = topic
        self._own: set[int] = set()
        self._consumer = Consumer({
            **address.client(), "group.id": group, "partition.assignment.strategy": "cooperative-sticky",
            "enable.auto.commit": False, "enable.auto.offset.store": False, "auto.offset.reset": "latest",
            "session.timeout.ms": SILENT_MS, "heartbeat.interval.ms": BEAT_MS, "max.poll.interval.ms": STUCK_MS,
        })  # fmt: skip
        with reached(address.servers):
            self._consumer.subscribe([topic], on_assign=self._given, on_revoke=self._taken, on_lost=self._taken)

    def partitions(self) -> Sequence[int]:
        """Give the partitions that are its own now, in order."""
        while self._consumer.poll(0) is not None:  # calls `_given` and `_taken`
            pass
        return sorted(self._own)

    def folded(self, through: Position) -> None:
        """Commit offsets of partitions that are its own, so that the group's lag can be seen where groups are seen."""
        offsets = [
            TopicPartition(self._topic, part, offset + 1) for part, offset in through.items() if part in self._own
        ]
        if offsets:
            try:
                self._consumer.commit(offsets=offsets, asynchronous=True)
            except KafkaException:
                return  # it is told again soon, and nobody starts from it

    def close(self) -> None:
        """Leave the group: the others are given its partitions at once, not when it has been silent for long."""
        self._consumer.close()
        self._own.clear()

    def _given(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        consumer.incremental_assign(parts)
        consumer.pause(parts)
        self._own |= {part.partition for part in parts}

    def _taken(self, consumer: Consumer, parts: list[TopicPartition]) -> None:
        consumer.incremental_unassign(parts)
        self._own -= {part.partition for part in parts}
