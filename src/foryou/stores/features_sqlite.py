"""Where do user records lie when there is no Redis? In one SQLite file, with the position that they reflect."""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foryou.domain.errors import Conflict, Invalid, Refused, StalePosition, Unavailable
from foryou.domain.log import Stream
from foryou.domain.ports import TimeSource
from foryou.domain.records import (
    FOLD_VERSION,
    KEPT_DAYS,
    KEPT_HOURS,
    TALLIES,
    Change,
    Firsts,
    Tallies,
    Trending,
    UserRecord,
    pack,
    unpack,
)
from foryou.stores.sqlite import MAX_VALUES, MEMORY, Database, made, marks
from foryou.stores.turns import tried

KEPT_FOLDS = 10_000  # commits that `folded_ms` remembers
DROPPED_ROWS = 1_000  # rows of an old generation deleted per transaction

_SCHEMA = (
    # live: the one that is read. The lease stands here: a writer of one generation is none of the next.
    "CREATE TABLE IF NOT EXISTS generations (generation INTEGER PRIMARY KEY, fold_version INTEGER NOT NULL, "
    "live INTEGER NOT NULL, holder TEXT NOT NULL, token INTEGER NOT NULL, expires_ms INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS users (generation INTEGER NOT NULL, user_id TEXT NOT NULL, core BLOB NOT NULL, "
    "history BLOB NOT NULL, seen BLOB NOT NULL, offset INTEGER NOT NULL, shown BLOB NOT NULL)",
    "CREATE UNIQUE INDEX IF NOT EXISTS users_id ON users (generation, user_id)",
    "CREATE TABLE IF NOT EXISTS counts (generation INTEGER NOT NULL, hour INTEGER NOT NULL, item INTEGER NOT NULL, "
    "count INTEGER NOT NULL, PRIMARY KEY (generation, hour, item)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS firsts (generation INTEGER NOT NULL, day INTEGER NOT NULL, item INTEGER NOT NULL, "
    "count INTEGER NOT NULL, PRIMARY KEY (generation, day, item)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS tallies (generation INTEGER NOT NULL, kind TEXT NOT NULL, day INTEGER NOT NULL, "
    "item INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (generation, kind, day, item)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS positions (generation INTEGER NOT NULL, partition INTEGER NOT NULL, "
    "stream TEXT NOT NULL, offset INTEGER NOT NULL, PRIMARY KEY (generation, partition, stream)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS folds (fold INTEGER PRIMARY KEY, partition INTEGER NOT NULL, after INTEGER NOT NULL, "
    "through INTEGER NOT NULL, at_ms INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS folds_through ON folds (partition, through)",
    f"INSERT INTO generations SELECT 1, {FOLD_VERSION}, 1, '', 0, 0 WHERE NOT EXISTS (SELECT 1 FROM generations)",
)
_COUNT_DTYPE = np.dtype([("bucket", "<i4"), ("item", "<i8"), ("count", "<i8")])
_GENERATION = "(SELECT coalesce(?, (SELECT generation FROM generations WHERE live)))"


