"""Does the simulated world have the tastes that it says, and the same ones each time?"""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from foryou.domain.clock import DAY_MS, ManualClock
from foryou.domain.errors import Invalid
from foryou.domain.event import LOW_RATING, Event
from foryou.domain.item import ItemChange
from foryou.domain.records import UserChange
from foryou.ingest.importers import Layout, run
from foryou.simulate.world import CATEGORIES, World
from foryou.stores.log_sqlite import SqliteLog

NOW_MS = 1_700_000_000_000


@pytest.fixture(scope="module")
def world() -> World:
    return World(NOW_MS)


@pytest.fixture(scope="module")
def things(world: World) -> list[ItemChange | UserChange | Event]:
    return list(world.read())


@pytest.fixture(scope="module")
def events(things: list[ItemChange | UserChange | Event]) -> list[Event]:
    return [thing for thing in things if isinstance(thing, Event)]


@pytest.fixture(scope="module")
def items(things: list[ItemChange | UserChange | Event]) -> dict[str, ItemChange]:
    return {thing.item_id: thing for thing in things if isinstance(thing, ItemChange)}


def test_it_has_the_sizes_that_were_asked_for() -> None:
    for users, items, events in ((300, 600, 12_000), (7, 12, 50), (3, 12, 36), (1, 12, 0)):
        counts = Counter(type(thing) for thing in World(NOW_MS, users, items, events).read())
        assert (counts[UserChange], counts[ItemChange], counts[Event]) == (users, items, events)


def test_the_same_seed_gives_the_same_world_and_another_seed_another(
    world: World, things: list[ItemChange | UserChange | Event]
) -> None:
    assert list(World(NOW_MS).read()) == things
    other = World(NOW_MS, seed=8)
    assert other.tastes() != world.tastes()
    assert list(other.read()) != things


def test_every_user_rates_mostly_items_of_the_two_favourite_categories(
    world: World, events: list[Event], items: dict[str, ItemChange]
) -> None:
    tastes = world.tastes()
    rated: defaultdict[str, list[bool]] = defaultdict(list)
    for event in events:
        rated[event.user_id].append(items[event.item_id].categories[0] in tastes[event.user_id])
    assert rated.keys() == tastes.keys()
    assert all(len(set(favourites)) == 2 for favourites in tastes.values())
    assert min(sum(row) / len(row) for row in rated.values()) >= 0.8


def test_favourites_are_liked_and_others_are_often_disliked(
    world: World, events: list[Event], items: dict[str, ItemChange]
) -> None:
    tastes = world.tastes()
    liked: list[float] = []
    others: list[float] = []
    for event in events:
        favourite = items[event.item_id].categories[0] in tastes[event.user_id]
        (liked if favourite else others).append(event.value or 0)
    assert min(liked) > LOW_RATING
    assert sum(stars <= LOW_RATING for stars in others) / len(others) > 0.5


def test_tastes_differ_and_every_category_is_somebodys(world: World) -> None:
    loved = Counter(category for favourites in world.tastes().values() for category in favourites)
    assert set(loved) == set(CATEGORIES)
    assert max(loved.values()) < 2 * 300 * 2 / len(CATEGORIES)


def test_events_come_in_the_order_of_time_and_end_a_few_minutes_before_now(events: list[Event]) -> None:
    times = [event.at_ms for event in events]
    assert times == sorted(times)
    assert times[-1] == NOW_MS - 3 * 60_000
    assert NOW_MS - 60 * DAY_MS - 3 * 60_000 <= times[0] < NOW_MS - 59 * DAY_MS
    assert all(event.received_ms == event.at_ms for event in events)


def test_no_user_rates_an_item_twice_and_no_item_before_it_was_there(
    events: list[Event], items: dict[str, ItemChange]
) -> None:
    assert len({(event.user_id, event.item_id) for event in events}) == len(events)
    assert all(event.at_ms > int(items[event.item_id].published_ms or 0) for event in events)


def test_few_items_are_popular_and_items_have_prices_and_titles(
    events: list[Event], items: dict[str, ItemChange]
) -> None:
    count = sorted(Counter(event.item_id for event in events).values(), reverse=True)
    assert sum(count[:60]) > 2 * len(events) * 60 / 600
    assert all(item.price and item.price > 0 and item.title and item.text for item in items.values())


def test_it_is_imported_like_files_and_a_second_time_adds_nothing(tmp_path: Path, world: World) -> None:
    layout: Layout = world
    log = SqliteLog(tmp_path, ManualClock(NOW_MS))
    first = run(layout, log, lambda *_: None)
    second = run(World(NOW_MS), log, lambda *_: None)
    log.close()
    assert (first.layout, first.stored, first.rejected, first.orphans) == ("simulated", 12_900, 0, 0)
    assert (second.stored, second.repeats) == (0, 12_900)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"users": 0}, "users: a world cannot have 0 of them; give 1 or more"),
        ({"items": 11}, "items: a world cannot have 11 of them; give 12 or more"),
        ({"events": 180_001}, "events: a world cannot have 180,001 of them; give 0..180,000"),
        ({"categories": 13, "items": 600}, "categories: a world cannot have 13 of them; give 2..12"),
        ({"categories": 1}, "categories: a world cannot have 1 of them; give 2..12"),
        ({"days": 0}, "days: a world cannot have 0 of them; give 1 or more"),
    ],
)
def test_sizes_that_make_no_world_are_refused(sizes: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid, match=f"^{message}$"):
        World(NOW_MS, **sizes)


def test_two_categories_are_everybodys_favourites() -> None:
    world = World(NOW_MS, users=5, items=10, events=50, categories=2)
    assert {frozenset(taste) for taste in world.tastes().values()} == {frozenset(CATEGORIES[:2])}
    assert sum(isinstance(thing, Event) for thing in world.read()) == 50
