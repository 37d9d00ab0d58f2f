"""How do files become items, users and events by a mapping? Table after table, row after row."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from foryou.domain.clock import DAY_MS
from foryou.domain.errors import Invalid
from foryou.domain.event import ABOUT_ITEMS, Action, Event
from foryou.domain.item import ItemChange
from foryou.domain.ports import TimeSource
from foryou.domain.records import UserChange
from foryou.ingest.codec import content_id
from foryou.ingest.collector import check
from foryou.ingest.importers.layout import Line, Skipped
from foryou.ingest.importers.mapping.files import rows
from foryou.ingest.importers.mapping.schema import FIELDS, INDEX, SKIP, Kind, Mapping, Options, TableMap, Where
from foryou.ingest.importers.mapping.values import ENTRIES, Reader, Record, as_list, plain, reader
from foryou.ingest.importers.ratings import EARLIEST_MS, UNIT
from foryou.ingest.importers.table import BadLine, shown

SKIPPED = Skipped()
_NAMED = 10
_UNITS = {Action.RATING: UNIT, Action.DWELL: "s"}
_encoder = msgspec.msgpack.Encoder(order="deterministic")
Change = ItemChange | UserChange


@dataclass(frozen=True, slots=True)
class Mapped:
    """Files below a folder (or one file), read as a mapping says; the clock says what lies in the future."""

    path: Path
    mapping: Mapping
    files: dict[tuple[str, int], tuple[Path, ...]]
    clock: TimeSource

    @property
    def name(self) -> str:
        """Give the name of the mapping; it is part of every event's id."""
        return self.mapping.name

    def read(self) -> Iterator[Line]:
        """Give lazily all items, then all users, then all events. Items and users are held, events are not."""
        for kind, key in (("items", "item_id"), ("users", "user_id")):
            yield from self._changes(kind, key)
        for table in self._tables("events"):
            make = _event_maker(self.name, table, self.clock.now_ms() + DAY_MS)
            for path in self.files[table.kind, table.number]:
                for _, line in _made(path, table, make):
                    yield line

    def _tables(self, kind: str) -> list[TableMap]:
        return [table for table in self.mapping.tables if table.kind == kind]

    def _changes(self, kind: str, key: str) -> Iterator[Line]:
        """Give what several rows and tables say about one item or user as one change, in the order of the first."""
        held: dict[str, _Held] = {}
        for table in self._tables(kind):
            make = _change_maker(table)
            for path in self.files[table.kind, table.number]:
                for line, one in _made(path, table, make):
                    if isinstance(one, ItemChange | UserChange):
                        name = getattr(one, key)
                        first = held.get(name)
                        if first is None:
                            held[name] = _Held(one, table.number, line)
                        elif table.options.repeats == "first":
                            continue
                        elif table.options.repeats == "merge" or first.table != table.number:
                            first.merge(one)
                        elif table.options.repeats == "last":
                            held[name] = _Held(one, table.number, line)
                        elif table.options.repeats == "reject":
                            what = f"stands on line {first.line} already"
                            mend = 'delete one of the two lines, or say repeats = "merge" in the mapping'
                            yield BadLine(path.name, line, key, shown(name), what, mend)
                    else:
                        yield one
        for done in held.values():
            yield done.whole()


@dataclass(slots=True)
class _Held:
    """One item or user while its rows are read, and where the first stands. Lists count how often a word was said."""

    change: Change
    table: int
    line: int
    counts: dict[str, Counter[str]] | None = None

    def merge(self, other: Change) -> None:
        """Add what another row says: lists and attributes grow, else what was said first stays."""
        said: dict[str, Any] = {}
        for name in self.change.__struct_fields__:
            old, new = getattr(self.change, name), getattr(other, name)
            if new is UNSET:
                continue
            if old is UNSET:
                said[name] = new
            elif isinstance(old, tuple) and all(isinstance(one, str) for one in (*old, *new)):
                self.counts = self.counts or {}
                self.counts.setdefault(name, Counter(old)).update(new)
            elif isinstance(old, dict):
                said[name] = {**new, **old}
        if said:
            self.change = msgspec.structs.replace(self.change, **said)

    def whole(self) -> Change:
        """Give the change with the words of its lists, those said most often first."""
        said = {
            name: tuple(word for word, _ in count.most_common(ENTRIES)) for name, count in (self.counts or {}).items()
        }
        return msgspec.structs.replace(self.change, **said) if said else self.change


def mapped(path: Path, mapping: Mapping, clock: TimeSource) -> Mapped:
    """Give the layout of a folder, or of one file, under a mapping.

    Raises Invalid if the path is missing, or if a table finds no file and is not optional.
    """
    if not path.exists():
        raise Invalid(str(path), "does not exist", "give a folder or a file")
    folder = path if path.is_dir() else path.parent
    there = [path] if path.is_file() else [one for one in sorted(folder.rglob("*")) if one.is_file()]
    found = {}
    for table in mapping.tables:
        names = table.options.patterns
        files = tuple(one for one in there if any(_matches(one.relative_to(folder), name) for name in names))
        if not files and not table.options.optional:
            here = ", ".join(one.name for one in there[:_NAMED]) or "nothing"
            what = f"{table.where} of the mapping {mapping.name} looks for {' or '.join(names)}, found {here}"
            raise Invalid(str(path), what, "mend files in the mapping, or say optional = true there")
        found[table.kind, table.number] = files
    return Mapped(path, mapping, found, clock)


def _matches(path: Path, pattern: str) -> bool:
    """Say whether a path fits: a pattern without folders fits a name at any depth."""
    return fnmatch(path.as_posix() if "/" in pattern else path.name, pattern)


