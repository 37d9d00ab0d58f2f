"""What does the API look like from outside? The OpenAPI document, made from the routes and their wire structs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.handlers import BaseRouteHandler
from litestar.routes import BaseRoute, HTTPRoute

import foryou
from foryou.api import schema
from foryou.api.rest.examples import examples_of

Json = dict[str, Any]
REF = "#/components/schemas/{name}"
TITLE = "foryou"
ABOUT = (
    "Actions come in, recommendations go out. Every error is a Problem (RFC 9457). An id in a path is percent-encoded; "
    "a slash in it is written %2F. Whole numbers are written without a fraction: 57, not 57.0."
)
PROBLEMS = {
    400: "What was sent is wrong; `errors` names the fields",
    401: "The key is missing or wrong",
    403: "Nobody may do this here",
    404: "Nothing is known under this id",
    409: "Something else is there already, or was faster",
    413: "The body is too large; `detail` has the limit",
    503: "Not possible now; try again after `Retry-After` seconds",
}
_NAMED: Json = {"X-Request-Id": {"description": "the client's, or one made here", "schema": {"type": "string"}}}
_LATER: Json = {"Retry-After": {"description": "seconds", "schema": {"type": "integer", "minimum": 1}}}
_ID = msgspec.json.schema(schema.Id)
# Query parameters that are not fields of `Ask`, but stand for a part of one.
_SHORT: dict[str, Json] = {
    "context": {"type": "string", "default": "home", "description": "the placement: home, item, …"},
    "exclude": {
        "type": "string",
        "pattern": _ID["pattern"],
        "description": "ids of items not to show, separated by commas",
    },
    "device": msgspec.json.schema(schema.Context)["$defs"]["Context"]["properties"]["device"],
    "num": msgspec.json.schema(schema.QuestionsAsk)["$defs"]["QuestionsAsk"]["properties"]["num"],
}


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route takes and gives. `query`: its parameters."""

    gives: Any  # a wire struct, or a media type where it is not JSON
    takes: Any = None
    query: tuple[str, ...] = ()
    asks: Any = schema.Ask  # the struct whose fields describe the query parameters
    status: int = 200
    errors: tuple[int, ...] = (400, 503)  # beside 413 where there is a body; each is described in PROBLEMS


def operation(gives: Any, **more: Any) -> dict[str, Operation]:
    """Give the `opt` of a route that says so; `more` are the other fields of an Operation."""
    return {"operation": Operation(gives, **more)}


def operation_of(route: BaseRouteHandler) -> Operation:
    """Give what the route takes and gives."""
    found: Operation = route.opt["operation"]
    return found


def document(routes: Sequence[BaseRoute]) -> Json:
    """Give the OpenAPI document of the routes."""
    said = [
        (route, method, handler)
        for route in routes if isinstance(route, HTTPRoute)
        for handler in route.route_handlers for method in handler.http_methods if method != "OPTIONS"
    ]  # fmt: skip
    said.sort(key=lambda one: (one[0].path_format, one[1]))  # methods come as sets: the document is always the same
    types = dict.fromkeys(kind for _, _, handler in said for kind in _structs(operation_of(handler)))
    asks = list(dict.fromkeys(operation_of(handler).asks for _, _, handler in said))
    schemas, components = msgspec.json.schema_components([*types, schema.Problem, *asks], ref_template=REF)
    refs = dict(zip(types, schemas[: len(types)], strict=True))
    parameters = {kind: _parameters(components[kind.__name__]) for kind in asks}
    paths: dict[str, Json] = {}
    for route, method, handler in said:
        path = route.path_format
        paths.setdefault(path, {})[method.lower()] = {
            "summary": (handler.fn.__doc__ or "").strip(),
            "operationId": f"{handler.handler_name}{'_alias' if path == '/recommendations' else ''}",
            "tags": [handler.fn.__module__.rsplit(".", 1)[1]],
            **_described(route, operation_of(handler), refs, parameters[operation_of(handler).asks]),
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": TITLE, "version": foryou.__version__, "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": components},
    }  # fmt: skip


def _structs(said: Operation) -> Iterable[Any]:
    return [kind for kind in (said.gives, said.takes) if kind is not None and not isinstance(kind, str)]


def _parameters(ask: Json) -> dict[str, Json]:
    """Give the schema of each query parameter: that of the field, without null, which a query cannot say."""
    fields: dict[str, Json] = {}
    for name, field in ask["properties"].items():
        choices = [one for one in field.get("anyOf", []) if one != {"type": "null"}]
        fields[name] = choices[0] if len(choices) == 1 else field
    return fields | _SHORT


def _described(route: HTTPRoute, said: Operation, refs: dict[Any, Json], parameters: dict[str, Json]) -> Json:
    """Give parameters, body and answers of an operation."""
    in_path = [{"name": name, "in": "path", "required": True, "schema": _ID} for name in route.path_parameters]
    in_query = [{"name": name, "in": "query", "schema": parameters[name]} for name in said.query]
    errors = sorted({*said.errors, *([413] if said.takes else [])})
    found: Json = {
        "responses": {
            str(said.status): {"description": "Done", "headers": _NAMED, "content": _content(said.gives, refs)},
            **{str(status): _problem(PROBLEMS[status], _LATER if status == 503 else {}) for status in errors},
            "default": _problem("Any other error"),
        }
    }
    if in_path or in_query:
        found["parameters"] = in_path + in_query
    if said.takes is not None:
        found["requestBody"] = {"required": True, "content": _content(said.takes, refs)}
    return found


def _content(kind: Any, refs: dict[Any, Json]) -> Json:
    """Give what a body holds: a media type alone, or JSON with its schema and examples."""
    if isinstance(kind, str):
        return {kind: {}}
    examples = examples_of(kind)
    return {"application/json": {"schema": refs[kind], **({"examples": examples} if examples else {})}}


def _problem(text: str, headers: Json | None = None) -> Json:
    problem = {"application/problem+json": {"schema": {"$ref": REF.format(name="Problem")}}}
    return {"description": text, "headers": _NAMED | (headers or {}), "content": problem}
