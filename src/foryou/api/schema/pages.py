"""What is a page asked for, and what does it look like?"""

from typing import Annotated

import msgspec
from msgspec import Meta

from foryou.api.schema.asking import WireExperiment, WireItem, WireReason
from foryou.api.schema.wire import Language, MaybeId, Wire

MAX_ROWS = 20
MAX_ROW_ITEMS = 50
FILTER_CHARS = 1_800  # of a page: rows add to it


class PageAsk(Wire):
    """For whom a page is, and how large."""

    user_id: Annotated[MaybeId, Meta(description="empty = anonymous")] = ""
    anonymous_id: MaybeId = ""
    session_id: MaybeId = ""
    num_rows: Annotated[int, Meta(ge=1, le=MAX_ROWS, description="rows at most")] = 8
    num_results: Annotated[int, Meta(ge=1, le=MAX_ROW_ITEMS, description="items of a row at most")] = 10
    filter: Annotated[str, Meta(max_length=FILTER_CHARS, description="what may be shown, as for recommendations")] = ""
    explain: bool = True
    language: Language = ""
    personalize: bool = True
    deadline_ms: Annotated[int, Meta(ge=1, le=60_000)] | None = None


class WireRow(msgspec.Struct):
    """A row: items with one thing in common, which the title says. Its `recommendation_id` goes with its clicks."""

    kind: str
    title: str
    reason: WireReason
    recommendation_id: str
    items: list[WireItem]


class Page(msgspec.Struct):
    """The rows of a page for one user, the most important one first; no item stands in two of them."""

    rows: list[WireRow]
    model_version: str
    experiment: WireExperiment
    degraded: tuple[str, ...]
    took_ms: float
