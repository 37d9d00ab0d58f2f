"""What does every event log promise?"""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import racers
from backends import TELLS_REPEATS, Backend
from racers import Course

from foryou.domain.clock import ManualClock
from foryou.domain.log import Appended, Entry, Record, Stream, partition_of
from foryou.domain.ports import EventLog

EVERYTHING = 1_000_000
only_logs_that_tell_repeats = pytest.mark.parametrize("log_backend", TELLS_REPEATS, indirect=True)


def records(count: int, start: int = 0) -> list[Record]:
    return [Record(f"user-{number % 9}", f"id-{number}", b"%d" % number) for number in range(start, start + count)]


def everything(log: EventLog, stream: Stream = Stream.EVENTS) -> list[Entry]:
    return [entry for part in range(log.partitions()) for entry in log.read(stream, part, -1, EVERYTHING)]


def assert_contiguous(log: EventLog) -> None:
    for partition in range(log.partitions()):
        offsets = [entry.offset for entry in log.read(Stream.EVENTS, partition, -1, EVERYTHING)]
        assert offsets == list(range(len(offsets)))
        assert log.ends(Stream.EVENTS).get(partition, -1) == len(offsets) - 1


def test_a_record_is_read_back_as_it_was_appended(log: EventLog, clock: ManualClock) -> None:
    clock.at_ms = 42
    record = Record("Zoë", "an id \0 with a zero", bytes(range(256)))
    assert log.append(Stream.EVENTS, [record]) == Appended(1, 0)
    partition = partition_of("Zoë", log.partitions())
    assert log.read(Stream.EVENTS, partition, -1, 10) == [Entry(partition, 0, 42, record)]


def test_an_empty_body_is_a_body(log: EventLog) -> None:
    log.append(Stream.EVENTS, [Record("user", "id", b"")])
    assert [entry.record.body for entry in everything(log)] == [b""]


def test_records_of_a_key_share_a_partition_and_keep_their_order(log: EventLog) -> None:
    log.append(Stream.EVENTS, records(700))
    log.append(Stream.EVENTS, records(300, 700))
    bodies = defaultdict(list)
    for entry in everything(log):
        assert entry.partition == partition_of(entry.record.key, log.partitions())
        bodies[entry.record.key].append(int(entry.record.body))
    assert {key: found == sorted(found) for key, found in bodies.items()} == {f"user-{n}": True for n in range(9)}
    assert sum(map(len, bodies.values())) == 1_000


def test_offsets_are_contiguous_from_zero(log: EventLog) -> None:
    for count, start in ((1, 0), (300, 1), (7, 301)):
        log.append(Stream.EVENTS, records(count, start))
    assert_contiguous(log)
    assert len(everything(log)) == 308


def test_reading_goes_on_after_an_offset_up_to_the_limit(log: EventLog) -> None:
    log.append(Stream.EVENTS, [Record("user", f"id-{number}", b"") for number in range(10)])
    partition = partition_of("user", log.partitions())

    def offsets(after: int, limit: int) -> list[int]:
        return [entry.offset for entry in log.read(Stream.EVENTS, partition, after, limit)]

    assert offsets(-1, 3) == [0, 1, 2]
    assert offsets(2, 3) == [3, 4, 5]
    assert offsets(8, 3) == [9]
    assert offsets(9, 3) == []


def test_the_ends_name_only_partitions_that_have_records(log: EventLog) -> None:
    assert log.ends(Stream.EVENTS) == {}
    log.append(Stream.EVENTS, [Record("user", "a", b""), Record("user", "b", b"")])
    assert log.ends(Stream.EVENTS) == {partition_of("user", log.partitions()): 1}


def test_streams_know_nothing_of_each_other(log: EventLog) -> None:
    for stream in Stream:
        assert log.append(stream, [Record("key", "the same id", stream.encode())]) == Appended(1, 0)
    for stream in Stream:
        assert [entry.record.body for entry in everything(log, stream)] == [stream.encode()]