class SqliteFeatures:
    """A FeatureStore in one SQLite file; readers in any number of processes, one writer at a time by lease.

    The records and the position go into one transaction, so losing the newest commits in a power cut costs nothing:
    the position is lost with them and the log is read again from there (hence synchronous = NORMAL).
    `generation`: only what `begin_generation` gives has one; None reads and writes whichever is live.
    `path` may be ":memory:", which is one connection and cannot be rebuilt.
    """

    def __init__(self, path: Path | str, clock: TimeSource, generation: int | None = None) -> None:
        self._path = str(path)
        self._clock = clock
        self._generation = generation
        if self._path != MEMORY:
            made(Path(path).parent)
        self._database = Database(path, "NORMAL", _SCHEMA, {"users": {"shown": "BLOB NOT NULL DEFAULT x''"}})

    def read(self, users: Sequence[str]) -> list[UserRecord | None]:
        """Give the record of each user in one statement (per 500 of them); None = never seen."""
        rows: list[tuple[str, bytes, bytes, bytes, int, bytes]] = []
        with self._database.reading() as connection:
            for start in range(0, len(users), MAX_VALUES):
                some = users[start : start + MAX_VALUES]
                rows += connection.execute(
                    "SELECT user_id, core, history, seen, offset, shown FROM users"
                    f" WHERE generation = {_GENERATION} AND user_id IN ({marks(len(some))})",
                    (self._generation, *some),
                ).fetchall()
        found = {row[0]: unpack(*row[1:]) for row in rows}
        return [found.get(user) for user in users]

    def write(self, change: Change, token: int) -> None:
        """Write all of the change or nothing. StalePosition if `after` is not what is stored, or the lease is lost.

        Counters are cut at KEPT_HOURS before the newest hour of all, so what is left does not depend on how the
        events were cut into changes. Refused if the stored records were folded by other rules.
        """
        users = [_row(user, record) for user, record in change.records.items()]
        counts = [(hour, _signed(item), count) for (hour, item), count in change.counts.items()]
        firsts = [(day, _signed(item), count) for (day, item), count in change.firsts.items()]
        with self._database.writing() as connection:
            generation = self._fenced(connection, token)
            _compare(connection, generation, change)
            _put(connection, generation, change, users)
            _add(connection, "counts", "hour", KEPT_HOURS, generation, counts)
            _add(connection, "firsts", "day", KEPT_DAYS, generation, firsts)
            _tally(connection, generation, change.tallies)
            if Stream.EVENTS in change.through and self._generation is None:
                _remember(connection, change, self._clock.now_ms())

    def write_all(self, changes: Sequence[Change], token: int) -> list[Unavailable | None]:
        """Write changes of different partitions, each as `write` does; gives why some could not be reached.

        What `write` refuses is raised when all have been tried.
        """
        return tried(changes, lambda _, change: self.write(change, token))

    def position(self, partition: int) -> dict[str, int]:
        """Give stream -> offset that the records of a partition reflect; {} = nothing yet."""
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT stream, offset FROM positions WHERE generation = {_GENERATION} AND partition = ?",
                (self._generation, partition),
            ).fetchall()
        return dict(rows)

    def trending(self) -> Trending:
        """Give the counters of the last KEPT_HOURS, with the position of `events` that they were counted through."""
        with self._database.snapshot() as connection:
            cursor = connection.execute(
                f"SELECT hour, item, count FROM counts WHERE generation = {_GENERATION}", (self._generation,)
            )
            rows = np.fromiter(cursor, _COUNT_DTYPE)
            cursor = connection.execute(
                f"SELECT day, item, count FROM firsts WHERE generation = {_GENERATION}", (self._generation,)
            )
            firsts = np.fromiter(cursor, _COUNT_DTYPE)
            position = connection.execute(
                f"SELECT partition, offset FROM positions WHERE generation = {_GENERATION} AND stream = ?",
                (self._generation, Stream.EVENTS),
            ).fetchall()
        return Trending(*_counters(rows), dict(position), Firsts(*_counters(firsts)))

    def tallies(self) -> Tallies:
        """Give what came of showing items, with the positions that it reflects."""
        found: dict[str, Firsts] = {}
        with self._database.snapshot() as connection:
            for kind in TALLIES:
                cursor = connection.execute(
                    f"SELECT day, item, count FROM tallies WHERE generation = {_GENERATION} AND kind = ?",
                    (self._generation, kind),
                )
                if len(rows := np.fromiter(cursor, _COUNT_DTYPE)):
                    found[kind] = Firsts(*_counters(rows))
            stands = connection.execute(
                f"SELECT stream, partition, offset FROM positions WHERE generation = {_GENERATION}", (self._generation,)
            ).fetchall()
        events, exposures = (
            {partition: offset for stream, partition, offset in stands if stream == wanted}
            for wanted in (Stream.EVENTS, Stream.EXPOSURES)
        )
        return Tallies(found, events, exposures)

    def folded_ms(self, partition: int, offset: int) -> int | None:
        """Give when this record of `events` became visible, on the store's clock (as `Entry.appended_ms`).

        None = not yet, or longer ago than KEPT_FOLDS commits.
        """
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT after, at_ms FROM folds WHERE partition = ? AND through >= ? ORDER BY through LIMIT 1",
                (partition, offset),
            ).fetchone()
        return row[1] if row is not None and row[0] < offset else None

    def lease(self, holder: str, ttl_ms: int) -> int:
        """Take or keep the right to write for `ttl_ms` of wall time; gives its token. Conflict if another has it.

        A holder that asks again keeps its token, so the name must be of one process only (its id and start time).
        The time only says when another may take over; that no two write is the token's work.
        """
        now_ms = time.time_ns() // 1_000_000
        with self._database.writing() as connection:
            generation, _, current, token, expires_ms = self._lease(connection)
            if current != holder:
                if current and expires_ms > now_ms:
                    raise Conflict(
                        f"the feature store {self._path} is being written by {current}, whose lease ends in"
                        f" {(expires_ms - now_ms) / 1000:.1f} s; stop that worker or wait"
                    )
                token = connection.execute("SELECT max(token) + 1 FROM generations").fetchone()[0]
            connection.execute(
                "UPDATE generations SET holder = ?, token = ?, expires_ms = ? WHERE generation = ?",
                (holder, token, now_ms + ttl_ms, generation),
            )
        return token

    def release_lease(self, token: int) -> None:
        """Give the right back; nothing happens if it was lost before."""
        with self._database.writing() as connection:
            connection.execute("UPDATE generations SET holder = '' WHERE token = ?", (token,))

    def begin_generation(self) -> "SqliteFeatures":
        """Give a store on the same file that fills a new, empty generation; readers see the live one meanwhile.

        It takes a lease of its own, beside the worker of the live one. What an interrupted rebuild left is deleted.
        """
        if self._path == MEMORY:
            raise Invalid("path", f"a store in {MEMORY} cannot be rebuilt beside itself", "open one on a file")
        self._drop_old()
        with self._database.writing() as connection:
            generation: int = connection.execute("SELECT max(generation) + 1 FROM generations").fetchone()[0]
            connection.execute("INSERT INTO generations VALUES (?, ?, 0, '', 0, 0)", (generation, FOLD_VERSION))
        return SqliteFeatures(self._path, self._clock, generation)

    def switch_generation(self) -> None:
        """Make this generation the live one and delete the others; every reader sees it with its next read.

        Conflict as long as it reflects less of the log than the live one. The token of the worker that wrote the
        live one is worth nothing from here on: it gets StalePosition and starts from the new position.
        """
        if self._generation is None:
            raise Invalid("generation", "this store has none of its own to switch to", "call begin_generation first")
        with self._database.writing() as connection:
            behind = connection.execute(_BEHIND, (self._generation,)).fetchone()
            if behind is not None:
                partition, stream, live, mine = behind
                raise Conflict(
                    f"generation {self._generation} stands at {mine} in partition {partition} of {stream}, the live"
                    f" one at {live}; fold on and switch then"
                )
            connection.execute("UPDATE generations SET live = (generation = ?)", (self._generation,))
        self._drop_old()

    def name(self) -> str:
        """Give nothing: it has one home."""
        return ""

    def close(self) -> None:
        """Let go of files and connections."""
        self._database.close()

    def _lease(self, connection: sqlite3.Connection) -> tuple[int, int, str, int, int]:
        row: tuple[int, int, str, int, int] = connection.execute(
            "SELECT generation, fold_version, holder, token, expires_ms FROM generations"
            f" WHERE generation = {_GENERATION}",
            (self._generation,),
        ).fetchone()
        return row

    def _fenced(self, connection: sqlite3.Connection, token: int) -> int:
        """Give the generation to write, if the token still is the right to do so."""
        generation, fold_version, holder, current, _ = self._lease(connection)
        if not holder or token != current:
            raise StalePosition(
                f"the lease with token {token} is lost, {holder or 'nobody'} has token {current}; take the lease again"
                " and fold from the stored position"
            )
        if fold_version != FOLD_VERSION:
            raise Refused(
                f"the records in {self._path} were folded by version {fold_version}, this program folds by"
                f" {FOLD_VERSION}; run `foryou refold`"
            )
        return generation

    def _drop_old(self) -> None:
        """Delete the rows of all generations but the live one, in small transactions. Their numbers stay taken.

        Positions go first: a rebuild that still runs is refused from then on.
        """
        old = "generation <> (SELECT generation FROM generations WHERE live)"
        with self._database.writing() as connection:
            connection.execute(f"DELETE FROM positions WHERE {old}")
            connection.execute(f"DELETE FROM counts WHERE {old}")
            connection.execute(f"DELETE FROM firsts WHERE {old}")
            connection.execute(f"DELETE FROM tallies WHERE {old}")
        some = f"DELETE FROM users WHERE rowid IN (SELECT rowid FROM users WHERE {old} LIMIT {DROPPED_ROWS})"
        deleted = DROPPED_ROWS
        while deleted == DROPPED_ROWS:
            with self._database.writing() as connection:
                deleted = connection.execute(some).rowcount


