"""Is a newcomer asked before and after a training, and do the answers count at once, whatever they name?"""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from shop import Shop
from test_garbage import almost, anything, fares_well

from foryou.api import schema

QUESTIONS = "/v1/onboarding/questions"


def questions(shop: Shop, num: int | None = None) -> dict[str, Any]:
    answer = shop.client.get(QUESTIONS, params={} if num is None else {"num": str(num)})
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def answer(shop: Shop, user_id: str, **body: Any) -> dict[str, Any]:
    answered = shop.client.post(f"/v1/users/{user_id}/onboarding", json=body)
    assert answered.status_code == 200, answered.text
    said: dict[str, Any] = answered.json()
    return said


def test_a_newcomer_is_asked_about_categories_with_examples_and_about_items(standing: Shop) -> None:
    said = questions(standing)
    assert {one["name"] for one in said["interests"]} == {"Books", "Kitchen", "Home", "Garden"}
    examples = {one["name"]: [item["item_id"] for item in one["examples"]] for one in said["interests"]}
    assert examples == {
        "Books": ["arrakis", "dune"],
        "Kitchen": ["cup", "teapot"],
        "Home": ["lamp"],
        "Garden": ["rake"],
    }
    assert {one["item_id"] for one in said["items"]} == {"dune", "arrakis", "teapot", "cup", "lamp", "rake"}
    assert {"item_id": "dune", "title": "Dune", "categories": ["Books"]} in said["items"]
    assert said["model_version"] == "known"
    assert standing.client.get(QUESTIONS).headers["cache-control"] == "public, max-age=60"


def test_there_are_no_more_questions_than_asked_for(standing: Shop) -> None:
    said = questions(standing, 2)
    assert (len(said["interests"]), len(said["items"])) == (2, 2)
    assert questions(standing, 2) == said
    every = questions(standing, 50)
    assert (every["interests"][:2], every["items"][:2]) == (said["interests"], said["items"])


def test_what_cannot_be_had_is_not_asked_about(shop: Shop) -> None:
    shop.client.delete("/v1/items/cup")
    shop.client.patch("/v1/items/rake", json={"status": "unavailable"})
    shop.settle()
    said = questions(shop)
    named = {one["item_id"] for one in said["items"]}
    named |= {item["item_id"] for one in said["interests"] for item in one["examples"]}
    assert named == {"dune", "arrakis", "teapot", "lamp"}


def test_before_any_training_the_largest_categories_are_asked_about(empty_shop: Shop) -> None:
    assert questions(empty_shop) == {"interests": [], "items": [], "model_version": "untrained"}
    for name, category in (("a", "War"), ("b", "Drama"), ("c", "Drama")):
        empty_shop.client.put(f"/v1/items/{name}", json={"title": name.upper(), "categories": [category]})
    empty_shop.settle()
    said = questions(empty_shop)
    assert [one["name"] for one in said["interests"]] == ["Drama", "War"]
    assert sorted(item["item_id"] for item in said["interests"][0]["examples"]) == ["b", "c"]
    assert sorted(one["item_id"] for one in said["items"]) == ["a", "b", "c"]


def test_what_is_liked_at_the_start_counts_in_the_very_next_answer(shop: Shop) -> None:
    assert shop.shown(user_id="una", num_results=2) == ["rake", "lamp"]
    said = answer(shop, "una", liked_item_ids=["dune"], disliked_item_ids=["rake"])
    assert said == {
        "user_id": "una", "accepted": 2, "duplicates": 0, "unknown_interests": [], "unknown_item_ids": [],
        "visible": True,
    }  # fmt: skip
    told = shop.ask(user_id="una", num_results=6)
    assert told["items"][0]["item_id"] == "arrakis"
    assert told["items"][0]["reason"]["because"] == ["dune"]
    assert {"dune", "rake"}.isdisjoint(item["item_id"] for item in told["items"])
    assert "unknown_user" not in told["degraded"]


