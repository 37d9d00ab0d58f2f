"""How is a SQLite file opened, shared between threads and processes, and what do its errors mean?"""

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from foryou.domain.errors import Unavailable

BUSY_MS = 5_000  # how long a writer waits for the transaction of another process
PAGE_BYTES = 8_192  # a user with a full history fits into one page
CACHE_BYTES = 16_777_216  # pages kept in memory per connection
WAL_BYTES = 67_108_864  # the write-ahead log is cut back to this after a checkpoint
MAX_VALUES = 500  # ids in one IN (...); SQLite's own limit is far above
MEMORY = ":memory:"

# Primary result code -> what to do about it.
_MENDS = {
    sqlite3.SQLITE_BUSY: "another process kept it locked for more than {busy_ms} ms; try again",
    sqlite3.SQLITE_FULL: "the disk is full; free some space and try again",
    sqlite3.SQLITE_IOERR: "the disk refused; look into the system's log",
    sqlite3.SQLITE_READONLY: "the file may only be read; give this user the right to write it",
    sqlite3.SQLITE_CANTOPEN: "check that its folder exists and that this user may write there",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; stop foryou and restore it from a backup",
    sqlite3.SQLITE_NOTADB: "this is not a SQLite file; stop foryou and restore it from a backup",
}


class Database:
    """One SQLite file in WAL mode: a writing and a reading connection, each behind a lock of its own.

    Not a connection per thread: SQLite admits one writer per file anyway, so more connections would only wait
    for each other inside SQLite's sleeping busy handler, and threads that end would leave theirs open. Reads never
    wait for writes: they have the second connection. `:memory:` has a single connection for both.
    Every process opens its own; a connection must not be carried through a fork.
    """

    def __init__(
        self, path: Path | str, synchronous: str, schema: Sequence[str], added: Mapping[str, Mapping[str, str]] = {}
    ) -> None:
        """Open the file. `added`: table -> column -> type of columns that files of earlier releases lack."""
        self._path = str(path)
        self._synchronous = synchronous
        self._write_lock = self._read_lock = threading.Lock()
        with self._translated():
            self._writer = self._reader = _connected(self._path, synchronous)
            try:
                _create(self._writer, schema, added)
                if self._path != MEMORY:
                    self._read_lock = threading.Lock()
                    self._reader = _connected(self._path, synchronous)
            except BaseException:
                self._writer.close()
                raise

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the writer inside a transaction that commits at the end, or leaves nothing after an exception."""
        with self._write_lock, self._translated(), _transaction(self._writer, "IMMEDIATE"):
            yield self._writer

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the reader; each statement sees one committed state."""
        with self._read_lock, self._translated():
            yield self._reader

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Give a connection in which all statements see the same committed state; for long reads.

        It is opened for the purpose (0.2 ms), so that nobody waits for it; `:memory:` has only the one.
        """
        if self._path == MEMORY:
            with self.reading() as reader, _transaction(reader, "DEFERRED"):
                yield reader
            return
        with (
            self._translated(),
            closing(_connected(self._path, self._synchronous)) as reader,
            _transaction(reader, "DEFERRED"),
        ):
            yield reader

    def close(self) -> None:
        """Close both connections, after those who use them now."""
        with self._read_lock:
            self._reader.close()
        with self._write_lock:
            self._writer.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            mend = _MENDS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
            if mend is None:
                raise  # a mistake of ours, not the file's state
            raise Unavailable(f"{self._path}: {error}: {mend.format(busy_ms=BUSY_MS)}") from error


def made(folder: Path) -> Path:
    """Give the folder, created where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"{folder}: the folder cannot be made: {error}; choose another home or its rights") from error
    return folder


def marks(count: int) -> str:
    """Give the place holders of that many values: `?,?,?`."""
    return ",".join("?" * count)


def _connected(path: str, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        _to_wal(connection)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA cache_size = {-CACHE_BYTES // 1024}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    except BaseException:
        connection.close()
        raise
    return connection


def _to_wal(connection: sqlite3.Connection) -> None:
    """Turn WAL mode on. Of several processes that open a new file at once all but one are told BUSY without a wait."""
    deadline = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def _create(connection: sqlite3.Connection, schema: Sequence[str], added: Mapping[str, Mapping[str, str]]) -> None:
    with _transaction(connection, "IMMEDIATE"):
        for statement in schema:
            connection.execute(statement)
        for table, columns in added.items():
            known = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            for name in columns.keys() - known:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {columns[name]}")


@contextmanager
def _transaction(connection: sqlite3.Connection, mode: str) -> Iterator[None]:
    connection.execute(f"BEGIN {mode}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
