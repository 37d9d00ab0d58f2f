"""Are experiments kept as the API says, do their arms answer, and does an exposure say which one did?"""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from shop import Shop
from typer.testing import CliRunner

from foryou.cli import commands
from foryou.domain.experiment import Arm, Experiment, arm_for, begun
from foryou.domain.log import Stream
from foryou.ingest.codec import exposure_of
from foryou.wiring.past import entries, reproduce

PLAIN = {"name": "plain", "share": 0.5}
POPULAR = {"name": "popular", "share": 0.5, "sources": {"popular": 3}, "ranker": "prior", "rules": {"pins": [
    {"item": "cup", "place": 1}
]}}  # fmt: skip
TEST: dict[str, Any] = {"arms": [PLAIN, POPULAR], "placements": ["home"]}
EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "experiments" / "sources.toml"


def put(shop: Shop, name: str, **body: Any) -> dict[str, Any]:
    return shop.put(f"/v1/experiments/{name}", body)


def kept(said: dict[str, Any]) -> Experiment:
    arms = tuple(Arm(name=arm["name"], share=arm["share"]) for arm in said["arms"])
    return begun(Experiment(name=said["name"], arms=arms, salt=said["salt"]), None, 1)


def test_an_experiment_lives_from_put_to_its_stop(shop: Shop) -> None:
    said = put(shop, "first", **TEST)
    assert (said["state"], said["salt"], said["slots"]) == ("running", "first", [["plain", 5000], ["popular", 5000]])
    assert shop.client.get("/v1/experiments/first").json() == said
    assert shop.client.get("/v1/experiments").json() == {"experiments": [said]}
    moved = put(shop, "first", **TEST | {"arms": [PLAIN | {"share": 0.6}, POPULAR | {"share": 0.4}]})
    assert (moved["slots"], moved["start_ms"]) == (
        [["plain", 5000], ["popular", 4000], ["plain", 1000]],
        said["start_ms"],
    )
    gone = shop.client.get("/v1/experiments/nothing")
    assert (gone.status_code, gone.json()["detail"]) == (
        404, "There is no experiment 'nothing'; PUT /v1/experiments/{name} makes one"
    )  # fmt: skip
    ended = put(shop, "first", **TEST, start_ms=1, stop_ms=2)
    assert ended["state"] == "ended"
    assert shop.ask(user_id="ann")["experiment"] == {"name": "main", "arm": "known"}


def test_each_user_is_answered_by_the_arm_that_the_offline_tool_says_and_the_exposure_says_so(shop: Shop) -> None:
    experiment = kept(put(shop, "first", **TEST))
    firsts = {"plain": "rake", "popular": "cup"}
    for user in (f"user-{n}" for n in range(20)):
        answer = shop.ask(user_id=user, num_results=3)
        arm = arm_for(user, experiment)
        assert answer["experiment"] == {"name": "first", "arm": arm}
        assert answer["items"][0]["item_id"] == firsts[arm]
    assert shop.ask(num_results=3)["experiment"]["name"] == "main", "who has no id takes no part"
    assert shop.ask(user_id="user-1", item_id="dune", num_results=3)["experiment"]["name"] == "main"
    shop.service._parts.exposures.close()
    log = shop.home.log
    shown = [exposure_of(one.record.body) for one in entries(shop.home, Stream.EXPOSURES, log.ends(Stream.EXPOSURES))]
    here = [one for one in shown if one.experiment]
    assert {(one.user_id, one.arm) for one in here} == {
        (f"user-{n}", arm_for(f"user-{n}", experiment)) for n in range(20)
    }
    assert {(one.experiment, one.arm) for one in shown if one not in here} == {("", "main")}
    put(shop, "first", **TEST | {"arms": [POPULAR | {"name": "plain"}, PLAIN | {"name": "popular"}]})
    for exposure in here[:2]:
        assert reproduce(shop.home, exposure.recommendation_id, lambda *_: None).same


def test_two_processes_answer_with_the_same_arms(shop: Shop) -> None:
    put(shop, "first", **TEST)
    other = shop.home.live()
    other.refresh()
    for user in (f"user-{n}" for n in range(20)):
        _, _, chosen = other.choose(user, "home", shop.home.clock.now_ms())
        assert chosen is not None
        assert shop.ask(user_id=user)["experiment"]["arm"] == chosen.arm.name


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (TEST | {"placements": ["porch"]}, 400, "placements/0: placement 'porch' is not configured; use one of home"),
        (TEST | {"arms": [PLAIN, POPULAR | {"share": 0.4}]}, 400, "arms: the shares sum to 0.9; they must sum to 1"),
        (TEST | {"arms": [PLAIN, POPULAR | {"sources": {"magic": 1}}]}, 400, "arms/1/sources/magic: there is none"),
        (TEST | {"arms": [PLAIN, POPULAR | {"sources": {"graph": 0}}]}, 400, "arms/1/sources: all are 0; give one of"),
        (TEST | {"arms": [PLAIN, POPULAR | {"rules": {"length": 1}}]}, 400, "arms/1/rules/length: there is none of"),
        (TEST | {"arms": [PLAIN, POPULAR | {"rules": {"category_cap": -1}}]}, 400, "arms/1: Expected `int` >= 0"),
        (TEST | {"arms": [PLAIN, POPULAR | {"rules": {"filter": "price <"}}]}, 400, "arms/1.filter: "),
        (TEST | {"arms": [PLAIN, POPULAR | {"ranker": "best"}]}, 400, "arms/1: Invalid enum value 'best'"),
        (TEST | {"stop_ms": 5}, 400, "stop_ms: 5 is not after the start"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(shop: Shop, body: dict[str, Any], status: int, detail: str) -> None:
    answer = shop.client.put("/v1/experiments/wrong", json=body)
    assert (answer.status_code, answer.json()["detail"][: len(detail)]) == (status, detail)


def test_a_second_experiment_at_the_same_placement_and_time_is_refused(shop: Shop) -> None:
    put(shop, "first", **TEST)
    answer = shop.client.put("/v1/experiments/second", json=TEST | {"placements": []})
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("Experiment 'first' runs at the same placement and time; stop it")
    put(shop, "second", **TEST | {"placements": ["cart"]})


def test_the_example_runs_and_the_command_line_shows_and_stops_it(shop: Shop) -> None:
    def foryou(*words: str) -> Any:
        done = CliRunner().invoke(
            commands(), [*words, "--home", shop.home.config.home, "--json"], catch_exceptions=False
        )
        assert done.exit_code == 0, done.output
        return msgspec.json.decode(done.stdout)

    made = foryou("experiment", "put", str(EXAMPLE))
    assert [(arm["name"], arm["share"]) for arm in made["arms"]] == [
        ("collaborative", 0.5), ("content", 0.25), ("two-tower", 0.25)
    ]  # fmt: skip
    assert foryou("experiment", "list")["experiments"] == [made]
    shop.settle()
    told = foryou("experiment", "show", "sources", "--user", "ann")
    assert shop.ask(user_id="ann")["experiment"] == {"name": "sources", "arm": told["arm"]}
    stopped = foryou("experiment", "stop", "sources", "--arm", "content")
    assert {arm["name"]: arm["share"] for arm in stopped["arms"]} == {
        "collaborative": 0.75, "content": 0.0, "two-tower": 0.25
    }  # fmt: skip
    assert foryou("experiment", "stop", "sources")["state"] == "ended"
