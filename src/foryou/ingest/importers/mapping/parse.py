"""Is this mapping sound? Every unknown key, word and contradiction is an error with its line."""

import re
import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import msgspec

from foryou.domain.errors import Invalid
from foryou.domain.event import ABOUT_ITEMS, Action
from foryou.ingest.importers.mapping.schema import FIELDS, SKIP, UNITS, Kind, Mapping, Options, TableMap, Where
from foryou.ingest.importers.mapping.values import reader

MAX_CHARS = 1_000_000
ORDER = ("items", "users", "events")
REQUIRED = {"items": ("item_id",), "users": ("user_id",), "events": ("user_id", "action", "at_ms")}
_NOT_HERE = {"items": ("received_ms",), "users": ("received_ms",), "events": ()}
_PLACE = re.compile(r" - at `\$\.?(.*?)`$")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")


class _Text:
    """The text of a mapping, to find the line of a key; `file` for messages."""

    def __init__(self, file: str, text: str) -> None:
        self._file, self._lines = file, text.splitlines()

    def line(self, table: str, number: int, key: str) -> int:
        """Give the line of a key in the number-th table of a kind, else of the table's head; 0 = not found."""
        head, seen = 0, 0
        for place, line in enumerate(self._lines, start=1):
            bare = line.strip()
            if re.match(r"\[+\s*\w", bare):
                inside = re.match(rf"\[\[\s*{re.escape(table)}\s*\]\]", bare) if table else None
                seen += bool(inside)
                below = bool(re.match(rf"\[+\s*{re.escape(table)}\.", bare)) if table else False
                if inside and seen == number:
                    head = place
                elif not below and head:
                    return head
            within = head or not table
            if within and re.search(rf"(?<![\w-])[\"']?{re.escape(key)}[\"']?\s*(=|\])", line):
                return place
        return head

    def wrong(self, table: str, number: int, key: str, what: str, mend: str) -> Invalid:
        """Give the error for a key: file, line, table and key."""
        line = self.line(table, number, key)
        place = f"{self._file}:{line}" if line else self._file
        named = f"[[{table}]] number {number}: {key}" if table else key
        return Invalid(place, f"{named} {what}", mend)


