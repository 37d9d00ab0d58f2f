"""Which knobs are there? One frozen tree from `foryou.toml` in the home and `FORYOU_*` variables; only this reads them.

`FORYOU_SERVE__PORT=9000` sets `serve.port`. Unknown keys are errors.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.inspect import StructType, type_info

from foryou.config.group import Group
from foryou.config.learning import Ensemble, Train, TwoTower
from foryou.config.placements import Boost, Pin, Placement, placements
from foryou.config.processes import Fold, Observe, Rollouts, Serve, Stores, Trend
from foryou.config.secrets import ADMIN_KEY, CURSOR_SECRET, SECRET_CHARS, admin_key, cursor_secret, redis_password
from foryou.domain.errors import Invalid
from foryou.domain.expression import parse
from foryou.domain.rollout import steps_of

__all__ = [
    "ADMIN_KEY", "CURSOR_SECRET", "HOME", "PREFIX", "SECRET_CHARS", "Boost", "Config", "Ensemble", "Fold", "Observe",
    "Pin", "Placement", "Rollouts", "Serve", "Stores", "Train", "Trend", "TwoTower", "admin_key", "cursor_secret",
    "explain", "load", "of_file", "other_placement", "redis_password",
]  # fmt: skip

PREFIX = "FORYOU_"
HOME = Path("var/home")


class Config(Group, frozen=True):
    """All of it."""

    home: Annotated[str, Meta(description="folder that holds logs, records, catalog, bundles")] = str(HOME)
    data: Annotated[str, Meta(description="folder of a data set for `demo` and `bench`; empty = look around")] = ""
    serve: Serve = Serve()
    stores: Stores = Stores()
    fold: Fold = Fold()
    trend: Trend = Trend()
    train: Train = Train()
    rollout: Rollouts = Rollouts()
    ensemble: Ensemble = Ensemble()
    observe: Observe = Observe()
    placements: dict[str, Placement] = msgspec.field(default_factory=placements)
    experiments: dict[str, Any] = msgspec.field(default_factory=dict)  # `foryou experiment apply` begins them


def load(home: Path | None = None, environment: Mapping[str, str] | None = None, **overrides: Any) -> Config:
    """Give the configuration: defaults, then `foryou.toml` of the home, then the environment, then `overrides`.

    An override is a group with its settings (`serve={"port": 9000}`); None values are left out.
    Raises Invalid with the key that is unknown or out of bounds.
    """
    environment = os.environ if environment is None else environment
    said = _from_environment(environment)
    folder = Path(home or said.get("home") or HOME)
    tree = _merge(_from_file(folder / "foryou.toml"), said)
    tree = _merge(tree, {name: {k: v for k, v in group.items() if v is not None} for name, group in overrides.items()})
    tree["home"] = str(folder)
    return _checked(tree)


def of_file(path: Path) -> Config:
    """Give the configuration that a file says, and nothing else does. Raises Invalid where it is not there, too."""
    if not path.is_file():
        raise Invalid(str(path), "is not there", "name a TOML file in the form of foryou.toml")
    return _checked(_from_file(path))


def _checked(tree: dict[str, Any]) -> Config:
    defaults = msgspec.to_builtins(Config())
    if isinstance(tree.get("placements"), dict):
        tree["placements"] = _merge(defaults["placements"], tree["placements"])
    try:
        found = msgspec.convert(tree, Config, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(
            "configuration", str(error), "`foryou config --explain` lists every key with its bounds"
        ) from None
    if found.train.objective == "watch_time" and not {"logistic", "mlp"} & set(found.train.rankers):
        raise Invalid(
            "train.rankers", "holds no learned ranker, and the others know nothing of watch time",
            "name logistic or mlp, or set train.objective to click",
        )  # fmt: skip
    for name, placement in found.placements.items():
        _check(f"placements.{name}", placement)
    if found.rollout.schedule:
        steps_of(found.rollout.schedule, "rollout.schedule")
    return found


def other_placement(where: str, placement: Placement, changes: Mapping[str, Any]) -> Placement:
    """Give a placement with some settings changed. Raises Invalid for what is unknown or out of bounds."""
    try:
        found = msgspec.convert(msgspec.to_builtins(placement) | dict(changes), Placement)
    except msgspec.ValidationError as error:
        raise Invalid(where, str(error), "`foryou config --explain` lists the bounds of placements") from None
    _check(where, found)
    return found


def _check(where: str, placement: Placement) -> None:
    """Raise Invalid for an expression that cannot be read, and for two pins of one place."""
    if placement.filter:
        parse(placement.filter, f"{where}.filter")
    for boost in placement.boosts:
        parse(boost.when, f"{where}.boosts")
    places = [pin.place for pin in placement.pins]
    if twice := {place for place in places if places.count(place) > 1}:
        raise Invalid(f"{where}.pins", f"place {min(twice)} is given twice", "give each pin a place of its own")


def _from_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(str(path), str(error), "mend the line, or remove the file to use the defaults") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in environment.items():
        if not name.startswith(PREFIX) or name in ("FORYOU_REQUIRE_SERVICES", CURSOR_SECRET, ADMIN_KEY):
            continue
        *groups, leaf = name.removeprefix(PREFIX).lower().split("__")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
            if not isinstance(branch, dict):
                raise Invalid(name, f"{group} is set as a whole by another variable", "unset one of the two")
        branch[leaf] = _listed(name, value) if value.startswith(("[", "{")) else value
    return tree


def _listed(name: str, value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        raise Invalid(
            name, f"{value!r} is not JSON ({error})", "write lists as JSON, such as [0.6, 0.3, 0.1]"
        ) from None


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merge(merged[name], value) if both else value
    return merged


def explain(config: Config) -> Iterator[tuple[str, Any, Any, str]]:
    """Give every leaf: (key, value, default, what it means)."""
    yield from _leaves("", config, Config())


def _leaves(prefix: str, group: Group, default: Group) -> Iterator[tuple[str, Any, Any, str]]:
    info = type_info(type(group))
    assert isinstance(info, StructType)
    hints = {field.name: field.type for field in info.fields}
    for name in group.__struct_fields__:
        value, usual = getattr(group, name), getattr(default, name)
        if isinstance(value, Group):
            yield from _leaves(f"{prefix}{name}.", value, usual)
        elif isinstance(value, dict):
            for key, member in value.items():
                if isinstance(member, Group):
                    yield from _leaves(f"{prefix}{name}.{key}.", member, usual.get(key, type(member)()))
                else:
                    yield f"{prefix}{name}.{key}", member, None, "an experiment, as the API takes it"
        else:
            meaning = getattr(hints[name], "extra_json_schema", None) or {}
            yield f"{prefix}{name}", value, usual, meaning.get("description", "")
