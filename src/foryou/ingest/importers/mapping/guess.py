"""Which mapping would fit these files? Guessed from names and contents of the columns; what is unsure is said."""

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from foryou.domain.errors import Invalid
from foryou.domain.ports import TimeSource
from foryou.ingest.importers.mapping import columns as looks
from foryou.ingest.importers.mapping.columns import Column
from foryou.ingest.importers.mapping.files import ENDINGS, form_of, rows
from foryou.ingest.importers.mapping.schema import SKIP, Options
from foryou.ingest.importers.mapping.toml import written

SAMPLE = 1_000  # rows looked at
FILES = 20  # of a folder
TODO = "TODO"
_USER = ("user", "visitor", "customer", "member", "client", "profile", "account", "reviewer", "uid")
_ITEM = (
    "item", "product", "movie", "article", "sku", "asin", "isbn", "book", "song", "track", "video", "news", "show",
    "listing", "content", "reference", "business", "recipe", "game", "hotel", "property", "offer",
)  # fmt: skip
_TIME = ("timestamp", "time", "date", "at", "ts", "datetime", "when", "created", "day")
_PLAIN = {  # field: words of the name
    "session_id": ("session", "sessionid", "visitid"), "position": ("position", "rank", "slot"),
    "query": ("query", "keyword", "keywords"), "quantity": ("quantity", "qty"),
}  # fmt: skip
_CONTEXT = ("device", "platform", "city", "country", "os", "browser", "channel", "page", "locale", "language", "region")
_TEXTS = {
    "title": ("title", "name", "headline"), "text": ("description", "text", "summary", "abstract", "overview", "body"),
    "brand": ("brand", "maker", "manufacturer", "publisher", "vendor", "author", "artist"),
}  # fmt: skip
_LISTS = {"categories": ("category", "categories", "genre", "genres", "department", "section"), "tags": (
    "tag", "tags", "keywords", "labels")}  # fmt: skip


@dataclass(slots=True)
class Guess:
    """A proposed mapping as a tree and as TOML, and a sentence for everything that is not sure."""

    tree: dict[str, Any] = field(default_factory=dict)
    toml: str = ""
    unsure: list[str] = field(default_factory=list)


def guess(path: Path, clock: TimeSource) -> Guess:
    """Propose a mapping for a file, or for the files of a folder.

    Raises Invalid if there is nothing that can be read, Unavailable if a file cannot be.
    """
    if not path.exists():
        raise Invalid(str(path), "does not exist", "name a CSV, JSONL or Parquet file, or a folder of them")
    files = [path]
    if path.is_dir():
        files = [one for one in sorted(path.iterdir()) if one.is_file() and _readable(one)][:FILES]
        if not files:
            raise Invalid(str(path), "holds no CSV, JSONL or Parquet file", f"file names end with {', '.join(ENDINGS)}")
    found = Guess({"name": path.stem.split(".")[0][:64] or "data"})
    for one in files:
        _File(one, found, clock.now_ms()).propose()
    if len(found.tree) == 1:
        raise Invalid(str(path), "has no rows to guess from", "give a file with a header and some rows")
    found.toml = written(found.tree, found.unsure)
    return found


def _readable(path: Path) -> bool:
    named = any(ending.lower() in ENDINGS for ending in path.suffixes)
    return named and path.suffix.lower() != ".toml" and not path.stem.lower().startswith(("readme", "license"))