_BEHIND = """
SELECT live.partition, live.stream, live.offset, coalesce(mine.offset, -1) FROM positions AS live
LEFT JOIN positions AS mine ON mine.generation = ? AND mine.partition = live.partition AND mine.stream = live.stream
WHERE live.generation = (SELECT generation FROM generations WHERE live) AND coalesce(mine.offset, -1) < live.offset
"""


def _compare(connection: sqlite3.Connection, generation: int, change: Change) -> None:
    """Refuse the change unless it starts at the stored position, in every stream that it moves."""
    stored = dict(
        connection.execute(
            "SELECT stream, offset FROM positions WHERE generation = ? AND partition = ?",
            (generation, change.partition),
        )
    )
    for stream in change.after | change.through:
        after, stands = change.after.get(stream, -1), stored.get(stream, -1)
        if after != stands:
            raise StalePosition(
                f"partition {change.partition} of {stream} stands at {stands}, not at {after}: somebody wrote"
                " first; read the position and fold from there"
            )


def _put(
    connection: sqlite3.Connection,
    generation: int,
    change: Change,
    users: list[tuple[str, bytes, bytes, bytes, int, bytes]],
) -> None:
    connection.executemany(
        f"INSERT INTO users VALUES ({generation}, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET core = excluded.core,"
        " history = excluded.history, seen = excluded.seen, offset = excluded.offset, shown = excluded.shown",
        users,
    )
    connection.executemany(
        f"INSERT INTO positions VALUES ({generation}, {change.partition}, ?, ?)"
        " ON CONFLICT DO UPDATE SET offset = excluded.offset",
        list(change.through.items()),
    )


