"""Where do events lie when there is no Kafka? In one SQLite file per stream, durable when `append` returns."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from foryou.domain.errors import Refused, Unavailable
from foryou.domain.log import PARTITIONS, Appended, Entry, Position, Record, Stream, partition_of
from foryou.domain.ports import Share, TimeSource
from foryou.domain.shares import Alone
from foryou.stores.sqlite import Database, made, marks

# FULL: on the disk before append returns. NORMAL: a killed process loses nothing, a power cut the last half minute.
SYNCHRONOUS = dict.fromkeys(Stream, "FULL") | {Stream.EXPOSURES: "NORMAL"}
ID_BYTES = 12  # of the hash that tells repeats: one clash among 10**10 records has a chance of 10**-9
OFFSET_BITS = 40  # place = partition << 40 | offset, so that the rows of a partition lie together
WIDTH = 6  # columns of `records`
ROWS = 256  # most rows per statement, a power of two

_OFFSETS = (1 << OFFSET_BITS) - 1
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS records (place INTEGER PRIMARY KEY, appended_ms INTEGER NOT NULL, "
    "id BLOB NOT NULL, key TEXT NOT NULL, record_id TEXT NOT NULL, body BLOB NOT NULL)",
    "CREATE UNIQUE INDEX IF NOT EXISTS records_id ON records (id)",
    "CREATE TABLE IF NOT EXISTS log (partitions INTEGER NOT NULL)",
)


class SqliteLog:
    """An EventLog in a folder: one file per stream (events.db, items.db …), so that no stream waits for another.

    Several processes append and read at once. A record whose id its stream holds already is not stored again.
    """

    def __init__(self, folder: Path, clock: TimeSource, partitions: int = PARTITIONS) -> None:
        self._partitions = partitions
        self._files: dict[Stream, _File] = {}
        made(folder)
        try:
            for stream in Stream:
                self._files[stream] = _File(folder / f"{stream}.db", SYNCHRONOUS[stream], clock, partitions)
        except BaseException:
            self.close()
            raise

    def append(self, stream: Stream, records: Sequence[Record]) -> Appended:
        """Store the records in one transaction, together with those of other threads that wait at the same time."""
        return self._files[stream].append(records) if records else Appended(0, 0)

    def partitions(self) -> int:
        """Give the number of partitions of every stream."""
        return self._partitions

    def read(self, stream: Stream, partition: int, after: int, limit: int, fresh: bool = True) -> list[Entry]:  # noqa: ARG002
        """Give up to `limit` records with offsets above `after` (-1: from the start), in order."""
        return self._files[stream].read(partition, after, limit)

    def ends(self, stream: Stream, exact: bool = True) -> Position:  # noqa: ARG002
        """Give the offset of the last record of each partition that has any."""
        return self._files[stream].ends()

    def changed(self, stream: Stream, partitions: Sequence[int] | None = None) -> int:  # noqa: ARG002
        """Give a ticket that differs from the one before if anybody has appended in between, to any partition."""
        return self._files[stream].changed()

    def share(self, group: str) -> Share:  # noqa: ARG002
        """Give all partitions: one process folds a log that lies on one machine, others stand by."""
        return Alone(self._partitions)

    def close(self) -> None:
        """Let go of files and connections."""
        for file in self._files.values():
            file.close()


@dataclass(slots=True)
class _Batch:
    """One call of `append` while it waits. rows: (partition, id, key, record_id, body)."""

    rows: list[tuple[int, bytes, str, str, bytes]]
    repeats: int = 0
    done: bool = False
    error: BaseException | None = None


class _File:
    """One stream."""

    def __init__(self, path: Path, synchronous: str, clock: TimeSource, partitions: int) -> None:
        self._clock = clock
        self._partitions = partitions
        self._ends_sql = "SELECT " + ", ".join(
            f"(SELECT max(place) FROM records WHERE place BETWEEN {number << OFFSET_BITS}"
            f" AND {number << OFFSET_BITS | _OFFSETS})"
            for number in range(partitions)
        )
        self._waiting: list[_Batch] = []
        self._writing = False
        self._turn = threading.Condition()
        self._database = Database(path, synchronous, _SCHEMA)
        try:
            self._agree(path)
        except BaseException:
            self._database.close()
            raise

    def _agree(self, path: Path) -> None:
        with self._database.writing() as connection:
            connection.execute("INSERT INTO log SELECT ? WHERE NOT EXISTS (SELECT 1 FROM log)", (self._partitions,))
            stored: int = connection.execute("SELECT partitions FROM log").fetchone()[0]
        if stored != self._partitions:
            raise Refused(
                f"{path} was created with {stored} partitions and is opened with {self._partitions}: positions would"
                f" lose their meaning; set partitions to {stored}, or import the log into a new home"
            )

    def append(self, records: Sequence[Record]) -> Appended:
        """Queue the records; whoever comes when nobody writes does it for all that wait, with one sync of the disk."""
        batch = _Batch([
            (
                partition_of(record.key, self._partitions),
                blake2b(record.record_id.encode(), digest_size=ID_BYTES).digest(),
                record.key,
                record.record_id,
                record.body,
            )
            for record in records
        ])  # fmt: skip
        group: list[_Batch] = []
        with self._turn:
            self._waiting.append(batch)
            self._turn.wait_for(lambda: batch.done or not self._writing)
            if not batch.done:
                self._writing, group, self._waiting = True, self._waiting, []
        if group:
            self._write(group)
        if batch.error is not None:
            raise Unavailable(str(batch.error)) from batch.error
        return Appended(len(batch.rows) - batch.repeats, batch.repeats)

    def _write(self, group: list[_Batch]) -> None:
        try:
            with self._database.writing() as connection:
                known = _known(connection, [row[1] for batch in group for row in batch.rows])
                _insert(connection, self._placed(connection, group, known))
        except BaseException as error:
            for batch in group:
                batch.error = error
            raise
        finally:
            with self._turn:
                for batch in group:
                    batch.done = True
                self._writing = False
                self._turn.notify_all()

    def _placed(self, connection: sqlite3.Connection, group: list[_Batch], known: set[bytes]) -> list[Any]:
        """Give the values of the rows to insert, one row after the other; counts the repeats of each batch."""
        now_ms = self._clock.now_ms()
        last = [
            (number << OFFSET_BITS) - 1 if place is None else place
            for number, place in enumerate(connection.execute(self._ends_sql).fetchone())
        ]
        values: list[Any] = []
        for batch in group:
            for partition, id_, key, record_id, body in batch.rows:
                if id_ in known:
                    batch.repeats += 1
                    continue
                known.add(id_)
                last[partition] += 1
                values += (last[partition], now_ms, id_, key, record_id, body)
        return values

    def read(self, partition: int, after: int, limit: int) -> list[Entry]:
        start = partition << OFFSET_BITS
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT place, appended_ms, key, record_id, body FROM records"
                " WHERE place > ? AND place <= ? ORDER BY place LIMIT ?",
                (start + after, start | _OFFSETS, limit),
            ).fetchall()
        return [
            Entry(partition, place & _OFFSETS, appended_ms, Record(key, record_id, body))
            for place, appended_ms, key, record_id, body in rows
        ]

    def ends(self) -> Position:
        with self._database.reading() as connection:
            places = connection.execute(self._ends_sql).fetchone()
        return {number: place & _OFFSETS for number, place in enumerate(places) if place is not None}

    def changed(self) -> int:
        # Counts the commits of all other connections, so of all writers: the reader never writes.
        with self._database.reading() as connection:
            version: int = connection.execute("PRAGMA data_version").fetchone()[0]
        return version

    def close(self) -> None:
        self._database.close()


# Many rows per statement instead of executemany: sqlite3 lets go of the interpreter lock at every row, and beside a
# busy thread each row may then wait 5 ms for it, with the file locked. Powers of two keep the statements few, so
# that SQLite prepares each one once.


def _pieces(count: int) -> Iterator[tuple[int, int]]:
    start = 0
    while start < count:
        rows = min(ROWS, 1 << (count - start).bit_length() - 1)
        yield start, start + rows
        start += rows


@cache
def _known_sql(rows: int) -> str:
    return f"SELECT id FROM records WHERE id IN ({marks(rows)})"


@cache
def _insert_sql(rows: int) -> str:
    return f"INSERT INTO records VALUES {','.join([f'({marks(WIDTH)})'] * rows)}"


def _known(connection: sqlite3.Connection, ids: list[bytes]) -> set[bytes]:
    return {
        row[0]
        for start, end in _pieces(len(ids))
        for row in connection.execute(_known_sql(end - start), ids[start:end])
    }


def _insert(connection: sqlite3.Connection, values: list[Any]) -> None:
    for start, end in _pieces(len(values) // WIDTH):
        connection.execute(_insert_sql(end - start), values[start * WIDTH : end * WIDTH])
