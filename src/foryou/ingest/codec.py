"""How does a noun become a record of the log, and a record a noun again? Here, for imports and the API alike."""

from hashlib import blake2b
from typing import TypeVar

import msgspec

from foryou.domain.errors import Invalid, Refused
from foryou.domain.event import Action, Event
from foryou.domain.experiment import ExperimentChange
from foryou.domain.exposure import Exposure
from foryou.domain.item import ItemChange
from foryou.domain.lists import ListChange
from foryou.domain.log import DeadLetter, Entry, Record, Stream
from foryou.domain.records import UserChange

_T = TypeVar("_T")

# Deterministic: a dict's keys are sorted, so equal changes have equal bytes and equal ids.
_encoder = msgspec.msgpack.Encoder(order="deterministic")
_exposure_encoder = msgspec.msgpack.Encoder()
_event_decoder = msgspec.msgpack.Decoder(Event)
_item_decoder = msgspec.msgpack.Decoder(ItemChange)
_user_decoder = msgspec.msgpack.Decoder(UserChange)
_exposure_decoder = msgspec.msgpack.Decoder(Exposure)
_list_decoder = msgspec.msgpack.Decoder(ListChange)
_experiment_decoder = msgspec.msgpack.Decoder(ExperimentChange)
_letter_decoder = msgspec.msgpack.Decoder(DeadLetter)


def event_record(event: Event) -> Record:
    """Give the record of one event, keyed by its user. `records_of` knows the actions that need more than one."""
    return Record(event.user_id, event.event_id, _encoder.encode(event))


def item_record(change: ItemChange) -> Record:
    """Give the record of an item's change; its id is a hash of everything in it, `received_ms` too.

    So an import, which leaves `received_ms` at 0, adds nothing the second time, while a price that goes from
    5 to 6 and back to 5 through the API is three records.
    """
    body = _encoder.encode(change)
    return Record(change.item_id, _hash(body), body)


def user_record(change: UserChange) -> Record:
    """Give the record of a user's change; its id is a hash of everything in it, as for items."""
    body = _encoder.encode(change)
    return Record(change.user_id, _hash(body), body)


def exposure_record(exposure: Exposure) -> Record:
    """Give the record of an exposure, keyed by its user."""
    return Record(exposure.user_id, exposure.recommendation_id, _exposure_encoder.encode(exposure))


def list_record(change: ListChange) -> Record:
    """Give the record of a list's change; its id is a hash of everything in it, as for items."""
    body = _encoder.encode(change)
    return Record(change.name, _hash(body), body)


def experiment_record(change: ExperimentChange) -> Record:
    """Give the record of an experiment's change; its id is a hash of everything in it, as for items."""
    body = _encoder.encode(change)
    return Record(change.name, _hash(body), body)


def dead_letter(stream: Stream, entry: Entry, reason: str) -> Record:
    """Give the record of one that could not be folded; its id is its place, so that telling it twice is no news."""
    place, record = f"{stream}:{entry.partition}:{entry.offset}", entry.record
    letter = DeadLetter(stream, entry.partition, entry.offset, record.key, record.record_id, reason, record.body)
    return Record(place, place, _encoder.encode(letter))


def records_of(event: Event) -> list[tuple[Stream, Record]]:
    """Give all records that one event becomes, with their streams.

    alias   two events, one under either user: the source's says unit `into`, the target's (user and query
            exchanged) unit `from`; their ids end so too. Each user's partition can then fold its own half.
    forget  the event, and in `users` the deletion of the profile.
    A retry with the same event_id gives the same record ids.
    Raises Invalid for an alias without a target or to itself.
    """
    if event.action is Action.ALIAS:
        return [(Stream.EVENTS, event_record(half)) for half in _alias_halves(event)]
    records = [(Stream.EVENTS, event_record(event))]
    if event.action is Action.FORGET:
        change = UserChange(user_id=event.user_id, op="delete", received_ms=event.received_ms)
        record = Record(event.user_id, f"{event.event_id}:forget", _encoder.encode(change))
        records.append((Stream.USERS, record))
    return records


def event_of(body: bytes) -> Event:
    """Give the event of a record's body. Raises Refused if it cannot be read."""
    return _decoded(_event_decoder, body, "an event")


def item_of(body: bytes) -> ItemChange:
    """Give the item's change of a record's body. Raises Refused if it cannot be read."""
    return _decoded(_item_decoder, body, "a change of an item")


def user_of(body: bytes) -> UserChange:
    """Give the user's change of a record's body. Raises Refused if it cannot be read."""
    return _decoded(_user_decoder, body, "a change of a user")


def exposure_of(body: bytes) -> Exposure:
    """Give the exposure of a record's body. Raises Refused if it cannot be read."""
    return _decoded(_exposure_decoder, body, "an exposure")


def list_of(body: bytes) -> ListChange:
    """Give the list's change of a record's body. Raises Refused if it cannot be read."""
    return _decoded(_list_decoder, body, "a change of a list")


def experiment_of(body: bytes) -> ExperimentChange:
    """Give the experiment's change of a record's body. Raises Refused if it cannot be read."""
    return _decoded(_experiment_decoder, body, "a change of an experiment")


def letter_of(body: bytes) -> DeadLetter:
    """Give the dead letter of a record's body. Raises Refused if it cannot be read."""
    return _decoded(_letter_decoder, body, "a dead letter")


def whole(stream: Stream, record: Record) -> bool:
    """Say whether a record says all there is about its item or user: a log may then forget the earlier ones.

    A patch does not, nor a put of an item that leaves it to the first one when the item was published.
    """
    try:
        if stream is Stream.ITEMS:
            change = item_of(record.body)
            return change.op == "delete" or (change.op == "put" and bool(change.published_ms))
        return stream is Stream.USERS and user_of(record.body).op != "patch"
    except Refused:
        return False


def content_id(*parts: str) -> str:
    """Give an id made of what is said: equal parts, equal id. No part may hold a NUL, which parts them."""
    return _hash("\0".join(parts).encode())


def _hash(body: bytes) -> str:
    return blake2b(body, digest_size=16).hexdigest()


def _alias_halves(event: Event) -> tuple[Event, Event]:
    source, target = event.user_id, event.query
    if not target or target == source:
        raise Invalid("query", f"user {source!r} cannot become {target!r}", "name another user as the target")
    replace = msgspec.structs.replace
    return (
        replace(event, event_id=f"{event.event_id}:into", unit="into"),
        replace(event, event_id=f"{event.event_id}:from", unit="from", user_id=target, query=source),
    )


def _decoded(decoder: msgspec.msgpack.Decoder[_T], body: bytes, what: str) -> _T:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(
            f"A record of {len(body)} bytes cannot be read as {what} ({error}); "
            "it is damaged or of another format: restore the log from a copy, or read it with the release that wrote it"
        ) from error
