"""What can a mapping say? Tables of files, and for each field of an event, item or user where it comes from."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

import msgspec

from foryou.domain.event import Event
from foryou.domain.item import ItemChange
from foryou.domain.records import UserChange

STRUCTS: dict[str, type[Event | ItemChange | UserChange]] = {"items": ItemChange, "users": UserChange, "events": Event}
NOT_MAPPED = frozenset({"op", "variants"})  # an import puts; a column holds no pictures and titles together
UNITS = ("s", "ms", "us", "ns", "iso", "year")  # of time; also a pattern of strptime, such as "%d-%b-%Y"
INDEX = "@index"  # with `each`: the place in the lists, from 0, as a column
SKIP = "skip"  # instead of an action: leave the row out


class Kind(StrEnum):
    """What a field holds; it decides how a value is read."""

    ID = "id"
    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    TIME = "time"
    LIST = "list"
    VECTOR = "vector"
    MAP = "map"
    ACTION = "action"


def _kind(name: str, hint: Any) -> Kind:
    text = str(hint)
    if name == "action":
        return Kind.ACTION
    if name.endswith("_id"):
        return Kind.ID
    if name.endswith("_ms"):
        return Kind.TIME
    for sign, kind in (
        ("tuple[float", Kind.VECTOR), ("tuple[", Kind.LIST), ("dict[", Kind.MAP), ("float", Kind.NUMBER),
        ("int", Kind.INTEGER),
    ):  # fmt: skip
        if sign in text:
            return kind
    return Kind.TEXT


# Taken from the structs, so that a field which they gain can be mapped without a line here.
FIELDS: dict[str, dict[str, Kind]] = {
    table: {one.name: _kind(one.name, one.type) for one in msgspec.structs.fields(struct) if one.name not in NOT_MAPPED}
    for table, struct in STRUCTS.items()
}


class Where(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the value of one field comes from, and how it is read. A plain string is the name of a column."""

    column: str = ""
    columns: tuple[str, ...] = ()  # several, joined by `join`
    join: str = " "
    value: str | int | float | list[str] | None = None  # the same for every row
    prefix: str = ""  # put before an id or a text
    unit: str = ""  # of a time: one of UNITS, or a pattern of strptime
    pattern: str = ""  # a regular expression: its first group, else the match, is the value
    separator: str = ""  # of a list in one column
    index_in: str = ""  # the place (from 0) of the value in the list of this column
    null: list[str] | None = None  # values that mean nothing; else those of the table
    default: str | int | float | list[str] | None = None  # where there is no value
    scale: tuple[float, float] | None = None  # lowest and highest rating, brought to 1..5
    decimal: Literal[".", ","] = "."
    lower: bool = False
    cut: int = 0  # characters that are kept of a text, 0 = all, and too long is an error
    values: dict[str, str] = {}  # of an action: the word in the column -> ours, or "skip"
    other: str = ""  # of an action: what a word means that `values` does not list


class Each(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns that hold lists of one length: each place of theirs becomes a row."""

    columns: tuple[str, ...]
    separator: str = "|"


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a table says besides its fields."""

    files: str | tuple[str, ...]
    format: Literal["", "csv", "jsonl", "parquet"] = ""
    separator: str = ""
    encoding: str = "utf-8"
    header: bool = True
    columns: tuple[str, ...] = ()  # names of the columns of a CSV without a header
    optional: bool = False  # no matching file is fine
    where: dict[str, str | list[str]] = {}  # rows with other values are left out
    skip: dict[str, str | list[str]] = {}  # rows with these values are left out
    each: Each | None = None
    null: tuple[str, ...] = ("",)
    id: tuple[str, ...] = ()  # columns that tell events apart; else all that is mapped does
    repeats: Literal["reject", "first", "last", "merge"] = "reject"  # of one item or user

    @property
    def patterns(self) -> tuple[str, ...]:
        """Give the patterns of file names."""
        return (self.files,) if isinstance(self.files, str) else self.files


@dataclass(frozen=True, slots=True)
class TableMap:
    """One table of a mapping: `[[events]]`, `[[items]]` or `[[users]]`, with its place among those of its kind."""

    kind: str
    number: int
    options: Options
    fields: dict[str, Where | dict[str, Where]]

    @property
    def where(self) -> str:
        """Give its place as messages say it."""
        return f"[[{self.kind}]] number {self.number}"

    @property
    def wanted(self) -> frozenset[str]:
        """Give the columns that are looked at."""
        options = self.options
        found = {*options.where, *options.skip, *options.id, *(options.each.columns if options.each else ())}
        for one in self.fields.values():
            for spec in one.values() if isinstance(one, dict) else (one,):
                found.update((spec.column, *spec.columns, spec.index_in))
        return frozenset(found - {"", INDEX})


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping: its name is part of every event's id; tables in the order of the file, items before users, events."""

    name: str
    tables: tuple[TableMap, ...] = field(default=())
