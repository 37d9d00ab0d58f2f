"""What does a column look like? Its name in words, and what a sample of its values could be."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from foryou.domain.errors import Invalid
from foryou.domain.event import Action
from foryou.ingest.importers.mapping.schema import SKIP
from foryou.ingest.importers.mapping.values import plain, time

EARLIEST_S, LATEST_S = 631_152_000, 4_102_444_800  # 1990 to 2100
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PRICE = re.compile(r"\s*(?:[$€£¥]|[A-Z]{3}\s)?\s*\d[\d ,.]*\s*(?:[$€£¥]|[A-Z]{3})?\s*")
NULLS = ("", "null", "NULL", "None", "none", "NaN", "nan", "N/A", "n/a", "NA", "\\N", "-")
SEPARATORS = ("|", ";", ",")
PATTERNS = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%b-%Y", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S")

# What other systems call an action; the first row that fits.
WORDS: tuple[tuple[str, str], ...] = (
    ("impression", "impression|impressed|shown|displayed|exposure"),
    ("purchase", "purchase|purchased|buy|bought|order|ordered|transaction|checkout|conversion|pay|paid"),
    ("add_to_cart", "addtocart|cart|basket|addtobasket|addcart"),
    ("dislike", "dislike|disliked|thumbsdown|downvote"),
    ("like", "like|liked|favorite|favourite|favorited|fav|thumbsup|upvote|bookmark|wishlist|save|follow|share"),
    ("hide", "hide|hidden|notinterested|block|blocked"),
    ("rating", "rating|rate|rated|review|reviewed|stars"),
    ("search", "search|query|searched"),
    ("click", "click|clicked|clickout|clickthrough|tap|open|opened|select"),
    ("dwell", "dwell|timespent"),
    ("view", "view|viewed|pageview|pv|visit|visited|detail|read|watch|watched|play|played|listen|listened|"
     "stream|interaction"),
    (SKIP, "login|logout|signup|remove|removefromcart|removed|filter|sort|scroll|error|heartbeat"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a sample: its name, its words, and the values that are there."""

    name: str
    words: tuple[str, ...]
    values: tuple[Any, ...]
    nulls: tuple[str, ...]  # tokens that stand for nothing
    empty: float  # share of the rows without a value

    @property
    def texts(self) -> list[str]:
        """Give the values as texts."""
        return [plain(one) for one in self.values]

    @property
    def distinct(self) -> int:
        """Give how many values differ."""
        return len(set(self.texts))

    def is_about(self, *words: str) -> bool:
        """Say whether one of the words is in the name."""
        joined = "".join(self.words)
        return any(word in self.words or word == joined for word in words)


def column(name: str, raw: Sequence[Any]) -> Column:
    """Give a column of the sample."""
    words = tuple(word.lower() for word in _WORDS.findall(name))
    nulls = {text for one in raw if isinstance(one, str) and (text := one.strip()) in NULLS}
    values = tuple(one for one in raw if one is not None and plain(one) not in NULLS)
    return Column(name, words, values, tuple(sorted(nulls | {""})), 1 - len(values) / max(len(raw), 1))


def numbers(one: Column) -> list[float]:
    """Give the values as numbers, [] unless all of them are."""
    try:
        return [float(text) for text in one.texts] if one.values else []
    except ValueError:
        return []


def unit_of(one: Column) -> str:
    """Give the unit in which the values are times between 1990 and 2100, "" if they are none."""
    found = numbers(one)
    if found and not any(isinstance(value, bool) for value in one.values):
        low, high = min(found), max(found)
        for unit, per_s in (("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)):
            if low >= EARLIEST_S * per_s and high <= LATEST_S * per_s:
                return unit
        return ""
    if one.values and all(isinstance(value, date) for value in one.values):
        return "iso"
    return next((unit for unit in ("iso", *PATTERNS) if one.values and _fits(one, unit)), "")


def _fits(one: Column, unit: str) -> bool:
    try:
        return all(EARLIEST_S * -4 * 1_000 < time("", value, unit) < LATEST_S * 1_000 for value in one.texts)
    except Invalid:
        return False


def years_in(one: Column) -> bool:
    """Say whether most values hold a year in brackets, as in Toy Story (1995)."""
    found = sum(bool(re.search(r"\((?:18|19|20)\d\d\)", text)) for text in one.texts)
    return found > len(one.values) / 2


def separator_in(one: Column) -> str:
    """Give what separates the entries of a list in the texts, "" if nothing does so often."""
    for sign in SEPARATORS:
        if sum(sign in text for text in one.texts) > len(one.values) * 0.1:
            return sign
    return ""


def is_price(one: Column) -> bool:
    """Say whether the values are amounts, perhaps with a currency."""
    return bool(one.values) and all(_PRICE.fullmatch(text) for text in one.texts)


def action_of(word: str) -> str:
    """Give our action for another system's word, "" if it is not known."""
    if word in tuple(Action):
        return word if word not in (Action.ALIAS, Action.FORGET) else ""
    parts = [part.lower() for part in _WORDS.findall(word)]
    squeezed = "".join(parts)
    for ours, pattern in WORDS:
        if re.fullmatch(pattern, squeezed):
            return ours
    for part in parts:
        for ours, pattern in WORDS:
            if re.fullmatch(pattern, part):
                return ours
    return ""


def day(ms: int) -> str:
    """Give a time as a date."""
    return datetime.fromtimestamp(ms / 1_000, UTC).strftime("%Y-%m-%d")
