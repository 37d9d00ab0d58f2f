"""Does the log say what another configuration would have earned, where the truth is known?"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

import worlds
from foryou.api.answers import exposure
from foryou.api.experiments import Registry
from foryou.api.schema import ArmIn, ExperimentIn
from foryou.cli import commands
from foryou.config import Config, Placement
from foryou.domain.errors import Invalid, NotFound
from foryou.domain.event import Action, Event, hash64
from foryou.domain.item import ItemChange
from foryou.domain.log import Stream
from foryou.domain.slate import Answer
from foryou.features.hydrate import Hydrate
from foryou.features.tallied import examined
from foryou.ingest.codec import event_record, exposure_record, item_record
from foryou.serve.live import Live
from foryou.wiring.counterfactual import judged
from foryou.wiring.home import Home
from foryou.wiring.pipelines import Pipelines
from worlds import NOW_MS, did, genre_of, query

K, USERS, LISTS = 10, 60, 4
LOGGED = Placement(category_cap=0, explore_share=0.25, explore="random", new_arrivals=0)  # two places, or three
LEARNS = msgspec.structs.replace(LOGGED, explore="thompson")


def quiet(*_: object) -> None:
    """Hear of progress and say nothing."""


def chance(user: str, item_id: str, place: int) -> float:
    """Give the true chance of a click: some items are far better than others, and each user loves a genre."""
    loved = worlds.GENRES[hash64(user) % 4] == genre_of(item_id)
    return float(examined(K)[place]) * (0.05 + 0.25 * loved + 0.35 * (hash64(item_id) % 3 == 0))


@dataclass
class World:
    """A home whose users answered lists with clicks, and what was known when the judged ones were shown."""

    home: Home
    live: Live

    def show(self, lists: int, name: str) -> None:
        """Show every user some lists, and log them with the clicks that follow."""
        random, done = np.random.default_rng(hash64(name)), []
        for n in range(lists):
            asked = [query(f"u{u}", K, seed=hash64(f"{name}{n}{u}")) for u in range(USERS)]
            answers = self.live.arm_for("").pipelines["home"].run(asked)[0]
            for one, answer in zip(asked, answers, strict=True):
                said = exposure(f"{name}-{n}-{one.user_id}", "home", one, answer)
                self.home.log.append(Stream.EXPOSURES, [exposure_record(said)])
                done += [
                    Event(f"{said.recommendation_id}/{item}", one.user_id, Action.CLICK, NOW_MS, item, NOW_MS,
                          recommendation_id=said.recommendation_id)
                    for place, item in enumerate(said.items) if random.random() < chance(one.user_id, item, place)
                ]  # fmt: skip
        self.home.log.append(Stream.EVENTS, [event_record(event) for event in done])

    def truth(self, placement: Placement, times: int = 10) -> tuple[float, float]:
        """Give what a placement earns per item: what lists drawn again and again are worth; the last places alone."""
        view = self.live.arm_for("").view
        config = msgspec.structs.replace(Config(), placements={"home": placement})
        made = Pipelines(worlds.bundle("v1"), config, Hydrate(self.home.features, lambda: view), lambda *_: None)
        pipeline, worth = made(self.live.experiments, 0)["home"], np.zeros(K)
        for n in range(times):
            asked = [query(f"u{u}", K, seed=hash64(f"truth{n}{u}")) for u in range(USERS)]
            for one, answer in zip(asked, pipeline.run(asked)[0], strict=True):
                worth += worths(one.user_id, answer)
        return float(worth.mean()) / times / USERS, float(worth[-3:].mean()) / times / USERS


def worths(user: str, answer: Answer) -> list[float]:
    return [chance(user, item.item_id, place) for place, item in enumerate(answer.items)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = worlds.home_in(tmp_path_factory.mktemp("judged"), placements={"home": LOGGED})
    films = [ItemChange(item_id=one.item_id, op="put", title=one.title, categories=one.categories, published_ms=1)
             for one in worlds.films()]  # fmt: skip
    home.log.append(Stream.ITEMS, [item_record(one) for one in films])
    home.models.publish_catalog(worlds.catalog())
    home.models.publish(worlds.bundle("v1"))
    home.models.replace_release(worlds.release("v1", 1), 0)
    liked = [did(f"u{u}", f"{worlds.GENRES[u % 4]}-{n}", n) for u in range(USERS) for n in (1, 2)]
    home.log.append(Stream.EVENTS, [event_record(one) for one in liked])
    worker, live = home.worker(), home.live()
    worker.lease()
    made = World(home, live)
    worker.catch_up()
    live.refresh()
    made.show(4, "taught")  # what came of these is known when those are shown that are judged
    worker.catch_up()
    live.refresh()
    made.show(LISTS, "judged")
    worker.release()
    yield made
    home.close()


def with_home(world: World, placement: Placement) -> Config:
    return msgspec.structs.replace(world.home.config, placements={"home": placement})


def test_what_ran_is_judged_to_earn_what_it_earned(world: World) -> None:
    found = judged(world.home, world.home.config, USERS * LISTS, "home", quiet)
    assert (found.answers, found.passed_over, found.shown) == (USERS * LISTS, {}, USERS * LISTS * K)
    assert found.clicks > 150
    assert found.supported == pytest.approx(1.0)
    assert found.logged.value == found.clicks / found.shown
    for one in (found.lists.ips, found.lists.snips, found.lists.doubly_robust):
        assert one is not None
        assert one.value == pytest.approx(found.logged.value, rel=1e-6)


def test_chance_that_learns_is_judged_by_chance_alone_and_the_truth_is_inside(world: World) -> None:
    found = judged(world.home, with_home(world, LEARNS), USERS * LISTS, "", quiet)
    whole, last = world.truth(LEARNS)
    assert last > 1.2 * world.truth(LOGGED)[1], "or there is nothing to be found"
    assert (found.passed_over, found.supported) == ({}, pytest.approx(1.0))
    assert found.explored is not None
    for one, true in ((found.lists, whole), (found.explored, last)):
        for estimate in (one.ips, one.snips, one.doubly_robust):
            assert estimate is not None
            assert estimate.low <= true <= estimate.high
    assert found.explored_logged is not None
    assert found.explored_logged.value < last


def test_what_the_log_never_showed_is_told(world: World) -> None:
    found = judged(world.home, with_home(world, Placement(popular=50, collaborative=0, item_to_item=0)), 50, "", quiet)
    assert found.answers == 50
    assert 0 < found.supported < 0.9
    assert found.lists.ips.value < found.logged.value


def test_nothing_to_judge_by_is_said_with_the_reason(world: World) -> None:
    with pytest.raises(NotFound, match="none to users was logged"):
        judged(world.home, world.home.config, 10, "item", quiet)
    with pytest.raises(NotFound, match="no such placement: 10"):
        judged(world.home, msgspec.structs.replace(world.home.config, placements={}), 10, "", quiet)
    other = msgspec.structs.replace(world.home.config, placements={"home": msgspec.structs.replace(LOGGED, length=3)})
    assert judged(world.home, other, 10, "", quiet).answers == 10


def test_the_command_takes_a_file_or_an_arm(world: World, tmp_path: Path) -> None:
    folder, run = str(world.home.config.home), CliRunner().invoke
    file, own = tmp_path / "other.toml", Path(folder) / "foryou.toml"
    said = '[placements.home]\ncategory_cap = 0\nexplore_share = 0.25\nexplore = "{}"\nnew_arrivals = 0\n'
    own.write_text(said.format("random"), encoding="utf-8")
    file.write_text(said.format("thompson"), encoding="utf-8")
    told = run(commands(), ["experiment", "ope", "--config", str(file), "--requests", "40", "--home", folder])
    assert told.exit_code == 0, told.output
    assert "100.0% may have been shown" in " ".join(told.output.split())
    arms = [ArmIn(name="a", share=0.5), ArmIn(name="b", share=0.5, rules={"explore": "thompson"})]
    Registry(world.home.log, world.home.clock, world.home.config.placements).put("x", ExperimentIn(arms=arms))
    both = [
        run(commands(), ["experiment", "ope", *what, "--requests", "40", "--json", "--home", folder])
        for what in (["--config", str(file)], ["--arm", "x/b"])
    ]
    first, second = (json.loads(one.output) for one in both)
    assert first == second
    assert first["answers"] == 40


@pytest.mark.parametrize("said", [[], ["--config", "nowhere.toml"], ["--config", "a", "--arm", "x/a"], ["log.csv"]])
def test_what_is_not_said_well_is_told(world: World, said: list[str]) -> None:
    found = CliRunner().invoke(commands(), ["experiment", "ope", *said, "--home", str(world.home.config.home)])
    assert isinstance(found.exception, Invalid)
