"""Does a process take up releases, items and trends while it serves?"""

import threading
import time

import pytest
from homes import acted, ask, changed, released, versions

import worlds
from foryou.domain.clock import HOUR_MS
from foryou.domain.errors import Unavailable
from foryou.domain.log import Record, Stream
from foryou.domain.records import NO_TRENDS, Trending
from foryou.serve import live as module
from foryou.serve.live import UNTRAINED, Live
from foryou.stores.log_sqlite import SqliteLog
from foryou.wiring.home import Home
from worlds import NOW_MS, did, query, shown


def test_a_home_without_a_bundle_shows_what_trends(home: Home) -> None:
    for film in worlds.films(2):
        changed(home, film.item_id, "put", title=film.title)
    acted(home, did("ann", "war-1"), did("bob", "war-1"), did("cem", "love-2"))
    live = home.live()
    live.refresh()
    assert live.arm_for("ann").version == UNTRAINED
    assert live.release.generation == 0
    assert ask(live)[:2] == ["war-1", "love-2"]
    assert len(ask(live)) == 8, "behind what trends stands what is new"


def test_while_the_feature_store_is_away_trends_stay_and_new_items_come(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    acted(home, did("ann", "war-1"))
    changed(home, "war-1", "put", title="war")
    live = home.live()
    live.refresh()

    def gone() -> None:
        raise Unavailable("the shard is gone")

    monkeypatch.setattr(home.features, "trending", gone)
    changed(home, "new-1", "put", title="new")
    live.refresh()
    assert ask(live) == ["war-1", "new-1"]
    assert live.trends_away == "the shard is gone"
    late = home.live()
    late.refresh()
    assert sorted(ask(late)) == ["new-1", "war-1"], "a process that starts now knows no trends, but the items"
    monkeypatch.undo()
    live.refresh()
    assert live.trends_away == ""


def test_trends_that_take_long_to_read_are_read_rarely_and_when_all_is_asked_for(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = home.live()
    live.refresh()
    looks = []

    def slow() -> Trending:
        looks.append(time.sleep(0.1))
        return NO_TRENDS

    monkeypatch.setattr(home.features, "trending", slow)
    live.refresh()
    for _ in range(3):
        live.follow()
    assert len(looks) == 1
    live.refresh()
    assert len(looks) == 2
    monkeypatch.setattr(module, "TRENDS_SHARE", 1.0)
    live.refresh()
    live.follow()
    assert len(looks) == 4


def test_a_new_release_swaps_the_bundle_and_the_old_one_is_let_go(home: Home) -> None:
    home.models.publish(worlds.bundle("v1"))
    home.models.publish(worlds.bundle("v2"))
    released(home, main=(("v1", 1.0),))
    live = home.live()
    live.refresh()
    first = live.arm_for("ann")
    assert versions(live) == ["v1"]
    assert first.version == "v1"
    assert {"home", "item"} < set(first.pipelines), "and beside them those for overload, strangers and lists to rank"
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
