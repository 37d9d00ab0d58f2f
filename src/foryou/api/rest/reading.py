"""How is a request read? Path, query and body, each within its limits; what is wrong is named by its field."""

from collections.abc import Sequence
from typing import TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

import litestar
import msgspec
from litestar.datastructures import State
from litestar.exceptions import ClientException
from litestar.status_codes import HTTP_413_REQUEST_ENTITY_TOO_LARGE

from foryou.api import schema
from foryou.api.decoding import escaped
from foryou.api.rest.openapi import operation_of
from foryou.api.service import Service
from foryou.domain.errors import Invalid
from foryou.ingest.collector import check_id
from foryou.serve.wording import known_language

Request = litestar.Request[object, object, State]
A = TypeVar("A", schema.Ask, schema.PageAsk, schema.WhyAsk)
LANGUAGE = b"accept-language"
MAX_BODY_BYTES = 1_048_576


def service_of(request: Request) -> Service:
    """Give the service that was made at start-up."""
    service: Service = request.app.state.service
    return service


def path_id(request: Request, name: str) -> str:
    """Give an id from the path, which is percent-encoded UTF-8. Raises Invalid."""
    try:
        value = unquote_to_bytes(request.scope["path_params"][name].encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise Invalid(name, "is not valid UTF-8", "percent-encode the bytes of the id in UTF-8") from None
    check_id(name, value)
    return value


def query_of(request: Request) -> dict[str, str]:
    """Give the query parameters. Raises Invalid for one that the route does not have, or that is said twice."""
    query = request.scope["query_string"]
    return said_in(query, operation_of(request.route_handler).query) if query else {}


def said_in(query: bytes, names: Sequence[str]) -> dict[str, str]:
    """Give the parameters that a query string says. Raises Invalid for one of another name, or that is said twice."""
    try:
        said = parse_qsl(query.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise Invalid("query", "is not valid UTF-8", "percent-encode the bytes of each value in UTF-8") from None
    given = dict[str, str]()
    for name, value in said:
        if name not in names:
            raise Invalid(escaped(name), "is not a parameter", f"this route takes {', '.join(names) or 'none'}")
        if name in given:
            raise Invalid(name, "is said twice", "say it once")
        given[name] = value
    return given


async def body_of(request: Request) -> bytes:
    """Give the body. One beyond the limit is refused as soon as that is known, without taking in the rest."""
    query_of(request)  # beside a body there is none
    _check_size(_announced_bytes(request))
    parts, size, more = list[bytes](), 0, True
    while more:
        message = await request.receive()
        if message["type"] != "http.request":
            raise ClientException("The client left before the body was complete")
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        _check_size(size)
        parts.append(part)
    return b"".join(parts)


def spoken(request: Request, ask: A) -> A:
    """Give the question with the language of the header, where the caller says none in it that is known."""
    if known_language(ask.language):
        return ask
    headers = request.scope["headers"]
    wanted = next((value for name, value in headers if name == LANGUAGE), b"")
    return msgspec.structs.replace(ask, language=known_language(wanted.decode("latin-1")))


def _announced_bytes(request: Request) -> int:
    headers = request.scope["headers"]
    return next((int(value) for name, value in headers if name == b"content-length" and value.isdigit()), 0)


def _check_size(size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise ClientException(
            f"The body has {size:,} bytes or more, limit {MAX_BODY_BYTES:,}; send it in several requests",
            status_code=HTTP_413_REQUEST_ENTITY_TOO_LARGE,
        )
