"""Which rows does a file hold? CSV, JSON lines or Parquet, read bit by bit; a bad row never stops the rest."""

import csv
from collections import deque
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from foryou.domain.errors import Invalid, Unavailable
from foryou.ingest.importers.mapping.schema import Options
from foryou.ingest.importers.mapping.values import Record
from foryou.ingest.importers.table import LINE, MAX_LINE_BYTES, lines

BATCH = 10_000  # rows of a Parquet file at a time
SPAN = 100  # most lines of one CSV record whose text holds line ends
ENDINGS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".dat": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".json": "jsonl", ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
Found = Iterator[tuple[int, Record | Invalid]]
_BOM = b"\xef\xbb\xbf"
_NAMED = 30  # columns that a message lists


def rows(path: Path, options: Options, wanted: frozenset[str] | None) -> Found:
    """Give each row with its number (a line, in Parquet a row from 1), or what is wrong with it.

    Of JSON lines and Parquet only the columns `wanted`, of JSON also `outer.inner`; None = all.
    Raises Invalid if the file lacks a column or has another form, Unavailable if it cannot be read.
    """
    kind = options.format or form_of(path)
    if kind == "parquet":
        return _parquet(path, wanted)
    if kind == "jsonl":
        return _jsonl(path, options.encoding, wanted)
    return _csv(path, options, wanted)


def form_of(path: Path) -> str:
    """Give the format that a file's name says, `.gz` and other compression aside. Raises Invalid."""
    for ending in reversed(path.suffixes):
        if ending.lower() in ENDINGS:
            return ENDINGS[ending.lower()]
    mend = f'say format = "csv", "jsonl" or "parquet" in the mapping, or end the name with {", ".join(ENDINGS)}'
    raise Invalid(str(path), "does not say what it is", mend)


def separator_of(path: Path, options: Options) -> str:
    """Give what stands between two fields: as the mapping says, a tab in .tsv, else a comma."""
    return options.separator or ("\t" if ".tsv" in (one.lower() for one in path.suffixes) else ",")


def _lacking(place: str, wanted: frozenset[str], there: list[str]) -> None:
    if missing := sorted(wanted - set(there)):
        named = ", ".join(there[:_NAMED]) + (" …" if len(there) > _NAMED else "")
        raise Invalid(place, f"has no column {', '.join(missing)}", f"its columns are {named}; mend the mapping")


def _decoded(raw: bytes, encoding: str) -> str:
    """Give the text of a line. Raises Invalid with what is wrong with it."""
    raw = raw.removesuffix(b"\n").removesuffix(b"\r")
    if len(raw) > MAX_LINE_BYTES:
        raise Invalid(LINE, f"is longer than {MAX_LINE_BYTES:,} bytes", "shorten it, or see that lines end in newlines")
    if b"\0" in raw:
        raise Invalid(LINE, f"holds a NUL byte at place {raw.index(0) + 1}", "the file is damaged: fetch it again")
    try:
        return raw.decode(encoding)
    except UnicodeError as error:
        byte = f"byte 0x{raw[error.start]:02x}" if isinstance(error, UnicodeDecodeError) else "what"
        raise Invalid(LINE, f"holds {byte}, which is not {encoding}", "say the right encoding in the mapping") from None


def _jsonl(path: Path, encoding: str, wanted: frozenset[str] | None) -> Found:
    decode = msgspec.json.Decoder().decode
    for line, raw in lines(path):
        raw = raw.removeprefix(_BOM) if line == 1 else raw
        if not raw.strip():
            continue
        try:
            found = decode(_decoded(raw, encoding))
            if not isinstance(found, dict):
                raise Invalid(LINE, "is not a JSON object", 'write one object per line, such as {"user": "1"}')
            yield line, found if wanted is None else {name: _inner(found, name) for name in wanted}
        except Invalid as error:
            yield line, error
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            yield line, Invalid(LINE, f"is not JSON ({str(error)[:100]})", "write one object per line")


