"""Can the API be read, and can the process be watched?"""

import re
from typing import Any

import msgspec
import pytest
from litestar.routes import HTTPRoute
from shop import Shop

from foryou.api.rest.examples import EXAMPLES, examples_of
from foryou.api.rest.openapi import operation_of

ROUTES = {
    "GET /v1/users/{user_id}/discover", "GET /console", "GET /v1/console", "GET /web/{name}",
    "GET /v1/pages/{placement}",
    "GET /v1/onboarding/questions", "POST /v1/users/{user_id}/onboarding",
    "GET /recommendations", "GET /v1/recommendations", "POST /v1/recommendations", "GET /v1/items/{item_id}/similar",
    "GET /v1/trending", "POST /v1/explain", "POST /v1/events", "PUT /v1/items/{item_id}", "PATCH /v1/items/{item_id}",
    "GET /v1/items/{item_id}", "DELETE /v1/items/{item_id}", "PUT /v1/users/{user_id}", "PATCH /v1/users/{user_id}",
    "PUT /v1/lists/{name}", "GET /v1/lists/{name}", "DELETE /v1/lists/{name}", "GET /v1/lists",
    "GET /v1/users/{user_id}", "DELETE /v1/users/{user_id}", "GET /healthz", "GET /readyz", "GET /metrics",
    "GET /openapi.json", "GET /docs", "GET /", "POST /v1/rank", "GET /v1/experiments",
    "GET /v1/experiments/{name}", "PUT /v1/experiments/{name}", "GET /v1/experiments/{name}/report",
    "GET /v1/models", "POST /v1/models", "GET /v1/models/{version}/report",
}  # fmt: skip


@pytest.fixture(scope="module")
def document(standing: Shop) -> dict[str, Any]:
    said: dict[str, Any] = standing.client.get("/openapi.json").json()
    return said


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": one
        for path, methods in document["paths"].items()
        for method, one in methods.items()
    }


def test_the_document_lists_every_route(standing: Shop, document: dict[str, Any]) -> None:
    served = {
        f"{method} {route.path_format}"
        for route in standing.app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods - {"OPTIONS"}
    }
    assert served == ROUTES
    assert set(operations(document)) == ROUTES


def test_the_document_has_the_structure_of_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert set(document["info"]) == {"title", "version", "description", "license"}
    said = operations(document)
    names = [one["operationId"] for one in said.values()]
    assert len(set(names)) == len(names)
    for name, one in said.items():
        assert one["summary"].endswith(".")
        assert len(one["tags"]) == 1
        assert "default" in one["responses"]
        asks = "parameters" in one or "requestBody" in one
        assert {"400", "503"} <= set(one["responses"]) or not asks
        assert ("413" in one["responses"]) == ("requestBody" in one)
        in_path = [parameter["name"] for parameter in one.get("parameters", []) if parameter["in"] == "path"]
        assert in_path == re.findall(r"{(\w+)}", name)
        assert ("requestBody" in one) == name.startswith(("POST", "PUT", "PATCH"))


def test_every_error_of_the_document_is_a_problem_and_says_when_to_come_again(document: dict[str, Any]) -> None:
    for one in operations(document).values():
        for status, answer in one["responses"].items():
            assert "X-Request-Id" in answer["headers"]
            assert ("Retry-After" in answer["headers"]) == (status == "503")
            if not status.startswith("2"):
                assert list(answer["content"]) == ["application/problem+json"]


def test_every_struct_that_a_route_takes_or_gives_has_a_filled_in_example(standing: Shop) -> None:
    said = [operation_of(one) for route in standing.app.routes for one in getattr(route, "route_handlers", ())
            if "operation" in one.opt]  # fmt: skip
    kinds = {kind for one in said for kind in (one.takes, one.gives) if kind is not None and not isinstance(kind, str)}
    assert len(kinds) > 10
    for kind in kinds:
        found = [one["value"] for one in examples_of(kind).values()]
        assert found, f"{kind} has no example in api/rest/examples.py"
        for value in found:
            msgspec.convert(value, kind)
    answers = {one.gives for one in said} & set(EXAMPLES)
    assert {kind for kind in answers if set(EXAMPLES[kind]) != set(kind.__struct_fields__)} == set()


def test_the_examples_of_the_document_are_answered(shop: Shop, document: dict[str, Any]) -> None:
    said = operations(document)
    assert "requestBody" in said.pop("POST /v1/models")  # which needs a key: test_models.py
    for name, one in said.items():
        method, path = name.split(" ")
        for media in one.get("requestBody", {}).get("content", {}).values():
            for example in media["examples"].values():
                path = re.sub(r"{\w+}", "example" if method == "PUT" else "cup", path)
                answer = shop.client.request(method, path, json=example["value"])
                assert answer.status_code in (200, 202), f"{name}: {answer.text}"
                assert answer.json().get("rejected", []) == []


def test_every_reference_of_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    def references(part: object) -> set[str]:
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        here = {part["$ref"]} if isinstance(part, dict) and "$ref" in part else set()
        return here.union(*(references(one) for one in inner))

    found = references(document)
    assert found >= {"#/components/schemas/Recommended", "#/components/schemas/EventIn", "#/components/schemas/Problem"}
    assert {name.rsplit("/", 1)[1] for name in found} <= set(document["components"]["schemas"])


