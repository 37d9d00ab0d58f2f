"""What goes over the wire? The JSON structs of `/v1`; OpenAPI is made from them."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from foryou.domain.event import Action
from foryou.domain.expression import MAX_CHARS
from foryou.domain.lists import MAX_ITEMS, MAX_QUOTA, Kind
from foryou.ingest.collector import CONTEXT_KEYS, ID_BYTES, QUERY_CHARS

MAX_RESULTS = 500
MAX_EVENTS = 1_000
MAX_QUESTIONS = 50
LATEST_MS = 4_102_444_800_000  # the year 2100: a time beyond it is not in ms
_PRINTABLE = {"pattern": "^[^\\x00-\\x1f\\x7f]*$"}  # said in the document; `collector.check_id` sees to it
_ONCE = {"uniqueItems": True}
Id = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=ID_BYTES,
        description="1 to 128 bytes of UTF-8 without control characters",
        extra_json_schema=_PRINTABLE,
    ),
]
MaybeId = Annotated[str, Meta(max_length=ID_BYTES, description="an id, or empty = none", extra_json_schema=_PRINTABLE)]
# The ids of an event are judged one by one, so that one bad event does not spoil the others: bounds are said, not kept.
EventId = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": ID_BYTES} | _PRINTABLE)]
MaybeEventId = Annotated[str, Meta(extra_json_schema={"maxLength": ID_BYTES} | _PRINTABLE)]
Attributes = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=1_000)]], Meta(max_length=64)
]
Count = Annotated[int, Meta(ge=1, le=MAX_RESULTS, description=f"1 to {MAX_RESULTS}")]


Language = Annotated[
    str, Meta(max_length=64, description="of the reasons, such as de or fr-CA; empty = as the header Accept-Language")
]


class Wire(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=False):
    """A request body: unknown fields are errors, so that a typing mistake is not silently ignored."""


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
    """One item of an answer."""

    item_id: str
    rank: int
    score: float
    source: str
    reason: WireReason
    title: str = ""
    sponsored: bool = False


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


class ItemIn(Wire):
    """An item as its owner describes it. PUT replaces, PATCH changes what is sent."""

    title: Annotated[str, Meta(max_length=1_000)] | UnsetType = UNSET
    categories: Annotated[list[Annotated[str, Meta(min_length=1, max_length=128)]], Meta(max_length=64)] | UnsetType = (
        UNSET
    )
    attributes: Attributes | UnsetType = UNSET
    text: Annotated[str, Meta(max_length=20_000)] | UnsetType = UNSET
    price: Annotated[float, Meta(ge=0, le=1e9)] | UnsetType = UNSET
    brand: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET
    published_ms: Annotated[int, Meta(ge=0, le=LATEST_MS)] | UnsetType = UNSET
    expires_ms: Annotated[int, Meta(ge=0, le=LATEST_MS)] | UnsetType = UNSET
    status: Annotated[str, Meta(pattern="^(available|unavailable)$")] | UnsetType = UNSET
    tags: Annotated[list[Annotated[str, Meta(min_length=1, max_length=128)]], Meta(max_length=64)] | UnsetType = UNSET
    embedding: Annotated[list[Annotated[float, Meta(ge=-1e6, le=1e6)]], Meta(max_length=2_048)] | UnsetType = UNSET


class UserIn(Wire):
    """What is known of a user. PUT replaces, PATCH changes what is sent."""

    age: Annotated[int, Meta(ge=0, le=150)] | UnsetType = UNSET
    gender: Annotated[str, Meta(max_length=32)] | UnsetType = UNSET
    location: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET
    attributes: Attributes | UnsetType = UNSET
    interests: Annotated[list[Annotated[str, Meta(min_length=1, max_length=128)]], Meta(max_length=64)] | UnsetType = (
        UNSET
    )


class QuestionsAsk(Wire):
    """How much to ask a newcomer."""

    num: Annotated[int, Meta(ge=1, le=MAX_QUESTIONS, description="questions of each kind at most")] = 10


class ItemQuestion(msgspec.Struct):
    """An item to like or dislike, or to pass over."""

    item_id: str
    title: str
    categories: list[str]


class InterestQuestion(msgspec.Struct):
    """A category to choose, with items that show what it means."""

    name: str
    examples: list[ItemQuestion]


class Questions(msgspec.Struct):
    """What to ask a newcomer, the question that says most first."""

    interests: list[InterestQuestion]
    items: list[ItemQuestion]
    model_version: str


class OnboardingIn(Wire):
    """What a newcomer answered. What was passed over is left out."""

    interests: (
        Annotated[
            list[Annotated[str, Meta(min_length=1, max_length=128)]],
            Meta(max_length=64, description="names of categories, brands or tags; they replace those in the profile"),
        ]
        | UnsetType
    ) = UNSET
    liked_item_ids: Annotated[list[Id], Meta(max_length=100, extra_json_schema=_ONCE)] = []
    disliked_item_ids: Annotated[list[Id], Meta(max_length=100, extra_json_schema=_ONCE)] = []


class OnboardingOut(msgspec.Struct):
    """What became of the answers; all is durable. What is unknown counts as soon as items like that exist."""

    user_id: str
    accepted: int
    duplicates: int
    unknown_interests: list[str]
    unknown_item_ids: list[str]
    visible: bool


class UserOut(msgspec.Struct):
    """What is remembered of a user."""

    user_id: str
    age: int
    gender: str
    location: str
    attributes: dict[str, str]
    actions: int
    last_ms: int
    recent_item_ids: list[str]


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


class ListsOut(msgspec.Struct):
    """All lists, by name."""

    lists: list[ListOut]


class ListDeleted(msgspec.Struct):
    """A list that is not shown any more."""

    name: str


class Erased(msgspec.Struct):
    """A deletion under way."""

    erasure_id: str


class Written(msgspec.Struct):
    """A durable change; `visible` says whether GET shows it already."""

    item_id: str = ""
    user_id: str = ""
    visible: bool = True


class Trending(msgspec.Struct):
    """What trends."""

    items: list[WireItem]


class ProblemPart(msgspec.Struct):
    """One thing that is wrong, and where."""

    pointer: str
    code: str
    detail: str


class Problem(msgspec.Struct):
    """An error as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ProblemPart] = []


def said(body: ItemIn | UserIn) -> dict[str, Any]:
    """Give the fields that were sent."""
    sent = {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not UNSET}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in sent.items()}
