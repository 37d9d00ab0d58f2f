"""How does what somebody says become a wire struct? Whatever the door, what is wrong has its field named."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from foryou.domain.errors import Invalid

T = TypeVar("T")
VALUE_CHARS = 40  # of a wrong value repeated in a message
NAME_CHARS = 64  # of an unknown name repeated in a message
_PLACE = re.compile(r"(.*) - at `\$(.*)`", re.DOTALL)
_NAME = re.compile(r"Object (contains unknown|missing required) field `(.*)`", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


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
        where = "/".join([*steps, escaped(named[2])])
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
        if found := _spoilt(one, (*steps, escaped(name))):
            return found
    return None


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def escaped(name: str) -> str:
    """Give a name as a step of a JSON pointer (RFC 6901), cut to a length that fits a message."""
    return name[:NAME_CHARS].replace("~", "~0").replace("/", "~1")
