"""What does a caller see of overload: cheaper answers that say so, lists that were ready, a 503 at the door?"""

import math
from collections.abc import Iterator

import pytest
from shop import ANN, Shop

from foryou.serve.overload import RUNGS, Ladder, Verdict


class Stuck(Ladder):
    """A ladder on which somebody stands: it does not move, and has one verdict for all."""

    def __init__(self, rung: int, said: Verdict = Verdict.ADMIT) -> None:
        super().__init__(math.inf)
        self.rung, self._said = rung, said

    def waited(self, longest_s: float, now_s: float) -> None:
        """Stay."""

    def verdict(self, waiting: int, now_s: float) -> Verdict:  # noqa: ARG002
        return self._said


@pytest.fixture
def pressed(shop: Shop) -> Iterator[Shop]:
    shop.tell(ANN)
    before = shop.service._batcher.ladder
    yield shop
    shop.service._batcher.ladder = before


@pytest.mark.parametrize("placement", ["home", "item", "cart"])
@pytest.mark.parametrize("rung", range(1, len(RUNGS)))
def test_each_rung_answers_and_says_what_it_lacks(pressed: Shop, rung: int, placement: str) -> None:
    pressed.service._batcher.ladder = Stuck(rung)
    answer = pressed.ask(user_id="ann", num_results=3, context={"placement": placement}, item_id="teapot")
    assert answer["degraded"] == list(RUNGS[rung])
    assert len(answer["items"]) == 3
    assert "dune" not in [item["item_id"] for item in answer["items"]], "what ann has is not shown on any rung"
    meters = pressed.client.get("/metrics").text
    assert all(f'foryou_fallbacks_total{{stage="{name}"}}' in meters for name in RUNGS[rung])
    assert f"foryou_overload_rung {rung}.0" in meters


def test_what_goes_with_the_history_still_comes_first_on_the_last_rung(pressed: Shop) -> None:
    pressed.service._batcher.ladder = Stuck(len(RUNGS) - 1)
    assert pressed.shown(user_id="ann", num_results=1) == ["arrakis"]


def test_an_item_that_is_sold_out_is_shown_on_no_rung(pressed: Shop) -> None:
    pressed.client.patch("/v1/items/rake", json={"status": "unavailable"})
    pressed.settle()
    for ladder in (*(Stuck(rung) for rung in range(len(RUNGS))), Stuck(3, Verdict.PREPARED)):
        pressed.service._batcher.ladder = ladder
        assert "rake" not in pressed.shown(user_id="ann", num_results=5)


def test_who_cannot_wait_is_given_the_list_for_strangers_without_what_is_excluded(pressed: Shop) -> None:
    pressed.service._batcher.ladder = Stuck(3, Verdict.PREPARED)
    answer = pressed.ask(user_id="ann", num_results=2, exclude_item_ids=["rake"])
    assert [item["item_id"] for item in answer["items"]] == ["lamp", "cup"]
    assert answer["degraded"] == ["overload:prepared"]
    short = pressed.ask(user_id="ann", num_results=20)
    assert short["degraded"] == ["overload:prepared", "short_answer"]


@pytest.mark.parametrize("more", [{"filter": "price < 5"}, {"item_id": "cup"}])
def test_a_question_that_lists_cannot_answer_is_told_to_come_again(pressed: Shop, more: dict[str, str]) -> None:
    pressed.service._batcher.ladder = Stuck(3, Verdict.PREPARED)
    answer = pressed.client.post("/v1/recommendations", json={"user_id": "ann", **more})
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "1")


def test_at_the_worst_the_door_says_503_and_strangers_are_still_answered(pressed: Shop) -> None:
    pressed.service._batcher.ladder = Stuck(3, Verdict.REFUSE)
    for answer in (
        pressed.client.get("/v1/recommendations?user_id=ann", headers={"x-request-id": "mine"}),
        pressed.client.post("/v1/recommendations", json={"user_id": "ann"}, headers={"x-request-id": "mine"}),
    ):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.json()["code"], answer.headers["x-request-id"]) == ("unavailable", "mine")
    assert pressed.client.get("/v1/recommendations").status_code == 200
    assert pressed.client.get("/healthz").status_code == 200
    assert "foryou_overload_refused_total" in pressed.client.get("/metrics").text
