"""Is the catalog kept as the API says: replaced, changed, shown, removed, and never shown when it may not be?"""

import pytest
from shop import ANN, Shop


def test_an_item_lives_from_put_to_delete(shop: Shop) -> None:
    put = shop.client.put("/v1/items/spade", json={"title": "Spade", "categories": ["Garden", "Tools"], "price": 9.5})
    assert (put.status_code, put.json()) == (200, {"item_id": "spade", "user_id": "", "visible": True})
    found = shop.client.get("/v1/items/spade").json()
    assert found.pop("published_ms") <= shop.home.clock.now_ms()
    assert found == {
        "item_id": "spade", "title": "Spade", "categories": ["Garden", "Tools"], "attributes": {}, "text": "",
        "price": 9.5, "brand": "", "expires_ms": 0, "status": "available", "tags": [], "embedding": [], "variants": [],
    }  # fmt: skip
    shop.tell({"user_id": "a gardener", "action": "purchase", "item_id": "spade"})
    assert "spade" in shop.shown(user_id="somebody else", num_results=20)
    shop.client.patch("/v1/items/spade", json={"status": "unavailable"})
    shop.settle()
    patched = shop.client.get("/v1/items/spade").json()
    assert (patched["title"], patched["status"]) == ("Spade", "unavailable")
    assert "spade" not in shop.shown(user_id="somebody else", num_results=20)
    deleted = shop.client.delete("/v1/items/spade")
    assert (deleted.status_code, deleted.json()["visible"]) == (200, True)
    gone = shop.client.get("/v1/items/spade")
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
    assert gone.json()["detail"] == "There is no item 'spade'; PUT /v1/items/{item_id} makes one"


def test_an_item_that_is_sold_out_is_shown_nowhere(shop: Shop) -> None:
    shop.tell(ANN, {"user_id": "zoe", "action": "purchase", "item_id": "rake"})
    shop.client.patch("/v1/items/arrakis", json={"status": "unavailable"})
    shop.client.delete("/v1/items/rake")
    shop.settle()
    assert shop.shown(user_id="ann", num_results=20) == ["lamp", "cup", "teapot"]
    assert shop.shown(user_id="stranger", num_results=20) == ["lamp", "cup", "teapot", "dune"]
    trending = shop.client.get("/v1/trending").json()["items"]
    assert [item["item_id"] for item in trending] == ["dune"]
    similar = shop.client.get("/v1/items/dune/similar").json()["items"]
    assert not {"arrakis", "rake"} & {item["item_id"] for item in similar}
    why = shop.client.post("/v1/explain", json={"user_id": "ann", "item_id": "arrakis"}).json()
    assert (why["outcome"], why["dropped_by"]) == ("dropped", "unavailable")


def test_an_item_past_its_end_is_not_shown(shop: Shop) -> None:
    shop.client.patch("/v1/items/rake", json={"expires_ms": shop.home.clock.now_ms() - 1})
    shop.settle()
    assert "rake" not in shop.shown(user_id="stranger")


def test_put_replaces_and_patch_keeps_what_is_not_sent(standing: Shop) -> None:
    standing.client.put("/v1/items/pot", json={"title": "Pot", "price": 3, "attributes": {"size": "L"}})
    standing.client.patch("/v1/items/pot", json={"price": 4})
    patched = standing.client.get("/v1/items/pot").json()
    assert (patched["title"], patched["price"], patched["attributes"]) == ("Pot", 4.0, {"size": "L"})
    standing.client.put("/v1/items/pot", json={"price": 5})
    replaced = standing.client.get("/v1/items/pot").json()
    assert (replaced["title"], replaced["price"], replaced["attributes"]) == ("", 5.0, {})


def test_an_id_in_a_path_is_percent_encoded(shop: Shop) -> None:
    named = {
        "a%2Fb": "a/b", "100%25": "100%", "caf%C3%A9": "café", "%F0%9F%A6%8A": "🦊", "similar": "similar",
    }  # fmt: skip
    for path, item_id in named.items():
        shop.client.put(f"/v1/items/{path}", json={"title": "Thing"})
        assert shop.client.get(f"/v1/items/{path}").json()["item_id"] == item_id
        assert shop.client.get(f"/v1/items/{path}/similar").status_code == 200
        shop.tell({"user_id": "u", "action": "view", "item_id": item_id})
        assert item_id in shop.shown(user_id="v", num_results=20)


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"price": -1}, "/price", "expected `float` >= 0.0, got -1"),
        ({"price": "cheap"}, "/price", "expected `float`, got `str`"),
        ({"status": "gone"}, "/status", "expected `str` matching regex '^(available|unavailable)$', got 'gone'"),
        ({"categories": ["A"] * 65}, "/categories", "expected `array` of length <= 64"),
        ({"categories": ["A", 2]}, "/categories/1", "expected `str`, got `int`"),
        ({"attributes": {"size": 3}}, "/attributes", "expected `str`, got `int`"),
        ({"attributes": {str(n): "" for n in range(65)}}, "/attributes", "expected `object` of length <= 64"),
        ({"published_ms": 10**18}, "/published_ms", "expected `int` <= 4102444800000"),
        ({"title": None}, "/title", "expected `str`, got `null`"),
        ({"embedding": [0.5, 1e39]}, "/embedding/1", "expected `float` <= 1000000.0, got 1e+39"),  # no float32
        ({"item_id": "other"}, "/item_id", "is not a field; there are title, categories, attributes"),
        ([], "", "expected `object`, got `array`"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_bad_field_of_an_item_is_named(standing: Shop, method: str, body: object, pointer: str, detail: str) -> None:
    answer = standing.client.request(method, "/v1/items/thing", json=body)
    assert answer.status_code == 400
    [part] = answer.json()["errors"]
    assert part["pointer"] == pointer
    assert detail in part["detail"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "GET", "DELETE"])
def test_an_id_that_no_item_can_have_is_refused(standing: Shop, method: str) -> None:
    for path, detail in (
        ("%07", "has a control character"),
        ("y" * 129, "is 129 bytes"),
        ("%C3", "is not valid UTF-8"),
    ):
        body = b"{}" if method in ("PUT", "PATCH") else b""
        answer = standing.client.request(method, f"/v1/items/{path}", content=body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/item_id")
        assert detail in answer.json()["detail"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "GET", "DELETE"])
@pytest.mark.parametrize("path", ["/v1/items/x", "/v1/users/x"])
def test_a_parameter_that_a_route_does_not_take_is_refused(standing: Shop, method: str, path: str) -> None:
    answer = standing.client.request(method, f"{path}?force=1")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/force")
    assert answer.json()["detail"] == "force: is not a parameter; this route takes none"
