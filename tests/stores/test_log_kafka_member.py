"""Do the members of a group divide a log's partitions, all of them, and move only those that must?"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from foryou.domain.clock import ManualClock
from foryou.domain.log import Record, Stream
from foryou.stores.log_kafka import Address, KafkaLog
from foryou.stores.log_kafka.member import Member

SOON_S = 30.0
ALL = [0, 1, 2, 3]


class Group:
    """A log, and processes that share it."""

    def __init__(self, url: str, opened: ExitStack) -> None:
        self.url, self._opened = url, opened
        self.log = self.opened()

    def opened(self) -> KafkaLog:
        log = KafkaLog(self.url, ManualClock(1_000))
        self._opened.callback(log.close)
        return log

    def join(self) -> Member:
        share = self.opened().share("fold")
        assert isinstance(share, Member)
        self._opened.callback(share.close)
        return share

    def committed(self) -> dict[int, int]:
        address = Address.of(self.url)
        consumer = Consumer({**address.client(), "group.id": "fold"})
        topic = address.topic("user_events")
        found = consumer.committed([TopicPartition(topic, number) for number in ALL], timeout=10)
        consumer.close()
        return {one.partition: one.offset for one in found if one.offset >= 0}


@pytest.fixture
def group(services: Callable[[str], str], tmp_path: Path) -> Iterator[Group]:
    with ExitStack() as opened:
        yield Group(f"{services('kafka')}/{tmp_path.parent.name}-{tmp_path.name}", opened)


def settled(*members: Member, wanted: Callable[[list[int]], bool]) -> list[list[int]]:
    """Ask all members until the parts are as wanted: then give them."""
    end = time.monotonic() + SOON_S
    while True:
        parts = [list(member.partitions()) for member in members]
        if wanted([len(part) for part in parts]) and sorted(one for part in parts for one in part) == ALL:
            return parts
        assert time.monotonic() < end, parts
        time.sleep(0.02)


def test_one_folds_all_two_halves_and_who_is_left_all_again(group: Group) -> None:
    one = group.join()
    assert (one.alone, one.holder) == (False, "group fold")
    settled(one, wanted=lambda sizes: sizes == [4])
    two = group.join()
    assert two.holder == one.holder
    halves = settled(one, two, wanted=lambda sizes: sizes == [2, 2])
    kept = halves[0]
    two.close()
    end = time.monotonic() + SOON_S
    while len(own := one.partitions()) < 4:
        assert set(kept) <= set(own)  # what it has, it keeps: nothing stands still while shares move
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_is_folded_for_good_is_committed_for_those_who_watch(group: Group) -> None:
    group.log.append(Stream.EVENTS, [Record("u0", "a", b"1")])
    one = group.join()
    settled(one, wanted=lambda sizes: sizes == [4])
    one.folded({2: 6, 3: 0, 9: 1})
    end = time.monotonic() + SOON_S
    while group.committed() != {2: 7, 3: 1}:
        one.partitions()
        assert time.monotonic() < end
        time.sleep(0.05)


def test_only_partitions_that_are_asked_for_are_followed(group: Group) -> None:
    keys = {0: "", 1: ""}
    for number in range(100):
        place = group.log._message(Stream.EVENTS, Record(f"u{number}", "x", b"")).partition
        if place in keys:
            keys[place] = f"u{number}"
    before = group.log.changed(Stream.EVENTS, [0])
    group.log.append(Stream.EVENTS, [Record(keys[1], "a", b"1")])
    time.sleep(0.3)
    assert group.log.changed(Stream.EVENTS, [0]) == before
    group.log.append(Stream.EVENTS, [Record(keys[0], "b", b"2")])
    end = time.monotonic() + SOON_S
    while group.log.changed(Stream.EVENTS, [0]) == before:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert [entry.record.body for entry in group.log.read(Stream.EVENTS, 1, -1, 10)] == [b"1"]
