"""Do queries become the right arrays, for one user as for many, known or not, merged or not?"""

from collections.abc import Sequence

import numpy as np
import pytest

from foryou.domain import catalog as catalogs
from foryou.domain.catalog import Catalog
from foryou.domain.clock import ManualClock
from foryou.domain.errors import Incomplete
from foryou.domain.event import CODE, Action, Event, hash64
from foryou.domain.item import Item
from foryou.domain.records import NOBODY, Change, Trending, UserRecord
from foryou.domain.slate import Query, QueryBatch, View
from foryou.features import trending
from foryou.features.fold import fold
from foryou.features.hydrate import WINDOW, Hydrate, assemble_batch
from foryou.stores.features_sqlite import SqliteFeatures

AT_MS = 1_700_000_000_000
CATALOG = catalogs.build([Item(item_id=item_id) for item_id in "abcdef"], "v", {})
NO_COUNTS = Trending(np.zeros(0, np.int32), np.zeros(0, np.uint64), np.zeros(0, np.int64), {})


def view(catalog: Catalog = CATALOG) -> View:
    return trending.view(catalog, NO_COUNTS, AT_MS)


class Counting:
    """A feature store in memory that counts its reads."""

    def __init__(self) -> None:
        self._store = SqliteFeatures(":memory:", ManualClock(AT_MS))
        self._token = self._store.lease("test", 10**12)
        self._through = -1
        self.reads = 0

    def read(self, users: Sequence[str]) -> list[UserRecord | None]:
        self.reads += 1
        return self._store.read(users)

    def feed(self, *events: Event) -> None:
        users = list(dict.fromkeys(event.user_id for event in events))
        known = dict(zip(users, self._store.read(users), strict=True))
        start, self._through = self._through, self._through + len(events)
        folded = fold(known, events, range(start + 1, self._through + 1))
        self._store.write(
            Change(0, {"events": start}, {"events": self._through}, folded.records, folded.counts), self._token
        )

    def ask(self, *queries: Query) -> QueryBatch:
        return Hydrate(self, view)(list(queries))  # type: ignore[arg-type]


@pytest.fixture
def store() -> Counting:
    return Counting()


class Partly(Counting):
    """One of whose users cannot be reached."""

    away = ""

    def read(self, users: Sequence[str]) -> list[UserRecord | None]:
        found = super().read(users)
        missing = [place for place, user in enumerate(users) if user == self.away]
        if missing:
            raise Incomplete("away", [None if n in missing else one for n, one in enumerate(found)], missing)
        return found


@pytest.mark.parametrize(("away", "lost"), [("ann", [True, False]), ("old", [True, False]), ("bob", [False, True])])
def test_who_cannot_be_reached_is_lost_and_so_is_who_was_merged_with_him(away: str, lost: list[bool]) -> None:
    store = Partly()
    store.feed(did("ann", "a", AT_MS), did("bob", "b", AT_MS), did("old", "c", AT_MS))
    store.feed(Event("1", "ann", Action.ALIAS, AT_MS, query="old"))
    store.away = away
    batch = store.ask(Query("ann", 5, AT_MS, 0), Query("bob", 5, AT_MS, 0))
    assert batch.lost == lost
    store.away = ""
    assert store.ask(Query("ann", 5, AT_MS, 0)).lost == []


def did(user: str, item: str, at_ms: int, action: Action = Action.VIEW, value: float | None = None) -> Event:
    return Event(f"{user}:{item}:{at_ms}", user, action, AT_MS + at_ms, item, value=value)


def became(source: str, target: str, at_ms: int) -> tuple[Event, Event]:
    return (
        Event(f"{source}>{target}:into", source, Action.ALIAS, AT_MS + at_ms, unit="into", query=target),
        Event(f"{source}>{target}:from", target, Action.ALIAS, AT_MS + at_ms, unit="from", query=source),
    )


def query(user: str, **more: object) -> Query:
    return Query(user, 3, AT_MS + 1_000, 7, **more)


def test_the_history_is_the_distinct_items_newest_first_with_their_tastes(store: Counting) -> None:
    store.feed(
        did("ann", "a", 1, Action.LIKE), did("ann", "b", 2, Action.RATING, 1.0), did("ann", "c", 3),
        did("ann", "a", 4), did("ann", "gone", 5),
    )  # fmt: skip
    batch = store.ask(query("ann"))
    assert batch.history[0, :4].tolist() == [1, 3, 2, 0]  # `gone` is not in the catalog
    assert batch.taste[0, :4].tolist() == [1.0, 0.5, -1.0, 0.0]
    assert batch.action[0, :3].tolist() == [CODE[Action.LIKE], CODE[Action.VIEW], CODE[Action.RATING]]
    assert (batch.at_ms[0, :3] - AT_MS).tolist() == [4, 3, 2]
    assert batch.history.shape == (1, WINDOW)
    assert (batch.known, batch.offset) == ([True], [4])


