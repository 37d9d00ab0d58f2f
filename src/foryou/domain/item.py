"""What is an item, and what is a change of one?"""

import msgspec
from msgspec import UNSET, UnsetType


class Variant(msgspec.Struct, frozen=True, omit_defaults=True):
    """One way to show an item: its name, the title (empty = the item's) and the address of a picture."""

    name: str
    title: str = ""
    image: str = ""


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An item as its owner describes it. `price` in the shop's currency; times in ms since 1970 UTC.

    `embedding`: a vector of the caller's own, of any one width in a catalog; it joins the content vectors.
    """

    item_id: str
    title: str = ""
    categories: tuple[str, ...] = ()
    attributes: dict[str, str] = {}
    text: str = ""
    price: float = 0.0
    brand: str = ""
    published_ms: int = 0
    expires_ms: int = 0
    status: str = "available"
    tags: tuple[str, ...] = ()
    embedding: tuple[float, ...] = ()
    variants: tuple[Variant, ...] = ()


class ItemChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record of the stream `items`: op `put` replaces, `patch` changes what is set, `delete` removes."""

    item_id: str
    op: str
    received_ms: int = 0
    title: str | UnsetType = UNSET
    categories: tuple[str, ...] | UnsetType = UNSET
    attributes: dict[str, str] | UnsetType = UNSET
    text: str | UnsetType = UNSET
    price: float | UnsetType = UNSET
    brand: str | UnsetType = UNSET
    published_ms: int | UnsetType = UNSET
    expires_ms: int | UnsetType = UNSET
    status: str | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    embedding: tuple[float, ...] | UnsetType = UNSET
    variants: tuple[Variant, ...] | UnsetType = UNSET


ITEM_FIELDS = tuple(name for name in Item.__struct_fields__ if name != "item_id")


def changed(item: Item | None, change: ItemChange) -> Item | None:
    """Give the item after the change; None = it does not exist (any more).

    An item that never said when it was published was published when it arrived.
    """
    if change.op == "delete":
        return None
    start = Item(item_id=change.item_id) if item is None or change.op == "put" else item
    said = {name: value for name in ITEM_FIELDS if (value := getattr(change, name)) is not UNSET}
    said["published_ms"] = said.get("published_ms") or (item.published_ms if item else change.received_ms)
    return msgspec.structs.replace(start, **said)