def test_appending_nothing_stores_nothing(log: EventLog) -> None:
    assert log.append(Stream.EVENTS, []) == Appended(0, 0)
    assert log.ends(Stream.EVENTS) == {}


def test_another_client_sees_what_was_appended_at_once(
    log: EventLog, log_backend: Backend, another: Callable[[Backend], Any]
) -> None:
    reader = another(log_backend)
    for number in range(20):
        log.append(Stream.EVENTS, records(1, number))
        assert len(everything(reader)) == number + 1


def test_a_closed_log_opens_again_with_all_its_records(log_backend: Backend, another: Callable[[Backend], Any]) -> None:
    first = log_backend.open()
    first.append(Stream.EVENTS, records(20))
    before = everything(first)
    first.close()
    second = another(log_backend)
    assert everything(second) == before
    second.append(Stream.EVENTS, records(20, 20))
    assert_contiguous(second)


@only_logs_that_tell_repeats
def test_a_repeat_is_skipped_and_counted(log: EventLog) -> None:
    log.append(Stream.EVENTS, records(10))
    assert log.append(Stream.EVENTS, records(10, 5)) == Appended(5, 5)
    assert len(everything(log)) == 15
    assert_contiguous(log)


@only_logs_that_tell_repeats
def test_a_repeat_within_one_append_is_skipped_and_counted(log: EventLog) -> None:
    twice = [Record("user", "id", b"first"), Record("user", "other", b""), Record("another", "id", b"second")]
    assert log.append(Stream.EVENTS, twice) == Appended(2, 1)
    assert sorted(entry.record.body for entry in everything(log)) == [b"", b"first"]
    assert_contiguous(log)


@only_logs_that_tell_repeats
def test_a_retry_of_a_large_append_adds_nothing(log: EventLog) -> None:
    log.append(Stream.EVENTS, records(600))
    assert log.append(Stream.EVENTS, records(600)) == Appended(0, 600)
    assert len(everything(log)) == 600


@only_logs_that_tell_repeats
def test_of_processes_that_append_the_same_records_each_record_is_new_to_one(
    log: EventLog, log_backend: Backend, course: Course
) -> None:
    assert sum(course.race(racers.append_the_same, log_backend)) == 20
    assert len(everything(log)) == 20
    assert_contiguous(log)


def test_threads_that_append_at_once_each_learn_their_own_result(log: EventLog) -> None:
    with ThreadPoolExecutor(8) as pool:
        some = pool.map(lambda number: log.append(Stream.EVENTS, records(number % 3 + 1, number * 10)), range(120))
    assert [appended.stored for appended in some] == [number % 3 + 1 for number in range(120)]
    assert len(everything(log)) == 240
    assert_contiguous(log)


def test_processes_that_append_at_once_lose_nothing_and_keep_the_order_of_each_key(
    log_backend: Backend, another: Callable[[Backend], Any], course: Course
) -> None:
    assert course.race(racers.append, log_backend) == [200, 200]
    log = another(log_backend)
    assert_contiguous(log)
    bodies = defaultdict(list)
    for entry in everything(log):
        bodies[entry.record.key].append(int(entry.record.body))
    assert bodies == {f"user-{racer}-{key}": list(range(40)) for racer in range(2) for key in range(5)}


def test_after_kill_minus_nine_every_acknowledged_record_is_there(
    log_backend: Backend, another: Callable[[Backend], Any]
) -> None:
    command = [sys.executable, racers.__file__, log_backend.name, str(log_backend.at.place), log_backend.at.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(racers.__file__).parent, text=True) as process:
        acknowledged = [int(process.stdout.readline()) for _ in range(50)]
        process.kill()
        acknowledged += [int(line) for line in process.stdout.read().split("\n")[:-1]]
    log = another(log_backend)
    ids = {entry.record.record_id for entry in everything(log)}
    assert ids >= {f"id-{number}-{half}" for number in acknowledged for half in (0, 1)}
    assert len(ids) % 2 == 0  # an append is there wholly or not at all
    assert_contiguous(log)
    log.append(Stream.EVENTS, records(10))
    assert_contiguous(log)
