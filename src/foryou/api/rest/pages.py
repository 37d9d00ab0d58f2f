"""Which routes are not about recommendations? Health, meters, and the documents of the API."""

import asyncio

import msgspec
from litestar import get
from litestar.types import ASGIApp

from foryou.api.rest.docs import docs
from foryou.api.rest.openapi import operation
from foryou.api.rest.reading import Request, service_of
from foryou.api.rest.writing import FRESH, JSON, Reply
from foryou.domain.errors import Unavailable

TEXT, HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"
METERS = "text/plain; version=0.0.4; charset=utf-8"
NOTHING_FROM_ELSEWHERE = (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'")


@get("/docs", opt=operation(HTML, errors=()))
async def docs_page(request: Request) -> ASGIApp:
    """Show the API in a browser."""
    return Reply(docs(request.app.state.document).encode(), FRESH, NOTHING_FROM_ELSEWHERE, media_type=HTML)


@get("/openapi.json", opt=operation(JSON, errors=()))
async def openapi(request: Request) -> ASGIApp:
    """Give the OpenAPI document."""
    return Reply(msgspec.json.encode(request.app.state.document), FRESH)


@get("/healthz", opt=operation(TEXT, errors=()))
async def healthy() -> ASGIApp:
    """Say that the process is up."""
    return Reply(b"ok\n", FRESH, media_type=TEXT)


@get("/readyz", opt=operation(TEXT, errors=(503,)))
async def ready(request: Request) -> ASGIApp:
    """Say that recommendations can be given; 503 until then."""
    if not service_of(request).ready():
        raise Unavailable("No bundle serves yet; try again in a second")
    return Reply(b"ready\n", FRESH, media_type=TEXT)


@get("/metrics", opt=operation(METERS, errors=()))
async def meters(request: Request) -> ASGIApp:
    """Give the meters of all processes in Prometheus text format."""
    state = request.app.state
    found = await asyncio.get_running_loop().run_in_executor(state.meters, state.exposition)
    return Reply(found, FRESH, media_type=METERS)


ROUTES = (docs_page, openapi, healthy, ready, meters)
