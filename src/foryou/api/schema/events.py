"""How does an event come in, and what is said of it?"""

from typing import Annotated

import msgspec
from msgspec import Meta

from foryou.api.schema.wire import LATEST_MS, EventId, MaybeEventId, Wire
from foryou.domain.event import Action
from foryou.ingest.collector import CONTEXT_KEYS, QUERY_CHARS


class EventIn(Wire):
    """One action of a user."""

    user_id: EventId
    action: Action
    item_id: Annotated[MaybeEventId, Meta(description="needed by every action but search, alias and forget")] = ""
    event_id: Annotated[
        MaybeEventId, Meta(description="made by the client, so that a retry is known; else made here")
    ] = ""
    at_ms: Annotated[
        int,
        Meta(
            le=LATEST_MS,
            description="when it happened, ms since 1970 UTC; 0 = now",
            extra_json_schema={"minimum": 0},
        ),
    ] = 0
    value: (
        Annotated[
            float,
            Meta(
                description="rating (0.5 to 5), seconds of dwell (0 to 86,400), or amount (purchase: 0 or more)",
                extra_json_schema={"minimum": -1e9, "maximum": 1e9},
            ),
        ]
        | None
    ) = None
    unit: Annotated[str, Meta(max_length=16)] = ""
    quantity: Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": 1_000_000})] = 1
    query: Annotated[
        str,
        Meta(
            description="what was searched for; for alias the id of the other user",
            extra_json_schema={"maxLength": QUERY_CHARS},
        ),
    ] = ""
    session_id: MaybeEventId = ""
    recommendation_id: MaybeEventId = ""
    position: Annotated[int, Meta(ge=-1, le=1_000_000, description="place in the list, from 0; -1 = unknown")] = -1
    context: Annotated[
        dict[str, str],
        Meta(
            description="16 pairs at most; a name and its value have 256 characters together at most",
            extra_json_schema={"maxProperties": CONTEXT_KEYS},
        ),
    ] = {}


class WireRejection(msgspec.Struct):
    """An event that was not let in; `pointer` names the field (RFC 6901), empty = the event as a whole."""

    index: int
    code: str
    detail: str
    pointer: str


class EventsOut(msgspec.Struct):
    """What became of the events; all accepted ones are durable."""

    accepted: int
    duplicates: int
    rejected: list[WireRejection]
    event_ids: list[str]
