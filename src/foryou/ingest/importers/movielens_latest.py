"""What stands where in MovieLens latest (and latest-small, 20M, 25M, 32M)? movies.csv, tags.csv and ratings.csv."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from msgspec import UNSET

from foryou.domain.item import ItemChange
from foryou.domain.ports import TimeSource
from foryou.ingest.importers.layout import Line
from foryou.ingest.importers.movielens_100k import published
from foryou.ingest.importers.ratings import COLUMNS, at, ratings
from foryou.ingest.importers.table import BadLine, Row, Table, checked_id, checked_text, once, rows, split_csv

HEADERS = {
    "movies.csv": ["movieId", "title", "genres"],
    "ratings.csv": ["userId", "movieId", "rating", "timestamp"],
}
OPTIONAL_HEADERS = {"tags.csv": ["userId", "movieId", "tag", "timestamp"]}
NO_GENRES = "(no genres listed)"
MAX_TAGS = 64  # per item, the most used ones
_ITEM = ("item_id", "title", "genres")
_TAG = ("user_id", "item_id", "tag", "timestamp")
_YEAR = re.compile(r"\((1[89]\d\d|20\d\d)(?:[-–](?:\d{4})?)?\)", re.ASCII)


@dataclass(slots=True)
class _Tags:
    """The tags of one item, how often each was given, and the line of the first."""

    line: int
    count: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class MovieLensLatest:
    """The folder of a MovieLens data set as CSV; the clock says what lies in the future. links.csv is not read."""

    folder: Path
    clock: TimeSource

    @property
    def name(self) -> str:
        """Give the name of the layout."""
        return "ml-latest"

    def read(self) -> Iterator[Line]:
        """Give lazily and in file order all items (with their tags), then all events; there are no profiles."""
        tags: dict[str, _Tags] = {}
        if (self.folder / "tags.csv").is_file():
            yield from self._read_tags(tags)
        yield from self._items(tags)
        table = Table(self.folder / "ratings.csv", COLUMNS, split_csv, "utf-8", has_header=True)
        yield from ratings(table, self.name, self.clock.now_ms())

    def _read_tags(self, tags: dict[str, _Tags]) -> Iterator[BadLine]:
        """Fill `tags` by item, lower-case; give the bad lines."""
        now_ms = self.clock.now_ms()

        def note(row: Row, line: int) -> None:
            checked_id("user_id", row[0])
            item_id, tag = checked_id("item_id", row[1]), " ".join(checked_text("tag", row[2]).lower().split())
            at(row[3], now_ms)
            if tag:
                tags.setdefault(item_id, _Tags(line)).count[tag] += 1

        for found in rows(Table(self.folder / "tags.csv", _TAG, split_csv, "utf-8", has_header=True), note):
            if found is not None:
                yield found

    def _items(self, tags: dict[str, _Tags]) -> Iterator[ItemChange | BadLine]:
        seen: dict[str, int] = {}

        def item(row: Row, line: int) -> ItemChange:
            item_id, title = checked_id("item_id", row[0]), checked_text("title", row[1])
            genres = [genre for genre in checked_text("genres", row[2]).split("|") if genre and genre != NO_GENRES]
            once(seen, "item_id", item_id, line)
            year = year_of(title)
            found = [tag for tag, _ in tags[item_id].count.most_common(MAX_TAGS)] if item_id in tags else []
            return ItemChange(
                item_id=item_id, op="put", title=title, text=", ".join([title, *found]),
                categories=tuple(dict.fromkeys(genres)),
                tags=tuple(found) if found else UNSET,
                published_ms=published(datetime(year, 1, 1, tzinfo=UTC)) if year else UNSET,
            )  # fmt: skip

        yield from rows(Table(self.folder / "movies.csv", _ITEM, split_csv, "utf-8", has_header=True), item)
        for item_id, tagged in tags.items():
            if item_id not in seen:
                mend = "add the row, or delete its tags"
                yield BadLine("tags.csv", tagged.line, "item_id", item_id, "has no row in movies.csv", mend)


def year_of(title: str) -> int:
    """Give the year of `Toy Story (1995)` or the first of `Fawlty Towers (1975-1979)`; 0 = it says none."""
    years = _YEAR.findall(title)
    return int(years[-1]) if years else 0
