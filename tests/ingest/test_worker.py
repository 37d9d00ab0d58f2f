"""Does every record of the log reach the stores once, whatever is killed on the way?"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from foryou.domain.clock import HOUR_MS, ManualClock
from foryou.domain.errors import Conflict, Refused, StalePosition, Unavailable
from foryou.domain.event import Action, Event, hash64
from foryou.domain.exposure import Exposure
from foryou.domain.item import ItemChange
from foryou.domain.log import Record, Stream, partition_of
from foryou.domain.records import UserChange, pack
from foryou.domain.shares import Alone
from foryou.ingest.codec import event_record, exposure_record, item_record, letter_of, records_of, user_record
from foryou.ingest.worker import Progress, Worker
from foryou.stores.features_sqlite import SqliteFeatures
from foryou.stores.items_sqlite import SqliteItems
from foryou.stores.log_sqlite import SqliteLog
from worlds import did


@dataclass
class Stores:
    """What a worker writes to; each can be made to fail before or after its next write."""

    features: SqliteFeatures
    items: SqliteItems

    def state(self, users: list[str]) -> Any:
        """Give all that matters of the stores."""
        records = [record and (*pack(record), record.offset) for record in self.features.read(users)]
        trending = self.features.trending()
        counts = sorted(zip(trending.hour.tolist(), trending.item.tolist(), trending.count.tolist(), strict=True))
        positions = [self.features.position(partition) for partition in range(4)]
        documents = sorted((one for one in self.items.scan() if one.status != "deleted"), key=lambda one: one.item_id)
        return records, counts, positions, documents, self.items.position()


@pytest.fixture
def stores(tmp_path: Path, clock: ManualClock) -> Iterator[Stores]:
    yield from opened(tmp_path / "one", clock)


@pytest.fixture
def others(tmp_path: Path, clock: ManualClock) -> Iterator[Stores]:
    yield from opened(tmp_path / "two", clock)


def opened(folder: Path, clock: ManualClock) -> Iterator[Stores]:
    made = Stores(SqliteFeatures(folder / "features.db", clock), SqliteItems(folder / "items.db", clock))
    yield made
    made.features.close()
    made.items.close()


def worker(log: SqliteLog, stores: Stores, batch: int = 2_000, lease_ms: int = 60_000) -> Worker:
    return Worker(log, stores.features, stores.items, batch, lease_ms)


def append(log: SqliteLog, *records: Event | UserChange | ItemChange) -> None:
    for one in records:
        if isinstance(one, Event):
            for stream, record in records_of(one):
                log.append(stream, [record])
        elif isinstance(one, UserChange):
            log.append(Stream.USERS, [user_record(one)])
        else:
            log.append(Stream.ITEMS, [item_record(one)])


USERS = [f"u{n}" for n in range(12)]


@pytest.fixture
def filled(log: SqliteLog) -> SqliteLog:
    """Give a log with events, profiles and items in every partition."""
    append(log, ItemChange(item_id="short-lived", op="put"), ItemChange(item_id="short-lived", op="delete"))
    append(log, *(ItemChange(item_id=f"film-{n}", op="put", title=f"Film {n}", price=n) for n in range(10)))
    append(log, *(UserChange(user_id=user, op="put", age=20 + place) for place, user in enumerate(USERS)))
    append(log, *(did(user, f"film-{n}", n + 1) for n in range(10) for user in USERS[n % 3 :: 2]))
    append(log, Event("a", "u1", Action.ALIAS, 5, query="u2"), Event("f", "u4", Action.FORGET, 6))
    append(log, ItemChange(item_id="film-3", op="patch", price=99.0), ItemChange(item_id="film-4", op="delete"))
    return log


def caught_up(worker: Worker) -> Progress:
    worker.lease()
    return worker.catch_up()


def test_everything_in_the_log_reaches_the_stores(filled: SqliteLog, stores: Stores) -> None:
    done = caught_up(worker(filled, stores))
    ends = {stream: sum(end + 1 for end in filled.ends(stream).values()) for stream in Stream}
    assert (done.events, done.users, done.items) == tuple(
        ends[stream] for stream in (Stream.EVENTS, Stream.USERS, Stream.ITEMS)
    )
    assert done.poison == []
    records = stores.features.read([*USERS, "nobody"])
    assert [record and record.core.age for record in records[:4]] == [20, 21, 22, 23]
    assert records[-1] is None
    assert records[1]
    assert records[1].core.alias_of == "u2"
    assert records[4]
    assert (len(records[4].history), records[4].core.age) == (0, 0)
    for partition in range(4):
        end = {stream.value: filled.ends(stream).get(partition, -1) for stream in (Stream.EVENTS, Stream.USERS)}
        assert stores.features.position(partition) == end
    patched, deleted, gone = stores.items.read(["film-3", "film-4", "short-lived"])
    assert patched
    assert (patched.title, patched.price) == ("Film 3", 99.0)
    assert (deleted, gone) == (None, None)
    assert stores.items.position() == filled.ends(Stream.ITEMS)


def test_records_hold_the_events_and_trends_their_interest(log: SqliteLog, stores: Stores) -> None:
    append(log, did("ann", "film-1", 0), did("ann", "film-2", 0, Action.VIEW), did("bob", "film-1", 0))
    caught_up(worker(log, stores))
    ann = stores.features.read(["ann"])[0]
    assert ann
    assert set(ann.history["item"].tolist()) == {hash64("film-1"), hash64("film-2")}
    trending = stores.features.trending()
    counts = dict(zip(trending.item.tolist(), trending.count.tolist(), strict=True))
    assert counts == {hash64("film-1"): 200, hash64("film-2"): 50}
    assert set(trending.hour.tolist()) == {did("ann", "x", 0).at_ms // HOUR_MS}


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_small_steps_end_where_one_great_step_does(
    filled: SqliteLog, stores: Stores, others: Stores, batch: int
) -> None:
    caught_up(worker(filled, stores))
    caught_up(worker(filled, others, batch))
    assert others.state(USERS) == stores.state(USERS)


def test_what_arrives_later_is_folded_on_top(filled: SqliteLog, stores: Stores) -> None:
    one = worker(filled, stores)
    caught_up(one)
    assert one.step().idle
    append(filled, did("u0", "film-9", 0))
    done = one.step()
    assert (done.events, done.users, done.items, done.idle) == (1, 0, 0, False)
    assert one.step().idle


def test_progress_tells_how_far_it_is(filled: SqliteLog, stores: Stores) -> None:
    told: list[tuple[int, int]] = []
    one = worker(filled, stores, batch=5)
    one.lease()
    one.catch_up(lambda done, total: told.append((done, total)))
    streams = (Stream.EVENTS, Stream.USERS, Stream.ITEMS)
    total = sum(end + 1 for stream in streams for end in filled.ends(stream).values())
    assert told[-1] == (total, total)
    assert len(told) > 2
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_the_oldest_arrival_of_each_write_tells_how_fresh_the_records_are(
    log: SqliteLog, stores: Stores, clock: ManualClock
) -> None:
    one = worker(log, stores)
    one.lease()
    for at_ms in (1_000, 2_000):
        clock.at_ms = at_ms
        append(log, did(f"u{at_ms}", "film-1", 0), did("bob", "film-2", at_ms))
        assert set(one.step().appended_ms) == {at_ms}
    append(log, UserChange(user_id="ann", op="put"))
    assert one.step().appended_ms == []


class Killed(Exception):
    """The process is gone."""


def dies(store: Any, monkeypatch: pytest.MonkeyPatch, after_writing: bool, writes: int) -> None:
    """Let the store's write number `writes` be the last thing that happens before the process dies."""
    real, left = type(store).write, [writes]

    def write(*arguments: object) -> None:
        left[0] -= 1
        if after_writing or left[0]:
            real(store, *arguments)
        if not left[0]:
            raise Killed

    monkeypatch.setattr(type(store), "write", lambda self, *arguments: write(*arguments))


