"""Do two arms fill each list fairly, is it logged whose pick each item was, and do clicks say which is better?"""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from shop import STOCK, Shop
from typer.testing import CliRunner

from foryou.cli import commands
from foryou.domain.exposure import Exposure
from foryou.domain.interleaving import NEITHER
from foryou.domain.log import Stream
from foryou.ingest.codec import exposure_of
from foryou.observe.metrics import Metrics
from foryou.wiring.past import entries, reproduce

USUAL = {"name": "usual", "share": 0.5}
OTHER: dict[str, Any] = {
    "name": "other",
    "share": 0.5,
    "rules": {"boosts": [{"when": 'category = "Books"', "add": 50}]},
}
BOTH = {"kind": "interleave", "arms": [USUAL, OTHER], "placements": ["home"], "effect": 0.3}
BOOKS = ("dune", "arrakis")  # what the second arm shows first, and the first arm last


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, metrics: Metrics) -> Iterator[Shop]:
    with Shop(tmp_path_factory.mktemp("interleaved"), metrics) as opened:
        yield opened


def put(shop: Shop, name: str, **body: Any) -> dict[str, Any]:
    return shop.put(f"/v1/experiments/{name}", body)


def stop(shop: Shop, name: str) -> None:
    shop.service.experiments.stop(name)
    shop.settle()


def logged(shop: Shop, count: int) -> dict[str, Exposure]:
    """Give what was answered, by its id, once there is so much."""
    while len(found := list(entries(shop.home, Stream.EXPOSURES, shop.home.log.ends(Stream.EXPOSURES)))) < count:
        shop.settle()
    return {one.record.record_id: exposure_of(one.record.body) for one in found}


def lived(shop: Shop, name: str, users: int, seed: int) -> None:
    """Let users ask for two items and click books: what the second arm shows first."""
    written = shop.service._parts.exposures.written

    def luck(user: int, item_id: str) -> float:
        """Give a number that hangs on nothing that is drawn anew in each run, such as who picks first."""
        return random.Random(f"{seed}/{user}/{item_id}").random()

    for number in range(users):
        said = shop.ask(user_id=f"{name}-{number}", num_results=2, explain=False)
        events = [
            {"user_id": f"{name}-{number}", "action": "click", "item_id": item["item_id"],
             "recommendation_id": said["recommendation_id"]}
            for item in said["items"] if luck(number, item["item_id"]) < (0.6 if item["item_id"] in BOOKS else 0.3)
        ]  # fmt: skip
        if events:
            assert shop.client.post("/v1/events", json=events).status_code == 202
    while shop.service._parts.exposures.written < written + users:
        shop.settle()
    shop.settle()


def test_each_list_is_filled_by_both_arms_and_says_whose_pick_each_item_was(shop: Shop) -> None:
    said = put(shop, "both", **BOTH)
    assert (said["kind"], said["state"]) == ("interleave", "running")
    firsts, names = Counter[str](), dict[str, list[str]]()
    for number in range(24):
        answer = shop.ask(user_id=f"u{number}", num_results=4)
        assert answer["experiment"] == {"name": "both", "arm": "usual/other"}
        shown = [item["item_id"] for item in answer["items"]]
        assert len(set(shown)) == 4
        assert set(shown) == {"rake", "lamp", *BOOKS}
        assert [item["rank"] for item in answer["items"]] == [1, 2, 3, 4]
        firsts[shown[0]] += 1
        names[answer["recommendation_id"]] = shown
    assert set(firsts) == {"rake", "arrakis"}, "who picks first is drawn"
    known = logged(shop, 24)
    for name, shown in names.items():
        one = known[name]
        assert (one.experiment, one.arm, one.items) == ("both", "usual/other", tuple(shown))
        assert [item in BOOKS for item in one.items] == [team == 1 for team in one.teams]
        assert set(one.teams[:2]) == set(one.teams[2:]) == {0, 1}
    assert reproduce(shop.home, next(iter(names)), lambda *_: None).same
    stop(shop, "both")
    assert shop.ask(user_id="u1")["experiment"]["name"] == "main"


def test_what_stands_there_by_hand_in_both_stays_and_is_of_no_team(shop: Shop) -> None:
    pinned = {"pins": [{"item": "teapot", "place": 2}]}
    put(shop, "pinned", **BOTH | {"arms": [USUAL | {"rules": pinned}, OTHER | {"rules": OTHER["rules"] | pinned}]})
    before = len(logged(shop, 0))
    for number in range(6):
        shown = [item["item_id"] for item in shop.ask(user_id=f"p{number}", num_results=4)["items"]]
        assert shown[1] == "teapot"
        assert set(shown) < set(STOCK)
    for one in list(logged(shop, before + 6).values())[-6:]:
        if one.experiment == "pinned":
            assert one.teams[1] == NEITHER
            assert sorted(one.teams) in ([NEITHER, 0, 0, 1], [NEITHER, 0, 1, 1])
    stop(shop, "pinned")


def test_interleaving_knows_what_an_a_b_test_of_as_many_users_does_not_know_yet(shop: Shop) -> None:
    put(shop, "mixed", **BOTH)
    lived(shop, "mixed", 130, 1)
    found = shop.service.report("mixed")
    assert found.preference is not None
    assert found.preference.low > 0
    assert found.verdict.startswith("other is preferred: other wins +")
    assert found.preference.clicks[1] > found.preference.clicks[0]
    assert [arm.users for arm in found.arms] == [130, 130]
    stop(shop, "mixed")
    put(shop, "dealt", **BOTH | {"kind": "split"})
    lived(shop, "dealt", 130, 1)
    undecided = shop.service.report("dealt")
    assert undecided.verdict.startswith("Undecided")
    assert undecided.arms[1].metrics[0].value > undecided.arms[0].metrics[0].value, "the same truth, not yet certain"
    stop(shop, "dealt")
    said = shop.client.get("/v1/experiments/mixed/report").json()
    assert said["preference"]["users"] == found.preference.users
    told = CliRunner().invoke(commands(), ["experiment", "report", "mixed", "--home", str(shop.home.config.home)])
    assert told.exit_code == 0, told.output
    assert "other is preferred" in " ".join(told.output.split())


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"kind": "blend"}, "kind"), ({"arms": [USUAL | {"share": 0.4}, OTHER, {"name": "c", "share": 0.1}]}, "arms"),
        ({"guardrails": [{"metric": "ctr"}]}, "guardrails"),
    ],
)  # fmt: skip
def test_what_cannot_be_interleaved_is_told(shop: Shop, changes: dict[str, Any], where: str) -> None:
    answer = shop.client.put("/v1/experiments/wrong", json=BOTH | changes)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == f"/{where}"


def test_an_arm_cannot_be_stopped_alone_and_without_a_server_lists_are_mixed_too(shop: Shop) -> None:
    put(shop, "last", **BOTH)
    run, folder = CliRunner().invoke, str(shop.home.config.home)
    wrong = run(commands(), ["experiment", "stop", "last", "--arm", "other", "--home", folder])
    assert "stop the experiment instead" in str(wrong.exception)
    told = run(commands(), ["recommend", "somebody", "--num", "4", "--json", "--home", folder])
    assert told.exit_code == 0, told.output
    newest = [one for one in logged(shop, 0).values() if one.user_id == "somebody"]
    assert [one.arm for one in newest] == ["usual/other"]
    assert {0, 1} <= set(newest[0].teams)
    stop(shop, "last")
