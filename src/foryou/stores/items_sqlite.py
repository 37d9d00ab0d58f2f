"""Where do the documents of the items lie? In one SQLite file, numbered in the order of their arrival."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from foryou.domain.errors import StalePosition
from foryou.domain.item import Item
from foryou.domain.log import Position
from foryou.domain.ports import TimeSource
from foryou.stores.sqlite import MAX_VALUES, Database, made, marks

SCANNED_ROWS = 1_000  # documents fetched at once by `scan`
DELETED = "deleted"

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS items (number INTEGER PRIMARY KEY, item_id TEXT NOT NULL UNIQUE, "
    "document BLOB NOT NULL, deleted INTEGER NOT NULL, changed_ms INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS positions (partition INTEGER PRIMARY KEY, offset INTEGER NOT NULL)",
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Item)


class SqliteItems:
    """An ItemStore in one SQLite file. An item keeps its number for ever, also through a deletion.

    synchronous = FULL: after a power cut the log would be read again, but a number that a catalog has taken up
    must not go to another item then.
    """

    def __init__(self, path: Path, clock: TimeSource) -> None:
        self._path = path
        self._clock = clock
        made(path.parent)
        self._database = Database(path, "FULL", _SCHEMA)

    def read(self, item_ids: Sequence[str]) -> list[Item | None]:
        """Give the document of each item; None = unknown or deleted."""
        found: dict[str, Item] = {}
        with self._database.reading() as connection:
            for start in range(0, len(item_ids), MAX_VALUES):
                some = item_ids[start : start + MAX_VALUES]
                rows = connection.execute(
                    f"SELECT item_id, document FROM items WHERE NOT deleted AND item_id IN ({marks(len(some))})", some
                )
                found.update((item_id, _decoder.decode(document)) for item_id, document in rows)
        return [found.get(item_id) for item_id in item_ids]

    def write(self, items: Mapping[str, Item | None], partition: int, after: int, through: int) -> None:
        """Write all documents (None deletes) and the position, or nothing. StalePosition if `after` is not stored."""
        now_ms = self._clock.now_ms()
        put = [(item_id, _encoder.encode(item), now_ms) for item_id, item in items.items() if item is not None]
        deleted = [(now_ms, item_id) for item_id, item in items.items() if item is None]
        with self._database.writing() as connection:
            row = connection.execute("SELECT offset FROM positions WHERE partition = ?", (partition,)).fetchone()
            stands = -1 if row is None else row[0]
            if stands != after:
                raise StalePosition(
                    f"partition {partition} of items stands at {stands}, not at {after}: somebody wrote first; read"
                    " the position and go on from there"
                )
            connection.executemany(
                "INSERT INTO items (item_id, document, deleted, changed_ms) VALUES (?, ?, 0, ?) ON CONFLICT (item_id)"
                " DO UPDATE SET document = excluded.document, deleted = 0, changed_ms = excluded.changed_ms",
                put,
            )
            connection.executemany("UPDATE items SET deleted = 1, changed_ms = ? WHERE item_id = ?", deleted)
            connection.execute(
                "INSERT INTO positions VALUES (?, ?) ON CONFLICT DO UPDATE SET offset = excluded.offset",
                (partition, through),
            )

    def position(self) -> Position:
        """Give the offsets of `items` that the documents reflect."""
        with self._database.reading() as connection:
            return dict(connection.execute("SELECT partition, offset FROM positions").fetchall())

    def scan(self) -> Iterator[Item]:
        """Give every document ever stored in the order of arrival; a deleted one as status `deleted`.

        Fetched piece by piece, so what is written meanwhile may be in it: read the position before, and let the
        changes since then be applied again.
        """
        number = 0
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(
                    "SELECT number, document, deleted FROM items WHERE number > ? ORDER BY number LIMIT ?",
                    (number, SCANNED_ROWS),
                ).fetchall()
            if not rows:
                return
            for _, document, deleted in rows:
                item = _decoder.decode(document)
                yield msgspec.structs.replace(item, status=DELETED) if deleted else item
            number = rows[-1][0]

    def close(self) -> None:
        """Let go of files and connections."""
        self._database.close()
