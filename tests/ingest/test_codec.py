"""Does every noun come back from the log as it went in, and do special actions reach everybody concerned?"""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foryou.domain.errors import Invalid, Refused
from foryou.domain.event import Action, Event
from foryou.domain.item import ItemChange
from foryou.domain.lists import ItemList, Kind, ListChange
from foryou.domain.log import Record, Stream
from foryou.domain.records import UserChange
from foryou.ingest.codec import (
    content_id,
    event_of,
    event_record,
    item_of,
    item_record,
    list_of,
    list_record,
    records_of,
    user_of,
    user_record,
    whole,
)

ids = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
words = st.dictionaries(ids, ids, max_size=3)
MS = st.integers(0, 2**45)
events = st.builds(
    Event, event_id=ids, user_id=ids, action=st.sampled_from(Action), at_ms=MS, item_id=ids, received_ms=MS,
    value=st.none() | st.floats(allow_nan=False), query=ids, context=words,
)  # fmt: skip


@given(events)
def test_an_event_comes_back_as_it_went_in(event: Event) -> None:
    record = event_record(event)
    assert (record.key, record.record_id) == (event.user_id, event.event_id)
    assert event_of(record.body) == event


@given(ids, words, MS, st.tuples(ids, ids))
def test_a_change_of_an_item_or_a_user_comes_back_as_it_went_in(
    name: str, attributes: dict[str, str], at_ms: int, categories: tuple[str, ...]
) -> None:
    item = ItemChange(item_id=name, op="patch", received_ms=at_ms, attributes=attributes, categories=categories)
    user = UserChange(user_id=name, op="patch", received_ms=at_ms, attributes=attributes)
    assert item_record(item).key == user_record(user).key == name
    assert item_of(item_record(item).body) == item
    assert user_of(user_record(user).body) == user


def test_equal_changes_have_equal_ids_and_others_have_others() -> None:
    one = ItemChange(item_id="a", op="put", price=5.0, attributes={"x": "1", "y": "2"})
    same = ItemChange(item_id="a", op="put", price=5.0, attributes={"y": "2", "x": "1"})
    others = [
        msgspec.structs.replace(one, price=6.0),
        msgspec.structs.replace(one, item_id="b"),
        msgspec.structs.replace(one, op="patch"),
        msgspec.structs.replace(one, received_ms=1),  # back to an old price is a change too
    ]
    assert item_record(one).record_id == item_record(same).record_id
    assert len({item_record(change).record_id for change in [one, *others]}) == 5
    user = UserChange(user_id="a", op="put", age=5)
    assert user_record(user).record_id == user_record(UserChange(user_id="a", op="put", age=5)).record_id
    assert user_record(user).record_id != user_record(UserChange(user_id="a", op="put", age=6)).record_id


def test_an_ordinary_event_is_one_record() -> None:
    event = Event("e1", "ann", Action.CLICK, 5, "film")
    assert records_of(event) == [(Stream.EVENTS, event_record(event))]


def test_an_alias_is_a_record_under_either_user() -> None:
    alias = Event("e1", "guest", Action.ALIAS, 5, query="ann")
    (one, source), (two, target) = records_of(alias)
    assert one is two is Stream.EVENTS
    assert (source.key, source.record_id) == ("guest", "e1:into")
    assert (target.key, target.record_id) == ("ann", "e1:from")
    assert event_of(source.body) == Event("e1:into", "guest", Action.ALIAS, 5, query="ann", unit="into")
    assert event_of(target.body) == Event("e1:from", "ann", Action.ALIAS, 5, query="guest", unit="from")


@pytest.mark.parametrize("target", ["", "guest"])
def test_an_alias_needs_another_user(target: str) -> None:
    with pytest.raises(Invalid, match=f"query: user 'guest' cannot become '{target}'; name another user as the target"):
        records_of(Event("e1", "guest", Action.ALIAS, 5, query=target))


