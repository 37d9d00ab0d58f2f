"""Does a process take up releases, items and trends while it serves, and keep what works when something is broken?"""

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import worlds
from foryou.config import Config, Placement
from foryou.domain.bundle import ModelBundle
from foryou.domain.clock import HOUR_MS, ManualClock
from foryou.domain.errors import Unavailable
from foryou.domain.item import ItemChange
from foryou.domain.log import Record, Stream
from foryou.domain.release import MAIN, Release
from foryou.ingest.codec import event_record, item_record
from foryou.serve import live as module
from foryou.serve.live import UNTRAINED, Live
from foryou.stores.features_sqlite import SqliteFeatures
from foryou.stores.items_sqlite import SqliteItems
from foryou.stores.log_sqlite import SqliteLog
from foryou.stores.models_objects import ObjectModels
from foryou.wiring import pipelines
from foryou.wiring.home import Home
from worlds import NOW_MS, did, query, shown

PLACEMENTS = {
    "home": worlds.PLAIN,
    "item": Placement(collaborative=0, item_to_item=0, similar=30, category_cap=0, explore_share=0.0),
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Give a home on real stores with the films in its log and folded."""
    clock = ManualClock(NOW_MS)
    made = Home(
        msgspec.structs.replace(Config(), home=str(tmp_path), placements=PLACEMENTS), clock,
        log=SqliteLog(tmp_path / "log", clock), features=SqliteFeatures(tmp_path / "features.db", clock),
        items=SqliteItems(tmp_path / "items.db", clock), models=ObjectModels((tmp_path / "models").as_uri()),
    )  # fmt: skip
    made.models.publish_catalog(worlds.catalog())
    yield made
    made.close()


def released(home: Home, **families: tuple[tuple[str, float], ...]) -> None:
    held = home.models.release()
    generation = held.generation if held else 0
    home.models.replace_release(Release(generation + 1, families, NOW_MS), generation)


def changed(home: Home, item_id: str, op: str = "patch", **what: object) -> None:
    home.log.append(
        Stream.ITEMS, [item_record(ItemChange(item_id=item_id, op=op, received_ms=home.clock.now_ms(), **what))]
    )


def acted(home: Home, *events: object) -> None:
    home.log.append(Stream.EVENTS, [event_record(event) for event in events])
    worker = home.worker()
    worker.lease()
    worker.catch_up()
    worker.release()


def ask(live: Live, user: str = "nobody", k: int = 10, **more: object) -> list[str]:
    return shown(live.arm_for(user).pipelines["home"].run([query(user, k, **more)])[0][0])


def versions(live: Live) -> list[str]:
    return sorted(arm.version for arm in live.arms())


def test_a_home_without_a_bundle_shows_what_trends(home: Home) -> None:
    for film in worlds.films(2):
        changed(home, film.item_id, "put", title=film.title)
    acted(home, did("ann", "war-1"), did("bob", "war-1"), did("cem", "love-2"))
    live = home.live()
    live.refresh()
    assert live.arm_for("ann").version == UNTRAINED
    assert live.release.generation == 0
    assert ask(live) == ["war-1", "love-2"]


def test_a_new_release_swaps_the_bundle_and_the_old_one_is_let_go(home: Home) -> None:
    home.models.publish(worlds.bundle("v1"))
    home.models.publish(worlds.bundle("v2"))
    released(home, main=(("v1", 1.0),))
    live = home.live()
    live.refresh()
    first = live.arm_for("ann")
    assert versions(live) == ["v1"]
    assert (first.version, sorted(first.pipelines)) == ("v1", ["home", "item"])
    released(home, main=(("v2", 1.0),))
    assert live.arm_for("ann").version == "v1", "nothing changes before the next look"
    live.refresh()
    assert versions(live) == ["v2"]
    assert live.release.generation == 2
    assert shown(first.pipelines["home"].run([query("ann")])[0][0]), "who still holds the old arm gets an answer"


def test_rolling_back_is_one_more_release(home: Home) -> None:
    for version in ("v1", "v2"):
        home.models.publish(worlds.bundle(version))
    live = home.live()
    for version in ("v1", "v2", "v1"):
        released(home, main=((version, 1.0),))
        live.refresh()
        assert versions(live) == [version]
    assert live.release.generation == 3


def test_a_look_without_news_keeps_the_arms(home: Home) -> None:
    home.models.publish(worlds.bundle("v1"))
    released(home, main=(("v1", 1.0),))
    live = home.live()
    live.refresh()
    arms = live.arms()
    live.refresh()
    assert [a is b for a, b in zip(arms, live.arms(), strict=True)] == [True]


def test_two_versions_share_the_users_and_a_user_stays_with_one(home: Home) -> None:
    for version in ("v1", "v2"):
        home.models.publish(worlds.bundle(version))
    released(home, main=(("v1", 0.25), ("v2", 0.75)))
    live = home.live()
    live.refresh()
    users = [f"u{n}" for n in range(2_000)]
    found = [live.arm_for(user).version for user in users]
    assert abs(found.count("v1") / 2_000 - 0.25) < 0.04
    assert [live.arm_for(user).version for user in users] == found
    assert live.arm_for("u1", "no-such-family").version == found[1]


def other_schema() -> ModelBundle:
    bundle = worlds.bundle("old")
    arrays = {name: array for name, array in bundle.arrays.items() if name != "welcome"}
    return ModelBundle(msgspec.structs.replace(bundle.manifest, schema="0123456789abcdef"), arrays)


def incomplete() -> ModelBundle:
    bundle = worlds.bundle("old")
    return ModelBundle(bundle.manifest, {name: array for name, array in bundle.arrays.items() if name != "welcome"})


def no_catalog() -> ModelBundle:
    return worlds.bundle("old", "no-such-catalog")


REFUSED = {
    "other_schema": (other_schema, "Bundle old was trained for inputs 0123456789abcdef, this release has [0-9a-f]{16};"
                                   " train again with `foryou train`"),
    "missing": (None, "bundles/old"),
    "no_catalog": (no_catalog, "no-such-catalog"),
    "incomplete": (incomplete, r"broken: KeyError\('welcome'\)"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refused_bundle_leaves_the_old_one_serving_and_is_named(home: Home, kind: str) -> None:
    made, reason = REFUSED[kind]
    home.models.publish(worlds.bundle("v1"))
    released(home, main=(("v1", 1.0),))
    live = home.live()
    live.refresh()
    arm, items = live.arm_for("ann"), ask(live)
    if made:
        home.models.publish(made())
    released(home, main=(("old", 1.0),))
    for _ in range(2):
        live.refresh()
        assert live.arm_for("ann") is arm
        assert ask(live) == items
    assert (live.release.generation, list(live.refused)) == (1, ["old"])
    with pytest.raises(Exception, match=reason):
        raise Exception(live.refused["old"])


def test_a_bundle_that_breaks_on_its_first_answer_leaves_the_old_one_serving(
    home: Home, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("Error in faiss::IndexIVF")

    monkeypatch.setattr(pipelines, "warm", breaks)
    home.models.publish(worlds.bundle("v2"))
    released(home, main=(("v2", 1.0),))
    live.refresh()
    assert (versions(live), live.refused) == (["v1"], {"v2": "broken: RuntimeError('Error in faiss::IndexIVF')"})


def test_of_a_release_whose_one_half_is_refused_the_other_half_serves_all(home: Home) -> None:
    home.models.publish(worlds.bundle("v1"))
    released(home, main=(("gone", 0.5), ("v1", 0.5)))
    live = home.live()
    live.refresh()
    assert {live.arm_for(f"u{n}").version for n in range(50)} == {"v1"}
    assert live.release.families == {MAIN: (("v1", 1.0),)}
    assert list(live.refused) == ["gone"]


def test_with_nothing_but_refused_bundles_a_home_still_serves_what_trends(home: Home) -> None:
    released(home, main=(("gone", 1.0),))
    live = home.live()
    live.refresh()
    assert live.arm_for("ann").version == UNTRAINED
    assert list(live.refused) == ["gone"]
    home.models.publish(worlds.bundle("gone"))
    released(home, main=(("gone", 1.0),))
    live.refresh()
    assert live.arm_for("ann").version == "gone"


@pytest.fixture
def live(home: Home) -> Live:
    """Give a process that serves bundle v1 of the films."""
    home.models.publish(worlds.bundle("v1", trending=1.0))
    released(home, main=(("v1", 1.0),))
    made = home.live()
    made.refresh()
    return made


def test_a_new_item_becomes_known_and_is_shown_once_it_trends(home: Home, live: Live) -> None:
    changed(home, "new-1", "put", title="Brand New", categories=("war",))
    assert live.arm_for("ann").view.catalog.number("new-1") == 0
    live.refresh()
    catalog = live.arm_for("ann").view.catalog
    assert (catalog.number("new-1"), catalog.title_of(61)) == (61, "Brand New")
    acted(home, *(did(f"fan-{n}", "new-1") for n in range(5)))
    assert "new-1" not in ask(live)
    live.refresh()
    assert ask(live)[0] == "new-1"


def test_an_item_that_is_patched_away_disappears_and_comes_back(home: Home, live: Live) -> None:
    assert "war-1" in ask(live)
    for status, there in (("sold out", False), ("available", True)):
        home.clock.at_ms += 1
        changed(home, "war-1", status=status)
        live.refresh()
        assert ("war-1" in ask(live)) is there
    changed(home, "love-1", "delete")
    live.refresh()
    assert "love-1" not in ask(live)


def test_a_new_arm_knows_the_items_that_arrived_before_it(home: Home, live: Live) -> None:
    changed(home, "war-1", status="sold out")
    home.models.publish(worlds.bundle("v2"))
    released(home, main=(("v2", 1.0),))
    live.refresh()
    assert live.arm_for("ann").version == "v2"
    assert "war-1" not in ask(live)


def test_a_record_of_an_item_that_cannot_be_read_is_passed_over(home: Home, live: Live) -> None:
    home.log.append(Stream.ITEMS, [Record(f"bad-{n}", f"poison-{n}", b"\xc1") for n in range(4)])
    changed(home, "war-1", status="sold out")
    live.refresh()
    assert "war-1" not in ask(live)
    again = home.live()
    again.refresh()
    assert "war-1" not in ask(again)


def test_items_that_fill_more_than_one_read_are_all_taken_up(
    home: Home, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_LIMIT", 3)
    for n in range(25):
        changed(home, f"new-{n}", "put")
    live.refresh()
    assert len(live.arm_for("ann").view.catalog) == 85


def test_trends_are_reckoned_for_the_time_of_the_clock_or_for_the_one_given(home: Home, live: Live) -> None:
    acted(home, *(did(f"fan-{n}", "crime-9") for n in range(5)))
    number = live.arm_for("ann").view.catalog.number("crime-9")
    live.refresh()
    fresh = live.arm_for("ann").view.trending[number]
    live.refresh(NOW_MS + 12 * HOUR_MS)
    assert live.arm_for("ann").view.trending[number] == pytest.approx(fresh / 2, rel=1e-6)
    home.clock.at_ms += 48 * HOUR_MS
    live.refresh()
    assert live.arm_for("ann").view.trending[number] == 0


def test_a_swap_in_the_midst_of_a_request_finds_an_arm(home: Home, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    home.models.publish(worlds.bundle("v2"))
    released(home, main=(("v2", 1.0),))
    real = module.version_for

    def swapped_meanwhile(user_id: str, shares: object, salt: str) -> str:
        monkeypatch.setattr(module, "version_for", real)
        live.refresh()
        return real(user_id, shares, salt)

    monkeypatch.setattr(module, "version_for", swapped_meanwhile)
    assert live.arm_for("ann").version == "v1"
    assert live.arm_for("ann").version == "v2"


def test_two_looks_at_once_do_not_load_a_bundle_twice(home: Home, live: Live) -> None:
    home.models.publish(worlds.bundle("v2"))
    released(home, main=(("v2", 1.0),))
    threads = [threading.Thread(target=live.refresh) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert versions(live) == ["v2"]


def test_a_bundle_that_cannot_be_fetched_for_a_moment_is_taken_up_later(
    home: Home, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.models.publish(worlds.bundle("v2"))
    released(home, main=(("v2", 1.0),))

    def gone(*_: object) -> None:
        raise Unavailable("the network is gone")

    monkeypatch.setattr(ObjectModels, "load", gone)
    live.refresh()
    assert (versions(live), live.refused) == (["v1"], {"v2": "the network is gone"})
    monkeypatch.undo()
    live.refresh()
    assert (versions(live), live.refused) == (["v2"], {})


def test_a_refused_bundle_is_not_read_again_until_the_next_release(
    home: Home, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    real = ObjectModels.load
    monkeypatch.setattr(ObjectModels, "load", lambda self, version: loads.append(version) or real(self, version))
    released(home, main=(("gone", 1.0),))
    for _ in range(3):
        live.refresh()
    assert loads == ["gone"]
    released(home, main=(("v1", 1.0),))
    live.refresh()
    assert (loads, live.refused, live.release.generation) == (["gone"], {}, 3)


def test_a_log_that_does_not_answer_leaves_what_was_known(
    home: Home, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = ask(live)

    def gone(*_: object) -> None:
        raise Unavailable("the disk is gone")

    monkeypatch.setattr(SqliteLog, "ends", gone)
    changed(home, "war-1", status="sold out")
    with pytest.raises(Unavailable, match="the disk is gone"):
        live.refresh()
    assert ask(live) == items
    monkeypatch.undo()
    live.refresh()
    assert "war-1" not in ask(live)
