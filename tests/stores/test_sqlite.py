"""What happens when a SQLite file is locked, full, damaged, or opened by many at once?"""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from foryou.domain.errors import Unavailable
from foryou.stores import sqlite
from foryou.stores.sqlite import Database

SCHEMA = ("CREATE TABLE IF NOT EXISTS numbers (number INTEGER NOT NULL)",)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with closing(Database(path, "NORMAL", SCHEMA)) as database:
        yield database


def add(database: Database, number: int) -> None:
    with database.writing() as connection:
        connection.execute("INSERT INTO numbers VALUES (?)", (number,))


def numbers(database: Database) -> list[int]:
    with database.reading() as connection:
        return [row[0] for row in connection.execute("SELECT number FROM numbers ORDER BY number")]


def test_a_write_that_fails_half_way_leaves_nothing(database: Database) -> None:
    def fail() -> None:
        with database.writing() as connection:
            connection.execute("INSERT INTO numbers VALUES (1)")
            raise KeyError("on purpose")

    with pytest.raises(KeyError, match="on purpose"):
        fail()
    add(database, 2)
    assert numbers(database) == [2]


def test_reading_goes_on_during_a_write_and_sees_what_was_before(database: Database) -> None:
    add(database, 1)
    with database.writing() as connection:
        connection.execute("INSERT INTO numbers VALUES (2)")
        assert numbers(database) == [1]
    assert numbers(database) == [1, 2]


def test_a_snapshot_stays_as_it_was_and_lets_others_read_and_write(database: Database) -> None:
    add(database, 1)
    with database.snapshot() as connection:
        assert connection.execute("SELECT count(*) FROM numbers").fetchone() == (1,)
        add(database, 2)
        assert numbers(database) == [1, 2]
        assert connection.execute("SELECT count(*) FROM numbers").fetchone() == (1,)


def test_a_database_in_memory_reads_what_it_wrote() -> None:
    with closing(Database(":memory:", "NORMAL", SCHEMA)) as database:
        add(database, 1)
        assert numbers(database) == [1]
        with database.snapshot() as connection:
            assert connection.execute("SELECT number FROM numbers").fetchall() == [(1,)]


def test_a_locked_file_is_unavailable_after_the_wait(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MS", 20)
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        closing(Database(path, "NORMAL", SCHEMA)) as impatient,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(
            Unavailable, match=r"some\.db: database is locked: .* locked for more than 20 ms; try again"
        ):
            add(impatient, 1)
        other.execute("ROLLBACK")
        add(impatient, 2)
    assert numbers(database) == [2]


def test_a_full_disk_is_unavailable_and_the_file_stays_whole(database: Database) -> None:
    add(database, 1)
    with database.writing() as connection:
        connection.execute("PRAGMA max_page_count = 5")

    def fill() -> None:
        for start in range(100):
            with database.writing() as connection:
                connection.executemany("INSERT INTO numbers VALUES (?)", [(start,)] * 1_000)

    with pytest.raises(Unavailable, match=r"some\.db: database or disk is full: .*; free some space and try again"):
        fill()
    before = len(numbers(database))
    assert before % 1_000 == 1
    with database.writing() as connection:
        connection.execute("PRAGMA max_page_count = 500")
    add(database, 2)
    assert len(numbers(database)) == before + 1


def test_something_that_is_no_database_is_unavailable(path: Path) -> None:
    path.write_bytes(b"no database at all, only text" * 1_000)
    with pytest.raises(Unavailable, match=r"some\.db: file is not a database: .*restore it from a backup"):
        Database(path, "NORMAL", SCHEMA)


def test_a_damaged_file_is_unavailable(path: Path) -> None:
    with closing(Database(path, "NORMAL", SCHEMA)) as database:
        add(database, 1)
    body = bytearray(path.read_bytes())
    body[sqlite.PAGE_BYTES : 2 * sqlite.PAGE_BYTES] = b"\xff" * sqlite.PAGE_BYTES
    path.write_bytes(body)
    with (
        closing(Database(path, "NORMAL", SCHEMA)) as database,
        pytest.raises(Unavailable, match=r"some\.db: database disk image is malformed: .*restore it from a backup"),
    ):
        numbers(database)


def test_a_folder_that_is_missing_is_unavailable_and_one_that_cannot_be_made_too(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="unable to open database file: check that its folder exists"):
        Database(tmp_path / "missing" / "some.db", "NORMAL", SCHEMA)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match=r"file/folder: the folder cannot be made: .*; choose another home"):
        sqlite.made(tmp_path / "file" / "folder")


def test_a_mistake_of_the_program_is_not_blamed_on_the_file(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table: nowhere"), database.reading() as connection:
        connection.execute("SELECT * FROM nowhere")


def test_a_new_file_is_opened_by_many_threads_at_once(path: Path) -> None:
    def work(number: int) -> None:
        with closing(Database(path, "NORMAL", SCHEMA)) as database:
            add(database, number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(16)))
    with closing(Database(path, "NORMAL", SCHEMA)) as database:
        assert numbers(database) == list(range(16))


def test_a_new_file_that_others_make_at_the_same_moment_is_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race itself happens once in some hundred times, so SQLite's answer in it is played here."""
    refusals = [sqlite3.OperationalError("database is locked")]
    refusals[0].sqlite_errorcode = sqlite3.SQLITE_BUSY

    class Racing(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if "journal_mode" in sql and refusals:
                raise refusals.pop()
            return super().execute(sql, *values)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *place, **more: connect(*place, factory=Racing, **more))
    with closing(Database(path, "NORMAL", SCHEMA)) as database:
        add(database, 1)
        assert numbers(database) == [1]
    assert refusals == []