def _inner(found: dict[str, Any], name: str) -> Any:
    if name in found or "." not in name:
        return found.get(name)
    value: Any = found
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _parquet(path: Path, wanted: frozenset[str] | None) -> Found:
    try:
        table = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        there = table.collect_schema()
        _lacking(str(path), wanted or frozenset(), there.names())
        names = [name for name in there.names() if wanted is None or name in wanted]
        row = 0
        for batch in table.select(names).collect_batches(chunk_size=BATCH, maintain_order=True):
            for start in range(0, batch.height, BATCH):
                for values in batch.slice(start, BATCH).iter_rows(named=True):
                    row += 1
                    yield row, {name: _usual(value) for name, value in values.items()}
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        first = (str(error).splitlines() or ["it is damaged"])[0][:200]
        raise Unavailable(f"{path} cannot be read as Parquet ({first}); fetch it again") from error


def _usual(value: Any) -> Any:
    """Give a value as the other formats would have it."""
    if value is None or isinstance(value, str | int | float | date | list | dict):
        return value
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _csv(path: Path, options: Options, wanted: frozenset[str] | None) -> Found:
    separator = separator_of(path, options)
    found = _Csv(path, options.encoding, lambda text: split(text, separator))
    columns = list(options.columns)
    for line, row in found.records():
        if options.header and line == found.first:
            if isinstance(row, Invalid):
                raise Invalid(f"{path}:{line}", f"the header {row.what}", row.mend)
            columns = columns or [name.strip() for name in row]
            _check_header(f"{path}:{line}", columns)
            _lacking(f"{path}:{line}", wanted or frozenset(), columns)
            found.width = len(columns)
            continue
        if line == found.first:
            _lacking(str(path), wanted or frozenset(), columns)
        if not isinstance(row, Invalid) and len(row) != len(columns):
            mend = f"write {', '.join(columns[:_NAMED])}"
            yield line, Invalid(LINE, f"has {len(row)} fields where {len(columns)} belong", mend)
        else:
            yield line, row if isinstance(row, Invalid) else dict(zip(columns, row, strict=True))


def _check_header(place: str, columns: list[str]) -> None:
    twice = sorted({name for name in columns if columns.count(name) > 1}) if len(columns) < 1_000 else []
    if twice:
        raise Invalid(place, f"names the column {twice[0]!r} twice", "give each column a name of its own")


def split(text: str, separator: str) -> list[str] | None:
    """Give the fields of a CSV record (RFC 4180), None while a quote is open. Raises Invalid for bad quoting."""
    if len(separator) > 1 or '"' not in text:
        return text.split(separator)
    try:
        return next(csv.reader([text], delimiter=separator, strict=True))
    except csv.Error as error:
        if "unexpected end" in str(error):
            return None
        raise Invalid(LINE, f"has bad quoting ({error})", 'put the field in "…" and write each " in it as ""') from None


class _Csv:
    """The records of a CSV file. One may span lines inside quotes, but an open quote must not eat the file."""

    def __init__(self, path: Path, encoding: str, split: Callable[[str], list[str] | None]) -> None:
        self.first, self.width = 0, 0  # line of the first record; fields of a record, 0 = not known yet
        self._encoding, self._split = encoding, split
        self._source, self._ahead = lines(path), deque[tuple[int, bytes]]()

    def records(self) -> Iterator[tuple[int, list[str] | Invalid]]:
        """Give each record with its first line."""
        while following := self._next():
            line, raw = following
            raw = raw.removeprefix(_BOM) if line == 1 else raw
            if not raw.strip():
                continue
            self.first = self.first or line
            try:
                row = self._split(_decoded(raw, self._encoding))
                yield line, self._spanning(raw) if row is None else row
            except Invalid as error:
                yield line, error

    def _next(self) -> tuple[int, bytes] | None:
        return self._ahead.popleft() if self._ahead else next(self._source, None)

    def _spanning(self, raw: bytes) -> list[str] | Invalid:
        """Give the record that begins with an open quote; where it does not close soon, the line alone is bad."""
        taken: list[tuple[int, bytes]] = []
        while len(taken) < SPAN and len(raw) <= MAX_LINE_BYTES and (following := self._next()):
            taken.append(following)
            raw += following[1]
            if b'"' not in following[1]:
                continue
            try:
                row = self._split(_decoded(raw, self._encoding))
            except Invalid:
                break
            if row is None:
                continue
            if self.width in (0, len(row)):
                return row
            break
        self._ahead.extendleft(reversed(taken))
        return Invalid(LINE, "has an open quote", 'close it, or write each " in a field as ""')
