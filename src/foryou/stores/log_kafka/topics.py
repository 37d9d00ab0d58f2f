"""Where is the broker, and which topics must it have? A URL says the one; the other are made where they are missing."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from foryou.domain.clock import DAY_MS
from foryou.domain.errors import Invalid, Refused, Unavailable
from foryou.domain.log import PARTITIONS, Stream

PATIENCE_S = 3.0  # before a broker that does not answer is away
RECORD_BYTES = 4_194_304  # of the largest record
KEPT_DAYS = 30  # before compaction: so long the past can be replayed as it was
MAX_PARTITIONS = 1_024
TOPICS = {stream: stream.value for stream in Stream} | {Stream.EVENTS: "user_events"}
COMPACTED = (Stream.ITEMS, Stream.USERS)

_NAME = re.compile(r"[A-Za-z0-9._-]{0,200}")
_FOR_EVER = {
    "retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": str(RECORD_BYTES),
    "message.timestamp.after.max.ms": str(2**63 - 1),  # the clock of a replay may be anywhere
}  # fmt: skip
_COMPACT = _FOR_EVER | {"cleanup.policy": "compact", "min.compaction.lag.ms": str(KEPT_DAYS * DAY_MS)}


@dataclass(frozen=True, slots=True)
class Address:
    """What a URL says: `kafka://host:port[,host:port]/prefix?partitions=4&replication=3`."""

    servers: str
    prefix: str = ""
    partitions: int = PARTITIONS
    replication: int = -1  # what the broker does by default

    @classmethod
    def of(cls, url: str, partitions: int = PARTITIONS) -> "Address":
        """Read a URL; `partitions`: where it does not say. Raises Invalid."""
        parts = urlsplit(url)
        prefix = parts.path.strip("/")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        if not parts.netloc or not _NAME.fullmatch(prefix):
            raise _wrong(url, "names no broker, or its prefix cannot begin the name of a topic")
        if unknown := options.keys() - {"partitions", "replication"}:
            raise _wrong(url, f"has the unknown option {min(unknown)!r}")
        for name, most in (("partitions", MAX_PARTITIONS), ("replication", 32)):
            if name in options and not (options[name].isdecimal() and 1 <= int(options[name]) <= most):
                raise _wrong(url, f"has {name}={options[name]!r}, which is not a number from 1 to {most:,}")
        return cls(parts.netloc, prefix, **{"partitions": partitions} | {name: int(n) for name, n in options.items()})

    def topic(self, name: str) -> str:
        """Give the whole name of a topic."""
        return f"{self.prefix}-{name}" if self.prefix else name

    def client(self) -> dict[str, Any]:
        """Give the settings that every client has."""
        return {
            "bootstrap.servers": self.servers, "log_level": 0,  # what goes wrong is raised
            "reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 1_000, "socket.connection.setup.timeout.ms": 3_000,
        }  # fmt: skip


def _wrong(url: str, what: str) -> Invalid:
    return Invalid("stores.log", f"{url!r} {what}", "say kafka://host:port/prefix?partitions=4&replication=3")


@contextmanager
def reached(servers: str) -> Iterator[None]:
    """Make what the client raises Unavailable, with the broker and what to do."""
    try:
        yield
    except KafkaException as error:
        raise away(servers, error.args[0]) from error


def away(servers: str, error: object) -> Unavailable:
    """Give the error that says that the broker cannot be asked."""
    said = error.str() if isinstance(error, KafkaError) else str(error)
    return Unavailable(f"Kafka at {servers}: {said}; check that it runs there and lets this machine in")


def ensure(address: Address, patient: bool) -> bool:
    """Make the topics that are missing. False: the broker did not answer, and the caller is not `patient`.

    Raises Refused if one is there with another number of partitions, Unavailable.
    """
    admin = AdminClient(address.client())  # in a variable: if it is collected, its answers never come
    try:
        with reached(address.servers):
            found = _partitions(admin)
            wanted = {address.topic(name): config for name, config in _configs().items()}
            _agree(address, {name: found[name] for name in wanted if name in found})
            _create(admin, address, {name: config for name, config in wanted.items() if name not in found})
    except Unavailable:
        if patient:
            raise
        return False
    return True


def _configs() -> dict[str, Mapping[str, str]]:
    return {TOPICS[stream]: _COMPACT if stream in COMPACTED else _FOR_EVER for stream in Stream}


def _partitions(admin: AdminClient) -> dict[str, list[int]]:
    """Give the leaders of each topic's partitions, -1 = none yet; without topics that are just being made."""
    topics = admin.list_topics(timeout=PATIENCE_S).topics
    leaders = {name: [part.leader for part in topic.partitions.values()] for name, topic in topics.items()}
    return {name: found for name, found in leaders.items() if found}


def _agree(address: Address, found: Mapping[str, list[int]]) -> None:
    for name, leaders in found.items():
        if len(leaders) != address.partitions:
            raise Refused(
                f"The topic {name} at {address.servers} has {len(leaders)} partitions, the URL says"
                f" {address.partitions}: positions would lose their meaning; say ?partitions={len(leaders)}, or choose"
                " another prefix"
            )


def _create(admin: AdminClient, address: Address, missing: Mapping[str, Mapping[str, str]]) -> None:
    """Create topics and wait until they have leaders; another process may be doing the same."""
    if not missing:
        return
    topics = [
        NewTopic(name, address.partitions, address.replication, config=dict(config)) for name, config in missing.items()
    ]
    for future in admin.create_topics(topics, request_timeout=PATIENCE_S).values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    give_up = time.monotonic() + PATIENCE_S
    while True:
        found = {name: leaders for name, leaders in _partitions(admin).items() if name in missing}
        _agree(address, found)
        if len(found) == len(missing) and all(min(leaders) >= 0 for leaders in found.values()):
            return
        if time.monotonic() > give_up:
            raise away(address.servers, f"no leaders for {', '.join(missing)}")
        time.sleep(0.02)
