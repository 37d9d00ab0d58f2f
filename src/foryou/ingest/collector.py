"""Which events are let in? Checked one by one; a bad one is refused with its field, the rest goes in."""

import math
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from foryou.domain.errors import Invalid
from foryou.domain.event import ABOUT_ITEMS, LATE_MS, Action, Event
from foryou.domain.log import Record, Stream
from foryou.domain.ports import EventLog, TimeSource
from foryou.ingest.codec import records_of

ID_BYTES = 128
QUERY_CHARS = 256
CONTEXT_KEYS = 16
VALUES = {Action.RATING: (0.5, 5.0), Action.DWELL: (0.0, 86_400.0), Action.PURCHASE: (0.0, 1e9)}
OLDEST_MS = 0
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that was not let in: its index in the request, the field, and what to do."""

    index: int
    field: str
    detail: str


@dataclass(slots=True)
class Collected:
    """What became of a request: all that was accepted is durable."""

    accepted: int = 0
    duplicates: int = 0
    clamped: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    event_ids: list[str] = field(default_factory=list)


class Collector:
    """Checks events and appends them to the log."""

    def __init__(self, log: EventLog, clock: TimeSource) -> None:
        self._log, self._clock = log, clock

    def collect(self, events: Sequence[Event | Rejection]) -> Collected:
        """Append the good ones; durable when this returns. Raises Unavailable if the log cannot take them.

        A Rejection among the events is one that the caller could not even read; it is passed through.
        """
        done, now = Collected(), self._clock.now_ms()
        appended: dict[tuple[Stream, int], list[Record]] = {}  # by stream and records per event
        for index, event in enumerate(events):
            if isinstance(event, Rejection):
                done.rejected.append(event)
                continue
            try:
                checked = check(_stamped(event, now))
                records = records_of(checked)
            except Invalid as error:
                done.rejected.append(
                    Rejection(index, error.where, f"{error.what}; {error.mend}" if error.mend else error.what)
                )
                continue
            done.clamped += checked.at_ms != (event.at_ms or now)
            done.event_ids.append(checked.event_id)
            for stream, record in records:
                each = sum(other is stream for other, _ in records)
                appended.setdefault((stream, each), []).append(record)
        for (stream, each), batch in sorted(appended.items()):
            receipt = self._log.append(stream, batch)
            if stream is Stream.EVENTS:
                done.duplicates += receipt.repeats // each
        done.accepted = len(done.event_ids) - done.duplicates
        return done


def _stamped(event: Event, now: int) -> Event:
    """Give the event with id, time and arrival; a time further ahead than LATE_MS becomes the arrival."""
    at_ms = event.at_ms or now
    return msgspec.structs.replace(
        event,
        event_id=event.event_id or uuid.uuid4().hex,
        at_ms=now if at_ms > now + LATE_MS else at_ms,
        received_ms=now,
    )


def check(event: Event) -> Event:
    """Give the event back if it is sound. Raises Invalid with the field, the limit and the mend."""
    check_id("user_id", event.user_id)
    check_id("event_id", event.event_id)
    if event.action in ABOUT_ITEMS:
        check_id("item_id", event.item_id)
    for name in ("session_id", "recommendation_id"):
        if getattr(event, name):
            check_id(name, getattr(event, name))
    if event.at_ms < OLDEST_MS:
        raise Invalid("at_ms", f"{event.at_ms} is before 1970", "send milliseconds since 1970 UTC, or leave it out")
    if event.action is Action.SEARCH and not event.query.strip():
        raise Invalid("query", "a search without text", "send the text that was searched for")
    if len(event.query) > QUERY_CHARS:
        raise Invalid("query", f"{len(event.query)} characters, limit {QUERY_CHARS}", "send the beginning")
    if len(event.context) > CONTEXT_KEYS or any(len(k) + len(v) > QUERY_CHARS for k, v in event.context.items()):
        raise Invalid("context", f"limit {CONTEXT_KEYS} keys of {QUERY_CHARS} characters", "send less")
    if not 1 <= event.quantity <= 1_000_000:
        raise Invalid("quantity", f"{event.quantity} is outside 1..1,000,000", "send how many were bought")
    return _check_value(event)


def _check_value(event: Event) -> Event:
    low, high = VALUES.get(event.action, (-1e9, 1e9))
    if event.value is None:
        if event.action in (Action.RATING, Action.DWELL):
            raise Invalid("value", f"a {event.action} without a value", f"send a number from {low:g} to {high:g}")
        return event
    if not math.isfinite(event.value) or not low <= event.value <= high:
        raise Invalid("value", f"{event.value} is outside {low:g}..{high:g} for {event.action}", "send a number within")
    return event


def check_id(name: str, value: str) -> None:
    """Raise Invalid unless the id is 1..128 bytes of UTF-8 without control characters."""
    if not value:
        raise Invalid(name, "is empty", f"send an id of 1 to {ID_BYTES} bytes")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Invalid(name, "is not valid Unicode", "send UTF-8 without lone surrogates") from None
    if size > ID_BYTES:
        raise Invalid(name, f"is {size} bytes, limit {ID_BYTES}", "send a shorter id")
    if _CONTROL.search(value):
        raise Invalid(name, "has a control character", "send printable characters")
