"""Is what is known of users kept as the API says, and forgotten when asked?"""

import pytest
from shop import ANN, Shop


def test_a_profile_is_put_patched_and_shown(standing: Shop) -> None:
    put = standing.client.put("/v1/users/pat", json={"age": 33, "gender": "f", "attributes": {"plan": "gold"}})
    assert (put.status_code, put.json()) == (200, {"item_id": "", "user_id": "pat", "visible": True})
    standing.client.patch("/v1/users/pat", json={"location": "Paris"})
    standing.tell(ANN | {"user_id": "pat", "event_id": "pat-buys"})
    user = standing.client.get("/v1/users/pat").json()
    assert user.pop("last_ms") > 0
    assert user == {
        "user_id": "pat", "age": 33, "gender": "f", "location": "Paris", "attributes": {"plan": "gold"}, "actions": 1,
        "recent_item_ids": ["dune"],
    }  # fmt: skip
    standing.client.put("/v1/users/pat", json={"age": 34})
    replaced = standing.client.get("/v1/users/pat").json()
    assert (replaced["age"], replaced["location"], replaced["attributes"]) == (34, "", {})
    assert replaced["actions"] == 1


def test_a_user_that_nobody_has_heard_of_is_not_found(standing: Shop) -> None:
    answer = standing.client.get("/v1/users/nobody%2Fhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["detail"].startswith("Nothing is known of user 'nobody/here'; post an event or PUT")


def test_a_forgotten_user_has_no_past(standing: Shop) -> None:
    standing.client.put("/v1/users/liv", json={"age": 33})
    standing.tell(ANN | {"user_id": "liv", "event_id": "liv-buys"})
    assert standing.shown(user_id="liv", num_results=1) == ["arrakis"]
    answer = standing.client.delete("/v1/users/liv")
    assert answer.status_code == 202
    assert answer.json()["erasure_id"].startswith("erasure-")
    standing.settle()
    user = standing.client.get("/v1/users/liv").json()
    assert (user["actions"], user["age"], user["recent_item_ids"]) == (0, 0, [])
    assert standing.shown(user_id="liv", num_results=6) == ["rake", "lamp", "cup", "teapot", "arrakis", "dune"]


def test_what_is_said_of_users_is_not_kept_by_caches(standing: Shop) -> None:
    standing.client.put("/v1/users/liv", json={})
    assert standing.client.get("/v1/users/liv").headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"age": 151}, "/age", "expected `int` <= 150, got 151"),
        ({"age": -(10**30)}, "/age", "expected `int` >= 0"),
        ({"age": "young"}, "/age", "expected `int`, got `str`"),
        ({"name": "Ann"}, "/name", "is not a field; there are age, gender, location, attributes"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_bad_field_of_a_profile_is_named(
    standing: Shop, method: str, body: object, pointer: str, detail: str
) -> None:
    answer = standing.client.request(method, "/v1/users/u", json=body)
    [part] = answer.json()["errors"]
    assert (answer.status_code, part["pointer"]) == (400, pointer)
    assert detail in part["detail"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "GET", "DELETE"])
def test_an_id_that_no_user_can_have_is_refused(standing: Shop, method: str) -> None:
    body = b"{}" if method in ("PUT", "PATCH") else b""
    answer = standing.client.request(method, "/v1/users/%00", content=body)
    assert (answer.status_code, answer.json()["detail"]) == (
        400, "user_id: has a control character; send printable characters",
    )  # fmt: skip
