"""What do all structs share? Ids with their bounds, and bodies in which an unknown field is an error."""

from typing import Annotated

import msgspec
from msgspec import Meta

from foryou.ingest.collector import ID_BYTES

MAX_RESULTS = 500
MAX_EVENTS = 1_000
MAX_QUESTIONS = 50
CURSOR_CHARS = 45_000
LATEST_MS = 4_102_444_800_000  # the year 2100: a time beyond it is not in ms
PRINTABLE = {"pattern": "^[^\\x00-\\x1f\\x7f]*$"}  # said in the document; `collector.check_id` sees to it
ONCE = {"uniqueItems": True}
Id = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=ID_BYTES,
        description="1 to 128 bytes of UTF-8 without control characters",
        extra_json_schema=PRINTABLE,
    ),
]
MaybeId = Annotated[str, Meta(max_length=ID_BYTES, description="an id, or empty = none", extra_json_schema=PRINTABLE)]
# The ids of an event are judged one by one, so that one bad event does not spoil the others: bounds are said, not kept.
EventId = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": ID_BYTES} | PRINTABLE)]
MaybeEventId = Annotated[str, Meta(extra_json_schema={"maxLength": ID_BYTES} | PRINTABLE)]
Attributes = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=1_000)]], Meta(max_length=64)
]
Count = Annotated[int, Meta(ge=1, le=MAX_RESULTS, description=f"1 to {MAX_RESULTS}")]


Language = Annotated[
    str, Meta(max_length=64, description="of the reasons, such as de or fr-CA; empty = as the header Accept-Language")
]


class Wire(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=False):
    """A request body: unknown fields are errors, so that a typing mistake is not silently ignored."""
