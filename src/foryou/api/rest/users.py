"""Which routes keep what is known of users? PUT and PATCH their profile, GET what is remembered, DELETE erases it."""

import msgspec
from litestar import delete, get, patch, put
from litestar.types import ASGIApp

from foryou.api import schema
from foryou.api.decoding import converted, decoded
from foryou.api.rest.openapi import operation
from foryou.api.rest.reading import LANGUAGE, Request, body_of, path_id, query_of, service_of, spoken
from foryou.api.rest.writing import reply

PATH = "/v1/users/{user_id:str}"
_user = msgspec.json.Decoder(schema.UserIn)


@put(PATH, opt=operation(schema.Written, takes=schema.UserIn))
async def put_user(request: Request) -> ASGIApp:
    """Store the profile of a user; the one before is replaced."""
    return await _changed(request, "put")


@patch(PATH, opt=operation(schema.Written, takes=schema.UserIn))
async def patch_user(request: Request) -> ASGIApp:
    """Change the fields of a profile that are sent."""
    return await _changed(request, "patch")


@get(PATH, opt=operation(schema.UserOut, errors=(400, 404, 503)))
async def user(request: Request) -> ASGIApp:
    """Show what is remembered of a user."""
    query_of(request)
    return reply(await service_of(request).user(path_id(request, "user_id")))


@delete(PATH, status_code=202, opt=operation(schema.Erased, status=202))
async def forget(request: Request) -> ASGIApp:
    """Erase what is remembered of a user."""
    query_of(request)
    return reply(await service_of(request).forget(path_id(request, "user_id")), status=202)


@get(f"{PATH}/discover", opt=operation(schema.Recommended, query=("num_results", "filter", "language")))
async def discover(request: Request) -> ASGIApp:
    """Give the user's discoveries of this week: what suits the user and few know."""
    ask = spoken(request, converted(query_of(request), schema.Ask))
    answer = await service_of(request).discover(path_id(request, "user_id"), ask)
    return reply(answer, vary=LANGUAGE)


ROUTES = (put_user, patch_user, user, forget, discover)


async def _changed(request: Request, op: str) -> ASGIApp:
    query_of(request)
    body = decoded(_user, await body_of(request))
    return reply(await service_of(request).change_user(path_id(request, "user_id"), op, body))