def _made(
    path: Path, table: TableMap, make: Callable[[Record], Change | Event | None]
) -> Iterator[tuple[int, Change | Event | BadLine | Skipped]]:
    """Give what each row of a file becomes, with its line."""
    options = table.options
    keep, parts = _filter(options), _parts(options)
    for line, row in rows(path, options, table.wanted):
        if isinstance(row, Invalid):
            yield line, _bad(path, line, row, "")
            continue
        if not keep(row):
            yield line, SKIPPED
            continue
        for part in parts(row):
            try:
                made: Change | Event | BadLine | Skipped = make(part) or SKIPPED
            except Invalid as bad:
                made = _bad(path, line, bad, plain(part.get(bad.where, "")))
            yield line, made


def _bad(path: Path, line: int, bad: Invalid, value: str) -> BadLine:
    return BadLine(path.name, line, bad.where, shown(value), bad.what, bad.mend)


def _filter(options: Options) -> Callable[[Record], bool]:
    """Give what says whether a row is wanted."""

    def sets(said: dict[str, Any]) -> list[tuple[str, frozenset[str]]]:
        return [(name, frozenset([one] if isinstance(one, str) else one)) for name, one in said.items()]

    only, never = sets(options.where), sets(options.skip)
    if not only and not never:
        return lambda row: True
    return lambda row: (
        all(plain(row.get(name)) in words for name, words in only)
        and not any(plain(row.get(name)) in words for name, words in never)
    )


def _parts(options: Options) -> Callable[[Record], Iterator[Record]]:
    """Give what makes one row of each place of its lists (`each`), else of the row itself."""
    each = options.each
    if each is None:
        return lambda row: iter((row,))

    def parts(row: Record) -> Iterator[Record]:
        lists = [as_list(row.get(name) or None, each.separator) for name in each.columns]
        whole = dict(row)
        for place in range(max(map(len, lists))):
            one = {name: made[place] if place < len(made) else None for name, made in zip(each.columns, lists)}  # noqa: B905
            yield whole | one | {INDEX: place}

    return parts


def _readers(table: TableMap) -> list[tuple[str, Reader | dict[str, Reader]]]:
    null, kinds = table.options.null, FIELDS[table.kind]
    found: list[tuple[str, Reader | dict[str, Reader]]] = []
    for name, where in table.fields.items():
        if isinstance(where, dict):
            parts = {key: reader(f"{name}.{key}", Kind.TEXT, one, null) for key, one in where.items()}
            found.append((name, parts))
        else:
            found.append((name, reader(name, kinds[name], where, null)))
    return found


def _values(readers: list[tuple[str, Reader | dict[str, Reader]]], row: Record) -> dict[str, Any]:
    """Give what a row says, by field; what it does not say is left out."""
    said: dict[str, Any] = {}
    for name, read in readers:
        if isinstance(read, dict):
            value: Any = {key: text for key, one in read.items() if (text := one(row))} or None
        else:
            value = read(row)
        if value is not None:
            said[name] = value
    return said


def _change_maker(table: TableMap) -> Callable[[Record], Change | None]:
    struct, key = (ItemChange, "item_id") if table.kind == "items" else (UserChange, "user_id")
    readers, column = _readers(table), _column(table, key)

    def change(row: Record) -> Change | None:
        said = _values(readers, row)
        if key not in said:
            raise Invalid(column, "is empty", "write an id, or leave the row out with skip in the mapping")
        made: Change = struct(op="put", **said)
        return made

    return change


def _event_maker(layout: str, table: TableMap, latest_ms: int) -> Callable[[Record], Event | None]:
    fields = dict(_readers(table))
    action = fields.pop("action")
    readers, ids = list(fields.items()), table.options.id
    named = {name: _column(table, name) for name in FIELDS["events"]}
    assert not isinstance(action, dict)

    def event(row: Record) -> Event | None:
        does = action(row)
        if does is None:
            raise Invalid(named["action"], "is empty", 'write an action, or say default = "skip" in the mapping')
        if does == SKIP:
            return None
        said = _values(readers, row)
        said.pop("item_id" if does not in ABOUT_ITEMS else "", None)
        said.pop("query" if does is not Action.SEARCH else "", None)
        for name in ("user_id", "at_ms"):
            if name not in said:
                raise Invalid(named[name], "is empty", "write one, or leave the row out with skip in the mapping")
        _check_time(named["at_ms"], said["at_ms"], latest_ms)
        own = said.pop("event_id", "")
        made = Event(action=does, event_id=own or "-", **{"unit": _UNITS.get(does, ""), **said})
        if not own:
            own = _id(layout, made, [plain(row.get(name)) for name in ids])
        made = msgspec.structs.replace(made, event_id=own, received_ms=made.received_ms or made.at_ms)
        try:
            return check(made)
        except Invalid as bad:
            raise Invalid(named.get(bad.where, bad.where), bad.what, bad.mend.replace("send", "write")) from None

    return event


def _id(layout: str, event: Event, ids: list[str]) -> str:
    """Give the id of an event: a hash of the columns that tell events apart, else of everything it says."""
    if ids:
        return content_id(layout, event.action, event.item_id, *(one.replace("\0", "") for one in ids))
    return content_id(layout, _encoder.encode(event).hex())


def _column(table: TableMap, name: str) -> str:
    where = table.fields.get(name)
    return (where.column or name) if isinstance(where, Where) else name


def _check_time(column: str, at_ms: int, latest_ms: int) -> None:
    if at_ms < EARLIEST_MS:
        raise Invalid(column, "lies before 1990", 'write a later time, or another unit in the mapping, such as "s"')
    if at_ms > latest_ms:
        mend = 'write an earlier time, or another unit in the mapping, such as "ms"'
        raise Invalid(column, "lies more than a day in the future", mend)
