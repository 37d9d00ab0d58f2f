"""How are items and users described?"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from foryou.api.schema.wire import LATEST_MS, Attributes, Wire
from foryou.domain.errors import Invalid
from foryou.domain.item import Variant


class VariantIn(Wire):
    """One way to show an item."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    title: Annotated[str, Meta(max_length=1_000, description="empty = the item's")] = ""
    image: Annotated[str, Meta(max_length=2_048, description="address of a picture")] = ""


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
    variants: Annotated[list[VariantIn], Meta(max_length=20, description="ways to show it")] | UnsetType = UNSET


class UserIn(Wire):
    """What is known of a user. PUT replaces, PATCH changes what is sent."""

    age: Annotated[int, Meta(ge=0, le=150)] | UnsetType = UNSET
    gender: Annotated[str, Meta(max_length=32)] | UnsetType = UNSET
    location: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET
    attributes: Attributes | UnsetType = UNSET
    interests: Annotated[list[Annotated[str, Meta(min_length=1, max_length=128)]], Meta(max_length=64)] | UnsetType = (
        UNSET
    )


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


class Erased(msgspec.Struct):
    """A deletion under way."""

    erasure_id: str


class Written(msgspec.Struct):
    """A durable change; `visible` says whether GET shows it already."""

    item_id: str = ""
    user_id: str = ""
    visible: bool = True


def said(body: ItemIn | UserIn) -> dict[str, Any]:
    """Give the fields that were sent."""
    sent = {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not UNSET}
    found = {name: tuple(value) if isinstance(value, list) else value for name, value in sent.items()}
    return found | {"variants": _variants(found["variants"])} if "variants" in found else found


def _variants(sent: tuple[VariantIn, ...]) -> tuple[Variant, ...]:
    """Give the variants that were sent. Raises Invalid for a name that is there twice."""
    names = [one.name for one in sent]
    for place, name in enumerate(names):
        if names.index(name) != place:
            raise Invalid(f"variants/{place}/name", f"{name!r} is said twice", "give each variant a name of its own")
    return tuple(Variant(one.name, one.title, one.image) for one in sent)