def _add(
    connection: sqlite3.Connection, table: str, bucket: str, kept: int, generation: int,
    counts: list[tuple[int, int, int]],
) -> None:  # fmt: skip
    """Add increments to the counters of a table, and cut what is more than `kept` before the newest bucket."""
    if not counts:
        return
    connection.executemany(
        f"INSERT INTO {table} VALUES ({generation}, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
        counts,
    )
    connection.execute(
        f"DELETE FROM {table} WHERE generation = ?1"
        f" AND {bucket} < (SELECT max({bucket}) FROM {table} WHERE generation = ?1) - ?2",
        (generation, kept),
    )


def _tally(connection: sqlite3.Connection, generation: int, tallies: dict[str, dict[tuple[int, int], int]]) -> None:
    """Add increments to the tallies, and cut of each kind what is too old against its newest day."""
    for kind, counts in tallies.items():
        if not counts:
            continue
        connection.executemany(
            f"INSERT INTO tallies VALUES ({generation}, '{kind}', ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET count = count + excluded.count",
            [(day, _signed(item), count) for (day, item), count in counts.items()],
        )
        connection.execute(
            "DELETE FROM tallies WHERE generation = ?1 AND kind = ?2"
            " AND day < (SELECT max(day) FROM tallies WHERE generation = ?1 AND kind = ?2) - ?3",
            (generation, kind, TALLIES[kind]),
        )


def _counters(rows: NDArray[np.void]) -> tuple[NDArray[np.int32], NDArray[np.uint64], NDArray[np.int64]]:
    """Give bucket, item hash and count of rows."""
    return rows["bucket"].copy(), np.ascontiguousarray(rows["item"]).view(np.uint64), rows["count"].copy()


def _remember(connection: sqlite3.Connection, change: Change, at_ms: int) -> None:
    connection.execute(
        "INSERT INTO folds (partition, after, through, at_ms) VALUES (?, ?, ?, ?)",
        (change.partition, change.after.get(Stream.EVENTS, -1), change.through[Stream.EVENTS], at_ms),
    )
    connection.execute("DELETE FROM folds WHERE fold <= (SELECT max(fold) FROM folds) - ?", (KEPT_FOLDS,))


def _row(user: str, record: UserRecord) -> tuple[str, bytes, bytes, bytes, int, bytes]:
    core, history, seen, shown = pack(record)
    return user, core, history, seen, record.offset, shown


def _signed(item: int) -> int:
    """Give the hash as SQLite holds it: 64 bits with a sign."""
    return item - (1 << 64) if item >> 63 else item