class _File:
    """One file while its table is guessed."""

    def __init__(self, path: Path, found: Guess, now_ms: int) -> None:
        self._path, self._found, self._now_ms = path, found, now_ms
        self._table: dict[str, Any] = {"files": path.name}
        self._taken: set[str] = set()
        self._columns: list[Column] = []

    def propose(self) -> None:
        """Add the table of this file to the guess."""
        options = self._options()
        good, bad = [], 0
        for _, row in islice(rows(self._path, options, None), SAMPLE):
            if isinstance(row, Invalid):
                bad += 1
            else:
                good.append(row)
        if not good:
            self._doubt("has no row that can be read; it is left out")
            return
        if bad:
            self._doubt(f"{bad} of its first {bad + len(good)} rows cannot be read")
        names = dict.fromkeys(name for row in good for name in row)
        self._columns = [looks.column(name, [row.get(name) for row in good]) for name in names]
        if nulls := {token for one in self._columns for token in one.nulls} - {""}:
            self._table["null"] = ["", *sorted(nulls)]
        self._choose()

    def _options(self) -> Options:
        if form_of(self._path) != "csv":
            return Options(files=self._path.name)
        for encoding in ("utf-8", "cp1252"):
            options = Options(files=self._path.name, encoding=encoding)
            widths: dict[str, int] = {}
            for sign in (",", "\t", ";", "|", "::"):
                tried = Options(files=self._path.name, encoding=encoding, separator=sign)
                try:
                    widths[sign] = sum(
                        len(row) for _, row in islice(rows(self._path, tried, None), 20) if not isinstance(row, Invalid)
                    )
                except Invalid:
                    continue
            sign = max(widths, key=lambda one: widths[one], default=",")
            options = Options(files=self._path.name, encoding=encoding, separator=sign)
            try:
                sample = list(islice(rows(self._path, options, None), SAMPLE))
            except Invalid:
                continue
            if not any(isinstance(row, Invalid) and "which is not" in row.what for _, row in sample):
                break
        if sign != "," and not (sign == "\t" and ".tsv" in self._path.suffixes):
            self._table["separator"] = sign
        if encoding != "utf-8":
            self._table["encoding"] = encoding
            self._doubt(f"is not UTF-8; {encoding} is only the most usual other encoding")
        return options

    def _doubt(self, text: str) -> None:
        self._found.unsure.append(f"{self._path.name}: {text}")

    def _take(self, *words: str, ident: bool = False) -> Column | None:
        """Give the first free column about one of the words, the earlier words first; ids end with `id` first."""
        for word in words:
            fits = [one for one in self._columns if one.name not in self._taken and one.is_about(word, word + "id")]
            fits.sort(key=lambda one: ("id" not in one.words and one.words != (word,)) if ident else 0)
            if fits:
                self._taken.add(fits[0].name)
                return fits[0]
        return None

    def _put(self, kind: str) -> None:
        self._found.tree.setdefault(kind, []).append(self._table)

    def _choose(self) -> None:
        """Decide what the rows are: events say who and what, items only what, users only who."""
        user, item = self._take(*_USER, ident=True), self._take(*_ITEM, ident=True)
        at = self._time()
        if user and item and not (at is None and self._tagged()):
            rated = self._take("rating", "score", "stars", "rate")
            acts = None if rated else self._actions()
            if not (rated or acts) and (tag := self._take("tag", "tags")):
                self._tags(item, tag)
                return
            self._event(user, item, at, rated, acts)
        elif user and (at and self._actions() and self._say_missing("item_id")):
            self._event(user, None, at, None, None)
        elif user and not item:
            self._user(user)
        else:
            self._item(item)

    def _say_missing(self, name: str) -> bool:
        self._doubt(f"no column looks like {name}; put its name where TODO stands")
        return True

    def _tagged(self) -> bool:
        return any(one.is_about("tag", "tags") for one in self._columns)

    def _time(self) -> Column | None:
        fits = [one for one in self._columns if one.name not in self._taken and looks.unit_of(one)]
        fits.sort(key=lambda one: (not one.is_about(*_TIME), one.empty))
        if not fits or not (
            fits[0].is_about(*_TIME) or len(numbers := looks.numbers(fits[0])) == 0 or min(numbers) > 1e8
        ):
            return None
        return fits[0]

    def _actions(self) -> Column | None:
        for one in self._columns:
            named = one.is_about("action", "event", "type", "behavior", "behaviour", "activity", "interaction")
            if one.name in self._taken or not named or not one.values or one.distinct > 50 or looks.numbers(one):
                continue
            if any(looks.action_of(word) for word in set(one.texts)):
                return one
        return None

    def _event(
        self, user: Column, item: Column | None, at: Column | None, rated: Column | None, acts: Column | None
    ) -> None:
        table = self._table
        acts = acts or (None if rated else self._actions())
        searched = self._action(rated, acts)
        table["user_id"] = user.name
        table["item_id"] = item.name if item else TODO
        if at is None:
            self._doubt("no column looks like a time; put its name and unit where TODO stands")
            table["at_ms"] = {"column": TODO, "unit": "s"}
        else:
            self._taken.add(at.name)
            table["at_ms"] = self._when(at)
        if rated:
            table["value"] = self._rating(rated)
        for name, words in _PLAIN.items():
            if one := self._take(*words):
                table[name] = one.name
        if searched and "query" not in table:
            table["query"] = table["item_id"]
            self._doubt(f"there are searches; their text is taken from {table['item_id']}")
        context = {
            one.words[-1]: one.name for one in self._columns if one.name not in self._taken and one.is_about(*_CONTEXT)
        }
        if context:
            table["context"] = context
        self._put("events")

    def _action(self, rated: Column | None, acts: Column | None) -> bool:
        """Say what an action is; give whether there are searches."""
        if acts is None:
            self._table["action"] = "rating" if rated else "view"
            if not rated:
                self._doubt("no column names an action; every row is taken as a view")
            return False
        self._taken.add(acts.name)
        values = {}
        for word in sorted(set(acts.texts)):
            values[word] = looks.action_of(word) or SKIP
            if values[word] == SKIP:
                self._doubt(f"the action {word!r} is left out; name one of ours if it says something about taste")
        self._table["action"] = {"column": acts.name, "values": values, "other": SKIP}
        self._doubt(f'actions that the first {SAMPLE:,} rows do not have are left out (other = "skip")')
        return "search" in values.values()

    def _when(self, at: Column) -> Any:
        unit = looks.unit_of(at)
        if unit in ("%d/%m/%Y", "%d/%m/%Y %H:%M:%S"):
            self._doubt(f"{at.name} is read as day/month/year")
        return {"column": at.name, "unit": unit}

    def _rating(self, rated: Column) -> Any:
        found = looks.numbers(rated)
        if not found:
            self._doubt(f"{rated.name} is taken as the rating and holds values that are no numbers")
            return rated.name
        low, high = min(found), max(found)
        if low >= 0.5 and high <= 5:
            return rated.name
        top = next((top for top in (1, 5, 10, 100) if high <= top), high)
        bottom = min(0.0, low)
        self._doubt(f"{rated.name} goes from {low:g} to {high:g}; taken as a scale of {bottom:g} to {top:g}")
        return {"column": rated.name, "scale": [bottom, top]}

    def _tags(self, item: Column, tag: Column) -> None:
        self._table |= {"repeats": "merge", "item_id": item.name, "tags": {"column": tag.name, "lower": True}}
        self._put("items")

    def _user(self, user: Column) -> None:
        self._table["user_id"] = user.name
        for name, words in (
            ("age", ("age",)),
            ("gender", ("gender", "sex")),
            ("location", ("location", "city", "country", "zip")),
        ):
            one = self._take(*words)
            if one and (name != "age" or all(number.is_integer() for number in looks.numbers(one) or [0.5])):
                self._table[name] = one.name
        rest = {one.name: one.name for one in self._columns if one.name not in self._taken and 1 < one.distinct < 200}
        if rest:
            self._table["attributes"] = dict(list(rest.items())[:16])
        self._repeated(user)
        self._put("users")

    def _item(self, item: Column | None) -> None:
        table = self._table
        item = item or self._take("id", ident=True)
        if item is None:
            self._say_missing("item_id")
        table["item_id"] = item.name if item else TODO
        for name, words in _TEXTS.items():
            if one := self._take(*words):
                table[name] = {"column": one.name, "cut": 20_000} if name == "text" else one.name
                if name == "title" and looks.years_in(one):
                    pattern = r"\(((?:18|19|20)\d\d)\)"
                    table["published_ms"] = {"column": one.name, "pattern": pattern, "unit": "year"}
        for name, words in _LISTS.items():
            if one := self._take(*words):
                sign = looks.separator_in(one)
                table[name] = {"column": one.name, "separator": sign} if sign else one.name
        if (one := self._take("price", "cost", "amount")) and looks.is_price(one):
            table["price"] = one.name if looks.numbers(one) else {"column": one.name, "pattern": r"\d+(?:\.\d+)?"}
        if "published_ms" not in table and (at := self._time()):
            self._taken.add(at.name)
            table["published_ms"] = self._when(at)
        if item and len(table) <= len(
            {"files", "item_id", *table} & {"files", "item_id", "null", "separator", "encoding"}
        ):
            self._doubt("says nothing about its items that could be used; it is left out")
            return
        if item:
            self._repeated(item)
        self._put("items")

    def _repeated(self, key: Column) -> None:
        if key.distinct < len(key.values):
            self._table["repeats"] = "merge"
            self._doubt(f"{key.name} repeats, so rows are merged; see that it is the id")
