"""Which routes keep the lists? PUT replaces a list, GET shows it or all of them, DELETE removes it."""

import msgspec
from litestar import delete, get, put
from litestar.types import ASGIApp

from foryou.api import schema
from foryou.api.decoding import decoded
from foryou.api.rest.openapi import operation
from foryou.api.rest.reading import Request, body_of, path_id, query_of, service_of
from foryou.api.rest.writing import FRESH, reply

PATH = "/v1/lists/{name:str}"
_list = msgspec.json.Decoder(schema.ListIn)


@put(PATH, opt=operation(schema.ListOut, takes=schema.ListIn))
async def put_list(request: Request) -> ASGIApp:
    """Store an editorial or sponsored list; what was stored under this name is replaced."""
    name, body = path_id(request, "name"), decoded(_list, await body_of(request))
    return reply(await service_of(request).lists.put(name, body))


@get(PATH, opt=operation(schema.ListOut, errors=(400, 404, 503)))
async def one_list(request: Request) -> ASGIApp:
    """Show a list."""
    query_of(request)
    return reply(await service_of(request).lists.one(path_id(request, "name")), FRESH)


@delete(PATH, status_code=200, opt=operation(schema.ListDeleted, errors=(400, 404, 503)))
async def delete_list(request: Request) -> ASGIApp:
    """Remove a list; it is not shown any more."""
    query_of(request)
    return reply(await service_of(request).lists.delete(path_id(request, "name")))


@get("/v1/lists", opt=operation(schema.ListsOut))
async def all_lists(request: Request) -> ASGIApp:
    """Show all lists, by name."""
    query_of(request)
    return reply(await service_of(request).lists.all(), FRESH)


ROUTES = (put_list, one_list, delete_list, all_lists)
