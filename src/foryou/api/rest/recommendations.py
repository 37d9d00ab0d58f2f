"""Which routes answer questions? Recommendations, similar items, trends and explanations."""

import msgspec
from litestar import get, post
from litestar.types import ASGIApp

from foryou.api import schema
from foryou.api.decoding import converted, decoded
from foryou.api.rest.openapi import operation
from foryou.api.rest.reading import LANGUAGE, Request, body_of, path_id, query_of, service_of, spoken
from foryou.api.rest.writing import PRIVATE, PUBLIC, reply
from foryou.domain.errors import Invalid
from foryou.ingest.collector import check_id

# Parameters of the short form, as fields of `Ask`; `context` and `exclude` stand for parts of it.
SHORT = (
    "user_id", "anonymous_id", "context", "num_results", "session_id", "exclude", "explain", "personalize",
    "deadline_ms", "item_id", "filter", "language", "device", "cursor",
)  # fmt: skip
PAGE = (
    "user_id", "anonymous_id", "session_id", "num_rows", "num_results", "filter", "explain", "language", "personalize",
    "deadline_ms",
)  # fmt: skip
RECOMMENDATIONS = ("/v1/recommendations", "/recommendations")
SIMILAR = ("user_id", "num_results", "language")
TRENDING = ("num_results", "language")
TRENDING_LENGTH = 20

_ask = msgspec.json.Decoder(schema.Ask)
_rank = msgspec.json.Decoder(schema.RankAsk)
_why = msgspec.json.Decoder(schema.WhyAsk)


@get(list(RECOMMENDATIONS), opt=operation(schema.Recommended, query=SHORT))
async def recommendations(request: Request) -> ASGIApp:
    """Recommend items (short form)."""
    return await _recommended(request, short_ask(query_of(request)))


@post("/v1/recommendations", opt=operation(schema.Recommended, takes=schema.Ask))
async def ask_recommendations(request: Request) -> ASGIApp:
    """Recommend items."""
    return await _recommended(request, decoded(_ask, await body_of(request)))


@post("/v1/rank", opt=operation(schema.Ranked, takes=schema.RankAsk))
async def rank(request: Request) -> ASGIApp:
    """Order the caller's own items for a user."""
    return reply(await service_of(request).rank(decoded(_rank, await body_of(request))))


@get("/v1/items/{item_id:str}/similar", opt=operation(schema.Recommended, query=SIMILAR))
async def similar(request: Request) -> ASGIApp:
    """Give items like this one, without those that the user has seen."""
    ask = spoken(request, converted(query_of(request), schema.Ask))
    answer = await service_of(request).similar(path_id(request, "item_id"), ask)
    return reply(answer, _caching(ask, answer), vary=LANGUAGE)


@get("/v1/trending", opt=operation(schema.Trending, query=TRENDING))
async def trending(request: Request) -> ASGIApp:
    """Give what trends now."""
    ask = spoken(request, converted(query_of(request), schema.Ask))
    answer = await service_of(request).trending(ask.num_results or TRENDING_LENGTH, ask.language)
    return reply(answer, PUBLIC, vary=LANGUAGE)


@get("/v1/pages/{placement:str}", opt=operation(schema.Page, query=PAGE, asks=schema.PageAsk))
async def page(request: Request) -> ASGIApp:
    """Give a page of rows, chosen and ordered for the user; no item stands there twice."""
    ask = spoken(request, converted(query_of(request), schema.PageAsk))
    return reply(await service_of(request).page(path_id(request, "placement"), ask), vary=LANGUAGE)


@post("/v1/explain", opt=operation(schema.Explained, takes=schema.WhyAsk))
async def explain(request: Request) -> ASGIApp:
    """Say why, or why not, an item is recommended to a user."""
    ask = spoken(request, decoded(_why, await body_of(request)))
    return reply(await service_of(request).explain(ask), vary=LANGUAGE)


LASTING = {"short_answer", "filter_exhausted", "unknown_item"}  # what a minute does not mend
ROUTES = (recommendations, ask_recommendations, rank, similar, trending, page, explain)


def short_ask(said: dict[str, str]) -> schema.Ask:
    """Give the question that query parameters ask. Raises Invalid with the name of the parameter."""
    fields: dict[str, object] = dict(said)
    context = {"placement": said.get("context"), "device": fields.pop("device", None)}
    if context := {name: value for name, value in context.items() if value is not None}:
        fields["context"] = context
    if "exclude" in said:
        fields["exclude_item_ids"] = excluded = [item_id for item_id in said["exclude"].split(",") if item_id]
        del fields["exclude"]
        for item_id in excluded:
            check_id("exclude", item_id)
    try:
        return converted(fields, schema.Ask)
    except Invalid as error:
        where = error.where.replace("exclude_item_ids", "exclude").replace("context/device", "device")
        raise Invalid(where, error.what, error.mend) from None


async def _recommended(request: Request, ask: schema.Ask) -> ASGIApp:
    answer = await service_of(request).recommend(spoken(request, ask))
    return reply(answer, _caching(ask, answer), vary=LANGUAGE)


def _caching(ask: schema.Ask, answer: schema.Recommended) -> tuple[bytes, bytes]:
    if set(answer.degraded) - LASTING:
        return PRIVATE  # what is missing now may be there in a second
    return PRIVATE if ask.personalize and (ask.user_id or ask.anonymous_id or ask.session_id) else PUBLIC