def test_a_forget_empties_the_profile_too() -> None:
    forget = Event("e1", "ann", Action.FORGET, 5, received_ms=6)
    (one, event), (two, profile) = records_of(forget)
    assert (one, two) == (Stream.EVENTS, Stream.USERS)
    assert event == event_record(forget)
    assert (profile.key, profile.record_id) == ("ann", "e1:forget")
    assert user_of(profile.body) == UserChange(user_id="ann", op="delete", received_ms=6)


@pytest.mark.parametrize("action", [Action.ALIAS, Action.FORGET])
def test_a_retry_has_the_same_record_ids(action: Action) -> None:
    def record_ids(received_ms: int) -> list[str]:
        event = Event("e1", "guest", action, 5, query="ann", received_ms=received_ms)
        return [record.record_id for _, record in records_of(event)]

    assert record_ids(6) == record_ids(7)


@pytest.mark.parametrize(
    ("back", "what"),
    [
        (event_of, "an event"),
        (item_of, "a change of an item"),
        (user_of, "a change of a user"),
        (list_of, "a change of a list"),
    ],
)
@pytest.mark.parametrize("body", [b"", b"\xc1nonsense", b"\x01"])
def test_a_damaged_record_is_refused(back: type, what: str, body: bytes) -> None:
    with pytest.raises(
        Refused, match=f"A record of {len(body)} bytes cannot be read as {what} .*restore the log from a copy"
    ):
        back(body)


@given(
    body=st.binary(max_size=80)
    | st.tuples(events, st.integers(0), st.integers(0, 255)).map(lambda drawn: flipped(*drawn))
    | st.sampled_from([b"\x94\xa1\xff\xa1a\xa4view\x05", b"\x81\xa1x" + b"\x91" * 100_000])
)
def test_whatever_bytes_lie_in_a_record_it_is_read_or_refused(body: bytes) -> None:
    for back in (event_of, item_of, user_of):
        with contextlib.suppress(Refused):
            back(body)


def flipped(event: Event, place: int, byte: int) -> bytes:
    """Give the record of an event with one byte changed."""
    body = bytearray(event_record(event).body)
    body[place % len(body)] = byte
    return bytes(body)


def test_records_of_older_and_newer_releases_can_be_read() -> None:
    event = Event("e1", "ann", Action.CLICK, 5, "film")
    fields = msgspec.msgpack.decode(event_record(event).body)
    assert event_of(msgspec.msgpack.encode(fields[:5])) == event
    assert event_of(msgspec.msgpack.encode([*fields, "a field of tomorrow"])) == event
    assert item_of(msgspec.msgpack.encode({"item_id": "a", "op": "put", "colour": "red"})).item_id == "a"


def test_a_content_id_tells_where_one_part_ends() -> None:
    assert content_id("ab", "c") == content_id("ab", "c")
    assert content_id("ab", "c") != content_id("a", "bc")


def test_a_list_comes_back_as_it_went_in_and_its_deletion_too() -> None:
    one = ItemList(name="ads", kind=Kind.SPONSORED, item_ids=("a", "b"), end_ms=5, placements=("home",), label="Acme")
    for change in (ListChange(name="ads", received_ms=3, now=one), ListChange(name="ads", received_ms=4)):
        record = list_record(change)
        assert record.key == "ads"
        assert list_of(record.body) == change
    assert list_record(ListChange(name="ads", received_ms=3)).record_id != record.record_id


def test_only_a_record_that_says_all_makes_the_earlier_ones_needless() -> None:
    items = {"put": {"published_ms": 5}, "delete": {}}
    for op, said in items.items():
        assert whole(Stream.ITEMS, item_record(ItemChange(item_id="a", op=op, **said)))
        assert whole(Stream.USERS, user_record(UserChange(user_id="a", op=op)))
    parts = [ItemChange(item_id="a", op="put"), ItemChange(item_id="a", op="patch", published_ms=5)]
    assert not any(whole(Stream.ITEMS, item_record(part)) for part in parts)
    assert not whole(Stream.USERS, user_record(UserChange(user_id="a", op="patch")))
    assert not whole(Stream.ITEMS, Record("a", "id", b"?"))
    assert not whole(Stream.EVENTS, event_record(Event("e", "a", Action.VIEW, 1, "i")))
