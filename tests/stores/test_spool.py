"""Does the spool keep what it took, in order, through kills, damage and full disks?"""

import errno
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from foryou.domain.clock import ManualClock
from foryou.domain.errors import Unavailable
from foryou.domain.log import Record, Stream
from foryou.stores import spool as spools
from foryou.stores.spool import Spool

CLOCK = ManualClock(1_000)
MB = 1_000_000


def records(count: int, start: int = 0) -> list[Record]:
    return [Record(f"user-{number % 9}", f"id-{number}", b"%d" % number) for number in range(start, start + count)]


def put(spool: Spool, some: list[Record], stream: Stream = Stream.EVENTS) -> None:
    spool.sync(spool.write(stream, some))


def taken(spool: Spool) -> list[Record]:
    found: list[Record] = []
    while batch := spool.peek():
        found += batch.records
        spool.drop(batch)
    return found


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Callable[..., Spool]]:
    opened: list[Spool] = []

    def make(limit: int = MB) -> Spool:
        opened.append(Spool(tmp_path, limit, CLOCK))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def files(folder: Path, ending: str = ".spool") -> list[Path]:
    return sorted(folder.rglob(f"*{ending}"))


def test_what_was_written_is_taken_in_order_and_leaves_nothing_behind(
    tmp_path: Path, another: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools, "SEGMENT_BYTES", 500)
    spool = another()
    for start in range(0, 300, 10):
        put(spool, records(10, start))
    assert (spool.records, len(files(tmp_path)) > 5) == (300, True)
    assert spool.bytes == sum(path.stat().st_size for path in files(tmp_path))
    assert taken(spool) == records(300)
    assert (spool.records, spool.bytes, spool.oldest_ms, files(tmp_path)) == (0, 0, 0, [])
    put(spool, records(1))
    assert taken(spool) == records(1)


def test_a_batch_has_records_of_one_stream(another: Callable[..., Spool]) -> None:
    spool = another()
    order = (Stream.EVENTS, Stream.EVENTS, Stream.EXPOSURES, Stream.EVENTS)
    for number, stream in enumerate(order):
        put(spool, records(1, number), stream)
    found = []
    while batch := spool.peek():
        found.append((batch.stream, len(batch.records)))
        spool.drop(batch)
    assert found == [(Stream.EVENTS, 2), (Stream.EXPOSURES, 1), (Stream.EVENTS, 1)]


def test_the_age_is_that_of_the_oldest_record(another: Callable[..., Spool]) -> None:
    spool = another()
    put(spool, records(1))
    assert spool.oldest_ms == CLOCK.at_ms
    spool.drop(spool.peek())
    assert spool.oldest_ms == 0


def test_a_spool_that_is_full_says_so_and_takes_on_when_there_is_room(another: Callable[..., Spool]) -> None:
    spool = another(2_000)
    put(spool, records(30))
    said = r"The log is away and 0.0 MB wait for it, limit 0.0 MB; mend the log, or raise stores.spool_mb"
    with pytest.raises(Unavailable, match=said):
        spool.write(Stream.EVENTS, records(100))
    with pytest.raises(Unavailable, match="limit"):
        spool.write(Stream.EXPOSURES, records(30), share=0.5)
    assert taken(spool) == records(30)
    put(spool, records(30, 30))
    assert taken(spool) == records(30, 30)


def test_the_next_process_takes_over_what_a_dead_one_left(tmp_path: Path) -> None:
    with closing(Spool(tmp_path, MB, CLOCK)) as first, closing(Spool(tmp_path, MB, CLOCK)) as second:
        put(first, records(5))
        put(second, records(5, 5))
        with closing(Spool(tmp_path, MB, CLOCK)) as third:
            assert third.records == 0  # they live
    with closing(Spool(tmp_path, MB, CLOCK)) as heir:
        assert (heir.records, heir.bytes > 0) == (10, True)
        put(heir, records(5, 10))
        assert taken(heir) == records(15)
    assert files(tmp_path) == []


@pytest.mark.parametrize("cut", [1, 11, 12, 20])
def test_a_frame_that_was_being_written_when_the_power_went_is_left_out(tmp_path: Path, cut: int) -> None:
    with closing(Spool(tmp_path, MB, CLOCK)) as spool:
        put(spool, records(3))
        size = spool.bytes
        put(spool, records(3, 3))
    (path,) = files(tmp_path)
    os.truncate(path, size + cut)
    with closing(Spool(tmp_path, MB, CLOCK)) as spool:
        assert (spool.records, spool.bytes) == (3, size)
        assert taken(spool) == records(3)


def test_a_file_that_ends_in_zeros_or_is_empty_holds_nothing_more(tmp_path: Path) -> None:
    with closing(Spool(tmp_path, MB, CLOCK)) as spool:
        put(spool, records(3))
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes() + bytes(100))
    (path.parent / "00000-1.spool").write_bytes(b"")
    with closing(Spool(tmp_path, MB, CLOCK)) as spool:
        assert taken(spool) == records(3)
    assert files(tmp_path) == []


def test_a_damaged_frame_is_set_aside_and_what_follows_goes_on(
    tmp_path: Path, another: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools, "SEGMENT_BYTES", 1)
    spool = another()
    for start in (0, 10, 20):
        put(spool, records(10, start))
    path = files(tmp_path)[1]
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert taken(spool) == [*records(10), *records(10, 20)]
    assert (spool.damaged, spool.records, spool.bytes) == (1, 0, 0)
    assert [one.stem for one in files(tmp_path, ".damaged")] == [path.stem]


def test_a_disk_that_is_full_leaves_no_half_frame(
    tmp_path: Path, another: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = another()
    put(spool, records(3))
    real = os.write

    def full(file: int, what: bytes) -> int:
        if len(what) > 50:
            return real(file, what[:50])
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(Unavailable, match=r"cannot be written \(.*\); free some space, or mend the log"):
            spool.write(Stream.EVENTS, records(40, 3))
    put(spool, records(2, 3))
    assert taken(spool) == records(5)
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_said(
    another: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = another()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError("no")))
        with pytest.raises(Unavailable, match=r"cannot be written \(no\)"):
            spool.write(Stream.EVENTS, records(1))
    put(spool, records(1))
    assert taken(spool) == records(1)


def test_threads_write_while_another_takes(another: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "SEGMENT_BYTES", 300)
    spool = another()
    found: list[Record] = []
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(put, spool, records(3, number * 3)) for number in range(100)]
        while len(found) < 300:
            found += taken(spool)
        for one in done:
            one.result()
    assert sorted(found, key=lambda record: int(record.body)) == records(300)
