"""Which routes are for people? The page For You, the console, and the few files that they are made of."""

from functools import cache
from pathlib import Path

from litestar import get
from litestar.types import ASGIApp

import foryou
from foryou.api import schema
from foryou.api.rest.openapi import operation
from foryou.api.rest.reading import Request, path_id, query_of, service_of
from foryou.api.rest.writing import FRESH, Reply, reply
from foryou.domain.errors import NotFound

FOLDER = Path(foryou.__file__).parent / "web"
HTML = "text/html; charset=utf-8"
KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
OURS_ONLY = (
    b"content-security-policy",
    b"default-src 'self'; img-src 'self' data: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    b"object-src 'none'",
)
PLAIN = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))


@get("/", opt=operation(HTML, errors=()))
async def for_you() -> ASGIApp:
    """Show the page For You."""
    return _page("index.html")


@get("/console", opt=operation(HTML, errors=()))
async def console() -> ASGIApp:
    """Show operators how the server is."""
    return _page("console.html")


@get("/web/{name:str}", opt=operation("text/plain", errors=(400, 404, 503)))
async def part(request: Request) -> ASGIApp:
    """Give a file that a page is made of."""
    name = path_id(request, "name")
    kind, body = KINDS.get(Path(name).suffix, ""), _files().get(name)
    if not kind or body is None:
        raise NotFound(f"The pages have no file {name!r}")
    return Reply(body, FRESH, OURS_ONLY, *PLAIN, media_type=kind)


@get("/v1/console", opt=operation(schema.Console))
async def figures(request: Request) -> ASGIApp:
    """Say which models serve, and which there are."""
    query_of(request)
    return reply(await service_of(request).console.models(), FRESH)


ROUTES = (for_you, console, part, figures)


@cache
def _files() -> dict[str, bytes]:
    """Give the files of the pages by name, read once."""
    return {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.is_file()}


def _page(name: str) -> Reply:
    return Reply(_files()[name], FRESH, OURS_ONLY, *PLAIN, media_type=HTML)
