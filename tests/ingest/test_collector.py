"""Is every event let in or refused with its field and a way to mend it, and is what was let in durable?"""

from pathlib import Path

import msgspec
import pytest

from foryou.domain.clock import ManualClock
from foryou.domain.errors import Invalid, Unavailable
from foryou.domain.event import LATE_MS, Action, Event
from foryou.domain.log import Stream
from foryou.ingest.codec import event_of, user_of
from foryou.ingest.collector import Collected, Collector, Rejection, check_id
from foryou.stores.log_sqlite import SqliteLog

NOW_MS = 1_700_000_000_000


@pytest.fixture
def collector(log: SqliteLog, clock: ManualClock) -> Collector:
    return Collector(log, clock)


def event(**what: object) -> Event:
    usual = {"event_id": "e1", "user_id": "ann", "action": Action.VIEW, "at_ms": NOW_MS - 5, "item_id": "war-1"}
    return Event(**(usual | what))  # type: ignore[arg-type]


def stored(log: SqliteLog, stream: Stream = Stream.EVENTS) -> list[Event]:
    decode = event_of if stream is Stream.EVENTS else user_of
    return [
        decode(entry.record.body)
        for partition in range(log.partitions())
        for entry in log.read(stream, partition, -1, 1_000)
    ]  # type: ignore[return-value]


LONG = "x" * 129
BAD = [
    ({"user_id": ""}, "user_id", "is empty; send an id of 1 to 128 bytes"),
    ({"user_id": LONG}, "user_id", "is 129 bytes, limit 128; send a shorter id"),
    ({"user_id": "é" * 65}, "user_id", "is 130 bytes, limit 128; send a shorter id"),
    ({"user_id": "a\nb"}, "user_id", "has a control character; send printable characters"),
    ({"user_id": "a\x7f"}, "user_id", "has a control character; send printable characters"),
    ({"user_id": "\ud800"}, "user_id", "is not valid Unicode; send UTF-8 without lone surrogates"),
    ({"event_id": LONG}, "event_id", "is 129 bytes, limit 128; send a shorter id"),
    ({"item_id": ""}, "item_id", "is empty; send an id of 1 to 128 bytes"),
    ({"item_id": "\x00"}, "item_id", "has a control character; send printable characters"),
    ({"session_id": "a\tb"}, "session_id", "has a control character; send printable characters"),
    ({"recommendation_id": LONG}, "recommendation_id", "is 129 bytes, limit 128; send a shorter id"),
    ({"at_ms": -1}, "at_ms", "-1 is before 1970; send milliseconds since 1970 UTC, or leave it out"),
    ({"action": Action.SEARCH, "query": " "}, "query", "a search without text; send the text that was searched for"),
    ({"query": "q" * 257}, "query", "257 characters, limit 256; send the beginning"),
    ({"context": {str(n): "" for n in range(17)}}, "context", "limit 16 keys of 256 characters; send less"),
    ({"context": {"page": "p" * 253}}, "context", "limit 16 keys of 256 characters; send less"),
    ({"quantity": 0}, "quantity", "0 is outside 1..1,000,000; send how many were bought"),
    ({"quantity": 1_000_001}, "quantity", "1000001 is outside 1..1,000,000; send how many were bought"),
    ({"action": Action.RATING}, "value", "a rating without a value; send a number from 0.5 to 5"),
    ({"action": Action.DWELL}, "value", "a dwell without a value; send a number from 0 to 86400"),
    ({"action": Action.RATING, "value": 5.5}, "value", "5.5 is outside 0.5..5 for rating; send a number within"),
    ({"action": Action.RATING, "value": 0.0}, "value", "0.0 is outside 0.5..5 for rating; send a number within"),
    ({"action": Action.DWELL, "value": -1.0}, "value", "-1.0 is outside 0..86400 for dwell; send a number within"),
    ({"action": Action.PURCHASE, "value": 1e10}, "value",
     "10000000000.0 is outside 0..1e+09 for purchase; send a number within"),
    ({"value": float("nan")}, "value", "nan is outside -1e+09..1e+09 for view; send a number within"),
    ({"value": float("inf")}, "value", "inf is outside -1e+09..1e+09 for view; send a number within"),
    ({"action": Action.ALIAS, "query": "ann"}, "query",
     "user 'ann' cannot become 'ann'; name another user as the target"),
    ({"action": Action.ALIAS}, "query", "user 'ann' cannot become ''; name another user as the target"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "field", "detail"), BAD, ids=[f"{f}-{n}" for n, (_, f, _) in enumerate(BAD)])
def test_a_bad_event_is_refused_with_its_field_and_the_others_go_in(
    collector: Collector, log: SqliteLog, what: dict[str, object], field: str, detail: str
) -> None:
    done = collector.collect([event(event_id="good"), event(**what), event(event_id="better")])
    assert done.rejected == [Rejection(1, field, detail)]
    assert (done.accepted, done.event_ids) == (2, ["good", "better"])
    assert {one.event_id for one in stored(log)} == {"good", "better"}


