"""What happens to every request? It gets a name, and is counted and timed by route."""

import os
import re
import time

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from foryou.observe.metrics import Metrics
from foryou.observe.said import say
from foryou.observe.watching import WATCHED, Watch, Watched

CLIENT_GONE = 499  # no answer was begun: the client had left
LEAST_FAILED, LEAST_NONE = 499, 1_000  # statuses from which on a request is told
UNMATCHED = "unmatched"  # the route of requests that no route takes
REQUEST_ID = b"x-request-id"
_NAME = re.compile(rb"[\x21-\x7e]{1,128}")


class Door:
    """Stands in front of all routes. Echoes or makes `X-Request-Id`; keeps `%2F` inside an id from being a slash.

    watch: who looks at some requests closely; told: of which requests a line is written, off, failed or all.
    """

    def __init__(self, routes: ASGIApp, metrics: Metrics, watch: Watch | None = None, told: str = "off") -> None:
        self._routes, self._metrics, self._watch = routes, metrics, watch
        self._told = {"off": LEAST_NONE, "failed": LEAST_FAILED, "all": 0}[told]
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

        watched = self._watch.begin(scope["headers"]) if self._watch else None
        if watched:
            WATCHED.set(watched)

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
            ms = (time.perf_counter() - started) * 1e3
            latency.observe(ms)
            if watched and self._watch:
                self._watch.end(watched, self._route(scope), status, name[1].decode())
            if status >= self._told:
                route = self._route(scope)
                say(
                    f"{route} {status}",
                    "info",
                    route=route,
                    status=status,
                    ms=round(ms, 3),
                    request_id=name[1].decode(),
                )

    def _route(self, scope: HTTPScope) -> str:
        template = scope.get("path_template")
        return f"{scope['method']} {template}" if template else UNMATCHED

    def begun(self, scope: HTTPScope) -> Watched | None:
        """Give what to note in, where a request that does not come here is looked at closely."""
        return self._watch.begin(scope["headers"]) if self._watch else None

    def noted(
        self, method: str, template: str, status: int, seconds: float, watched: Watched | None = None, name: bytes = b""
    ) -> None:
        """Note how a request went that was answered before it came here. name: its X-Request-Id."""
        count, latency = self._meters_of(method, template, status)
        count.inc()
        latency.observe(seconds * 1e3)
        if watched and self._watch:
            self._watch.end(watched, f"{method} {template}", status, name.decode())

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
