"""Does folding a log give the same records whatever the pieces, and what do the records remember?"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foryou.domain.clock import HOUR_MS
from foryou.domain.event import Action, Event, hash64
from foryou.domain.exposure import Exposure
from foryou.domain.log import PARTITIONS, partition_of
from foryou.domain.records import HISTORY, NOBODY, SEEN, VIEWS, UserChange, UserRecord, pack, unpack
from foryou.features import fold as module
from foryou.features.fold import fold, fold_exposures, fold_parts, fold_profiles
from tries import tries

MANY = tries(75)
USERS = ("ann", "bob", "cem", "dora", "eva")
ITEMS = ("", "a", "b", "c", "d", "e", "f")
AT_MS = 1_700_000_000_000


class Home:
    """What a worker keeps: records, counters, and how far each stream of each partition is folded."""

    def __init__(self, events: Sequence[Event], changes: Sequence[UserChange]) -> None:
        self.records: dict[str, UserRecord] = {}
        self.counts: Counter[tuple[int, int]] = Counter()
        self._events = [[one for one in events if partition_of(one.user_id) == p] for p in range(PARTITIONS)]
        self._changes = [[one for one in changes if partition_of(one.user_id) == p] for p in range(PARTITIONS)]
        self._folded = [0] * PARTITIONS
        self._changed = [0] * PARTITIONS

    def step(self, partition: int, events: int, changes: int) -> None:
        """Fold the next events and changes of a partition, as one change of the store."""
        start = self._folded[partition]
        some = self._events[partition][start : start + events]
        folded = fold(
            {one.user_id: self.records.get(one.user_id) for one in some}, some, range(start, start + len(some))
        )
        self.records |= folded.records
        self.counts.update(folded.counts)
        self._folded[partition] += len(some)
        start = self._changed[partition]
        said = self._changes[partition][start : start + changes]
        self.records |= fold_profiles(self.records, said, range(start, start + len(said)))
        self._changed[partition] += len(said)

    def leap(self) -> None:
        """Fold the events of all partitions at once."""
        parts = [(some, range(len(some))) for some in self._events]
        for folded in fold_parts(self.records, parts):
            self.records |= folded.records
            self.counts.update(folded.counts)
        self._folded = [len(some) for some in self._events]

    def finish(self, partitions: Iterable[int] = range(PARTITIONS)) -> "Home":
        for partition in partitions:
            self.step(partition, 10_000, 10_000)
        return self

    def state(self) -> tuple[dict[str, tuple[bytes, bytes, bytes, int]], dict[tuple[int, int], int]]:
        return {user: (*pack(record), record.offset) for user, record in self.records.items()}, dict(self.counts)


def event(user: str, item: str, at_ms: int, action: Action = Action.VIEW, event_id: str = "", **more: object) -> Event:
    return Event(event_id or f"{user}:{item}:{at_ms}:{action}", user, action, AT_MS + at_ms, item, **more)


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[Event], list[UserChange]]:
    """Give a log: late events, repeats soon and much later, searches, sessions, aliases, forgets, profiles."""
    random = Random(draw(st.integers(0, 2**32 - 1)))  # drawing each field would take half a second a log
    events: list[Event] = []
    for number in range(draw(st.integers(0, 60))):
        again = random.choice(events) if events and random.random() < 0.2 else None
        if again and random.random() < 0.3:  # a retry that was stamped anew
            again = msgspec.structs.replace(again, at_ms=AT_MS + random.randint(0, 8) * HOUR_MS // 3)
        events.append(again or any_event(random, str(number)))
    changes = []
    for _ in range(draw(st.integers(0, 6))):
        op = random.choice(["put", "patch", "delete"])
        more = {"age": random.randint(1, 90)} if op != "delete" and random.random() < 0.5 else {}
        if random.random() < 0.5:
            more["location"] = random.choice(["", "Ulm"])
        changes.append(UserChange(user_id=random.choice(USERS), op=op, **more))
    return events, changes


def any_event(random: Random, event_id: str) -> Event:
    action = random.choice([Action.VIEW] * 20 + list(Action))
    more: dict[str, object] = {"session_id": random.choice(["", "s1", "s2"])}
    if action is Action.ALIAS:
        more |= {"unit": random.choice(["into", "from"]), "query": "zoe"}
    elif action is Action.SEARCH:
        more["query"] = random.choice(["shoes", "hats"])
    elif action in (Action.RATING, Action.DWELL):
        more["value"] = random.choice([1.0, 4.0, 7.0])
    item = "" if action in (Action.SEARCH, Action.ALIAS, Action.FORGET) else random.choice(ITEMS)
    return event(random.choice(USERS), item, random.randint(0, 8) * HOUR_MS // 3, action, event_id, **more)


def small(history: int, seen: int) -> pytest.MonkeyPatch:
    """Let few actions be many, so that short logs push actions out."""
    patch = pytest.MonkeyPatch()
    patch.setattr(module, "HISTORY", history)
    patch.setattr(module, "SEEN", seen)
    return patch


STEPS = st.lists(st.tuples(st.integers(0, PARTITIONS - 1), st.integers(0, 5), st.integers(0, 3)), max_size=30)


@MANY
@given(logs(), STEPS, st.permutations(range(PARTITIONS)), st.sampled_from([2, 5, HISTORY]), st.sampled_from([3, SEEN]))
def test_any_pieces_in_any_order_of_partitions_and_streams_give_the_same_records(
    log: tuple[list[Event], list[UserChange]],
    steps: list[tuple[int, int, int]],
    order: list[int],
    history: int,
    seen: int,
) -> None:
    patch = small(history, seen)
    try:
        at_once = Home(*log).finish()
        in_pieces = Home(*log)
        for step in steps:
            in_pieces.step(*step)
        in_pieces.finish(order)
        together = Home(*log)
        together.leap()
        one_by_one = Home(*log)
        for one in log[0]:
            one_by_one.step(partition_of(one.user_id), 1, 0)
        one_by_one.finish(order)
        profiles_first = Home(*log)
        for partition in range(PARTITIONS):
            profiles_first.step(partition, 0, 10_000)
        profiles_first.finish()
    finally:
        patch.undo()
    assert in_pieces.state() == at_once.state()
    assert one_by_one.state() == at_once.state()
    assert together.finish().state() == at_once.state()
    assert profiles_first.state() == at_once.state()


@MANY
@given(st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_the_order_of_arrival_does_not_matter_to_the_history(size: int, seed: int) -> None:
    random = Random(seed)
    events = [event("ann", random.choice("abcd"), random.randint(0, 5), event_id=str(n)) for n in range(size)]
    shuffled = random.sample(events, size)
    patch = small(5, SEEN)
    try:
        found = [known(one) for one in (events, shuffled)]
    finally:
        patch.undo()
    assert found[0].history.tobytes() == found[1].history.tobytes()
    assert found[0].core == found[1].core
    assert set(found[0].seen.tolist()) == set(found[1].seen.tolist())


def known(events: Sequence[Event], before: UserRecord | None = None) -> UserRecord:
    """Give the record of the first user after these events."""
    user = events[0].user_id if events else "ann"
    folded = fold({user: before}, events, range(len(events)))
    return folded.records.get(user, NOBODY)


def items_of(record: UserRecord) -> list[int]:
    return record.history["item"].tolist()


def hashes(*item_ids: str) -> list[int]:
    return [hash64(item_id) for item_id in item_ids]


def test_an_item_seen_once_stays_seen_after_two_hundred_more_actions() -> None:
    record = known([event("ann", "first", 0), *(event("ann", f"i{n}", n + 1) for n in range(250))])
    assert len(record.history) == HISTORY
    assert hash64("first") not in items_of(record)
    assert record.seen[0] == hash64("first") % 2**32
    assert len(record.seen) == 251


def test_of_more_items_than_can_be_remembered_those_seen_first_are_forgotten() -> None:
    patch = small(HISTORY, 3)
    try:
        record = known([event("ann", item, place) for place, item in enumerate("abcda")])
    finally:
        patch.undo()
    assert record.seen.tolist() == [one % 2**32 for one in hashes("c", "d", "a")]


def test_of_more_actions_than_fit_the_newest_stay() -> None:
    record = known([event("ann", f"i{n}", n) for n in range(250)])
    assert items_of(record) == hashes(*(f"i{n}" for n in range(50, 250)))
    assert items_of(known([event("ann", "late", -5)], record)) == items_of(record)


def test_a_late_event_lands_in_its_place() -> None:
    record = known([event("ann", "a", 1), event("ann", "c", 3), event("ann", "b", 2)])
    assert items_of(record) == hashes("a", "b", "c")
    assert record.core.views == tuple(hashes("c", "b", "a"))
    assert record.core.last_ms == AT_MS + 3
    assert record.seen.tolist() == [one % 2**32 for one in hashes("a", "c", "b")]


def test_a_repeat_is_counted_once_in_one_go_and_later() -> None:
    once, other = event("ann", "a", 1), event("ann", "b", 2)
    folded = fold({"ann": None}, [once, once, other, once], range(4))
    assert len(folded.records["ann"].history) == 2
    assert folded.counts == {(AT_MS // HOUR_MS, hash64(item)): 50 for item in "ab"}
    again = fold({"ann": folded.records["ann"]}, [once], [4])
    assert again.records["ann"].history.tobytes() == folded.records["ann"].history.tobytes()
    assert again.counts == {}
    assert again.records["ann"].offset == 4


def test_a_repeat_of_an_action_that_was_pushed_out_changes_nothing() -> None:
    first = event("ann", "a", 0)
    record = known([first, *(event("ann", f"i{n}", n + 1) for n in range(HISTORY))])
    again = fold({"ann": record}, [first], [999])
    assert again.records["ann"].history.tobytes() == record.history.tobytes()
    assert again.counts == {}


def test_counters_hold_hundredths_of_the_interest_per_hour_and_no_dislikes() -> None:
    events = [
        event("ann", "a", 0, Action.PURCHASE), event("ann", "a", HOUR_MS, Action.CLICK),
        event("ann", "a", 1, Action.RATING, value=5.0), event("ann", "b", 0, Action.RATING, value=1.0),
        event("ann", "c", 0, Action.HIDE), event("ann", "d", 0, Action.IMPRESSION),
    ]  # fmt: skip
    hour = AT_MS // HOUR_MS
    folded = fold({"ann": None}, events, range(6))
    assert folded.counts == {(hour, hash64("a")): 200, (hour + 1, hash64("a")): 70}


def test_what_was_only_shown_is_not_remembered() -> None:
    record = known([event("ann", "a", 0, Action.IMPRESSION)])
    assert (len(record.history), len(record.seen), record.core.views, record.offset) == (0, 0, (), 0)


def test_forget_empties_the_record_but_not_the_profile_and_what_follows_counts_again() -> None:
    before = fold_profiles({}, [UserChange(user_id="ann", op="put", age=30, attributes={"plan": "pro"})], [0])["ann"]
    events = [
        event("ann", "a", 0, session_id="s"), event("ann", "", 1, Action.SEARCH, query="shoes"),
        event("ann", "", 2, Action.ALIAS, unit="from", query="anonymous"), event("ann", "", 3, Action.FORGET),
    ]  # fmt: skip
    record = known(events, before)
    assert (len(record.history), len(record.seen), record.offset) == (0, 0, 3)
    assert record.core == msgspec.structs.replace(before.core, forgotten_ms=events[-1].at_ms)
    after = known([*events, event("ann", "b", 4)], before)
    assert items_of(after) == hashes("b")
    assert after.core.age == 30


def test_an_alias_is_noted_on_both_sides_once() -> None:
    into = known([event("guest", "", 1, Action.ALIAS, unit="into", query="ann")] * 2)
    assert (into.core.alias_of, into.core.merged) == ("ann", ())
    came = known([event("ann", "", 1, Action.ALIAS, unit="from", query="guest")] * 2)
    assert (came.core.alias_of, came.core.merged) == ("", ("guest",))


def test_the_newest_session_and_search_by_the_time_of_the_action_are_kept() -> None:
    record = known([
        event("ann", "a", 5, session_id="new"), event("ann", "b", 3, session_id="old"),
        event("ann", "", 9, Action.SEARCH, query="hats"), event("ann", "", 8, Action.SEARCH, query="shoes"),
    ])  # fmt: skip
    assert (record.core.session_id, record.core.session_ms) == ("new", AT_MS + 5)
    assert (record.core.query, record.core.query_ms) == ("hats", AT_MS + 9)


def test_the_core_lists_the_newest_distinct_items() -> None:
    record = known([event("ann", item, place) for place, item in enumerate("abcdefgg")])
    assert record.core.views == tuple(hashes("g", "f", "e", "d", "c"))
    assert len(record.core.views) == VIEWS


def test_a_profile_is_replaced_by_put_changed_by_patch_and_emptied_by_delete() -> None:
    put = UserChange(user_id="ann", op="put", age=30, gender="F", location="Ulm", attributes={"plan": "pro"})
    patch = UserChange(user_id="ann", op="patch", location="Bonn")
    replaced = UserChange(user_id="ann", op="put", age=31)
    seen: list[tuple[int, str, str, dict[str, str]]] = []
    record = known([event("ann", "a", 0)])
    for change in (put, patch, replaced, patch, UserChange(user_id="ann", op="delete", age=99)):
        record = fold_profiles({"ann": record}, [change], [0])["ann"]
        seen.append((record.core.age, record.core.gender, record.core.location, record.core.attributes))
    assert seen == [
        (30, "F", "Ulm", {"plan": "pro"}), (30, "F", "Bonn", {"plan": "pro"}), (31, "", "", {}),
        (31, "", "Bonn", {}), (0, "", "", {}),
    ]  # fmt: skip
    assert items_of(record) == hashes("a")


def test_what_was_known_is_not_touched() -> None:
    record = known([event("ann", "a", 0)])
    before = pack(record)
    known([event("ann", "b", 1), event("ann", "", 2, Action.FORGET)], record)
    fold_profiles({"ann": record}, [UserChange(user_id="ann", op="put", age=3)], [0])
    assert pack(record) == before


def test_the_core_record_of_a_typical_user_packs_into_two_hundred_bytes(
    record_property: Callable[[str, object], None],
) -> None:
    user = "customer-1234567"
    events = [event(user, f"SKU-{n:08}", n, session_id="b1946ac92492d2347c6235b4d2611184") for n in range(120)]
    record = known([*events, event(user, "", 130, Action.SEARCH, query="running shoes size 42")])
    change = UserChange(user_id=user, op="put", age=34, gender="F", location="Berlin, Germany")
    record = fold_profiles({user: record}, [change], [0])[user]
    core, history, seen, shown = pack(record)
    record_property("core_bytes", len(core))
    print(f"core {len(core)} B, history {len(history)} B, seen {len(seen)} B")  # noqa: T201
    assert len(core) <= 200
    back = unpack(core, history, seen, record.offset, shown)
    assert msgspec.structs.asdict(back.core) == msgspec.structs.asdict(record.core)
    assert (back.history.tobytes(), back.seen.tobytes()) == (history, seen)


def shown(name: str, at_ms: int, *items: str, user: str = "ann") -> Exposure:
    return Exposure(name, user, at_ms, "home", "main", "b", 0, 0, items, (), (), ())


def test_what_was_answered_is_remembered_once_whatever_the_order_and_erased_with_the_rest() -> None:
    first, second = shown("r1", 1_000, "a", "b"), shown("r2", 5_000, "c")
    record = fold_exposures({}, [first, second, first], [0, 1, 2])["ann"]
    other = fold_exposures({}, [second, first], [0, 2])["ann"]
    assert pack(record) == pack(other)
    assert sorted(record.shown["item"].tolist()) == sorted([hash64(name) & 0xFFFFFFFF for name in "abc"])
    assert record.places == (-1, 2, -1)
    gone = known([event("ann", "", 3, Action.FORGET)], record)
    assert len(gone.shown) == 0
    assert "ann" not in fold_exposures({"ann": gone}, [first], [3])


def test_impressions_that_clients_report_are_kept_beside_what_was_answered() -> None:
    record = known([event("ann", "a", 1, Action.IMPRESSION), event("ann", "a", 2, Action.IMPRESSION)])
    assert (len(record.impressions), len(record.history), len(record.seen)) == (2, 0, 0)
    *parts, packed = pack(fold_exposures({"ann": record}, [shown("r", 9, "b")], [4])["ann"])
    back = unpack(*parts, record.offset, packed)
    assert (len(back.impressions), len(back.shown), back.shown_offset) == (2, 1, 4)


def test_the_page_and_the_device_of_the_newest_action_are_kept() -> None:
    record = known([
        event("ann", "a", 5, context={"category": "Crime", "device": "tv"}),
        event("ann", "b", 3, context={"category": "Drama", "device": "mobile"}), event("ann", "c", 9),
    ])  # fmt: skip
    assert (record.core.category, record.core.device) == ("Crime", "tv")
