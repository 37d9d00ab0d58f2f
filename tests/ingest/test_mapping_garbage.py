"""Does garbage ever do worse than a clear error? Mappings and files by chance, cut, mixed and damaged."""

import json
import tempfile
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foryou.domain.clock import ManualClock
from foryou.domain.errors import ForyouError, Invalid
from foryou.ingest.importers.mapping import guess, mapped, parse, shipped
from foryou.ingest.importers.mapping.schema import FIELDS, Options, Where
from foryou.ingest.importers.mapping.toml import written

CLOCK = ManualClock(1_700_000_000_000)
MAPPING = """
[[events]]
files = "data.*"
id = ["id"]
each = { columns = ["shown"] }
action = { column = "did", values = { a = "view", b = "search", c = "rating" }, other = "skip" }
user_id = "who"
item_id = "shown"
query = { columns = ["who", "shown"] }
value = { column = "n", scale = [0, 10] }
at_ms = { column = "at", unit = "s" }
quantity = { column = "n", default = 1 }
position = "@index"
context = { device = "id" }

[[items]]
files = "data.*"
repeats = "merge"
item_id = "id"
title = { column = "who", cut = 100, lower = true }
categories = { column = "shown", separator = "|" }
price = { column = "n", pattern = '\\d+', decimal = "," }
published_ms = { column = "at", unit = "iso", default = "2020-01-01" }
"""
NAMES = ("id", "who", "shown", "did", "n", "at")
WORDS = sorted(
    {"files", "name", "events", "items", "users", "each", "columns", "value", "column", *FIELDS["events"]}
    | {*FIELDS["items"], *Options.__struct_fields__, *Where.__struct_fields__}
)
QUICK = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))

scalars = (
    st.text(max_size=8)
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.booleans()
    | st.sampled_from(["view", "s", "%"])
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def parsed(text: str) -> None:
    with suppress(Invalid):
        parse(text, "own.toml", "own")


@QUICK
@given(st.text(max_size=300))
def test_no_text_is_worse_than_an_invalid_mapping(text: str) -> None:
    parsed(text)


@QUICK
@given(st.dictionaries(st.sampled_from(["name", "events", "items", "users"]), st.lists(st.dictionaries(
    st.sampled_from(WORDS), trees, max_size=6), max_size=2) | trees, max_size=3))  # fmt: skip
def test_no_tree_is_worse_than_an_invalid_mapping(tree: dict[str, Any]) -> None:
    lines = []
    for key, value in tree.items():
        rows = value if isinstance(value, list) else [value]
        for row in rows:
            if isinstance(row, dict):
                lines.append(f"[[{key}]]")
                lines += [f"{json.dumps(name)} = {toml(one)}" for name, one in row.items()]
            else:
                lines.insert(0, f"{key} = {toml(row)}")
    parsed("\n".join(lines))


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, str) else str(value)


@QUICK
@given(st.sampled_from(sorted(shipped())), st.data())
def test_a_shipped_mapping_with_a_piece_changed_is_read_or_refused(name: str, data: st.DataObject) -> None:
    text = shipped()[name]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    parsed(text[:start] + data.draw(st.text(max_size=10)) + text[end:])


@QUICK
@given(st.dictionaries(st.text(min_size=1, max_size=10), st.text(max_size=20) | st.integers(-5, 5) | st.lists(
    st.text(max_size=5), max_size=3), max_size=4), st.text(max_size=30))  # fmt: skip
def test_what_is_written_is_toml_and_says_the_same(table: dict[str, Any], note: str) -> None:
    long = dict.fromkeys(map(str, range(40)), "abc")
    found = tomllib.loads(written({"name": "x", "items": [table | {"long": long}]}, [note]))
    assert {key: value for key, value in found["items"][0].items() if key != "long"} == {
        key: value for key, value in table.items() if key != "long"
    }


def survives(name: str, body: bytes) -> None:
    """Read a file under a mapping, and guess a mapping for it; whatever is in it, only errors on purpose come out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(body)
        mapping = parse(MAPPING, "own.toml", "own")
        for act in (
            lambda: list(mapped(Path(folder), mapping, CLOCK).read()),
            lambda: parse(guess(path, CLOCK).toml, "guessed.toml", "guessed"),
        ):
            with suppress(ForyouError):
                act()


bits = st.sampled_from(
    [b",", b"\n", b"\r\n", b'"', b"|", b"\0", b"\xff", b"1600000000", b"a", b"id", b"\xef\xbb\xbf", b"2020-01-01"]
)
HEADER = ",".join(NAMES).encode() + b"\n"


@QUICK
@given(st.sampled_from(["data.csv", "data.tsv", "data.jsonl", "data.parquet", "data.csv.gz"]), st.binary(max_size=300))
def test_bytes_by_chance_never_end_in_a_traceback(name: str, body: bytes) -> None:
    survives(name, body)


@QUICK
@given(st.lists(bits, max_size=60))
def test_a_csv_by_chance_never_ends_in_a_traceback(parts: list[bytes]) -> None:
    survives("data.csv", HEADER + b"".join(parts))


@QUICK
@given(st.lists(st.dictionaries(st.sampled_from(NAMES), trees, max_size=6), max_size=5), st.binary(max_size=10))
def test_json_by_chance_never_ends_in_a_traceback(rows: list[dict[str, Any]], tail: bytes) -> None:
    survives("data.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode("utf-8", "replace") + tail)


@QUICK
@given(
    st.lists(
        st.tuples(*[st.text(max_size=6) | st.none()] * 4, st.floats() | st.none(), st.datetimes() | st.none()),
        max_size=4,
    )
)
def test_parquet_by_chance_never_ends_in_a_traceback(rows: list[tuple[Any, ...]]) -> None:
    schema = dict(zip(NAMES, [pl.String] * 4 + [pl.Float64, pl.Datetime], strict=True))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data.parquet")
        pl.DataFrame(rows, schema=schema, orient="row").write_parquet(path)
        survives("data.parquet", path.read_bytes())


@pytest.mark.parametrize("depth", [100, 100_000])
def test_deep_nesting_is_a_bad_line_and_a_bad_mapping(depth: int) -> None:
    parsed("a = " + "[" * depth)
    survives("data.jsonl", b'{"id": ' + b"[" * depth + b"]" * depth + b"}\n")
