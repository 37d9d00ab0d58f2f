"""What does the API look like from outside? The OpenAPI document, made from the routes and their wire structs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.handlers import BaseRouteHandler
from litestar.routes import BaseRoute, HTTPRoute

import foryou
from foryou.api import schema

Json = dict[str, Any]
REF = "#/components/schemas/{name}"
TITLE = "foryou"
PROBLEMS = {
    "400": "What was sent is wrong; `errors` names the fields",
    "503": "Not possible now; try again after `Retry-After` seconds",
    "default": "Any other error",
}
# Query parameters that are not fields of `Ask`, but stand for a part of one.
_SHORT: dict[str, Json] = {
    "context": {"type": "string", "default": "home", "description": "the placement: home, item, …"},
    "exclude": {"type": "string", "description": "ids of items not to show, separated by commas"},
}


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route takes and gives. `query`: its parameters; they are described by the fields of `schema.Ask`."""

    gives: Any  # a wire struct, or a media type where it is not JSON
    takes: Any = None
    query: tuple[str, ...] = ()
    status: int = 200


def operation(gives: Any, takes: Any = None, query: tuple[str, ...] = (), status: int = 200) -> dict[str, Operation]:
    """Give the `opt` of a route that says so."""
    return {"operation": Operation(gives, takes, query, status)}


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
    types = dict.fromkeys(kind for _, _, handler in said for kind in _structs(operation_of(handler)))
    schemas, components = msgspec.json.schema_components([schema.Problem, schema.Ask, *types], ref_template=REF)
    refs = dict(zip(types, schemas[2:], strict=True))
    parameters = _parameters(components["Ask"])
    paths: dict[str, Json] = {}
    for route, method, handler in said:
        path = route.path_format
        paths.setdefault(path, {})[method.lower()] = {
            "summary": (handler.fn.__doc__ or "").strip(),
            "operationId": f"{handler.handler_name}{'_alias' if path == '/recommendations' else ''}",
            **_described(route, operation_of(handler), refs, parameters),
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": foryou.__version__, "license": {"name": "Apache-2.0"}},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": components},
    }


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
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "maxLength": 128}}
        for name in route.path_parameters
    ]
    in_query = [{"name": name, "in": "query", "schema": parameters[name]} for name in said.query]
    content = {said.gives: {}} if isinstance(said.gives, str) else {"application/json": {"schema": refs[said.gives]}}
    problem = {"application/problem+json": {"schema": {"$ref": REF.format(name="Problem")}}}
    found: Json = {
        "responses": {
            str(said.status): {"description": "Done", "content": content},
            **{status: {"description": text, "content": problem} for status, text in PROBLEMS.items()},
        }
    }
    if in_path or in_query:
        found["parameters"] = in_path + in_query
    if said.takes is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": refs[said.takes]}}}
    return found
