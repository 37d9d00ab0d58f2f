"""Are lists kept as the API says: put, shown, followed by answers, labelled where paid for, and gone when deleted?"""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shop import Shop
from test_garbage import almost, anything, fares_well

from foryou.api import schema

ADS = {"kind": "sponsored", "item_ids": ["dune", "arrakis"], "quota": 2, "label": "Sponsored by Acme"}


def put(shop: Shop, name: str, **body: Any) -> dict[str, Any]:
    return shop.put(f"/v1/lists/{name}", body)


def test_a_list_lives_from_put_to_delete(shop: Shop) -> None:
    said = put(shop, "summer%20sale", **ADS)
    assert said == {
        "name": "summer sale", "kind": "sponsored", "item_ids": ["dune", "arrakis"], "start_ms": 0, "end_ms": 0,
        "placements": [], "quota": 2, "label": "Sponsored by Acme", "active": True, "unknown_item_ids": [],
        "impressions_per_day": 0,
    }  # fmt: skip
    assert shop.client.get("/v1/lists/summer%20sale").json() == said
    put(shop, "editors", kind="editorial", item_ids=["cup"])
    assert [one["name"] for one in shop.client.get("/v1/lists").json()["lists"]] == ["editors", "summer sale"]
    deleted = shop.client.delete("/v1/lists/summer%20sale")
    assert (deleted.status_code, deleted.json()) == (200, {"name": "summer sale"})
    for method in ("GET", "DELETE"):
        gone = shop.client.request(method, "/v1/lists/summer%20sale")
        assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
        assert gone.json()["detail"] == "There is no list 'summer sale'; PUT /v1/lists/{name} makes one"


def test_sponsored_items_are_labelled_in_the_answer_and_gone_with_their_list(shop: Shop) -> None:
    plain = shop.shown(user_id="stranger", num_results=4)
    assert plain == ["rake", "lamp", "cup", "teapot"]
    shop.client.put("/v1/items/saw", json={"title": "Saw", "published_ms": 1})
    shop.settle()
    put(shop, "ads", kind="sponsored", item_ids=["saw"])
    items = shop.ask(user_id="stranger", num_results=4)["items"]
    assert [(item["item_id"], item["sponsored"]) for item in items] == [
        ("rake", False), ("lamp", False), ("saw", True), ("cup", False)
    ]  # fmt: skip
    assert (items[2]["source"], items[2]["reason"]) == (
        "sponsored", {"code": "sponsored", "text": "Sponsored", "because": []}
    )  # fmt: skip
    assert shop.ask(user_id="stranger", num_results=4, explain=False)["items"][2]["sponsored"] is True
    shop.client.delete("/v1/lists/ads")
    shop.settle()
    assert shop.shown(user_id="stranger", num_results=4) == plain


def test_put_says_which_items_are_unknown_and_shows_them_when_they_come(shop: Shop) -> None:
    said = put(shop, "picks", kind="editorial", item_ids=["spade", "dune"], quota=1)
    assert said["unknown_item_ids"] == ["spade"]
    assert "spade" not in shop.shown(user_id="stranger")
    shop.client.put("/v1/items/spade", json={"title": "Spade"})
    shop.settle()
    assert shop.client.get("/v1/lists/picks").json()["unknown_item_ids"] == []
    assert shop.ask(user_id="stranger")["items"][4]["item_id"] == "spade"


def test_a_list_outside_its_time_or_placement_is_not_active_or_not_there(shop: Shop) -> None:
    now = shop.home.clock.now_ms()
    assert put(shop, "over", end_ms=now - 1, **ADS)["active"] is False
    assert put(shop, "later", start_ms=now + 60_000, **ADS)["active"] is False
    assert put(shop, "cart", placements=["cart"], **ADS)["active"] is True
    assert not any(item["sponsored"] for item in shop.ask(user_id="stranger")["items"])
    assert any(item["sponsored"] for item in shop.ask(user_id="stranger", context={"placement": "cart"})["items"])