def test_somebody_unknown_has_no_history_and_is_said_to_be_unknown(store: Counting) -> None:
    store.feed(did("ann", "a", 1))
    batch = store.ask(query("nobody"), query("ann"))
    assert (batch.known, batch.offset) == ([False, True], [-1, 0])
    assert not batch.history[0].any()
    assert batch.history[1, 0] == 1


def test_a_batch_needs_one_read_and_merged_users_one_more(store: Counting) -> None:
    store.feed(did("ann", "a", 1), did("bob", "b", 1))
    store.ask(query("ann"), query("bob"), query("nobody"))
    assert store.reads == 1
    store.feed(*became("guest", "ann", 2))
    store.reads = 0
    store.ask(query("ann"), query("bob"))
    assert store.reads == 2


@pytest.mark.parametrize("asked", ["ann", "guest"])
def test_who_was_merged_is_one_user_under_either_name(store: Counting, asked: str) -> None:
    store.feed(did("ann", "a", 1), did("guest", "b", 2), *became("guest", "ann", 3), did("guest", "c", 4))
    batch = store.ask(query(asked))
    assert batch.history[0, :4].tolist() == [3, 2, 1, 0]
    assert batch.seen.tolist() == sorted(hash64(item) % 2**32 for item in "abc")


def test_two_guests_that_became_one_user_know_of_each_other(store: Counting) -> None:
    store.feed(did("one", "a", 1), did("two", "b", 2), *became("one", "ann", 3), *became("two", "ann", 4))
    for asked in ("one", "two", "ann"):
        assert store.ask(query(asked)).history[0, :3].tolist() == [2, 1, 0]


def test_a_forgotten_user_is_a_known_one_without_history(store: Counting) -> None:
    store.feed(did("ann", "a", 1), Event("f", "ann", Action.FORGET, AT_MS + 2))
    batch = store.ask(query("ann"))
    assert batch.known == [True]
    assert not batch.history.any()
    assert not len(batch.seen)


def test_what_the_caller_excludes_and_the_item_of_the_page_count_as_seen(store: Counting) -> None:
    store.feed(did("ann", "a", 1))
    batch = store.ask(query("ann", exclude=("c", "unknown"), anchor="b"), query("nobody"))
    assert batch.seen[: batch.seen_start[1]].tolist() == sorted(
        hash64(item) % 2**32 for item in ("a", "b", "c", "unknown")
    )
    assert batch.seen_start.tolist() == [0, 4, 4]
    assert batch.anchor.tolist() == [2, 0]


def test_items_are_named_by_number_and_unknown_ones_by_nought(store: Counting) -> None:
    batch = store.ask(query("ann", anchor="f", asked="e"), query("ann", anchor="zz", asked="zz"), query("ann"))
    assert batch.anchor.tolist() == [6, 0, 0]
    assert batch.asked.tolist() == [5, 0, 0]
    assert batch.k.tolist() == [3, 3, 3]
    assert batch.seed.tolist() == [7, 7, 7]


def test_strangers_are_the_same_queries_as_if_nobody_were_known(store: Counting) -> None:
    store.feed(did("ann", "a", 1))
    batch = Hydrate(store, view).strangers([query("ann", anchor="b")])  # type: ignore[arg-type]
    assert (batch.known, batch.anchor.tolist()) == ([False], [2])
    assert not batch.history.any()
    assert store.reads == 0


def test_a_query_gets_the_same_arrays_alone_and_in_a_batch() -> None:
    people = []
    for user in range(4):
        events = [did(f"u{user}", "abcdef"[(user * n) % 6], n) for n in range(3 * user)]
        people.append(fold({}, events, range(len(events))).records.get(f"u{user}", NOBODY))
    queries = [query(f"u{user}", exclude=("c",)) for user in range(4)]
    together = assemble_batch(queries, people, view())
    for b in range(4):
        alone = assemble_batch(queries[b : b + 1], people[b : b + 1], view())
        for name in ("history", "taste", "action", "at_ms", "k", "seed", "anchor", "asked"):
            assert getattr(alone, name)[0].tolist() == getattr(together, name)[b].tolist(), name
        assert alone.seen.tolist() == together.seen[together.seen_start[b] : together.seen_start[b + 1]].tolist()
