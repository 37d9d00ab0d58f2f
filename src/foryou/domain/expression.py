"""How does a filter or a boost say which items it means? In a small language: read once, applied to whole slates.

    category in ("Drama", "Crime") and price < 20 and not tag = "violence"

    expression  = all { "or" all }
    all         = part { "and" part }
    part        = "not" part | "(" expression ")" | comparison
    comparison  = field ( "=" | "!=" ) text | field [ "not" ] "in" "(" text { "," text } ")"
                | measure ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) number
    field       = "category" | "brand" | "tag" | "item_id" | "attributes" "." ( name | text )
    measure     = "price" | "age_days" | "published" (a date, "2024-12-31")

Nothing can be called and nothing outside an item can be reached; length and depth are bounded, so anybody may send one.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from foryou.domain.clock import DAY_MS
from foryou.domain.errors import Invalid

MAX_CHARS = 2_000
MAX_DEPTH = 20  # of `not` and parentheses inside one another
LARGEST = 1e12  # number that can be written
MAX_VALUES = 200  # texts and numbers in one expression
REMEMBERED = 1_000  # expressions kept read
SETS = ("category", "brand", "tag", "item_id")
MEASURES = ("price", "age_days", "published")
ATTRIBUTES = "attributes"
COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
WORDS = ("and", "or", "not", "in")
_TOKEN = re.compile(
    r"""\s*(?: (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*') | (?P<number>-?\d+(?:\.\d+)?(?![\w.]))
    | (?P<name>attributes\."[^"\\]+"|[A-Za-z_][\w.\-]*) | (?P<sign><=|>=|!=|==|[=<>(),]) )""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Has:
    """True where a field has one of the values. An item has many categories and tags; one of them is enough."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """True where a measure stands so to a number; false where the item has no date to measure."""

    measure: str
    sign: str
    value: float


@dataclass(frozen=True, slots=True)
class Not:
    """True where the part is not."""

    part: "Expression"


@dataclass(frozen=True, slots=True)
class Both:
    """True where all parts are."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """True where at least one part is."""

    parts: tuple["Expression", ...]


Expression = Has | Compare | Not | Both | Either


@lru_cache(REMEMBERED)
def parse(text: str, where: str = "filter") -> Expression:
    """Give the expression that a text says. Raises Invalid with the character at which it goes wrong, and the mend."""
    if len(text) > MAX_CHARS:
        raise Invalid(where, f"has {len(text)} characters, limit {MAX_CHARS:,}", "say it in several shorter ones")
    return _Reader(text, where).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # text, number, name, sign, end, bad
    said: str
    at: int  # from 1

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else f"`{self.said[:24]}`"


class _Reader:
    """Reads by recursive descent, one token ahead."""

    def __init__(self, text: str, where: str) -> None:
        self._text, self._where = text, where
        self._place = self._depth = self._values = 0
        self._next = self._token()

    def whole(self) -> Expression:
        found = self._either()
        if self._next.kind != "end":
            raise self._wrong("`and`, `or` or the end is expected", "join two conditions with `and` or `or`")
        return found

    def _either(self) -> Expression:
        return self._joined("or", self._both, Either)

    def _both(self) -> Expression:
        return self._joined("and", self._part, Both)

    def _joined(
        self, word: str, read: Callable[[], Expression], kind: Callable[[tuple[Expression, ...]], Expression]
    ) -> Expression:
        parts = [read()]
        while self._is_word(word):
            self._advance()
            parts.append(read())
        return kind(tuple(parts)) if len(parts) > 1 else parts[0]

    def _part(self) -> Expression:
        if self._depth >= MAX_DEPTH:
            raise self._wrong(f"more than {MAX_DEPTH} levels of `not` and parentheses", "say it with fewer levels")
        self._depth += 1
        try:
            if self._is_word("not"):
                self._advance()
                return Not(self._part())
            if self._next.said == "(" and self._next.kind == "sign":
                self._advance()
                inner = self._either()
                self._expect(")")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Expression:
        token = self._next
        name = token.said
        if token.kind != "name" or name.lower() in WORDS:
            raise self._wrong(f"a field is expected, not {token}", _fields())
        self._advance()
        if name in SETS or attribute_of(name):
            return self._has(name)
        if name in MEASURES:
            return self._compared(name)
        raise self._wrong(f"{token} is not a field", _fields(), token)

    def _has(self, field: str) -> Expression:
        negated = self._is_word("not")
        if negated:
            self._advance()
            if not self._is_word("in"):
                raise self._wrong(f"`in` is expected after `{field} not`", f'write {field} not in ("…")')
        if self._is_word("in"):
            self._advance()
            values = self._list(field)
        elif self._next.said in ("=", "==", "!="):
            negated = self._next.said == "!="
            self._advance()
            values = (self._value(field),)
        else:
            raise self._wrong(f"`=`, `!=` or `in` is expected after `{field}`", f'write {field} = "…"')
        found = Has(field, tuple(dict.fromkeys(values)))
        return Not(found) if negated else found

    def _list(self, field: str) -> tuple[str, ...]:
        self._expect("(")
        values = [self._value(field)]
        while self._next.said == "," and self._next.kind == "sign":
            self._advance()
            values.append(self._value(field))
        self._expect(")")
        return tuple(values)

    def _value(self, field: str) -> str:
        token = self._next
        if token.kind != "text":
            raise self._wrong(f"a text in quotes is expected, not {token}", f'write {field} = "…"')
        self._count()
        self._advance()
        return re.sub(r"\\(.)", r"\1", token.said[1:-1], flags=re.DOTALL)

    def _compared(self, measure: str) -> Expression:
        sign = "=" if self._next.said == "==" else self._next.said
        if sign not in COMPARISONS:
            raise self._wrong(f"a comparison is expected after `{measure}`", f"use one of {' '.join(COMPARISONS)}")
        self._advance()
        value = self._date() if measure == "published" else self._number(measure)
        self._count()
        self._advance()
        found = Compare(measure, "=" if sign == "!=" else sign, value)
        return Not(found) if sign == "!=" else found

    def _number(self, measure: str) -> float:
        if self._next.kind != "number":
            raise self._wrong(f"a number is expected, not {self._next}", f"write {measure} < 20, without quotes")
        value = float(self._next.said)
        if abs(value) > LARGEST:
            raise self._wrong(f"{self._next} is too large", f"write a number from {-LARGEST:.0e} to {LARGEST:.0e}")
        return value

    def _date(self) -> float:
        """Give the first ms of a day."""
        mend = 'write it as published >= "2024-12-31"'
        if self._next.kind != "text":
            raise self._wrong(f"a date in quotes is expected, not {self._next}", mend)
        try:
            day = datetime.strptime(self._next.said[1:-1], "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            raise self._wrong(f"{self._next} is not a date", mend) from None
        return float((day - datetime(1970, 1, 1, tzinfo=UTC)).days * DAY_MS)

    def _count(self) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            raise self._wrong(
                f"more than {MAX_VALUES} values", "say it with fewer; a tag or a category may stand for many"
            )

    def _is_word(self, word: str) -> bool:
        return self._next.kind == "name" and self._next.said.lower() == word

    def _expect(self, sign: str) -> None:
        if self._next.kind != "sign" or self._next.said != sign:
            raise self._wrong(f"`{sign}` is expected, not {self._next}", "close what was opened")
        self._advance()

    def _advance(self) -> None:
        self._next = self._token()

    def _token(self) -> _Token:
        found = _TOKEN.match(self._text, self._place)
        if found and found.lastgroup:
            self._place = found.end()
            return _Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup) + 1)
        rest = self._text[self._place :].lstrip()
        at = len(self._text) - len(rest) + 1
        if not rest:
            return _Token("end", "", at)
        self._next = _Token("bad", rest[0], at)
        if rest[0] in "\"'":
            raise self._wrong("a text is not closed", "end it with the quote that it began with")
        raise self._wrong(f"{self._next} cannot stand here", "texts stand in quotes, numbers are written 12 or 9.50")

    def _wrong(self, what: str, mend: str, token: _Token | None = None) -> Invalid:
        return Invalid(self._where, f"at character {(token or self._next).at}: {what}", mend)


def attribute_of(field: str) -> str:
    """Give the name of the attribute that a field means, "" for the other fields."""
    return field.removeprefix(f"{ATTRIBUTES}.").strip('"') if field.startswith(f"{ATTRIBUTES}.") else ""


def _fields() -> str:
    return f"there are {', '.join((*SETS, *MEASURES))} and {ATTRIBUTES}.NAME"
