"""What lies in a log: streams of records, partitioned by key, addressed by position."""

from enum import StrEnum

import msgspec

from foryou.domain.event import hash64

PARTITIONS = 4
Position = dict[int, int]  # partition -> offset of the last record seen; absent = none seen


class Stream(StrEnum):
    """The streams of a log. events and exposures are keyed by user, items by item, users by user, lists and
    experiments by name.

    dead_letters: what could not be folded, keyed by its place.
    """

    EVENTS = "events"
    EXPOSURES = "exposures"
    ITEMS = "items"
    USERS = "users"
    LISTS = "lists"
    EXPERIMENTS = "experiments"
    DEAD_LETTERS = "dead_letters"


class Record(msgspec.Struct, frozen=True):
    """What is appended: `key` chooses the partition, `record_id` tells repeats, `body` is msgpack."""

    key: str
    record_id: str
    body: bytes


class Entry(msgspec.Struct, frozen=True):
    """A record with its place in the log."""

    partition: int
    offset: int
    appended_ms: int
    record: Record


class DeadLetter(msgspec.Struct, frozen=True):
    """A record that could not be folded, where it lies, and why. It stays in its stream, too."""

    stream: str
    partition: int
    offset: int
    key: str
    record_id: str
    reason: str
    body: bytes


class Appended(msgspec.Struct, frozen=True):
    """What an append did: records now durable, and those that the log knew already (as far as it can tell)."""

    stored: int
    repeats: int


def partition_of(key: str, partitions: int = PARTITIONS) -> int:
    """Give the partition of a key: the same for ever, or positions lose their meaning."""
    return hash64(key) % partitions
