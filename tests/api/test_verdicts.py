"""Is a planted effect found through the whole of it: dealt, served, exposed, clicked, reported?"""

import random

import pytest
from shop import Shop

from foryou.domain.errors import NotFound
from foryou.trial.report import ExperimentReport

USERS, LISTS, CHANCE, EFFECT = 400, 2, 0.4, 0.05
ARMS = [{"name": "control", "share": 0.5}, {"name": "treated", "share": 0.5}]


def lived(shop: Shop, name: str, effect: float, seed: int) -> ExperimentReport:
    """Let users ask and click: those of the arm `treated` do so more often by `effect`. Gives the report."""
    drawn, exposures = random.Random(seed), shop.service._parts.exposures
    before = exposures.written
    answer = shop.client.put(f"/v1/experiments/{name}", json={"arms": ARMS, "placements": ["home"]})
    assert answer.status_code == 200, answer.text
    shop.settle()
    for number in range(USERS):
        events = []
        for _ in range(LISTS):
            said = shop.ask(user_id=f"{name}-{number}", num_results=3, explain=False)
            chance = CHANCE * (1 + effect * (said["experiment"]["arm"] == "treated"))
            events += [
                {"user_id": f"{name}-{number}", "action": "click", "item_id": item["item_id"],
                 "recommendation_id": said["recommendation_id"]}
                for item in said["items"] if drawn.random() < chance
            ]  # fmt: skip
        if events:
            assert shop.client.post("/v1/events", json=events).status_code == 202
    while exposures.written < before + USERS * LISTS:  # what is written meanwhile has left the queue already
        shop.settle()
    assert exposures.dropped == 0
    shop.settle()
    found = shop.service.report(name)
    shop.service.experiments.stop(name)
    return found


@pytest.mark.long
def test_five_runs_through_the_served_pipeline_hold_the_planted_effect(shop: Shop) -> None:
    for run in range(5):
        found = lived(shop, f"run-{run}", EFFECT, run)
        control, treated = found.arms
        assert control.users + treated.users == USERS
        assert not found.mismatched
        ctr = treated.metrics[0]
        assert control.metrics[0].value == pytest.approx(CHANCE, abs=0.06)
        assert ctr.change_low is not None
        assert ctr.change_high is not None
        assert ctr.change_low < EFFECT < ctr.change_high


def test_a_large_effect_is_named_and_the_report_goes_over_the_wire(shop: Shop) -> None:
    found = lived(shop, "large", 0.9, 7)
    assert found.verdict.startswith("treated is better: ctr +")
    said = shop.client.get("/v1/experiments/large/report").json()
    assert [arm["name"] for arm in said["arms"]] == ["control", "treated"]
    with pytest.raises(NotFound, match="There is no experiment 'none'"):
        shop.service.report("none")
