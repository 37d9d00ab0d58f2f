"""Is every error a problem document that says what is wrong, and never more than the caller should know?"""

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import RequestFactory
from shop import Shop

from foryou.api import rest
from foryou.api.rest.problems import translate
from foryou.api.service import Service
from foryou.config import load
from foryou.domain.errors import Conflict, Invalid, NotFound, Refused, StalePosition, Unavailable
from foryou.observe.metrics import Metrics
from foryou.serve.live import Live
from foryou.wiring.serving import _keep_fresh, _keep_released

MIB = 1_048_576


def problem(status: int, title: str, code: str, detail: str, *errors: dict[str, str]) -> dict[str, object]:
    return {
        "type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, "errors": list(errors),
    }  # fmt: skip


def spoken(app: Litestar, path: str, receive: Callable[[], dict[str, Any]], *headers: tuple[bytes, bytes]) -> list[Any]:
    """Give what the app sends when it is spoken to without a client in between."""
    sent: list[Any] = []

    async def take() -> Any:
        return receive()

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": list(headers), "state": {},
    }  # fmt: skip
    asyncio.run(app(scope, take, send))
    return sent


def test_a_path_that_is_no_route_is_a_problem(standing: Shop) -> None:
    answer = standing.client.get("/v1/recommend")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == problem(
        404, "Not Found", "unknown_route", "There is no /v1/recommend; GET /docs lists the routes"
    )


def test_a_method_that_a_route_does_not_have_is_a_problem_that_names_those_it_has(standing: Shop) -> None:
    answer = standing.client.delete("/v1/events")
    assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST")
    assert answer.json() == problem(
        405, "Method Not Allowed", "method_not_allowed", "DELETE is not possible on /v1/events; use OPTIONS, POST"
    )
    assert standing.client.request("BREW", "/healthz").status_code == 405


def test_options_tells_the_methods(standing: Shop) -> None:
    answer = standing.client.options("/v1/trending")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, OPTIONS")
    answer = standing.client.options("/v1/items/cup")
    assert (answer.status_code, answer.headers["allow"]) == (204, "DELETE, GET, OPTIONS, PATCH, PUT")


def test_a_host_header_that_is_no_host_is_a_problem(standing: Shop) -> None:
    answer = standing.client.get("/healthz", headers={"host": "a b"})
    assert answer.json() == problem(400, "Bad Request", "bad_request", "Invalid host header")


def test_bad_fields_are_listed_with_pointers(standing: Shop) -> None:
    answer = standing.client.post("/v1/recommendations", json={"num_results": 0})
    told = "expected `int` >= 1, got 0"
    part = {"pointer": "/num_results", "code": "invalid_num_results", "detail": told}
    assert answer.json() == problem(400, "Bad Request", "invalid", f"num_results: {told}", part)


