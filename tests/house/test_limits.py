"""Are the limits in docs/limits.md those of the program, and is none of a request's fields left out?"""

import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from foryou.api import schema
from foryou.config import Config, explain

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
REQUESTS = [
    one
    for one in vars(schema).values()
    if isinstance(one, type) and issubclass(one, schema.Wire) and one is not schema.Wire
]
UNITS = {
    "_MS": {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000},
    "_S": {"ms": 0.001, "s": 1, "min": 60},
    "_BYTES": {"bytes": 1, "KiB": 2**10, "MiB": 2**20},
    "": {},
}


def rows(heading: str) -> list[list[str]]:
    """Give the rows of the table below a heading, without its head."""
    table = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")]
    return lines[2:]


FIGURES = [(figure, where.strip("`")) for _, figure, where, _ in rows("Figures")]


@cache
def settings() -> dict[str, Any]:
    return {key: default for key, _, default, _ in explain(Config())}


def value_of(where: str) -> float:
    """Give the value of a constant (`part.module.NAME`) or the default of a setting (`group.name`)."""
    if where in settings():
        return float(settings()[where])
    module, name = where.rsplit(".", 1)
    return float(getattr(importlib.import_module(f"foryou.{module}"), name))


def read(figure: str, where: str) -> float:
    """Give what a figure of the document says, in the unit of its constant."""
    said = re.match(r"([\d,.]+)(?: (\w+))?", figure)
    assert said, f"{figure} does not begin with a number"
    name = where.rsplit(".", 1)[1].upper()
    units = next(units for ending, units in UNITS.items() if name.endswith(ending))
    factor = units[said[2]] if units else 1  # a constant whose name ends in a unit is written with a unit
    return float(said[1].replace(",", "")) * factor


def bounds(part: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Give the bounds of a JSON schema in words, empty = none."""
    (one,) = (one for one in part.get("anyOf", [part]) if one != {"type": "null"})
    if "$ref" in one:
        return " or ".join(definitions[one["$ref"].rsplit("/", 1)[1]].get("enum", ()))
    if "^(" in one.get("pattern", ""):
        return str(one["pattern"]).strip("^()$").replace("|", " or ")
    inner = [one.get(name) for name in ("propertyNames", "additionalProperties", "items")]
    each = " and ".join(words for deep in inner if isinstance(deep, dict) and (words := bounds(deep, definitions)))
    return ", each ".join(filter(None, [_span(one), each]))


def _span(one: dict[str, Any]) -> str:
    low_name, high_name, noun = {
        "string": ("minLength", "maxLength", " characters"),
        "array": ("minItems", "maxItems", " of them"),
        "object": ("minProperties", "maxProperties", " pairs"),
    }.get(one.get("type", "string"), ("minimum", "maximum", ""))
    low, high = (None if name not in one else int(one[name]) for name in (low_name, high_name))
    if high is None:
        return "" if low is None else f"{low:,} or more{noun}"
    return f"up to {high:,}{noun}" if low is None else f"{low:,} to {high:,}{noun}"


def fields() -> dict[str, str]:
    """Give every bounded field of the requests, with its bounds in words."""
    _, definitions = msgspec.json.schema_components(REQUESTS)
    found = {
        f"{struct.__name__}.{name}": bounds(field, definitions)
        for struct in REQUESTS
        for name, field in definitions[struct.__name__]["properties"].items()
    }
    return {name: words for name, words in found.items() if words}


@pytest.mark.parametrize(("figure", "where"), FIGURES, ids=[where for _, where in FIGURES])
def test_a_figure_of_the_document_is_that_of_the_program(figure: str, where: str) -> None:
    assert read(figure, where) == value_of(where), f"docs/limits.md says {figure} for {where}"


def test_the_document_has_figures_of_every_part_that_stores_or_answers() -> None:
    assert {where.split(".")[0] for _, where in FIGURES} >= {"api", "domain", "features", "ingest", "serve", "fold"}


def test_every_bound_of_a_request_stands_in_the_document_as_it_is() -> None:
    said = {name.strip("`"): words for name, words in rows("Fields of requests")}
    assert len(fields()) > 30
    lines = "\n".join(f"| `{name}` | {words} |" for name, words in fields().items())
    assert said == fields(), f"the table of docs/limits.md should be:\n{lines}"
