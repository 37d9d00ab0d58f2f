"""What does the SQLite log do beyond its port?"""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from foryou.domain.clock import ManualClock
from foryou.domain.errors import Refused, Unavailable
from foryou.domain.log import Record, Stream
from foryou.stores import sqlite
from foryou.stores.log_sqlite import SqliteLog


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    with closing(SqliteLog(tmp_path, ManualClock(0))) as log:
        yield log


def test_another_number_of_partitions_is_refused(tmp_path: Path, log: SqliteLog) -> None:
    assert log.partitions() == 4
    message = "events.db was created with 4 partitions and is opened with 8: .*; set partitions to 4, or import"
    with pytest.raises(Refused, match=message):
        SqliteLog(tmp_path, ManualClock(0), partitions=8)
    with closing(SqliteLog(tmp_path / "new", ManualClock(0), partitions=8)) as other:
        other.append(Stream.EVENTS, [Record(f"user-{number}", f"{number}", b"") for number in range(100)])
        assert set(other.ends(Stream.EVENTS)) == set(range(8))


def test_the_ticket_changes_with_every_append_of_anybody_and_only_then(tmp_path: Path, log: SqliteLog) -> None:
    with closing(SqliteLog(tmp_path, ManualClock(0))) as other:
        tickets = [log.changed(Stream.EVENTS)]
        for number, writer in enumerate((log, other, log)):
            assert log.changed(Stream.EVENTS) == tickets[-1]
            writer.append(Stream.EVENTS, [Record("user", f"{number}", b"")])
            tickets.append(log.changed(Stream.EVENTS))
        log.append(Stream.ITEMS, [Record("item", "id", b"")])
        assert log.changed(Stream.EVENTS) == tickets[-1]
    assert len(set(tickets)) == 4


def test_a_stream_does_not_wait_for_another_one_that_is_locked(tmp_path: Path, log: SqliteLog) -> None:
    with closing(sqlite3.connect(tmp_path / "exposures.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        start = time.monotonic()
        log.append(Stream.EVENTS, [Record("user", "id", b"")])
        assert time.monotonic() - start < sqlite.BUSY_MS / 2000


def test_all_that_wait_together_are_told_if_their_append_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MS", 100)
    with (
        closing(SqliteLog(tmp_path, ManualClock(0))) as log,
        closing(sqlite3.connect(tmp_path / "events.db", isolation_level=None)) as other,
        ThreadPoolExecutor(6) as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        waiting = [pool.submit(log.append, Stream.EVENTS, [Record("user", f"{n}", b"")]) for n in range(6)]
        for one in waiting:
            with pytest.raises(Unavailable, match=r"events\.db: database is locked"):
                one.result()
        other.execute("ROLLBACK")
        assert log.ends(Stream.EVENTS) == {}
        assert log.append(Stream.EVENTS, [Record("user", "0", b"")]).stored == 1


def test_appends_that_wait_are_written_in_one_transaction(tmp_path: Path) -> None:
    moments = count()
    clock = SimpleNamespace(now_ms=lambda: next(moments))  # asked once per transaction
    with closing(SqliteLog(tmp_path, clock)) as log, ThreadPoolExecutor(9) as pool:
        file = log._files[Stream.EVENTS]
        file._writing = True  # as if another thread were at it
        waiting = [pool.submit(log.append, Stream.EVENTS, [Record("user", f"{n % 8}", b"")]) for n in range(9)]
        while len(file._waiting) < 9:
            pass
        with file._turn:
            file._writing = False
            file._turn.notify()
        assert sum(one.result().stored for one in waiting) == 8
        assert sum(one.result().repeats for one in waiting) == 1
        log.append(Stream.EVENTS, [Record("user", "later", b"")])
        appended_ms = [entry.appended_ms for part in range(4) for entry in log.read(Stream.EVENTS, part, -1, 100)]
    assert appended_ms == [0] * 8 + [1]
