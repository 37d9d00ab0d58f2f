"""Is the truth found? A world whose tastes are known is trained on and lived through, and answers are judged by it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from foryou.bench import world
from foryou.config import Config, Train
from foryou.domain.clock import DAY_MS, HOUR_MS
from foryou.domain.errors import Conflict, Invalid, NotFound
from foryou.domain.event import Action, Event
from foryou.simulate.goods import item_id, item_number
from foryou.simulate.market import Market, Push
from foryou.simulate.people import user_id
from foryou.simulate.words import CATEGORIES
from foryou.wiring.home import open_home
from foryou.wiring.lived import DAILY, FROZEN, LIVE, Side, Trial, prepared
from foryou.wiring.simulated import NAME, encoded, found, settle

NOW_MS = 1_767_268_800_000
PUSHED = 17
DAYS = 1
WORLD = Market(NOW_MS, 200, 1_200, 12_000, 21, seed=3, pushed=(Push(PUSHED, NOW_MS - 20 * HOUR_MS),))
CONFIG = msgspec.structs.replace(
    Config(), train=Train(width=16, iterations=3, validation_share=0.1, rankers=(), sequence_epochs=1)
)


def quiet(*_: object) -> None:
    """Report progress to nobody."""


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """Give the arms at the present of the world."""
    made = prepared(CONFIG, WORLD, tmp_path_factory.mktemp("world"), world.LENGTH, quiet)
    yield made
    made.close()


@pytest.fixture(scope="module")
def outcome(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Give the figures after a day lived from that present on."""
    again = trial.again(tmp_path_factory.mktemp("again"))
    figures = world.measured(again, DAYS, quiet)
    again.close()
    return figures


def side(trial: Trial, name: str = LIVE) -> Side:
    return next(one for one in trial.sides if one.name == name)


def categories(market: Market, items: list[str]) -> list[int]:
    return [int(market.goods.category[item_number(item), 0]) for item in items]


def test_planted_favourites_are_found(outcome: dict[str, Any]) -> None:
    favourites = outcome["favourites"]
    assert favourites["live"] > 1.5 * favourites["chance"]
    assert favourites["best"] > favourites["live"]


def test_live_records_bring_more_clicks_than_records_frozen_at_the_training(outcome: dict[str, Any]) -> None:
    arms, lift = outcome["arms"], outcome["lift"]["live_vs_frozen"]
    assert arms["live"]["ctr"] > arms["frozen"]["ctr"]
    assert lift["lift_expected"] > 0.05
    assert lift["expected_low"] > 0
    assert arms["live"]["lists"] == arms["frozen"]["lists"] == lift["lists"]


def test_what_is_shown_lies_between_chance_and_the_best_possible(outcome: dict[str, Any]) -> None:
    references = outcome["references"]
    assert references["random"] < outcome["arms"]["frozen"]["expected_ctr"]
    assert outcome["arms"]["live"]["expected_ctr"] < references["best"]
    assert references["random"] < references["popular"] < references["best"]


def test_who_has_no_history_gets_a_full_answer_all_the_same(trial: Trial) -> None:
    for user in ("nobody-yet", user_id(WORLD.users_at(NOW_MS))):
        answer = side(trial).ask(user, NOW_MS)
        assert len(set(answer)) == world.LENGTH


def test_a_list_has_items_of_many_categories(outcome: dict[str, Any]) -> None:
    assert outcome["arms"]["live"]["categories_per_list"] > 5


def test_an_item_pushed_yesterday_trends_today(trial: Trial) -> None:
    view = side(trial).view()
    top = [view.catalog.id_of(int(number)) for number in view.trending_top[:5]]
    assert item_id(PUSHED) in top


def test_a_disliked_category_fades(trial: Trial) -> None:
    live = side(trial)
    events = [Event(f"fade-{n}", "fader", Action.CLICK, NOW_MS - 5_000 + n, item_id(n)) for n in by_category(0)[:6]]
    live.hear([], [], events)
    before = categories(WORLD, live.ask("fader", NOW_MS))
    dislikes = [
        Event(f"fade-{n}-no", "fader", Action.DISLIKE, NOW_MS + n, item_id(n)) for n in by_category(0)[:6]
    ]  # fmt: skip
    live.hear([], [], dislikes)
    after = categories(WORLD, live.ask("fader", NOW_MS + 1_000))
    assert before.count(0) >= 3
    assert after.count(0) < before.count(0) / 2


def test_items_that_appear_are_shown_to_some_at_once(trial: Trial) -> None:
    coming = range(WORLD.items_at(NOW_MS), len(WORLD.goods))
    changes = [
        msgspec.structs.replace(WORLD.goods.change(item), published_ms=NOW_MS, received_ms=NOW_MS) for item in coming
    ]
    assert shown(trial) & {item_id(item) for item in coming} == set()
    for one in trial.sides:
        one.hear(changes, [], [])
        one.look(NOW_MS, True)
    assert len(shown(trial) & {item_id(item) for item in coming}) > len(coming) / 10


def shown(trial: Trial) -> set[str]:
    """Give what a hundred users would be shown now."""
    return {item for user in range(100) for item in side(trial).ask(user_id(user), NOW_MS + 1_000)}


def by_category(category: int) -> list[int]:
    return np.flatnonzero(WORLD.goods.category[: WORLD.items_at(NOW_MS), 0] == category).tolist()


def test_an_action_of_now_is_known_to_the_live_arm_only(trial: Trial) -> None:
    user = user_id(int(np.argmax(WORLD.people.activity[: WORLD.users_at(WORLD.start_ms)])))
    before = {one.name: one.ask(user, NOW_MS + 5_000) for one in trial.sides}
    assert before[LIVE] == before[FROZEN] == before[DAILY]
    event = Event("now-1", user, Action.LIKE, NOW_MS + 6_000, before[LIVE][0])
    for one in trial.sides:
        one.hear([], [], [event])
    after = {one.name: one.ask(user, NOW_MS + 5_000) for one in trial.sides}
    assert before[LIVE][0] not in after[LIVE]
    assert after[FROZEN] == after[DAILY] == before[FROZEN]
    for one in trial.sides:
        one.look(NOW_MS + DAY_MS, False)
    assert before[LIVE][0] not in side(trial, DAILY).ask(user, NOW_MS + DAY_MS)
    assert before[LIVE][0] in side(trial, FROZEN).ask(user, NOW_MS + 5_000)


def test_a_home_that_holds_something_else_takes_no_world(tmp_path: Path) -> None:
    home = open_home(msgspec.structs.replace(Config(), home=str(tmp_path)))
    small = Market(NOW_MS, 20, 40, 100, 2)
    first = settle(home, small, quiet)
    again = settle(home, small, quiet)
    assert (first.events, first.items, first.users) == (again.events, 40, 20)
    with pytest.raises(Conflict, match="holds other events already; name an empty one with --home"):
        settle(home, Market(NOW_MS, 20, 40, 100, 2, seed=8), quiet)
    home.close()


def test_the_world_of_a_home_is_found_again(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(encoded(WORLD))
    assert found(tmp_path) == WORLD


def test_a_home_without_a_world_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"foryou simulate --home .* writes a world into this home"):
        found(tmp_path)


def test_a_damaged_world_file_is_named(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("{")
    with pytest.raises(Invalid, match=r"world\.json: .*; write the world anew into an empty home"):
        found(tmp_path)


def test_every_category_has_a_name() -> None:
    assert WORLD.categories == len(CATEGORIES)
