"""What are newcomers asked, and what do they answer?"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from foryou.api.schema.wire import MAX_QUESTIONS, ONCE, Id, Wire


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
    liked_item_ids: Annotated[list[Id], Meta(max_length=100, extra_json_schema=ONCE)] = []
    disliked_item_ids: Annotated[list[Id], Meta(max_length=100, extra_json_schema=ONCE)] = []


class OnboardingOut(msgspec.Struct):
    """What became of the answers; all is durable. What is unknown counts as soon as items like that exist."""

    user_id: str
    accepted: int
    duplicates: int
    unknown_interests: list[str]
    unknown_item_ids: list[str]
    visible: bool