@pytest.mark.parametrize("kind", ["features", "items"])
@pytest.mark.parametrize("after_writing", [False, True], ids=["before_the_write", "after_the_write"])
@pytest.mark.parametrize("writes", [1, 3])
def test_a_worker_that_is_killed_in_the_midst_is_harmless(
    filled: SqliteLog, stores: Stores, others: Stores, monkeypatch: pytest.MonkeyPatch,
    kind: str, after_writing: bool, writes: int,
) -> None:  # fmt: skip
    caught_up(worker(filled, others, batch=5))
    dies(getattr(stores, kind), monkeypatch, after_writing, writes)
    first = worker(filled, stores, batch=5, lease_ms=0)
    with pytest.raises(Killed):
        caught_up(first)
    monkeypatch.undo()
    caught_up(worker(filled, stores, batch=5))
    assert stores.state(USERS) == others.state(USERS)


def test_a_store_that_does_not_answer_for_a_moment_costs_nothing(
    filled: SqliteLog, stores: Stores, others: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught_up(worker(filled, others))
    one = worker(filled, stores)
    one.lease()

    def gone(*_: object) -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(SqliteFeatures, "write", gone)
    assert set(one.step().away.values()) == {"the disk is full"}
    with pytest.raises(Unavailable, match="the disk is full"):
        one.catch_up()
    monkeypatch.undo()
    one.catch_up()
    assert stores.state(USERS) == others.state(USERS)


def test_a_write_that_came_through_but_was_not_heard_of_is_not_done_twice(
    filled: SqliteLog, stores: Stores, others: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught_up(worker(filled, others, batch=5))
    one = worker(filled, stores, batch=5)
    dies(stores.features, monkeypatch, after_writing=True, writes=2)
    with pytest.raises(Killed):
        caught_up(one)
    monkeypatch.undo()
    one.catch_up()
    assert stores.state(USERS) == others.state(USERS)


def test_who_folds_one_stream_cannot_undo_what_another_has_folded_of_the_others(
    filled: SqliteLog, stores: Stores
) -> None:
    share = Alone(4)  # of a group: one holder, one token
    one, two = (Worker(filled, stores.features, None, share=share) for _ in range(2))
    caught_up(one)
    assert caught_up(two).idle
    append(filled, did("u0", "film-new", 600_000))
    assert one.step().events == 1
    shown = Exposure("r1", "u0", 700_000, "home", "main", "v1", 1, 0, ("film-1",), (0.5,), ("popular",), (1.0,))
    filled.append(Stream.EXPOSURES, [exposure_record(shown)])
    with pytest.raises(StalePosition, match="of events stands at"):
        two.step({Stream.EXPOSURES})
    assert one.step().exposures == 1
    (record,) = stores.features.read(["u0"])
    assert record is not None
    assert (hash64("film-new") in record.history["item"], len(record.shown)) == (True, 1)


def test_only_the_streams_that_were_named_are_read(filled: SqliteLog, stores: Stores) -> None:
    one = worker(filled, stores)
    one.lease()
    items = one.step({Stream.ITEMS})
    assert (items.events, items.users, items.items > 0) == (0, 0, True)
    assert stores.features.read(USERS) == [None] * 12
    users = one.step({Stream.EVENTS})
    assert (users.events > 0, users.users, users.items) == (True, 0, 0)
    assert one.step({Stream.USERS}).users > 0
    assert one.step().idle


def test_records_that_cannot_be_read_are_passed_over_and_named(
    filled: SqliteLog, stores: Stores, others: Stores
) -> None:
    caught_up(worker(filled, others))
    expected, counts, _, documents, _ = others.state(USERS)
    poison = Record("u0", "poison", b"\xc1")
    for stream in (Stream.EVENTS, Stream.USERS, Stream.ITEMS):
        filled.append(stream, [poison])
    append(filled, did("late", "film-1", 500_000))
    done = caught_up(worker(filled, stores))
    place = partition_of("u0")
    assert len(done.poison) == 3
    assert all(
        f"partition {place}, offset " in what and "A record of 1 bytes cannot be read as" in what
        for what in done.poison
    )
    found = stores.state(USERS)
    assert (found[0], found[1], found[3]) == (expected, counts, documents)
    assert stores.features.position(place)[Stream.USERS] == filled.ends(Stream.USERS)[place]
    assert not any(worker(filled, stores).behind().values())
    assert stores.features.read(["late"])[0]


def test_poison_is_a_dead_letter_with_its_reason_once(filled: SqliteLog, stores: Stores, others: Stores) -> None:
    filled.append(Stream.EVENTS, [Record("u0", "poison", b"\xc1")])
    caught_up(worker(filled, stores))
    caught_up(worker(filled, others))  # a replay finds the same
    letters = [letter_of(entry.record.body) for p in range(4) for entry in filled.read(Stream.DEAD_LETTERS, p, -1, 10)]
    assert [(one.stream, one.partition, one.key, one.body) for one in letters] == [
        ("events", partition_of("u0"), "u0", b"\xc1")
    ]
    assert "cannot be read as an event" in letters[0].reason


def test_an_event_that_breaks_the_fold_stops_no_other(log: SqliteLog, stores: Stores) -> None:
    append(log, did("ann", "film-1", 0), did("ann", "film-2", 0))
    log.append(Stream.EVENTS, [event_record(Event("odd", "ann", Action.VIEW, 2**63 + 5, "film-9"))])
    append(log, did("ann", "film-3", 1))
    done = caught_up(worker(log, stores))
    assert len(done.poison) == 1
    assert "it breaks the fold" in done.poison[0]
    ann = stores.features.read(["ann"])[0]
    assert ann
    assert len(ann.history) == 3


def test_a_batch_of_nothing_but_poison_is_passed_over(log: SqliteLog, stores: Stores) -> None:
    for stream in (Stream.EVENTS, Stream.USERS, Stream.ITEMS):
        log.append(stream, [Record(f"k{n}", f"poison-{n}", b"\xc1") for n in range(9)])
    one = worker(log, stores, batch=2)
    done = caught_up(one)
    assert len(done.poison) == 27
    assert one.step().idle


def test_a_repeat_in_the_log_changes_nothing(log: SqliteLog, stores: Stores) -> None:
    events = [did("ann", f"film-{n}", n) for n in range(5)]
    append(log, *events)
    one = worker(log, stores)
    caught_up(one)
    before = stores.state(["ann"])
    for number, event in enumerate(events):
        record = event_record(event)
        log.append(Stream.EVENTS, [Record(record.key, f"retry-{number}", record.body)])
    caught_up(one)
    after = stores.state(["ann"])
    assert after[1] == before[1]
    assert after[0][0][:3] == before[0][0][:3]


def test_records_of_another_log_are_not_taken_for_those_of_this_one(
    filled: SqliteLog, stores: Stores, others: Stores, tmp_path: Path, clock: ManualClock
) -> None:
    """The log of before is gone, and a new one begins: its first records have offsets that were folded already."""
    before = worker(filled, stores)
    caught_up(before)
    before.release()
    with closing(SqliteLog(tmp_path / "new", clock)) as new:
        append(new, did("u1", "film-1", 1))
        behind = worker(new, stores)
        behind.lease()
        with pytest.raises(
            Refused, match=r"stand at \d+ of events in partition \d, where the log ends at -?\d.*refold"
        ):
            behind.behind()
        with pytest.raises(Refused):
            behind.catch_up()
        assert caught_up(worker(new, others)).events == 1


def test_while_one_worker_has_the_lease_another_has_to_wait(filled: SqliteLog, stores: Stores) -> None:
    first, second = worker(filled, stores), worker(filled, stores)
    first.lease()
    with pytest.raises(Conflict, match=r"the feature store .* is being written by .*; stop that worker or wait"):
        second.lease()
    first.lease()
    first.release()
    second.lease()
    assert not second.catch_up().idle


def test_the_write_of_a_zombie_is_refused(filled: SqliteLog, stores: Stores, others: Stores) -> None:
    caught_up(worker(filled, others, batch=5))
    zombie, heir = worker(filled, stores, batch=5, lease_ms=0), worker(filled, stores, batch=5)
    zombie.lease()
    zombie.step()
    heir.lease()
    with pytest.raises(StalePosition, match=r"the lease with token 1 is lost, .* has token 2; take the lease again"):
        zombie.step()
    heir.catch_up()
    assert stores.state(USERS) == others.state(USERS)


def test_without_a_lease_nothing_is_written(filled: SqliteLog, stores: Stores) -> None:
    with pytest.raises(StalePosition, match="the lease with token 0 is lost, nobody has token 0"):
        worker(filled, stores).step()
    assert stores.features.read(USERS) == [None] * 12