@pytest.mark.parametrize("path", ["/v1/recommendations", "/v1/events", "/v1/explain"])
@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "body: is not valid JSON (Input data was truncated); send a JSON document in UTF-8"),
        (b"hello", "body: is not valid JSON (JSON is malformed: invalid character (byte 0))"),
        (b'{"user_id": "u",}', "body: is not valid JSON (JSON is malformed"),
        (b'{"user_id": "u"', "body: is not valid JSON (Input data was truncated)"),
        (b"{} {}", "body: "),
        (b"\xef\xbb\xbf{}", "body: is not valid JSON"),
        (b"\x00\x01\x02", "body: is not valid JSON"),
        (b'{"user_id": "\xff\xfe"}', "user_id: is not valid Unicode; send UTF-8 without lone surrogates"),
        (b'{"user_id": "\\ud800"}', "user_id: is not valid Unicode; send UTF-8 without lone surrogates"),
        (b'{"user_id": Infinity}', "user_id: inf is not JSON; send a number, or leave it out"),
        (b'{"a":' * 10_000, "a: is not a field"),
        (b'{"context":{"x":' + b"[" * 10_000, "context"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem(standing: Shop, path: str, body: bytes, detail: str) -> None:
    answer = standing.client.post(path, content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    if path == "/v1/recommendations":
        assert answer.json()["detail"].startswith(detail)


def test_a_body_of_exactly_the_limit_is_read(standing: Shop) -> None:
    answer = standing.client.post("/v1/recommendations", content=b'{"num_results": 1}'.ljust(MIB))
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/v1/recommendations", "/v1/events", "/v1/explain"])
def test_a_body_beyond_the_limit_is_a_problem(standing: Shop, path: str) -> None:
    answer = standing.client.post(path, content=b"x" * 10_000_000)
    assert answer.json() == problem(
        413, "Request Entity Too Large", "too_large",
        "The body has 10,000,000 bytes or more, limit 1,048,576; send it in several requests",
    )  # fmt: skip


def test_a_body_announced_beyond_the_limit_is_not_taken_in_at_all(standing: Shop) -> None:
    asked: list[int] = []

    def receive() -> dict[str, Any]:
        asked.append(1)
        return {"type": "http.request", "body": b"x" * 65_536, "more_body": True}

    start, _ = spoken(standing.app, "/v1/events", receive, (b"content-length", b"10000000"))
    assert (start["status"], len(asked)) == (413, 0)


def test_a_body_without_end_is_taken_in_up_to_the_limit_only(standing: Shop) -> None:
    asked: list[int] = []

    def receive() -> dict[str, Any]:
        asked.append(1)
        return {"type": "http.request", "body": b"x" * 65_536, "more_body": True}

    start, _ = spoken(standing.app, "/v1/events", receive)
    assert (start["status"], len(asked)) == (413, 17)


def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error_of_ours(standing: Shop) -> None:
    start, body = spoken(standing.app, "/v1/events", lambda: {"type": "http.disconnect"})
    assert start["status"] == 400
    assert b"The client left before the body was complete" in body["body"]


def test_before_a_bundle_serves_the_process_is_up_but_not_ready(tmp_path: Path, metrics: Metrics) -> None:
    class Waiting(Shop):
        """A shop whose pipelines are not built yet."""

        def open_service(self) -> Service:
            made = super().open_service()
            return Service(replace(made._parts, live=self.home.live()), made._on_close)

    with Waiting(tmp_path, metrics) as waiting:
        assert waiting.client.get("/healthz").status_code == 200
        answer = waiting.client.get("/readyz")
        assert answer.headers["retry-after"] == "1"
        assert answer.json() == problem(
            503, "Service Unavailable", "unavailable", "No bundle serves yet; try again in a second"
        )


def test_an_app_whose_service_cannot_be_made_says_why_at_start_up(metrics: Metrics) -> None:
    def broken() -> Service:
        raise Refused("The catalog is damaged")

    async def start() -> None:
        async with rest.app(broken, metrics, bytes).lifespan():
            pass

    with pytest.RaisesGroup(pytest.RaisesExc(Refused, match="The catalog is damaged")):
        asyncio.run(start())


def test_what_goes_wrong_here_is_logged_with_the_request_and_not_told(
    tmp_path: Path, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> bytes:
        raise RuntimeError("the secret is 42")

    with Shop(tmp_path, metrics, exposed=broken) as shop, caplog.at_level(logging.ERROR):
        answer = shop.client.get("/metrics", headers={"x-request-id": "r-1"})
    assert answer.json() == problem(
        500, "Internal Server Error", "internal", "Something went wrong here; the log has it under request r-1"
    )
    [record] = [record for record in caplog.records if record.name.startswith("foryou")]
    assert record.getMessage() == "request r-1 failed: GET /metrics"
    assert record.exc_info is not None
    assert "the secret is 42" in str(record.exc_info[1])


@pytest.mark.parametrize(
    ("error", "status", "code", "detail"),
    [
        (Invalid("age", "is 200", "send 0 to 150"), 400, "invalid", "age: is 200; send 0 to 150"),
        (NotFound("There is no such thing"), 404, "not_found", "There is no such thing"),
        (Conflict("Somebody was faster"), 409, "conflict", "Somebody was faster"),
        (StalePosition("The position moved"), 409, "conflict", "The position moved"),
        (Unavailable("The log is away"), 503, "unavailable", "The log is away"),
        (
            Refused("The checksum is wrong"),
            500,
            "internal",
            "Something went wrong here; the log has it under request r",
        ),
        (KeyError("x"), 500, "internal", "Something went wrong here; the log has it under request r"),
    ],
)
def test_each_kind_of_error_has_its_status(
    standing: Shop, error: Exception, status: int, code: str, detail: str
) -> None:
    request = RequestFactory(app=standing.app).get("/")
    request.scope["state"]["request_id"] = "r"
    answer = translate(request, error)
    assert answer.status_code == status
    assert f'"code":"{code}"'.encode() in answer.content
    assert f'"detail":"{detail}"'.encode() in answer.content
    assert answer.headers.get("retry-after") == ("1" if status == 503 else None)


def test_the_id_of_a_request_is_echoed_or_made(standing: Shop) -> None:
    def echoed(path: str, sent: str) -> str:
        return str(standing.client.get(path, headers={"x-request-id": sent}).headers["x-request-id"])

    assert echoed("/healthz", "abc-123") == "abc-123"
    assert echoed("/nowhere", "abc-123") == "abc-123"
    assert echoed("/v1/recommendations?num_results=0", "abc-123") == "abc-123"
    for unfit in ("", "x" * 129, "two words"):
        assert echoed("/healthz", unfit) not in ("", unfit)
    first, second = (standing.client.get("/healthz").headers["x-request-id"] for _ in range(2))
    assert first != second


def test_a_look_that_breaks_is_counted_and_followed_by_the_next(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop, looks = threading.Event(), list[int]()

    def breaks(_: Live) -> None:
        looks.append(1)
        if len(looks) == 3:
            stop.set()
        raise ZeroDivisionError("an item nobody thought of")

    monkeypatch.setattr(Live, "follow", breaks)
    often = load(Path(shop.home.config.home), {}, serve={"refresh_ms": 10})
    _keep_fresh(shop.service._parts, stop, often)
    assert len(looks) == 3
    assert capsys.readouterr().err.count("serving what was known: ZeroDivisionError('an item nobody thought of')") == 3


def test_looks_for_a_release_that_fail_are_counted_each_and_told_once_per_reason(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop, looks, here = threading.Event(), list[int](), threading.current_thread()

    def fails(live: Live) -> None:
        if threading.current_thread() is not here:
            return  # the service looks, too
        looks.append(1)
        live.away = f"the bucket is away, look {len(looks)}"
        if len(looks) == 4:
            stop.set()
            raise ZeroDivisionError("a release nobody thought of")

    monkeypatch.setattr(Live, "take_up_release", fails)
    parts = shop.service._parts
    counted = parts.metrics.fallbacks.labels("release")
    before = counted._value.get()
    _keep_released(parts, stop, load(Path(shop.home.config.home), {}, stores={"look_ms": 10}))
    assert counted._value.get() - before == 4
    said = capsys.readouterr().err
    assert said.count("no look at the releases, serving the one that was known: the bucket is away, look 1") == 1
    assert said.count("the bucket is away") == 1
    assert said.count("ZeroDivisionError('a release nobody thought of')") == 1
