"""Which routes take in events? One, for one event or an array of them."""

from typing import Annotated

import msgspec
from litestar import post
from litestar.types import ASGIApp
from msgspec import Meta

from foryou.api import schema
from foryou.api.decoding import decoded
from foryou.api.rest.openapi import operation
from foryou.api.rest.problems import told
from foryou.api.rest.reading import Request, body_of, service_of
from foryou.api.rest.writing import reply
from foryou.domain.errors import Invalid
from foryou.ingest.collector import Rejection

_event = msgspec.json.Decoder(schema.EventIn)
_array = msgspec.json.Decoder(list[msgspec.Raw])


@post(
    "/v1/events",
    opt=operation(
        schema.EventsOut,
        takes=schema.EventIn | Annotated[list[schema.EventIn], Meta(max_length=schema.MAX_EVENTS)],
        status=202,
    ),
)
async def collect(request: Request) -> ASGIApp:
    """Store one event, or an array of up to 1,000, of which each is judged on its own."""
    body = await body_of(request)
    if body.lstrip(b" \t\r\n").startswith(b"["):
        return reply(await service_of(request).collect(many(body)), status=202)
    done = await service_of(request).collect([decoded(_event, body)])
    if done.rejected:
        raise Invalid(done.rejected[0].pointer.removeprefix("/"), done.rejected[0].detail)
    return reply(done, status=202)


ROUTES = (collect,)


def many(body: bytes) -> list[schema.EventIn | Rejection]:
    """Give the events of an array, with a Rejection in the place of each one that cannot be read. Raises Invalid."""
    raws = decoded(_array, body)
    if len(raws) > schema.MAX_EVENTS:
        raise Invalid("", f"{len(raws):,} events, limit {schema.MAX_EVENTS:,}", "send them in several requests")
    return [_read(index, raw) for index, raw in enumerate(raws)]


def _read(index: int, raw: msgspec.Raw) -> schema.EventIn | Rejection:
    try:
        return decoded(_event, raw)
    except Invalid as error:
        return Rejection(index, error.where, told(error))
