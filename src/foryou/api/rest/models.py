"""Which routes show and steer what serves? Everybody may look; who steers must have the key."""

import asyncio
import hmac

import msgspec
from litestar import get, post
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp

from foryou.api import schema
from foryou.api.decoding import decoded
from foryou.api.rest.openapi import operation
from foryou.api.rest.reading import Request, body_of, path_id, query_of, service_of
from foryou.api.rest.writing import FRESH, Reply, reply
from foryou.config import ADMIN_KEY

HTML = "text/html; charset=utf-8"
BEARER = b"bearer "
ALONE = (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox")
_steer = msgspec.json.Decoder(schema.Steer)


@get("/v1/models", opt=operation(schema.Models))
async def all_models(request: Request) -> ASGIApp:
    """Show which bundles serve, what is rolled out, and how old and new do."""
    query_of(request)
    return reply(await asyncio.to_thread(service_of(request).bundles.get), FRESH)


@post("/v1/models", opt=operation(schema.Models, takes=schema.Steer, errors=(400, 401, 403, 404, 409, 503)))
async def steer_models(request: Request) -> ASGIApp:
    """Promote a bundle, roll one out, pause, go on, or take it back. Wants the header `Authorization: Bearer KEY`."""
    _must_have_key(request, service_of(request).admin_key)
    said = decoded(_steer, await body_of(request))
    return reply(await asyncio.to_thread(service_of(request).bundles.steer, said))


@get("/v1/models/{version:str}/report", opt=operation(HTML, errors=(400, 404, 503)))
async def model_report(request: Request) -> ASGIApp:
    """Show how a bundle was judged, as one page."""
    query_of(request)
    page = await asyncio.to_thread(service_of(request).bundles.report, path_id(request, "version"))
    return Reply(page, FRESH, ALONE, (b"x-content-type-options", b"nosniff"), media_type=HTML)


ROUTES = (all_models, steer_models, model_report)


def _must_have_key(request: Request, key: str) -> None:
    if not key:
        raise HTTPException(f"Nobody may steer this server over the network, as {ADMIN_KEY} is not set; set it, or use "
                            "`foryou models`", status_code=403)  # fmt: skip
    said = next((value for name, value in request.scope["headers"] if name == b"authorization"), b"")
    given = said[len(BEARER) :].strip() if said[: len(BEARER)].lower() == BEARER else b""
    if not hmac.compare_digest(given, key.encode()):
        raise HTTPException("The key is missing or wrong; send `Authorization: Bearer KEY`", status_code=401,
                            headers={"www-authenticate": "Bearer"})  # fmt: skip
