"""Is whatever stands in foryou.toml or the environment read within its bounds, or refused by name?"""

import contextlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from foryou.config import Config, Placement, Serve, explain, load
from foryou.domain.errors import Invalid
from tries import tries

USUAL = {key: value for key, value, *_ in explain(Config())}
ONE_FOLDER = [HealthCheck.function_scoped_fixture]
LEVELS = st.text(max_size=5) | st.sampled_from(
    ["SERVE", "PORT", "PLACEMENTS", "HOME", "LENGTH", "FOLD", "BATCH", "X", ""]
)


def as_text(value: object) -> str:
    """Give a value as a variable has it; lists are JSON."""
    return msgspec.json.encode(value).decode() if isinstance(value, list | tuple) else str(value)


def as_value(value: object) -> str:
    """Give a value as TOML has it; what TOML has no word for becomes a text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return as_value(list(value))
    if isinstance(value, int | float | list):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_value(str(name))} = {as_value(one)}" for name, one in value.items()) + "}"
    return msgspec.json.encode(str(value)).decode()


def as_toml(tree: dict[str, object]) -> bytes:
    return "\n".join(f"{name} = {as_value(value)}" for name, value in tree.items()).encode()


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.integers())
names = st.sampled_from([*Serve.__struct_fields__, *Placement.__struct_fields__, "x", ""])
branches = st.dictionaries(names, values, max_size=3)
trees = st.dictionaries(
    st.sampled_from([*Config.__struct_fields__, "x", "log"]),
    values | branches | st.dictionaries(names, branches, max_size=2),
    max_size=3,
)


def within_bounds(read: Config) -> bool:
    return bool(msgspec.convert(msgspec.to_builtins(read), Config) == read)


@tries(200, suppress_health_check=ONE_FOLDER)
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | trees.map(as_toml))
def test_whatever_stands_in_the_file_is_read_or_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "foryou.toml").write_bytes(content)
    with contextlib.suppress(Invalid):
        assert within_bounds(load(tmp_path, {}))


@tries(200, suppress_health_check=ONE_FOLDER)
@given(st.dictionaries(st.lists(LEVELS, min_size=1, max_size=4).map("__".join), st.text(max_size=9), max_size=4))
def test_whatever_the_variables_say_is_read_or_named(tmp_path: Path, said: dict[str, str]) -> None:
    with contextlib.suppress(Invalid):
        assert within_bounds(load(tmp_path, {f"FORYOU_{name}": value for name, value in said.items()}))


@pytest.mark.parametrize("key", [key for key in USUAL if "." in key])
def test_a_setting_means_the_same_in_the_file_and_in_a_variable(tmp_path: Path, key: str) -> None:
    value = USUAL[key]
    (tmp_path / "foryou.toml").write_text(f"{key} = {as_value(value)}", encoding="utf-8")
    variable = {f"FORYOU_{key.replace('.', '__').upper()}": as_text(value)}
    for read in (load(tmp_path, {}), load(tmp_path / "nothing", variable)):
        found: dict[str, Any] = {name: one for name, one, *_ in explain(read)}
        assert found[key] == value
        assert type(found[key]) is type(value)