def test_a_service_that_starts_again_knows_the_lists_from_the_log(shop: Shop) -> None:
    put(shop, "ads", **ADS)
    shop.service._parts.live.refresh()
    with_lists = shop.home.live()
    with_lists.refresh()
    assert list(with_lists.arm_for("").view.shelf.lists.by_name) == ["ads"]


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"item_ids": []}, "/kind", "is missing"),
        ({"kind": "editorial"}, "/item_ids", "is missing"),
        ({"kind": "paid", "item_ids": []}, "/kind", "'paid' is not known; use one of editorial, sponsored"),
        (ADS | {"item_ids": ["a", "b", "a"]}, "/item_ids/2", "'a' is said twice; an item has one place in a list"),
        (ADS | {"item_ids": ["a\x07"]}, "/item_ids/0", "control character"),
        (ADS | {"item_ids": ["x"] * 1_001}, "/item_ids", "expected `array` of length <= 1000"),
        (ADS | {"quota": 51}, "/quota", "expected `int` <= 50"),
        (ADS | {"quota": -1}, "/quota", "expected `int` >= 0"),
        (ADS | {"placements": ["moon"]}, "/placements/0", "placement 'moon' is not configured; use one of home, item"),
        (ADS | {"start_ms": 5, "end_ms": 5}, "/end_ms", "5 is not after start_ms 5; send a later end, or 0"),
        (ADS | {"start": 5}, "/start", "is not a field; there are kind, item_ids, start_ms"),
        ([], "", "expected `object`, got `array`"),
    ],
)
def test_a_bad_field_of_a_list_is_named(standing: Shop, body: object, pointer: str, detail: str) -> None:
    answer = standing.client.put("/v1/lists/any", json=body)
    assert answer.status_code == 400
    [part] = answer.json()["errors"]
    assert part["pointer"] == pointer
    assert detail in part["detail"]


def test_more_than_two_hundred_lists_are_refused_but_an_old_one_may_change(shop: Shop) -> None:
    for n in range(200):
        assert shop.client.put(f"/v1/lists/l{n}", json={"kind": "editorial", "item_ids": []}).status_code == 200
    full = shop.client.put("/v1/lists/one-more", json=ADS)
    assert (full.status_code, full.json()["code"]) == (409, "conflict")
    assert full.json()["detail"] == "There are 200 lists, limit 200; delete one that has ended"
    assert shop.client.put("/v1/lists/l7", json=ADS).status_code == 200
    assert len(shop.client.get("/v1/lists").json()["lists"]) == 200


@pytest.mark.parametrize("path", ["/v1/lists/x?force=1", "/v1/lists?name=x", "/v1/lists/%07", "/v1/lists/%C3"])
def test_what_a_route_of_lists_does_not_take_is_refused(standing: Shop, path: str) -> None:
    assert standing.client.get(path).status_code == 400


def test_a_filter_is_taken_from_query_and_body(standing: Shop) -> None:
    short = standing.client.get(
        "/v1/recommendations", params={"filter": 'category in ("Kitchen", "Home")', "num_results": 3}
    )
    assert [item["item_id"] for item in short.json()["items"]] == ["lamp", "cup", "teapot"]
    assert short.headers["cache-control"] == "public, max-age=60"
    assert standing.shown(filter='not category = "Garden"', num_results=2) == ["lamp", "cup"]


def test_an_answer_that_a_filter_has_emptied_says_so(standing: Shop) -> None:
    answer = standing.ask(filter="price > 100")
    assert (answer["items"], answer["degraded"]) == ([], ["filter_exhausted"])


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("price <", "at character 8: a number is expected, not the end; write price < 20, without quotes"),
        ("x" * 2_001, "expected `str` of length <= 2000"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused_with_the_place(standing: Shop, text: str, detail: str) -> None:
    for answer in (
        standing.client.get("/v1/recommendations", params={"filter": text}),
        standing.client.post("/v1/recommendations", json={"filter": text}),
    ):
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["pointer"] == "/filter"
        assert detail in answer.json()["errors"][0]["detail"]


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(said=almost(schema.ListIn) | anything, text=st.text(max_size=40))
def test_no_list_and_no_filter_makes_the_server_fail(standing: Shop, said: object, text: str) -> None:
    answer = standing.client.put("/v1/lists/any", content=json.dumps(said))
    assert answer.status_code in (200, 400), answer.text
    assert standing.client.delete("/v1/lists/any").status_code == (200 if answer.status_code == 200 else 404)
    fares_well(standing, "/v1/recommendations", {"filter": text})