GOOD = [
    {"user_id": "x" * 128}, {"user_id": "Zoë 漢字 🙂"}, {"at_ms": 1}, {"quantity": 1_000_000},
    {"action": Action.RATING, "value": 0.5}, {"action": Action.RATING, "value": 5.0},
    {"action": Action.DWELL, "value": 0.0}, {"action": Action.PURCHASE}, {"action": Action.PURCHASE, "value": 0.0},
    {"action": Action.SEARCH, "query": "boots", "item_id": ""}, {"query": "q" * 256},
    {"context": {str(n): "v" for n in range(16)}}, {"action": Action.FORGET, "item_id": ""},
]  # fmt: skip


@pytest.mark.parametrize("what", GOOD, ids=range(len(GOOD)))
def test_an_event_at_the_limits_goes_in_as_it_is(collector: Collector, log: SqliteLog, what: dict[str, object]) -> None:
    done = collector.collect([event(**what)])
    assert (done.rejected, done.accepted, done.clamped) == ([], 1, 0)
    assert stored(log) == [msgspec.structs.replace(event(**what), received_ms=NOW_MS)]


def test_what_the_caller_could_not_read_is_passed_through(collector: Collector) -> None:
    unread = Rejection(0, "events[0].action", "no such action")
    done = collector.collect([unread, event()])
    assert (done.rejected, done.accepted) == ([unread], 1)


def test_an_event_without_a_time_happened_now_and_one_from_the_future_too(collector: Collector, log: SqliteLog) -> None:
    done = collector.collect([
        event(event_id="none", at_ms=0), event(event_id="past", at_ms=5),
        event(event_id="edge", at_ms=NOW_MS + LATE_MS), event(event_id="beyond", at_ms=NOW_MS + LATE_MS + 1),
    ])  # fmt: skip
    assert (done.accepted, done.clamped) == (4, 1)
    times = {one.event_id: one.at_ms for one in stored(log)}
    assert times == {"none": NOW_MS, "past": 5, "edge": NOW_MS + LATE_MS, "beyond": NOW_MS}
    assert {one.received_ms for one in stored(log)} == {NOW_MS}


def test_an_event_without_an_id_gets_one_of_its_own(collector: Collector, log: SqliteLog) -> None:
    done = collector.collect([event(event_id=""), event(event_id=""), event(event_id="mine")])
    assert len(set(done.event_ids)) == 3
    assert done.event_ids[2] == "mine"
    assert all(len(event_id) == 32 for event_id in done.event_ids[:2])
    assert {one.event_id for one in stored(log)} == set(done.event_ids)


def test_a_retry_is_counted_as_a_duplicate_and_stored_once(collector: Collector, log: SqliteLog) -> None:
    first = collector.collect([event(event_id=name) for name in "abc"])
    again = collector.collect([event(event_id=name) for name in "bcd"])
    within = collector.collect([event(event_id="e")] * 3)
    counts = [(done.accepted, done.duplicates) for done in (first, again, within)]
    assert counts == [(3, 0), (1, 2), (1, 2)]
    assert again.event_ids == ["b", "c", "d"]
    assert len(stored(log)) == 5


def test_an_alias_is_written_under_both_users(collector: Collector, log: SqliteLog) -> None:
    alias = event(action=Action.ALIAS, user_id="guest", query="ann", item_id="")
    done = collector.collect([alias])
    assert (done.accepted, done.event_ids) == (1, ["e1"])
    halves = {(one.event_id, one.user_id, one.query, one.unit) for one in stored(log)}
    assert halves == {("e1:into", "guest", "ann", "into"), ("e1:from", "ann", "guest", "from")}
    again = collector.collect([alias])
    assert (again.accepted, again.duplicates, len(stored(log))) == (0, 1, 2)


def test_a_forget_also_deletes_the_profile(collector: Collector, log: SqliteLog) -> None:
    collector.collect([event(action=Action.FORGET, item_id="")])
    assert [one.action for one in stored(log)] == [Action.FORGET]
    changes = stored(log, Stream.USERS)
    assert [(change.user_id, change.op) for change in changes] == [("ann", "delete")]


def test_nothing_is_nothing(collector: Collector, log: SqliteLog) -> None:
    assert collector.collect([]) == Collected()
    assert stored(log) == []


def test_when_the_log_cannot_take_them_the_caller_is_told(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(SqliteLog, "append", full)
    with pytest.raises(Unavailable, match="the disk is full"):
        collector.collect([event()])


def test_what_was_accepted_is_there_for_another_reader(
    collector: Collector, tmp_path: Path, clock: ManualClock
) -> None:
    collector.collect([event(event_id=str(n), user_id=f"u{n}") for n in range(20)])
    another = SqliteLog(tmp_path / "log", clock)
    assert len(stored(another)) == 20
    another.close()


def test_an_id_is_checked_by_name() -> None:
    check_id("item_id", "war-1")
    with pytest.raises(Invalid, match="anything: is empty; send an id of 1 to 128 bytes"):
        check_id("anything", "")
