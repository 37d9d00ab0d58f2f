"""How do records get into a topic? Many calls share one idempotent producer, and each waits for its own records."""

import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.cimpl import Message as Delivered

from foryou.domain.errors import Invalid
from foryou.stores.log_kafka.topics import PATIENCE_S, RECORD_BYTES, Address, away

LINGER_MS = 2  # that records of several calls leave together
QUEUED = 200_000  # records that may wait in this process
QUEUED_KB = 262_144
POLL_S = 0.1
ID = "id"  # the header that holds the record's id


class Message(NamedTuple):
    """One record on its way."""

    partition: int
    key: bytes
    record_id: bytes
    body: bytes


class Writer:
    """Sends messages; all of a call are with the brokers, on every replica in sync, when `send` returns."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._closed = threading.Event()
        self._fatal = False  # the producer lost count of what it sent, and will send no more
        self._lock = threading.Lock()
        self._producer = self._made()
        self._thread = threading.Thread(target=self._serve, name="kafka-deliveries", daemon=True)
        self._thread.start()

    def send(self, topic: str, at_ms: int, messages: Sequence[Message]) -> None:
        """Store the messages, those of a partition in their order.

        Raises Unavailable if one was not confirmed in time (others may be stored), Invalid if one is too large.
        """
        call, producer = _Call(len(messages)), self._usable()
        give_up = time.monotonic() + PATIENCE_S
        try:
            for message in messages:
                _put(producer, topic, at_ms, message, call, give_up)
        except KafkaException as error:
            problem: KafkaError | None = error.args[0]
        else:
            problem = call.wait()
        if problem is None:
            return
        if problem.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            largest = max(len(message.body) for message in messages)
            raise Invalid("body", f"a record of {largest:,} bytes, limit {RECORD_BYTES:,}", "say it in several")
        raise away(self._address.servers, problem)

    def close(self) -> None:
        """Wait for what is on its way, then end."""
        self._producer.flush(PATIENCE_S)
        self._closed.set()
        self._thread.join()

    def _made(self) -> Producer:
        return Producer({
            **self._address.client(), "enable.idempotence": True, "acks": "all", "linger.ms": LINGER_MS,
            "compression.type": "lz4", "message.timeout.ms": int(PATIENCE_S * 1e3), "retry.backoff.ms": 50,
            "queue.buffering.max.messages": QUEUED, "queue.buffering.max.kbytes": QUEUED_KB,
            "message.max.bytes": RECORD_BYTES, "error_cb": self._noted,
        })  # fmt: skip

    def _usable(self) -> Producer:
        """Give the producer; a new one where the old one has lost count, for example after its topic was lost."""
        with self._lock:
            if self._fatal:
                old, self._producer, self._fatal = self._producer, self._made(), False
                old.purge()
                old.flush(PATIENCE_S)  # tells those that wait
            return self._producer

    def _noted(self, error: KafkaError) -> None:
        self._fatal = self._fatal or error.fatal()

    def _serve(self) -> None:
        """Take in the confirmations, of which each tells its call."""
        while not self._closed.is_set():
            self._producer.poll(POLL_S)


def _put(producer: Producer, topic: str, at_ms: int, message: Message, call: "_Call", give_up: float) -> None:
    """Give one message to the producer, as soon as it has room."""
    partition, key, record_id, body = message
    headers: list[tuple[str, str | bytes | None]] = [(ID, record_id)]  # bytes: a text would end at a NUL
    while True:
        try:
            producer.produce(topic, body, key, partition, on_delivery=call, timestamp=at_ms, headers=headers)
            return
        except BufferError:
            if time.monotonic() > give_up:
                raise KafkaException(KafkaError(KafkaError._QUEUE_FULL)) from None
            time.sleep(0.001)


class _Call:
    """Counts the confirmations of one call; only the thread that serves does."""

    __slots__ = ("_all", "_error", "_left")

    def __init__(self, count: int) -> None:
        self._left = count
        self._error: KafkaError | None = None
        self._all = threading.Event()

    def __call__(self, error: KafkaError | None, message: Delivered) -> None:  # noqa: ARG002
        """Take one in."""
        if error is not None:
            self._error = error
        self._left -= 1
        if not self._left:
            self._all.set()

    def wait(self) -> KafkaError | None:
        """Wait for the last one; gives what went wrong last."""
        return self._error if self._all.wait(2 * PATIENCE_S) else KafkaError(KafkaError._TIMED_OUT)
