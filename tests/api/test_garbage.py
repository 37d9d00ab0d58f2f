"""Does anything that a stranger can send make the server fail? Nothing may: arbitrary JSON, paths and queries."""

import json

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from shop import Shop

from foryou.api import schema
from tries import tries

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(10**40), 10**40), st.floats(), st.text(max_size=200),
    st.text(st.characters(), max_size=20), st.sampled_from(["home", "view", "purchase", "rating", "alias", "cup"]),
)  # fmt: skip
anything = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


def almost(struct: type) -> st.SearchStrategy[object]:
    """Give objects with the field names of a struct, and anything in them."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(struct.__struct_fields__, anything))  # type: ignore[attr-defined]


quick = tries(60, suppress_health_check=[HealthCheck.too_slow])


def fares_well(shop: Shop, path: str, said: object) -> None:
    answer = shop.client.post(path, content=json.dumps(said))  # NaN as NaN, lone surrogates as \ud800
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
        assert answer.json()["errors"][0]["detail"]


@quick
@given(said=anything | almost(schema.Ask))
def test_no_json_makes_a_question_fail(standing: Shop, said: object) -> None:
    fares_well(standing, "/v1/recommendations", said)


@quick
@given(said=almost(schema.EventIn) | st.lists(almost(schema.EventIn) | anything, max_size=4) | anything)
def test_no_json_makes_an_event_fail(standing: Shop, said: object) -> None:
    fares_well(standing, "/v1/events", said)


@quick
@given(said=almost(schema.WhyAsk))
def test_no_json_makes_a_question_why_fail(standing: Shop, said: object) -> None:
    fares_well(standing, "/v1/explain", said)


@quick
@given(body=st.binary(max_size=200))
def test_no_bytes_make_the_server_fail(standing: Shop, body: bytes) -> None:
    for path in ("/v1/recommendations", "/v1/events"):
        assert standing.client.post(path, content=body).status_code < 500


@quick
@given(name=st.text(st.sampled_from("%/.\\~;:@&=+$,?#[]!'()*09afz \x00é🦊"), min_size=1, max_size=12))
def test_no_path_makes_the_server_fail(standing: Shop, name: str) -> None:
    for path in (f"/v1/items/{name}/similar", f"/v1/users/{name}", f"/{name}"):
        try:
            answer = standing.client.get(path)
        except httpx.InvalidURL:  # so it never leaves the client
            continue
        assert answer.status_code < 500


@quick
@given(query=st.text(st.sampled_from("%/.~;:@&=+abuser_idnum0123456789-é🦊"), max_size=30))
def test_no_query_makes_the_server_fail(standing: Shop, query: str) -> None:
    assert standing.client.get(f"/recommendations?{query}").status_code < 500
    assert standing.client.get(f"/recommendations?user_id={query}").status_code < 500


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("path", ["/v1/items/thing", "/v1/users/person"])
@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{", b"[" * 10_000, b'{"price": NaN}', b'{"age": 1e400}', b'{"title": "\\udfff"}']
)
def test_no_change_makes_the_server_fail(standing: Shop, method: str, path: str, body: bytes) -> None:
    answer = standing.client.request(method, path, content=body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["detail"]
