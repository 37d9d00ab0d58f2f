"""What does somebody ask for, and what does the answer look like?"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from foryou.api.schema.wire import CURSOR_CHARS, MAX_RESULTS, Count, Id, Language, MaybeId, Wire
from foryou.domain.expression import MAX_CHARS


class Context(Wire):
    """Where and how the answer will be shown."""

    placement: Annotated[str, Meta(description="home, item, or another from the configuration")] = "home"
    device: Annotated[str, Meta(max_length=64, description="such as mobile, desktop, tv")] = ""
    search: Annotated[str, Meta(max_length=256, description="text that is searched for on this page")] = ""
    category: Annotated[str, Meta(max_length=128, description="category that is being looked at")] = ""
    location: Annotated[str, Meta(max_length=128, description="where the user is now; else as in the profile")] = ""


class Ask(Wire):
    """What is wanted."""

    user_id: Annotated[MaybeId, Meta(description="empty = anonymous")] = ""
    anonymous_id: MaybeId = ""
    session_id: MaybeId = ""
    context: Context = msgspec.field(default_factory=Context)
    num_results: Count | None = None
    item_id: Annotated[MaybeId, Meta(description="the item of an item page")] = ""
    exclude_item_ids: Annotated[list[Id], Meta(max_length=1_000)] = []
    filter: Annotated[
        str, Meta(max_length=MAX_CHARS, description='what may be shown, such as price < 20 and not tag = "violence"')
    ] = ""
    cursor: Annotated[
        str,
        Meta(
            max_length=CURSOR_CHARS,
            pattern="^[A-Za-z0-9_-]*$",
            description="`next_cursor` of the answer before: nothing of the feed again",
        ),
    ] = ""
    explain: bool = True
    language: Language = ""
    personalize: bool = True
    deadline_ms: Annotated[int, Meta(ge=1, le=60_000)] | None = None


class WireReason(msgspec.Struct):
    """Why an item is there; `because` names the items of the history that moved its score."""

    code: str
    text: str
    because: tuple[str, ...]


class WireItem(msgspec.Struct):
    """One item of an answer. Of items with variants: `variant`, how it is shown, which events give back in their
    context, and the address of its `image`.
    """

    item_id: str
    rank: int
    score: float
    source: str
    reason: WireReason
    title: str = ""
    sponsored: bool = False
    variant: str | UnsetType = UNSET
    image: str | UnsetType = UNSET


class WireExperiment(msgspec.Struct):
    """The arm that answered."""

    name: str
    arm: str


class Recommended(msgspec.Struct):
    """An answer."""

    recommendation_id: str
    items: list[WireItem]
    model_version: str
    experiment: WireExperiment
    degraded: tuple[str, ...]
    took_ms: float
    next_cursor: str | None = None


class Explained(msgspec.Struct):
    """What became of one item for one user, stage by stage, and the sentence that sums it up."""

    user_id: str
    item_id: str
    outcome: str
    text: str
    proposed_by: tuple[str, ...]
    dropped_by: str
    score: float
    cutoff: float
    rank: int
    inputs: dict[str, float]
    parts: dict[str, float]
    reason: WireReason | None
    model_version: str


class WhyAsk(Wire):
    """Which item, for whom."""

    user_id: Id
    item_id: Id
    num_results: Count | None = None
    language: Language = ""


class RankAsk(Wire):
    """Items of the caller, to be ordered for a user."""

    item_ids: Annotated[list[Id], Meta(min_length=1, max_length=MAX_RESULTS)]
    user_id: Annotated[MaybeId, Meta(description="empty = anonymous")] = ""
    session_id: MaybeId = ""
    deadline_ms: Annotated[int, Meta(ge=1, le=60_000)] | None = None


class RankedItem(msgspec.Struct):
    """One item of an order."""

    item_id: str
    rank: int
    score: float


class Ranked(msgspec.Struct):
    """The order, and what has no place in it: unknown, or not available now."""

    items: list[RankedItem]
    left_out_item_ids: list[str]
    model_version: str
    degraded: tuple[str, ...]
    took_ms: float


class Trending(msgspec.Struct):
    """What trends."""

    items: list[WireItem]
