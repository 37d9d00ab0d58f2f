"""How does what stands in a column become a text, a number, a time or a list? One reader per kind of field."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from foryou.domain.errors import Invalid
from foryou.domain.event import Action
from foryou.ingest.collector import check_id
from foryou.ingest.importers.mapping.schema import SKIP, Kind, Where

Record = Mapping[str, Any]
Reader = Callable[[Record], Any]  # None = the row says nothing

# Characters of a text, and how many entries a list or a table of attributes may have; as the API has them.
CHARS = {"title": 1_000, "text": 20_000, "query": 256, "unit": 16, "gender": 32}
USUAL_CHARS = 128
BOUNDS = {"price": (0.0, 1e9), "age": (0.0, 150.0)}
ATTRIBUTE_CHARS = 1_000
ENTRIES = 64
DIMENSIONS = 2_048
LARGEST = 1e15
LARGEST_NUMBER = 1e19
REMEMBERED = 20_000  # texts per column
_NUMBER = re.compile(r"[+-]?(\d{1,20}(\.\d{0,18})?|\.\d{1,18})([eE][+-]?\d{1,2})?", re.ASCII)
_PER_MS = {"s": 1_000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
_LOWEST, _HIGHEST = 1.0, 5.0  # the scale of ratings
_MEND_TIME = {
    "s": "write seconds since 1970 UTC, or another unit in the mapping",
    "ms": 'write ms since 1970 UTC, or say unit = "s" or "iso" in the mapping',
    "iso": "write it like 2024-05-31T18:00:00Z, or another unit in the mapping",
    "year": "write a year of four digits, or another pattern in the mapping",
}


def reader(name: str, kind: Kind, where: Where, null: tuple[str, ...]) -> Reader:
    """Give what reads a field of a row; the row's value or the default, None without either.

    What it gives raises Invalid, with the column, for a value that is wrong.
    """
    nothing = frozenset(null if where.null is None else where.null)
    convert = _converter(name, kind, where, nothing)
    if where.value is not None:
        constant = convert(name, where.value)
        return lambda row: constant
    default = (
        None
        if where.default is None
        else SKIP
        if kind is Kind.ACTION and where.default == SKIP
        else convert(name, where.default)
    )
    column = where.column or where.columns[0]
    look = _raw(where, nothing)

    def read(row: Record) -> Any:
        raw = look(row)
        if raw is None:
            return default
        found = convert(column, raw)
        return default if found is None else found

    return read if where.columns or where.index_in else _remembering(read, column)


def _remembering(read: Reader, column: str) -> Reader:
    """Give a reader that reads an equal short text of the column only once."""
    known: dict[str, Any] = {}

    def remembered(row: Record) -> Any:
        raw = row.get(column)
        if type(raw) is not str or len(raw) > USUAL_CHARS:
            return read(row)
        if raw in known:
            return known[raw]
        found = read(row)
        if len(known) >= REMEMBERED:
            known.clear()
        known[raw] = found
        return found

    return remembered


def plain(value: Any) -> str:
    """Give a value as text: 31.0 as 31, as tables with gaps have it; a time as ISO."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST:
        return str(int(value))
    if isinstance(value, list | tuple):
        return "|".join(map(plain, value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    return "" if value is None else str(value)


def is_null(value: Any, null: frozenset[str]) -> bool:
    """Say whether a value means that there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return not isinstance(value, list | dict) and plain(value) in null


def _raw(where: Where, null: frozenset[str]) -> Reader:
    """Give what takes the value out of a row, as far as it goes for every kind."""
    pattern = re.compile(where.pattern) if where.pattern else None
    column, columns, join, place_of, separator = (
        where.column, where.columns, where.join, where.index_in, where.separator or "|",
    )  # fmt: skip

    def look(row: Record) -> Any:
        value: Any
        if columns:
            parts = [plain(value) for name in columns if not is_null(value := row.get(name), null)]
            value = join.join(parts) if parts else None
        else:
            value = row.get(column)
        if is_null(value, null):
            return None
        if place_of:
            shown = [plain(one) for one in as_list(row.get(place_of), separator)]
            return shown.index(plain(value)) if plain(value) in shown else None
        if pattern is not None:
            found = pattern.search(plain(value))
            value = (found[1] if pattern.groups else found[0]) if found else None
            return None if is_null(value, null) else value
        return value

    return look


def as_list(value: Any, separator: str) -> list[Any]:
    """Give a value as list: a text split at the separator, anything else on its own; none is an empty list."""
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return list(value)
    return value.split(separator) if isinstance(value, str) and separator else [value]


def _converter(name: str, kind: Kind, where: Where, null: frozenset[str]) -> Callable[[str, Any], Any]:
    if kind is Kind.ID:
        return lambda column, value: _id(column, where.prefix + plain(value))
    if kind is Kind.TIME:
        unit = where.unit or "ms"
        return lambda column, value: time(column, value, unit)
    if kind is Kind.NUMBER:
        return lambda column, value: _within(
            name, column, _scaled(column, number(column, value, where.decimal), where.scale)
        )
    if kind is Kind.INTEGER:
        return lambda column, value: _whole(column, _within(name, column, number(column, value, where.decimal)))
    if kind is Kind.LIST:
        return lambda column, value: _list(name, column, value, where, null)
    if kind is Kind.VECTOR:
        return lambda column, value: _vector(column, value, where)
    if kind is Kind.ACTION:
        return lambda column, value: _action(column, plain(value), where)
    return lambda column, value: _text(name, column, value, where)


def _id(column: str, text: str) -> str:
    try:
        check_id(column, text)
    except Invalid as error:
        raise Invalid(column, error.what, error.mend.replace("send", "write")) from None
    return text


def _text(name: str, column: str, value: Any, where: Where) -> str:
    if isinstance(value, dict):
        raise Invalid(column, "is an object", "name one of its parts, such as column.part")
    text = where.prefix + plain(value)
    if where.lower:
        text = " ".join(text.lower().split())
    if where.cut:
        text = text[: where.cut]
    limit = CHARS.get(name, ATTRIBUTE_CHARS if "." in name else USUAL_CHARS)
    if len(text) > limit:
        raise Invalid(column, f"has {len(text):,} characters, more than {limit:,}", f"shorten it, or say cut = {limit}")
    if "\0" in text or any(0xD800 <= ord(sign) < 0xE000 for sign in text if sign > "\ud7ff"):
        raise Invalid(column, "holds a sign that is no text", "write UTF-8 without NUL")
    if name == "status" and text not in ("available", "unavailable"):
        raise Invalid(column, "is no status", "write available or unavailable")
    return text


def number(column: str, value: Any, decimal: str = ".") -> float:
    """Give the number. Raises Invalid if it is none, not finite or too large."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        text = plain(value)
        if decimal == ",":
            text = text.replace(".", "").replace(",", ".")
        if not _NUMBER.fullmatch(text):
            raise Invalid(column, "is not a number", "write digits, such as 4 or 3.5, or a pattern in the mapping")
        value = float(text)
    if not (isinstance(value, int) or math.isfinite(value)) or abs(value) > LARGEST_NUMBER:
        raise Invalid(column, "is no number that can be used", "write one between -1e19 and 1e19")
    return float(value)


def _scaled(column: str, value: float, scale: tuple[float, float] | None) -> float:
    if scale is None:
        return value
    low, high = scale
    if not low <= value <= high:
        raise Invalid(column, f"is outside the scale {low:g}..{high:g}", "write a number of it, or mend the scale")
    return _LOWEST + (value - low) / (high - low) * (_HIGHEST - _LOWEST)


def _within(name: str, column: str, value: float) -> float:
    low, high = BOUNDS.get(name, (-math.inf, math.inf))
    if not low <= value <= high:
        raise Invalid(column, f"is outside {low:g}..{high:g}", "write a number within, or name a null token")
    return value


def _whole(column: str, value: float) -> int:
    if not value.is_integer():
        raise Invalid(column, "is not a whole number", "write digits only")
    return int(value)


def _list(name: str, column: str, value: Any, where: Where, null: frozenset[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for one in as_list(value, where.separator):
        if not is_null(one, null) and (text := _text(name, column, one, where)):
            found[text] = None
    if len(found) > ENTRIES:
        raise Invalid(column, f"has {len(found):,} entries, more than {ENTRIES}", "keep the most telling ones")
    return tuple(found)


def _vector(column: str, value: Any, where: Where) -> tuple[float, ...]:
    if isinstance(value, str):
        value = value.strip().strip("[]")
    parts = [part for part in as_list(value, where.separator or ",") if not is_null(part, frozenset([""]))]
    if len(parts) > DIMENSIONS:
        raise Invalid(column, f"has {len(parts):,} numbers, more than {DIMENSIONS:,}", "shorten the vectors")
    return tuple(number(column, part) for part in parts)


def _action(column: str, word: str, where: Where) -> Action | str:
    """Give the action, or SKIP."""
    ours = where.values.get(word) or where.other or ("" if where.values else word)
    if ours == SKIP and (where.values or where.other):
        return SKIP
    if ours not in tuple(Action) or ours in (Action.ALIAS, Action.FORGET):
        raise Invalid(column, "is no action that the mapping knows", 'list it under values, or say other = "skip"')
    return Action(ours)


def time(column: str, value: Any, unit: str) -> int:
    """Give a time in ms since 1970 UTC, never 0 (which means unknown). Raises Invalid if it is none."""
    try:
        return _time(column, value, unit) or 1
    except (ValueError, OverflowError, OSError):
        mend = _MEND_TIME.get(unit, f"write it as {unit}, or another unit in the mapping")
        raise Invalid(column, "is not a time", mend) from None


def _time(column: str, value: Any, unit: str) -> int:
    if isinstance(value, date):  # a datetime is one, too
        at = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    elif unit in _PER_MS:
        if isinstance(value, int) and unit == "ms":
            ms: float = value
        else:
            ms = number(column, value) * _PER_MS[unit]
        if abs(ms) > LARGEST:
            raise Invalid(
                column, f"lies beyond all years when read as {unit}", 'say another unit in the mapping, such as "ms"'
            )
        return round(ms)
    elif unit == "iso":
        at = datetime.fromisoformat(plain(value))
    elif unit == "year":
        at = datetime(_whole(column, number(column, value)), 1, 1)
    else:
        at = datetime.strptime(plain(value), unit)
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return round(at.timestamp() * 1_000)
