"""How is a request read? Path, query and body become ids and wire structs; what is wrong is named by its field."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

import litestar
import msgspec
from litestar.datastructures import State
from litestar.exceptions import ClientException
from litestar.status_codes import HTTP_413_REQUEST_ENTITY_TOO_LARGE

from foryou.api import schema
from foryou.api.rest.openapi import operation_of
from foryou.api.service import Service
from foryou.domain.errors import Invalid
from foryou.ingest.collector import check_id
from foryou.serve.wording import known_language

Request = litestar.Request[object, object, State]
T = TypeVar("T")
A = TypeVar("A", schema.Ask, schema.PageAsk, schema.WhyAsk)
LANGUAGE = b"accept-language"
MAX_BODY_BYTES = 1_048_576
VALUE_CHARS = 40  # of a wrong value repeated in a message
NAME_CHARS = 64  # of an unknown name repeated in a message
_PLACE = re.compile(r"(.*) - at `\$(.*)`", re.DOTALL)
_NAME = re.compile(r"Object (contains unknown|missing required) field `(.*)`", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


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
    if not query:
        return {}
    try:
        said = parse_qsl(query.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise Invalid("query", "is not valid UTF-8", "percent-encode the bytes of each value in UTF-8") from None
    names, given = operation_of(request.route_handler).query, dict[str, str]()
    for name, value in said:
        if name not in names:
            raise Invalid(_escaped(name), "is not a parameter", f"this route takes {', '.join(names) or 'none'}")
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


def decoded(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw) -> T:
    """Give what a JSON body says. Raises Invalid with the field, as a path of names."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong(error, bytes(body), decoder.type) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(bytes(body), error) from None
    except RecursionError:
        raise Invalid("", "is nested too deeply", "send JSON with fewer levels") from None


def converted(said: Mapping[str, Any], kind: type[T]) -> T:
    """Give what query parameters say as a wire struct: the same checks as for a body. Raises Invalid."""
    try:
        found = msgspec.convert(said, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _wrong(error, said, kind) from None
    for name in said:
        if getattr(found, name) is None:  # the word null
            raise Invalid(name, "null says nothing", "leave it out")
    return found


def _wrong(error: msgspec.ValidationError, said: Any, kind: Any) -> Invalid:
    """Give the error of msgspec as ours: which field, what is expected, what came."""
    place = _PLACE.fullmatch(str(error))
    what = place[1] if place else str(error)
    steps = [name or index for name, index in _STEP.findall(place[2])] if place else []
    if named := _NAME.fullmatch(what):
        where = "/".join([*steps, _escaped(named[2])])
        if named[1] == "missing required":
            return Invalid(where, "is missing", "send it")
        return Invalid(where, "is not a field", "" if steps else f"there are {', '.join(kind.__struct_fields__)}")
    if what.startswith("Invalid enum value"):
        return Invalid("/".join(steps), f"{_shown(said, steps)} is not known", f"use one of {_choices(kind, steps)}")
    what = what[0].lower() + what[1:]
    return Invalid("/".join(steps), what if "got" in what else f"{what}, got {_shown(said, steps)}")


def _choices(kind: Any, steps: list[str]) -> str:
    """Give the values of an enum that is a field of the struct."""
    return next(", ".join(field.type) for field in msgspec.structs.fields(kind) if [field.name] == steps)


def _shown(said: Any, steps: list[str]) -> str:
    """Give the value at a place of what was said, cut to a length that fits a message."""
    try:
        value = msgspec.json.decode(said) if isinstance(said, bytes) else said
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "something that cannot be read"
    for step in steps:
        value = value[int(step)] if isinstance(value, list) else value[step]
    text = repr(value)
    return text if len(text) <= VALUE_CHARS else f"{text[:VALUE_CHARS]}…"


def _malformed(body: bytes, error: Exception) -> Invalid:
    """Give the error of a body that is not JSON: at the field that spoils it, where a lenient reader finds one."""
    with suppress(ValueError, RecursionError):  # raised by what is not even nearly JSON
        if found := _spoilt(json.loads(body.decode("utf-8", "surrogateescape")), ()):
            return Invalid("/".join(found[0]), found[1])
    return Invalid("", f"is not valid JSON ({error})", "send a JSON document in UTF-8")


def _spoilt(value: object, steps: tuple[str, ...]) -> tuple[tuple[str, ...], str] | None:
    """Find the first value that JSON in UTF-8 cannot have: its place, and what is wrong with it."""
    if isinstance(value, float) and not math.isfinite(value):
        return steps, f"{value} is not JSON; send a number, or leave it out"
    if isinstance(value, str) and not _encodes(value):
        return steps, "is not valid Unicode; send UTF-8 without lone surrogates"
    inner: Iterable[tuple[str, object]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = ((str(index), one) for index, one in enumerate(value))
    for name, one in inner:
        if not _encodes(name):
            return steps, "has a name that is not valid Unicode; send UTF-8 without lone surrogates"
        if found := _spoilt(one, (*steps, _escaped(name))):
            return found
    return None


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _escaped(name: str) -> str:
    """Give a name as a step of a JSON pointer (RFC 6901), cut to a length that fits a message."""
    return name[:NAME_CHARS].replace("~", "~0").replace("/", "~1")
