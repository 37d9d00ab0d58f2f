"""Are strangers shown lists that were made ahead: what the pipeline says, renewed when it changes, cacheable?"""

from typing import Any

import httpx
import pytest
from shop import STOCK, Shop

from foryou.domain.clock import ManualClock
from foryou.serve.prepared import KINDS, Kind, Prepared, Segment

HOME = Segment("home", "")


def get(shop: Shop, path: str = "/v1/recommendations", **headers: str) -> httpx.Response:
    return shop.client.get(path, headers=headers)


def items(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


def named(answer: httpx.Response) -> str:
    name: str = answer.json()["recommendation_id"]
    return name


def test_strangers_are_shown_what_the_pipeline_says_under_one_name(shop: Shop) -> None:
    one, other = get(shop), get(shop, "/recommendations?context=homepage&deadline_ms=5")
    assert one.content == other.content
    assert named(one).startswith("list-")
    asked: list[dict[str, Any]] = shop.ask(personalize=False)["items"]
    assert one.json()["items"] == asked
    assert one.headers["cache-control"] == "public, max-age=60"
    assert one.headers["vary"] == "accept-language"
    assert one.headers["etag"] == f'"{named(one)}"'


@pytest.mark.parametrize("form", ["{0}", "W/{0}", "*", '"other", {0}'])
def test_who_has_it_already_is_told_so(shop: Shop, form: str) -> None:
    etag = get(shop).headers["etag"]
    again = get(shop, **{"if-none-match": form.format(etag)})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert again.headers["cache-control"] == "public, max-age=60"
    assert get(shop, **{"if-none-match": '"other"'}).status_code == 200


def test_what_is_sold_out_goes_with_the_next_look_and_the_list_has_another_name(shop: Shop) -> None:
    before = get(shop)
    assert "rake" in items(before)
    shop.client.patch("/v1/items/rake", json={"status": "unavailable"})
    shop.settle()
    after = get(shop, **{"if-none-match": before.headers["etag"]})
    assert "rake" not in items(after)
    assert named(after) != named(before)
    shop.client.patch("/v1/items/rake", json={"status": "available"})
    shop.settle()
    assert named(get(shop)) == named(before)


def test_a_look_at_which_nothing_has_changed_changes_nothing(shop: Shop) -> None:
    page = shop.service.prepared.page(HOME, Kind(20, ""))
    shop.service.prepared.look()
    assert page is not None
    assert shop.service.prepared.page(HOME, Kind(20, "")) is page


def test_what_is_new_and_what_is_put_on_a_list_come_with_the_next_look(shop: Shop) -> None:
    before = get(shop)
    shop.client.put("/v1/items/kite", json={"title": "Kite", "published_ms": shop.home.clock.now_ms() - 1_000})
    shop.settle()
    assert "kite" in items(get(shop))
    assert named(get(shop)) != named(before)
    shop.client.put("/v1/lists/spring", json={"kind": "editorial", "item_ids": ["dune"]})
    shop.settle()
    assert [item["item_id"] for item in get(shop).json()["items"] if item["source"] == "editorial"] == ["dune"]


def test_what_expires_goes_when_it_does(shop: Shop) -> None:
    now = shop.home.clock.now_ms()
    shop.client.patch("/v1/items/rake", json={"expires_ms": now + 500_000})
    shop.settle()
    clock = ManualClock(now)
    prepared = Prepared(shop.service._parts.live, clock, {"home": 20})
    prepared.look()
    page = prepared.page(HOME, Kind(20, ""))
    assert page is not None
    assert "rake" in [item.item_id for item in page.answer.items]
    clock.at_ms = now + 500_000
    prepared.look()
    page = prepared.page(HOME, Kind(20, ""))
    assert page is not None
    assert "rake" not in [item.item_id for item in page.answer.items]


def test_another_length_and_another_language_are_ready_from_the_second_look_on(shop: Shop) -> None:
    path = "/v1/recommendations?num_results=3"
    first = get(shop, path, **{"accept-language": "de"})
    assert not named(first).startswith("list-")
    shop.settle()
    second = get(shop, path, **{"accept-language": "de"})
    assert named(second).startswith("list-")
    assert second.json()["items"] == first.json()["items"]
    assert items(second) == items(get(shop))[:3]
    assert second.json()["items"][0]["reason"]["text"] == "Bei allen beliebt"
    assert named(get(shop, path, **{"accept-language": "fr"})) != named(second)


def test_devices_are_segments_and_unknown_ones_go_the_long_way(shop: Shop) -> None:
    mobile, other = get(shop, "/v1/recommendations?device=mobile"), get(shop, "/v1/recommendations?device=fridge")
    assert named(mobile).startswith("list-")
    assert named(mobile) != named(get(shop))
    assert not named(other).startswith("list-")
    assert items(mobile) == items(other)


@pytest.mark.parametrize(
    "query", ["user_id=ann", "anonymous_id=a", "session_id=s", "exclude=rake", "filter=price>1", "explain=false",
              "item_id=cup", "user_id=ann&personalize=false"]
)  # fmt: skip
def test_whoever_says_more_is_answered_by_the_pipeline(shop: Shop, query: str) -> None:
    answer = get(shop, f"/v1/recommendations?{query}")
    assert answer.status_code == 200
    assert not named(answer).startswith("list-")
    assert "etag" not in answer.headers


@pytest.mark.parametrize("query", ["num_results=0", "context=moon", "colour=red", "context=home&context=home", "%FF"])
def test_what_is_wrong_is_said_by_the_routes(shop: Shop, query: str) -> None:
    answer = get(shop, f"/v1/recommendations?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_a_request_keeps_its_name_and_is_counted(shop: Shop) -> None:
    assert get(shop, **{"x-request-id": "mine"}).headers["x-request-id"] == "mine"
    assert len(get(shop).headers["x-request-id"]) == 24
    etag = get(shop).headers["etag"]
    get(shop, **{"if-none-match": etag})
    meters = shop.client.get("/metrics").text
    assert 'foryou_requests_total{route="GET /v1/recommendations",status="304"}' in meters


def test_the_long_list_has_all_that_may_be_shown_and_only_so_many_kinds_are_kept(shop: Shop) -> None:
    prepared = shop.service.prepared
    whole = prepared.whole("home")
    assert whole is not None
    assert {item.item_id for item in whole.items} == set(STOCK)
    for k in range(100, 100 + KINDS + 10):
        prepared.page(HOME, Kind(k, ""))
    prepared.look()
    ready = [k for k in range(100, 100 + KINDS + 10) if prepared.page(HOME, Kind(k, ""))]
    assert len(ready) == KINDS - 1, "one is the length of the configuration"
    assert prepared.page(HOME, Kind(20, "")) is not None
    assert prepared.page(Segment("moon", ""), Kind(20, "")) is None


def test_before_there_is_any_item_strangers_are_answered_all_the_same(empty_shop: Shop) -> None:
    assert items(get(empty_shop)) == []
