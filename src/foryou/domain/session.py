"""What is going on right now? The search, the category, the device and the hour of a query, else of its session."""

from foryou.domain.clock import HOUR_MS
from foryou.domain.event import LATE_MS
from foryou.domain.records import Core
from foryou.domain.slate import Query, QueryBatch

SESSION_MS = 30 * 60_000  # what was said longer ago belongs to an earlier session
DAYPARTS = ("night", "morning", "afternoon", "evening")  # six hours each, from midnight UTC


def searches(batch: QueryBatch) -> list[str]:
    """Give what each query searches for: its own words, else the newest search of the session; "" = nothing."""
    return [search_of(query, core) for query, core in zip(batch.query, batch.core, strict=True)]


def categories(batch: QueryBatch) -> list[str]:
    """Give the category that each query looks at: its own, else that of the session's newest page; "" = none."""
    return [category_of(query, core) for query, core in zip(batch.query, batch.core, strict=True)]


def search_of(query: Query, core: Core) -> str:
    """Give what one query searches for."""
    return query.search or (core.query if _recent(query.now_ms, core.query_ms) else "")


def category_of(query: Query, core: Core) -> str:
    """Give the category that one query looks at."""
    return query.category or (core.category if _recent(query.now_ms, core.category_ms) else "")


def devices(batch: QueryBatch) -> list[str]:
    """Give the device of each query: its own, else the one that was used last; "" = unknown."""
    return [query.device or core.device for query, core in zip(batch.query, batch.core, strict=True)]


def locations(batch: QueryBatch) -> list[str]:
    """Give where each user is: as the query says, else as in the profile; "" = unknown."""
    return [query.location or core.location for query, core in zip(batch.query, batch.core, strict=True)]


def daypart(at_ms: int) -> int:
    """Give the part of the day of a moment: 0..3, as in DAYPARTS."""
    return at_ms // HOUR_MS % 24 // 6


def age_group(age: int) -> str:
    """Give the decade of an age, "" = unknown."""
    return f"{age // 10 * 10}" if age > 0 else ""


def _recent(now_ms: int, said_ms: int) -> bool:
    return -LATE_MS <= now_ms - said_ms <= SESSION_MS  # the clock of whoever said it may be ahead
