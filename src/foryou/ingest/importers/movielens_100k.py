"""What stands where in MovieLens 100K? u.item, u.user and u.data, latin-1, as GroupLens published them in 1998."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from msgspec import UNSET

from foryou.domain.errors import Invalid
from foryou.domain.item import ItemChange
from foryou.domain.ports import TimeSource
from foryou.domain.records import UserChange
from foryou.ingest.importers.layout import Line
from foryou.ingest.importers.ratings import COLUMNS, ratings
from foryou.ingest.importers.table import BadLine, Row, Table, checked_id, checked_text, number, once, rows

FILES = ("u.item", "u.user", "u.data")
OLDEST = 120  # years
GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
_ITEM = ("item_id", "title", "release_date", "video_release_date", "url", *GENRES)
_USER = ("user_id", "age", "gender", "occupation", "zip_code")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class MovieLens100K:
    """The folder of MovieLens 100K; the clock says what lies in the future."""

    folder: Path
    clock: TimeSource

    @property
    def name(self) -> str:
        """Give the name of the layout."""
        return "ml-100k"

    def read(self) -> Iterator[Line]:
        """Give lazily and in file order all items, then all users, then all events."""
        yield from self._items()
        yield from self._users()
        table = Table(self.folder / "u.data", COLUMNS, _tabs, "latin-1", has_header=False)
        yield from ratings(table, self.name, self.clock.now_ms())

    def _items(self) -> Iterator[ItemChange | BadLine]:
        seen: dict[str, int] = {}

        def item(row: Row, line: int) -> ItemChange:
            item_id, title = checked_id("item_id", row[0]), checked_text("title", row[1])
            genres = tuple(genre for genre, flag in zip(GENRES, row[5:], strict=True) if _flag(genre, flag))
            once(seen, "item_id", item_id, line)
            return ItemChange(
                item_id=item_id, op="put", title=title, text=title,
                published_ms=date(row[2]) if row[2] else UNSET,
                categories=tuple(genre for genre in genres if genre != "unknown"),
            )  # fmt: skip

        return rows(Table(self.folder / "u.item", _ITEM, _pipes, "latin-1", has_header=False), item)

    def _users(self) -> Iterator[UserChange | BadLine]:
        seen: dict[str, int] = {}

        def user(row: Row, line: int) -> UserChange:
            user_id, age = checked_id("user_id", row[0]), number("age", row[1])
            if not 0 <= age <= OLDEST:
                raise Invalid("age", f"is outside 0..{OLDEST}", "write the age in years")
            gender, occupation, zip_code = map(checked_text, _USER[2:], row[2:])
            once(seen, "user_id", user_id, line)
            return UserChange(
                user_id=user_id, op="put", age=int(age), gender=gender, location=zip_code,
                attributes={"occupation": occupation},
            )  # fmt: skip

        return rows(Table(self.folder / "u.user", _USER, _pipes, "latin-1", has_header=False), user)


def date(text: str) -> int:
    """Give a date like 01-Jan-1995 as ms since 1970 UTC, whatever the locale. Raises Invalid."""
    try:
        day, month, year = text.split("-")
        at = datetime(int(year), _MONTHS.index(month) + 1, int(day), tzinfo=UTC)
    except ValueError as error:
        raise Invalid("release_date", "is not a date", "write it like 01-Jan-1995, or leave it empty") from error
    return published(at)


def published(at: datetime) -> int:
    """Give the time in ms since 1970 UTC, never 0: there that means unknown."""
    return int(at.timestamp()) * 1000 or 1


def _flag(genre: str, text: str) -> bool:
    if text not in ("0", "1"):
        raise Invalid(genre, "is neither 0 nor 1", "write 1 if the item has the genre, else 0")
    return text == "1"


def _tabs(text: str) -> Row:
    return text.split("\t")


def _pipes(text: str) -> Row:
    return text.split("|")
