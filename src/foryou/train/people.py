"""What is known of each user before models are fitted? The one fold over his events, and whether he is a machine.

The same function runs on every engine, over rows that are sorted by (user_id, at_ms, event_id).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from foryou.domain.event import ACTIONS, Event, interest
from foryou.domain.records import pack
from foryou.features.behaviour import Behaviour
from foryou.features.fold import fold

NEEDED = ("user_id", "event_id", "item_id", "action", "at_ms", "value", "session_id", "device")
BATCH = 50_000  # events of whole users that are folded at a time

Columns = Mapping[str, Sequence[Any]]


def people(rows: Columns) -> dict[str, list[Any]]:
    """Give a row per user: what he did, and his record as `domain.records.pack` has it.

    verdict    "", "rate", "regularity" or "flood"; why: the same in words
    actions, positives, dislikes  events, those of interest > 0 and < 0 · items: different ones
    first_ms, last_ms  of his events · core, history, seen: the packed record
    """
    events = [
        Event(
            event_id, user_id, ACTIONS[action], at_ms, item_id, value=value, session_id=session_id,
            context={"device": device} if device else {},
        )
        for user_id, event_id, item_id, action, at_ms, value, session_id, device in zip(
            *(rows[name] for name in NEEDED), strict=True
        )
    ]  # fmt: skip
    users = np.array([event.user_id for event in events], object)
    starts = [0, *(np.flatnonzero(users[1:] != users[:-1]) + 1).tolist(), len(events)] if events else [0]
    taste = interest(
        np.array(rows["action"], np.uint8),
        np.array([np.nan if value is None else value for value in rows["value"]], np.float32),
    )
    folded = fold({}, events, [0] * len(events)).records if events else {}
    found: dict[str, list[Any]] = {name: [] for name in OUTPUT}
    for start, end in pairwise(starts):
        own = events[start:end]
        behaviour = Behaviour()
        for event in own:
            behaviour.act(event.at_ms, event.item_id)
        record = folded[own[0].user_id]
        core, history, seen, _ = pack(record)
        positive, negative = int((taste[start:end] > 0).sum()), int((taste[start:end] < 0).sum())
        values = (
            own[0].user_id, *behaviour.verdict(), len(own), positive, negative,
            len({event.item_id for event in own}), own[0].at_ms, own[-1].at_ms, core, history, seen,
        )  # fmt: skip
        for name, value in zip(OUTPUT, values, strict=True):
            found[name].append(value)
    return found


OUTPUT = (
    "user_id", "verdict", "why", "actions", "positives", "dislikes", "items", "first_ms", "last_ms", "core", "history",
    "seen",
)  # fmt: skip


def whole(batches: Iterator[dict[str, list[Any]]], least: int) -> Iterator[dict[str, list[Any]]]:
    """Cut sorted rows that come in any pieces into pieces of whole users, `least` rows or more but for the last."""
    held: dict[str, list[Any]] = {name: [] for name in NEEDED}
    for batch in batches:
        for name in NEEDED:
            held[name] += batch[name]
        users = held["user_id"]
        if len(users) >= least and users[0] != users[-1]:
            cut = len(users) - 1
            while users[cut - 1] == users[-1]:
                cut -= 1
            yield {name: values[:cut] for name, values in held.items()}
            held = {name: values[cut:] for name, values in held.items()}
    if held["user_id"]:
        yield held
