"""How is a list by hand described?"""

from typing import Annotated

import msgspec
from msgspec import Meta

from foryou.api.schema.wire import LATEST_MS, Id, Wire
from foryou.domain.lists import MAX_ITEMS, MAX_QUOTA, Kind

Time = Annotated[int, Meta(ge=0, le=LATEST_MS)]


class ListIn(Wire):
    """A list as its editor describes it: what PUT replaces."""

    kind: Kind
    item_ids: Annotated[
        list[Id],
        Meta(
            max_length=MAX_ITEMS,
            description="in order, the first one first",
            extra_json_schema={"uniqueItems": True},
        ),
    ]
    start_ms: Annotated[Time, Meta(description="not shown before; 0 = from now on")] = 0
    end_ms: Annotated[Time, Meta(description="not shown from then on; 0 = never ends")] = 0
    placements: Annotated[
        list[Annotated[str, Meta(max_length=64)]], Meta(max_length=50, description="where it is shown; empty = all")
    ] = []
    quota: Annotated[int, Meta(ge=0, le=MAX_QUOTA, description="places of an answer that it may take")] = 1
    label: Annotated[str, Meta(max_length=100, description="what stands beside its items")] = ""
    impressions_per_day: Annotated[
        int, Meta(ge=0, le=10**9, description="of a sponsored list, spread over the day in UTC; 0 = no limit")
    ] = 0


class ListOut(msgspec.Struct):
    """A list; `active`: it counts at this moment. `unknown_item_ids` are skipped until such items exist."""

    name: str
    kind: Kind
    item_ids: tuple[str, ...]
    start_ms: int
    end_ms: int
    placements: tuple[str, ...]
    quota: int
    label: str
    active: bool
    unknown_item_ids: list[str]
    impressions_per_day: int = 0


class ListsOut(msgspec.Struct):
    """All lists, by name."""

    lists: list[ListOut]


class ListDeleted(msgspec.Struct):
    """A list that is not shown any more."""

    name: str
