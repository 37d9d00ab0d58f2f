"""How is a text file read so that one bad line never stops the rest?"""

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from foryou.domain.errors import Invalid, Unavailable

MAX_LINE_BYTES = 65_536
MAX_ID_BYTES = 128
MAX_TEXT = 1_000  # characters of a title or any other text
LINE = "line"  # the field of a fault that concerns the whole line
_SHOWN = 80  # characters of a faulty value that are kept

_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?", re.ASCII)
_CSV_FIELD = re.compile(r'(?:"((?:[^"]|"")*+)"|([^",]*+))(,|$)')

_T = TypeVar("_T")
Row = list[str]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was left out: where it stands, which field is wrong with which value, and what to do."""

    file: str
    line: int
    field: str
    value: str
    what: str
    mend: str

    def __str__(self) -> str:
        """Give it as one sentence."""
        return f"{self.file}:{self.line}: {self.field} '{self.value}' {self.what}; {self.mend}"


@dataclass(frozen=True, slots=True)
class Table:
    """A text file with one row per line. `columns` names its fields in order."""

    path: Path
    columns: tuple[str, ...]
    split: Callable[[str], Row]
    encoding: str
    has_header: bool


def rows(table: Table, make: Callable[[Row, int], _T]) -> Iterator[_T | BadLine]:
    """Give what `make` makes of each row and its line number, lazily; blank lines are passed over.

    Where `make` raises Invalid with the name of a column, a BadLine takes the row's place.
    Raises Unavailable if the file cannot be read.
    """
    for line, raw in lines(table.path):
        if raw.strip() and not (line == 1 and table.has_header):
            yield _made(table, make, line, raw)


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Give the number and the bytes of each line, of a .gz unpacked; of a line that is too long only its start.

    Raises Unavailable if the file cannot be read.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            line = 0
            while raw := file.readline(MAX_LINE_BYTES + 2):
                line += 1
                rest = raw
                while rest and not rest.endswith(b"\n"):
                    rest = file.readline(MAX_LINE_BYTES)
                yield line, raw
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise Unavailable(f"{path} cannot be read ({why}); see that it is there and readable") from error


def split_csv(text: str) -> Row:
    """Give the fields of a CSV line (RFC 4180, but a record never spans lines: an open quote must not eat the file).

    Raises Invalid for bad quoting.
    """
    if '"' not in text:
        return text.split(",")
    row, place = [], 0
    while field := _CSV_FIELD.match(text, place):
        quoted, plain, end = field.groups()
        row.append(plain if quoted is None else quoted.replace('""', '"'))
        place = field.end()
        if not end:
            return row
    raise Invalid(
        LINE, f"has a stray or open quote in field {len(row) + 1}", 'put the field in "…" and write each " in it as ""'
    )


def checked_id(field: str, text: str) -> str:
    """Give the id as it is. Raises Invalid if it is empty or too long."""
    if not text.strip():
        raise Invalid(field, "is empty", "write an id")
    if (size := len(text.encode())) > MAX_ID_BYTES:
        raise Invalid(field, f"has {size:,} bytes, more than the {MAX_ID_BYTES} of an id", "shorten it")
    return text


def checked_text(field: str, text: str) -> str:
    """Give the text as it is. Raises Invalid if it is too long."""
    if len(text) > MAX_TEXT:
        raise Invalid(field, f"has {len(text):,} characters, more than {MAX_TEXT:,}", "shorten it")
    return text


def number(field: str, text: str) -> float:
    """Give the number, `12` or `-3.5`; no other spelling is one. Raises Invalid."""
    if not _NUMBER.fullmatch(text):
        raise Invalid(field, "is not a number", "write digits, such as 4 or 3.5")
    return float(text)


def once(seen: dict[str, int], field: str, key: str, line: int) -> None:
    """Note that the key stands on this line. Raises Invalid if it stands on an earlier one too."""
    if (first := seen.setdefault(key, line)) != line:
        raise Invalid(field, f"stands on line {first} already", "delete one of the two lines")


def _made(table: Table, make: Callable[[Row, int], _T], line: int, raw: bytes) -> _T | BadLine:
    row: Row = []
    try:
        row = _row(table, raw)
        return make(row, line)
    except Invalid as bad:
        whole = _content(raw).decode(table.encoding, "backslashreplace")
        value = row[table.columns.index(bad.where)] if bad.where in table.columns else whole
        return BadLine(table.path.name, line, bad.where, shown(value), bad.what, bad.mend)


def _row(table: Table, raw: bytes) -> Row:
    raw = _content(raw)
    if len(raw) > MAX_LINE_BYTES:
        raise Invalid(LINE, f"is longer than {MAX_LINE_BYTES:,} bytes", "shorten it, or see that lines end in newlines")
    if b"\0" in raw:
        raise Invalid(LINE, f"holds a NUL byte at place {raw.index(0) + 1}", "the file is damaged: fetch it again")
    try:
        text = raw.decode(table.encoding)
    except UnicodeDecodeError as error:
        what = f"holds byte 0x{raw[error.start]:02x} at place {error.start + 1}, which is not {table.encoding}"
        raise Invalid(LINE, what, f"save the file as {table.encoding}") from error
    row = table.split(text)
    if len(row) != len(table.columns):
        what = f"has {len(row)} fields where {len(table.columns)} belong"
        raise Invalid(LINE, what, f"write {', '.join(table.columns)}")
    return row


def _content(raw: bytes) -> bytes:
    return raw.removesuffix(b"\n").removesuffix(b"\r")


def shown(text: str) -> str:
    """Give the start of a value with what cannot be printed escaped: it may end up on a terminal."""
    return repr(text[:_SHOWN])[1:-1] + ("…" if len(text) > _SHOWN else "")