def test_interests_are_kept_in_the_profile_and_raise_their_items(shop: Shop) -> None:
    shop.client.put("/v1/users/ina", json={"age": 30})
    assert shop.shown(user_id="ina", num_results=6)[-1] == "dune"
    assert answer(shop, "ina", interests=["Books"])["visible"]
    assert shop.shown(user_id="ina", num_results=2) == ["arrakis", "dune"]
    assert shop.client.get("/v1/users/ina").json()["age"] == 30
    answer(shop, "ina", liked_item_ids=["lamp"])  # says nothing of interests
    assert shop.shown(user_id="ina", num_results=2)[-1] in ("arrakis", "dune", "teapot")
    answer(shop, "ina", interests=[])
    assert shop.shown(user_id="ina", num_results=6)[-1] == "dune"


def test_the_same_answers_sent_again_are_known_and_after_an_erasure_count_anew(shop: Shop) -> None:
    first = answer(shop, "rep", liked_item_ids=["dune"], interests=["Books"])
    again = answer(shop, "rep", liked_item_ids=["dune"], interests=["Books"])
    assert [(one["accepted"], one["duplicates"], one["visible"]) for one in (first, again)] == [
        (1, 0, True), (0, 1, True)
    ]  # fmt: skip
    assert shop.client.get("/v1/users/rep").json()["actions"] == 1
    shop.client.delete("/v1/users/rep")
    shop.settle()
    assert answer(shop, "rep", liked_item_ids=["dune"])["accepted"] == 1


def test_unknown_names_and_items_are_taken_in_and_named(shop: Shop) -> None:
    said = answer(
        shop, "unk", interests=["Books", "Boats"], liked_item_ids=["dune", "yacht"], disliked_item_ids=["oar"]
    )
    assert (said["unknown_interests"], said["unknown_item_ids"]) == (["Boats"], ["yacht", "oar"])
    assert (said["accepted"], said["visible"]) == (3, True)


def test_who_passes_over_everything_has_said_nothing(standing: Shop) -> None:
    said = answer(standing, "mute")
    assert (said["accepted"], said["visible"]) == (0, True)
    assert "unknown_user" in standing.ask(user_id="mute", num_results=2)["degraded"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"liked_item_ids": ["dune", "dune"]}, "liked_item_ids/1: 'dune' is said twice; say it once"),
        (
            {"liked_item_ids": ["dune"], "disliked_item_ids": ["dune"]},
            "disliked_item_ids/0: 'dune' is liked, too; say one of the two",
        ),
        ({"liked_item_ids": ["\x07"]}, "liked_item_ids/0: has a control character; send printable characters"),
        ({"liked_item_ids": ["x"] * 101}, "liked_item_ids: expected `array` of length <= 100"),
        ({"interests": [""]}, "interests/0: expected `str` of length >= 1"),
        ({"interest": ["Books"]}, "interest: is not a field; there are interests, liked_item_ids, disliked_item_ids"),
    ],
)
def test_a_bad_answer_is_refused_with_its_field(standing: Shop, body: dict[str, Any], detail: str) -> None:
    answered = standing.client.post("/v1/users/bad/onboarding", json=body)
    assert answered.status_code == 400
    assert answered.json()["detail"].startswith(detail)
    assert standing.client.get("/v1/users/bad").status_code == 404  # nothing of it was kept


@pytest.mark.parametrize(("num", "detail"), [("0", ">= 1"), ("51", "<= 50"), ("ten", "got `str`"), ("", "got `str`")])
def test_a_bad_number_of_questions_is_refused(standing: Shop, num: str, detail: str) -> None:
    answered = standing.client.get(QUESTIONS, params={"num": num})
    assert (answered.status_code, answered.json()["errors"][0]["pointer"]) == (400, "/num")
    assert detail in answered.json()["detail"]


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(said=almost(schema.OnboardingIn) | anything)
def test_no_answers_make_the_server_fail(standing: Shop, said: object) -> None:
    fares_well(standing, "/v1/users/fuzz/onboarding", said)
