"""What happens to every request? It gets a name, and is counted and timed by route."""

import os
import re
import time

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from foryou.observe.metrics import Metrics

CLIENT_GONE = 499  # no answer was begun: the client had left
UNMATCHED = "unmatched"  # the route of requests that no route takes
REQUEST_ID = b"x-request-id"
_NAME = re.compile(rb"[\x21-\x7e]{1,128}")


class Door:
    """Stands in front of all routes. Echoes or makes `X-Request-Id`; keeps `%2F` inside an id from being a slash."""

    def __init__(self, routes: ASGIApp, metrics: Metrics) -> None:
        self._routes, self._metrics = routes, metrics
        self._meters: dict[tuple[str, str | None, int], tuple[Counter, Histogram]] = {}  # labels() is slow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note how it went."""
        if scope["type"] != ScopeType.HTTP:
            await self._routes(scope, receive, send)
            return
        started, status = time.perf_counter(), CLIENT_GONE
        name = (REQUEST_ID, request_id(scope))
        scope["state"]["request_id"] = name[1].decode()
        scope["path"] = scope["raw_path"].partition(b"?")[0].decode("latin-1")  # still percent-encoded: see `path_id`

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], name]
            await send(message)

        try:
            await self._routes(scope, receive, noted)
        finally:
            count, latency = self._meters_of(scope["method"], scope.get("path_template"), status)
            count.inc()
            latency.observe((time.perf_counter() - started) * 1e3)

    def noted(self, method: str, template: str, status: int, seconds: float) -> None:
        """Note how a request went that was answered before it came here."""
        count, latency = self._meters_of(method, template, status)
        count.inc()
        latency.observe(seconds * 1e3)

    def _meters_of(self, method: str, template: str | None, status: int) -> tuple[Counter, Histogram]:
        key = (method if template else "", template, status)  # without a template the method is anything
        found = self._meters.get(key)
        if found is None:
            route = f"{method} {template}" if template else UNMATCHED
            found = self._metrics.requests.labels(route, status), self._metrics.latency.labels(route)
            self._meters[key] = found
        return found


def request_id(scope: HTTPScope) -> bytes:
    """Give the client's id if it is 1 to 128 printable characters, else a new one."""
    for name, value in scope["headers"]:
        if name == REQUEST_ID and _NAME.fullmatch(value):
            return value
    return os.urandom(12).hex().encode()