def test_the_document_knows_parameters_bounds_and_statuses(document: dict[str, Any]) -> None:
    said = operations(document)
    parameters = {one["name"]: one["schema"] for one in said["GET /recommendations"]["parameters"]}
    assert list(parameters) == [
        "user_id", "anonymous_id", "context", "num_results", "session_id", "exclude", "explain", "personalize",
        "deadline_ms", "item_id", "filter", "language", "device", "cursor",
    ]  # fmt: skip
    assert (parameters["num_results"]["minimum"], parameters["num_results"]["maximum"]) == (1, 500)
    assert parameters["explain"] == {"type": "boolean", "default": True}
    assert "202" in said["POST /v1/events"]["responses"]
    assert "202" in said["DELETE /v1/users/{user_id}"]["responses"]
    actions = document["components"]["schemas"]["Action"]["enum"]
    assert {"purchase", "rating", "forget"} < set(actions)


def test_the_page_of_the_api_loads_nothing(standing: Shop) -> None:
    page = standing.client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert not re.findall(r"https?:|<script|<img|<link|@import|url\(", page.text)


@pytest.mark.parametrize("path", ["/", "/console"])
def test_the_pages_for_people_load_only_what_lies_here(standing: Shop, path: str) -> None:
    page = standing.client.get(path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'self'; ")
    parts = re.findall(r'(?:src|href)="(/web/[^"]+)"', page.text)
    assert len(parts) >= 3
    todo, known = list(parts), set[str]()
    while todo:
        name = todo.pop()
        if name in known:
            continue
        known.add(name)
        part = standing.client.get(name)
        assert part.status_code == 200, name
        assert part.headers["x-content-type-options"] == "nosniff"
        todo += [f"/web/{one}" for one in re.findall(r'from "\./([\w.]+)"', part.text)]
        assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", part.text), name
    assert not re.findall(r"https?:|style=|<script>|onclick=", page.text)


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "..%2Fconfig.py", "%2Fetc%2Fpasswd", "__init__.py"])
def test_what_is_no_part_of_a_page_is_not_given_away(standing: Shop, name: str) -> None:
    answer = standing.client.get(f"/web/{name}")
    assert answer.status_code == 404
    assert "The pages have no file" in answer.json()["detail"]


def test_the_console_is_told_which_models_serve(standing: Shop) -> None:
    said = standing.client.get("/v1/console").json()
    assert (said["generation"], said["families"]) == (1, {"main": [{"version": "known", "share": 1.0}]})
    assert said["items"] >= 6, "others may have put one into this shop"
    assert [(one["version"], one["verdict"]) for one in said["bundles"]] == [("known", "none")]
    assert (said["refused"], said["away"]) == ({}, "")


def test_the_page_of_the_api_lists_every_route_and_its_links_lead_somewhere(standing: Shop) -> None:
    page = standing.client.get("/docs").text
    for route in ROUTES:
        assert f"<h2><code>{route}</code></h2>" in page
    anchors = set(re.findall(r"href='#(\w+)'", page))
    assert anchors <= set(re.findall(r"id='(\w+)'", page))


def test_the_links_of_the_first_page_work(standing: Shop) -> None:
    links = re.findall(r'href="([^"]+)"', standing.client.get("/").text)
    assert {"/docs", "/openapi.json", "/metrics", "/v1/trending"} < set(links)
    for link in links:
        assert standing.client.get(link).status_code == 200


def test_the_process_says_that_it_is_up_and_ready(standing: Shop) -> None:
    assert (standing.client.get("/healthz").text, standing.client.get("/readyz").text) == ("ok\n", "ready\n")


def counted(shop: Shop, meter: str) -> float:
    """Give the value of a meter, 0 where it is not there yet."""
    lines = shop.client.get("/metrics").text.splitlines()
    return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(meter + " ")), 0.0)


def test_requests_are_counted_and_timed_by_route_and_status(standing: Shop) -> None:
    meters = {
        "good": 'foryou_requests_total{route="GET /v1/items/{item_id}/similar",status="200"}',
        "bad": 'foryou_requests_total{route="GET /v1/items/{item_id}/similar",status="400"}',
        "timed": 'foryou_request_ms_count{route="GET /v1/items/{item_id}/similar"}',
        "lost": 'foryou_requests_total{route="unmatched",status="404"}',
        "unmade": 'foryou_requests_total{route="unmatched",status="405"}',
    }
    before = {name: counted(standing, meter) for name, meter in meters.items()}
    standing.client.get("/v1/items/cup/similar")
    standing.client.get("/v1/items/lamp/similar")
    standing.client.get("/v1/items/lamp/similar?num_results=0")
    standing.client.get("/wp-admin.php")
    standing.client.request("BREW", "/v1/trending")
    grown = {name: counted(standing, meter) - before[name] for name, meter in meters.items()}
    assert grown == {"good": 2, "bad": 1, "timed": 3, "lost": 1, "unmade": 1}


def test_the_meters_are_plain_text_for_prometheus(standing: Shop) -> None:
    answer = standing.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# TYPE foryou_request_ms histogram" in answer.text
