"""What is an event, and what does each action say about taste?"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

import msgspec
import numpy as np
from numpy.typing import NDArray

LATE_MS = 5 * 60_000  # an event further in the future than this is clamped to its arrival


class Action(StrEnum):
    """What a user did. The order is the stored code: append only."""

    IMPRESSION = "impression"
    VIEW = "view"
    CLICK = "click"
    LIKE = "like"
    DISLIKE = "dislike"
    DWELL = "dwell"
    ADD_TO_CART = "add_to_cart"
    PURCHASE = "purchase"
    RATING = "rating"
    SEARCH = "search"
    HIDE = "hide"
    ALIAS = "alias"
    FORGET = "forget"


ACTIONS = tuple(Action)
CODE = {action: code for code, action in enumerate(ACTIONS)}
ABOUT_ITEMS = frozenset(ACTIONS) - {Action.SEARCH, Action.ALIAS, Action.FORGET}
VARIANT = "variant"  # name in the context of an event: the variant that the answer named
LOW_RATING = 2.0  # a rating up to here is a dislike (scale 1..5)
SHORT_DWELL_S = 5.0  # a dwell shorter than this is a dislike

# Interest of an action, +1 = clearly wants it, -1 = clearly does not; rating and dwell depend on their value.
INTEREST = {
    Action.VIEW: 0.5, Action.CLICK: 0.7, Action.LIKE: 1.0, Action.DISLIKE: -1.0, Action.DWELL: 0.7,
    Action.ADD_TO_CART: 0.9, Action.PURCHASE: 1.0, Action.RATING: 1.0, Action.HIDE: -1.0,
}  # fmt: skip
_INTEREST_BY_CODE = np.array([INTEREST.get(action, 0.0) for action in ACTIONS], np.float32)


class Event(msgspec.Struct, frozen=True, array_like=True):
    """One user action, as it lies in the log. Evolves by appending fields with defaults.

    `item_id` is empty for search and forget; for alias it holds nothing and `query` the other user's id.
    `value` is a rating (1..5), seconds (dwell) or an amount (purchase); `unit` says which.
    """

    event_id: str
    user_id: str
    action: Action
    at_ms: int
    item_id: str = ""
    received_ms: int = 0
    value: float | None = None
    unit: str = ""
    quantity: int = 1
    query: str = ""
    session_id: str = ""
    recommendation_id: str = ""
    position: int = -1
    context: dict[str, str] = {}


def hash64(text: str) -> int:
    """Give the stable 64-bit hash of an id, the same in every process, store and release; never 0."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") or 1


def hashes(texts: list[str]) -> NDArray[np.uint64]:
    """Give `hash64` of each text.  uint64 [n]"""
    digests = b"".join(blake2b(text.encode(), digest_size=8).digest() for text in texts)
    found = np.frombuffer(digests, "<u8").copy()
    found[found == 0] = 1
    return found


@dataclass(frozen=True, slots=True)
class EventColumns:
    """Events as arrays, in log order: what `fold` and `train` see.

    user, item, event  uint64 [n] hashes (item 0 = none) · action uint8 [n] · at_ms int64 [n] ·
    value float32 [n], NaN = none · caused bool [n]: the answer that caused it is named · worn bool [n]: and the variant
    """

    user: NDArray[np.uint64]
    item: NDArray[np.uint64]
    event: NDArray[np.uint64]
    action: NDArray[np.uint8]
    at_ms: NDArray[np.int64]
    value: NDArray[np.float32]
    caused: NDArray[np.bool_]
    worn: NDArray[np.bool_]


def columns(events: Sequence[Event]) -> EventColumns:
    """Give the events as arrays, in the same order."""
    item = hashes([event.item_id for event in events])
    item[[not event.item_id for event in events]] = 0
    return EventColumns(
        user=hashes([event.user_id for event in events]),
        item=item,
        event=hashes([event.event_id for event in events]),
        action=np.array([CODE[event.action] for event in events], np.uint8),
        at_ms=np.array([event.at_ms for event in events], np.int64),
        value=np.array([np.nan if event.value is None else event.value for event in events], np.float32),
        caused=np.array([event.recommendation_id != "" for event in events], np.bool_),
        worn=np.array([VARIANT in event.context for event in events], np.bool_),
    )


def interest(action: NDArray[np.uint8], value: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the interest of each action: float32 in [-1, 1], negative = dislike, 0 = says nothing. Any shape.

    A rating up to LOW_RATING and a dwell shorter than SHORT_DWELL_S count as dislikes.
    """
    found = _INTEREST_BY_CODE[action]
    low = (action == CODE[Action.RATING]) & (value <= LOW_RATING)
    short = (action == CODE[Action.DWELL]) & (value < SHORT_DWELL_S)
    return np.where(low | short, np.float32(-1), found)