def parse(text: str, file: str, name: str) -> Mapping:
    """Give the mapping of a TOML text; `name` is what it is called unless it says so itself.

    Raises Invalid with file, line and key for everything that is wrong.
    """
    if len(text) > MAX_CHARS:
        raise Invalid(file, f"has {len(text):,} characters, more than {MAX_CHARS:,}", "a mapping is a short file")
    try:
        tree = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Invalid(file, f"is not TOML: {error or 'nested too deep'}", "mend that line") from None
    lines = _Text(file, text)
    for key in tree:
        if key not in (*ORDER, "name"):
            raise lines.wrong("", 0, key, "is no key of a mapping", _did_you_mean(key, ("name", *ORDER)))
    said = tree.get("name", name)
    if not isinstance(said, str) or not 1 <= len(said) <= 64 or "\0" in said:
        raise lines.wrong("", 0, "name", f"is {str(said)[:40]!r}", "give a text of 1 to 64 characters")
    tables = []
    for kind in ORDER:
        rows = tree.get(kind, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise lines.wrong("", 0, kind, "is not a list of tables", f"write [[{kind}]] in double brackets")
        tables += [_Table(lines, kind, number, row).read() for number, row in enumerate(rows, start=1)]
    if not tables:
        raise Invalid(file, "maps nothing", "write at least one of [[events]], [[items]], [[users]]")
    return Mapping(said, tuple(tables))


def _did_you_mean(word: str, words: Sequence[str]) -> str:
    near = get_close_matches(word, words, n=1)
    return f"did you mean {near[0]}? There are: {', '.join(words)}" if near else f"there are: {', '.join(words)}"


class _Table:
    """One table on its way from TOML to a TableMap."""

    def __init__(self, lines: _Text, kind: str, number: int, row: dict[str, Any]) -> None:
        self._lines, self._kind, self._number, self._row = lines, kind, number, row
        self._kinds = {name: is_a for name, is_a in FIELDS[kind].items() if name not in _NOT_HERE[kind]}

    def read(self) -> TableMap:
        """Give the table. Raises Invalid."""
        options = self._struct(
            Options, {key: value for key, value in self._row.items() if key not in self._kinds}, "", self._kinds
        )
        fields: dict[str, Where | dict[str, Where]] = {}
        for name, value in self._row.items():
            if name in self._kinds:
                fields[name] = self._field(name, self._kinds[name], value)
        for name in REQUIRED[self._kind]:
            if name not in fields:
                raise self._wrong(name, "is missing", f'write {name} = "the column that holds it"')
        table = TableMap(self._kind, self._number, options, fields)
        self._check_options(options)
        if self._kind == "events":
            self._check_actions(table)
        return table

    def _wrong(self, key: str, what: str, mend: str) -> Invalid:
        return self._lines.wrong(self._kind, self._number, key, what, mend)

    def _struct(self, struct: Any, value: Any, field: str, more: Sequence[str] | dict[str, Kind] = ()) -> Any:
        """Convert to a struct; an error names the key that is wrong."""
        try:
            return msgspec.convert(value, struct)
        except msgspec.ValidationError as error:
            text = str(error)
            place = _PLACE.search(text)
            what = _PLACE.sub("", text)
            inside = re.sub(r"\[.*?\]", "", place[1]).split(".")[-1] if place else ""
            if unknown := _UNKNOWN.match(what):
                words = (*struct.__struct_fields__, *more) if inside in ("", field) or not place else ()
                mend = _did_you_mean(unknown[1], words) if words else "remove it, or see docs/data.md"
                raise self._wrong(unknown[1], f"is no key of {field or f'[[{self._kind}]]'}", mend) from None
            missing = re.search(r"missing required field `(\w+)`", what)
            if missing:
                raise self._wrong(missing[1], "is missing", f"write {missing[1]} = …, see docs/data.md") from None
            raise self._wrong(inside or field, f"cannot be used: {what}", "see docs/data.md for its form") from None

    def _field(self, name: str, kind: Kind, value: Any) -> Where | dict[str, Where]:
        if kind is Kind.MAP:
            if not isinstance(value, dict):
                raise self._wrong(name, "is not a table", f'write {name} = {{ name = "column" }}')
            return {key: self._where(f"{name}.{key}", Kind.TEXT, one) for key, one in value.items()}
        return self._where(name, kind, value)

    def _where(self, name: str, kind: Kind, value: Any) -> Where:
        key = name.split(".")[-1]
        if isinstance(value, str):
            if kind is Kind.ACTION and value in tuple(Action):
                return Where(value=value)
            if kind is Kind.ACTION:
                raise self._wrong(key, f"is {value!r}, which is no action", _did_you_mean(value, tuple(Action)))
            value = {"column": value}
        if not isinstance(value, dict):
            raise self._wrong(key, f"is {str(value)[:40]}", 'write "column", or a table such as { value = 1 }')
        where: Where = self._struct(Where, value, key)
        if (bool(where.column) + bool(where.columns) + (where.value is not None)) != 1:
            raise self._wrong(key, "needs exactly one of column, columns and value", "keep one of them")
        self._check_where(name, kind, where)
        return where

    def _check_where(self, name: str, kind: Kind, where: Where) -> None:
        key = name.split(".")[-1]
        if where.unit and kind is not Kind.TIME:
            raise self._wrong(key, f"has unit {where.unit!r} and is no time", "leave unit to fields that end in _ms")
        if where.unit and where.unit not in UNITS and "%" not in where.unit:
            mend = f"write one of {', '.join(UNITS)}, or a pattern such as %d-%b-%Y"
            raise self._wrong(key, f"has the unknown unit {where.unit!r}", mend)
        if where.pattern:
            try:
                re.compile(where.pattern)
            except (re.error, OverflowError, RecursionError) as error:
                mend = "mend the regular expression; in TOML single quotes keep backslashes"
                raise self._wrong(key, f"has a pattern that is none: {error}", mend) from None
        if where.scale is not None and not where.scale[0] < where.scale[1]:
            raise self._wrong(key, f"has the scale {list(where.scale)}", "write [lowest, highest]")
        if (where.values or where.other) and kind is not Kind.ACTION:
            raise self._wrong(key, "has values or other and is no action", "leave them to action")
        if kind is Kind.ACTION:
            for word in (*where.values.values(), *([where.other] if where.other else [])):
                if word != SKIP and word not in tuple(Action):
                    raise self._wrong(key, f"names {word!r}, which is no action", _did_you_mean(word, (*Action, SKIP)))
        try:
            reader(name, kind, where, ())
        except Invalid as error:
            which = "default" if where.value is None else "value"
            raise self._wrong(key, f"has a {which} that is wrong: {error.what}", error.mend) from None
        if where.index_in and kind is not Kind.INTEGER:
            raise self._wrong(key, "has index_in and is no whole number", "leave index_in to position")

    def _check_options(self, options: Options) -> None:
        if not options.patterns or not all(options.patterns):
            raise self._wrong("files", "names no file", 'write files = "events-*.csv"')
        for pattern in options.patterns:
            if pattern.startswith(("/", "~")) or ".." in pattern.split("/"):
                raise self._wrong("files", f"says {pattern!r}, which leaves the folder", "name files below PATH")
        try:
            "a".encode(options.encoding)
            narrow = '",\n'.encode(options.encoding) == b'",\n'
        except (LookupError, ValueError, UnicodeError):
            raise self._wrong("encoding", f"is the unknown {options.encoding!r}", "write utf-8 or latin-1") from None
        if not narrow:
            raise self._wrong("encoding", f"{options.encoding!r} is not read", "save the files as UTF-8")
        if options.separator in ("\n", "\r", '"'):
            raise self._wrong("separator", f"is {options.separator!r}", "write the character between two fields")
        if not options.header and not options.columns:
            raise self._wrong("columns", "is missing, and there is no header", 'write columns = ["user", "item", …]')
        if options.each is not None and not (options.each.columns and options.each.separator):
            raise self._wrong("each", "names no columns or no separator", 'write { columns = ["shown"] }')
        if self._kind == "events" and options.repeats != "reject":
            raise self._wrong("repeats", "is for items and users", "leave it out: equal events are one event")
        if self._kind != "events" and options.id:
            raise self._wrong("id", "is for events", "leave it out")

    def _check_actions(self, table: TableMap) -> None:
        action = table.fields["action"]
        assert isinstance(action, Where)
        said = {action.value} if action.value is not None else {*action.values.values(), action.other} - {"", SKIP}
        if action.value is not None and action.value not in tuple(Action):
            raise self._wrong("action", f"is {action.value!r}, which is no action", "name one of docs/api.md")
        if said & {Action.ALIAS, Action.FORGET}:
            raise self._wrong("action", "is alias or forget", "an import brings what users did; send those to the API")
        if (not said or said & set(ABOUT_ITEMS)) and "item_id" not in table.fields:
            raise self._wrong("item_id", "is missing", "name the column with the item")
        if Action.SEARCH in said and "query" not in table.fields:
            raise self._wrong("query", "is missing, and there are searches", "name the column with the search text")
        if said & {Action.RATING, Action.DWELL} and "value" not in table.fields:
            raise self._wrong("value", "is missing", "name the column with the rating or the seconds of dwell")
