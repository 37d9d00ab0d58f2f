"""How does a row of user, item, rating and timestamp become an event?"""

from collections.abc import Iterator

from foryou.domain.clock import DAY_MS
from foryou.domain.errors import Invalid
from foryou.domain.event import Action, Event
from foryou.ingest.codec import content_id
from foryou.ingest.importers.table import LINE, BadLine, Row, Table, checked_id, number, once, rows

COLUMNS = ("user_id", "item_id", "rating", "timestamp")
LOWEST, HIGHEST = 0.5, 5.0
EARLIEST_MS = 631_152_000_000  # 1990-01-01: older than any log of actions
UNIT = "stars"


def ratings(table: Table, layout: str, now_ms: int) -> Iterator[Event | BadLine]:
    """Give the events of a table with COLUMNS, lazily and in file order.

    The event's id is a hash of layout, user, item, rating and timestamp, so a line that says the same as an
    earlier one is a bad line. Half a star counts as the 1 that the scale of events (1..5) begins with.
    `received_ms` is `at_ms`: an import is history.
    """
    seen: dict[str, int] = {}
    ids: dict[str, str] = {}  # checked once, and one string per id, not one per line

    def checked(field: str, text: str) -> str:
        found = ids.get(text)
        if found is None:
            found = ids[text] = checked_id(field, text)
        return found

    def event(row: Row, line: int) -> Event:
        user_id, item_id = checked("user_id", row[0]), checked("item_id", row[1])
        stars, at_ms = _stars(row[2]), at(row[3], now_ms)
        event_id = content_id(layout, user_id, item_id, str(stars), str(at_ms))
        once(seen, LINE, event_id, line)
        return Event(
            event_id=event_id, user_id=user_id, action=Action.RATING, at_ms=at_ms, item_id=item_id, received_ms=at_ms,
            value=max(stars, 1.0), unit=UNIT,
        )  # fmt: skip

    return rows(table, event)


def at(timestamp: str, now_ms: int) -> int:
    """Give a timestamp (s since 1970 UTC) in ms. Raises Invalid if it is before 1990 or over a day in the future."""
    at_ms = round(number("timestamp", timestamp) * 1000)
    if at_ms < EARLIEST_MS:
        raise Invalid("timestamp", "lies before 1990", "write seconds since 1970 UTC")
    if at_ms > now_ms + DAY_MS:
        raise Invalid("timestamp", "lies more than a day in the future", "write seconds, not ms, since 1970 UTC")
    return at_ms


def _stars(text: str) -> float:
    stars = number("rating", text)
    if not LOWEST <= stars <= HIGHEST:
        raise Invalid("rating", f"is outside {LOWEST:g}..{HIGHEST:g}", "write a number of stars in that range")
    return stars
