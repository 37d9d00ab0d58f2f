"""Which routes keep the catalog? PUT replaces an item, PATCH changes it, GET shows it, DELETE removes it."""

import msgspec
from litestar import delete, get, patch, put
from litestar.types import ASGIApp

from foryou.api import schema
from foryou.api.decoding import decoded
from foryou.api.rest.openapi import operation
from foryou.api.rest.reading import Request, body_of, path_id, query_of, service_of
from foryou.api.rest.writing import FRESH, reply
from foryou.domain.item import Item

PATH = "/v1/items/{item_id:str}"
_item = msgspec.json.Decoder(schema.ItemIn)


@put(PATH, opt=operation(schema.Written, takes=schema.ItemIn))
async def put_item(request: Request) -> ASGIApp:
    """Store an item; what was stored under this id is replaced."""
    return await _changed(request, "put", decoded(_item, await body_of(request)))


@patch(PATH, opt=operation(schema.Written, takes=schema.ItemIn, errors=(400, 404, 503)))
async def patch_item(request: Request) -> ASGIApp:
    """Change the fields of an item that are sent."""
    return await _changed(request, "patch", decoded(_item, await body_of(request)))


@delete(PATH, status_code=200, opt=operation(schema.Written))
async def delete_item(request: Request) -> ASGIApp:
    """Remove an item; it is not shown any more."""
    return await _changed(request, "delete", None)


@get(PATH, opt=operation(Item, errors=(400, 404, 503)))
async def item(request: Request) -> ASGIApp:
    """Show an item."""
    query_of(request)
    found = await service_of(request).item(path_id(request, "item_id"))
    return reply(msgspec.structs.asdict(found), FRESH)  # a dict: the struct would leave out its defaults


ROUTES = (put_item, patch_item, delete_item, item)


async def _changed(request: Request, op: str, body: schema.ItemIn | None) -> ASGIApp:
    query_of(request)
    return reply(await service_of(request).change_item(path_id(request, "item_id"), op, body))
