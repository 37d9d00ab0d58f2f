"""Is an old answer given again bit for bit by what was known then, and can one event be followed on its way?"""

import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import worlds
from foryou.api.answers import exposure
from foryou.config import Placement
from foryou.domain.errors import NotFound, Unavailable
from foryou.domain.event import Action, Event
from foryou.domain.item import ItemChange
from foryou.domain.lists import ItemList, Kind, ListChange
from foryou.domain.log import Stream
from foryou.domain.release import Release
from foryou.domain.slate import Answer
from foryou.ingest.codec import exposure_record, item_record, list_record, records_of
from foryou.stores.models_objects import ObjectModels
from foryou.wiring.home import Home
from foryou.wiring.past import follow, reproduce
from foryou.wiring.serving import _must_be_free
from worlds import NOW_MS, did, query


def quiet(*_: object) -> None:
    """Hear of progress and say nothing."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    item = Placement(collaborative=0, item_to_item=0, similar=30)
    made = worlds.home_in(tmp_path, placements={"home": Placement(), "item": item})
    made.models.publish_catalog(worlds.catalog())
    made.models.publish(worlds.bundle("v1", trending=0.5))
    made.models.replace_release(Release(1, {"main": (("v1", 1.0),)}, NOW_MS), 0)
    acted(
        made, *(did("ann", f"war-{n}", n) for n in (1, 2, 3)), did("guest", "love-4", 2),
        *(did(f"fan-{n}", "crime-9", n + 1) for n in range(6)),
    )  # fmt: skip
    yield made
    made.close()


def acted(home: Home, *events: Event) -> None:
    appended(home, *events)
    worker = home.worker()
    worker.lease()
    worker.catch_up()
    worker.release()


def appended(home: Home, *events: Event) -> None:
    for event in events:
        for stream, record in records_of(msgspec.structs.replace(event, received_ms=home.clock.now_ms())):
            home.log.append(stream, [record])


def shown(home: Home, name: str, user: str, placement: str = "home", **more: object) -> Answer:
    """Give an answer and remember it as shown."""
    live = home.live()
    live.refresh()
    asked = query(user, 10, 77, home.clock.now_ms(), **more)
    answer = live.arm_for(user).pipelines[placement].run([asked])[0][0]
    home.log.append(Stream.EXPOSURES, [exposure_record(exposure(name, placement, asked, answer))])
    return answer


def later(home: Home) -> None:
    """Let the world move on: new actions, new items, others sold out, other trends, another bundle."""
    home.clock.at_ms += 3_600_000
    acted(
        home, did("ann", "space-1", -50), did("guest", "space-2", -51), *(did(f"late-{n}", "love-9") for n in range(9))
    )
    for change in (
        ItemChange(item_id="new-1", op="put", received_ms=1), ItemChange(item_id="war-7", op="patch", status="gone"),
    ):  # fmt: skip
        home.log.append(Stream.ITEMS, [item_record(change)])
    home.models.publish(worlds.bundle("v2", popularity=0.5))
    home.models.replace_release(Release(2, {"main": (("v2", 1.0),)}, NOW_MS), 1)


@pytest.mark.parametrize(
    ("user", "placement", "more"),
    [
        ("ann", "home", {}), ("nobody", "home", {}), ("ann", "home", {"exclude": ("war-9", "war-8")}),
        ("ann", "item", {"anchor": "love-3"}),
    ],
)  # fmt: skip
def test_an_answer_is_reproduced_after_the_world_has_moved_on(
    home: Home, user: str, placement: str, more: dict[str, object]
) -> None:
    then = shown(home, "then", user, placement, **more)
    later(home)
    now = shown(home, "now", user, placement, **more)
    assert now.items != then.items
    again = reproduce(home, "then", quiet)
    assert again.same
    assert again.items == tuple(item.item_id for item in then.items)
    assert again.scores == tuple(item.score for item in then.items)
    assert reproduce(home, "now", quiet).same


def listed(home: Home, *item_ids: str, **what: object) -> None:
    now = ItemList(name="ads", item_ids=item_ids, kind=Kind.SPONSORED, quota=2, **what)
    home.log.append(Stream.LISTS, [list_record(ListChange(name="ads", received_ms=home.clock.now_ms(), now=now))])


def test_an_answer_with_sponsored_items_and_a_filter_is_reproduced_when_lists_have_changed(home: Home) -> None:
    listed(home, "love-14", "space-15")
    then = shown(home, "then", "ann", filter='not category = "crime" and age_days > 1')
    assert [item.item_id for item in then.items if item.source == "sponsored"] == ["love-14", "space-15"]
    listed(home, "crime-2", end_ms=NOW_MS + 10**9)
    later(home)
    now = shown(home, "now", "ann")
    assert [item.item_id for item in now.items if item.source == "sponsored"] == ["crime-2"]
    for name in ("then", "now"):
        again = reproduce(home, name, quiet)
        assert again.same, name


@pytest.mark.parametrize("user", ["ann", "guest"])
def test_an_answer_to_a_merged_user_is_reproduced(home: Home, user: str) -> None:
    acted(home, Event("x", "guest", Action.ALIAS, NOW_MS, query="ann"))
    then = shown(home, "then", user)
    assert any("love-4" in item.reason.because for item in then.items)
    later(home)
    assert reproduce(home, "then", quiet).same


def test_an_answer_of_a_home_without_a_bundle_is_reproduced(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for film in worlds.films(3):
        change = ItemChange(item_id=film.item_id, op="put", received_ms=1, categories=film.categories)
        home.log.append(Stream.ITEMS, [item_record(change)])
    with monkeypatch.context() as patch:
        patch.setattr(ObjectModels, "release", lambda self: None)
        assert shown(home, "then", "ann").bundle == "untrained"
    later(home)
    assert reproduce(home, "then", quiet).same


def test_an_answer_that_was_never_given_cannot_be_reproduced(home: Home) -> None:
    with pytest.raises(
        NotFound, match="The stream exposures holds no record 'never'; `foryou events` shows the newest events"
    ):
        reproduce(home, "never", quiet)


def test_an_event_is_followed_as_far_as_it_has_come(home: Home) -> None:
    event = msgspec.structs.replace(did("ann", "love-1", 0), event_id="traced")
    appended(home, event)
    assert [hop.name for hop in follow(home, "traced")[1]] == ["accepted", "durable"]
    home.clock.at_ms += 20
    acted(home)
    assert [(hop.name, hop.since_ms) for hop in follow(home, "traced")[1]][1:] == [("durable", 0), ("visible", 20)]
    home.clock.at_ms += 15
    shown(home, "answer", "ann")
    found, hops = follow(home, "traced")
    assert found.item_id == "love-1"
    assert (hops[-1].name, hops[-1].since_ms) == ("answered", 35)


def test_an_event_that_is_not_there_cannot_be_followed(home: Home) -> None:
    with pytest.raises(NotFound, match="The stream events holds no record 'never'"):
        follow(home, "never")


def test_a_port_that_is_taken_is_said_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            Unavailable, match=rf"127.0.0.1:{port} cannot be listened on .*; choose another with --port"
        ):
            _must_be_free("127.0.0.1", port)
    _must_be_free("127.0.0.1", port)
