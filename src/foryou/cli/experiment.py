"""experiment: arms beside arms. Put one from a file, look at it, stop it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from foryou.api import schema
from foryou.api.experiments import Registry
from foryou.cli import show
from foryou.cli.app import HomeOption, JsonOption, experiment
from foryou.cli.opening import opened
from foryou.domain.errors import Invalid
from foryou.domain.experiment import SLOTS, arm_for, slot_of
from foryou.wiring.home import Home

NameArgument = Annotated[str, typer.Argument(help="name of the experiment")]


class ExperimentFile(schema.ExperimentIn, kw_only=True):
    """An experiment in a file of its own: what the API takes, with its name."""

    name: str


def registry(home: Home) -> Registry:
    """Give the experiments of a home."""
    return Registry(home.log, home.clock, home.config.placements)


def read(path: Path) -> ExperimentFile:
    """Give the experiment of a TOML or JSON file. Raises Invalid with the file and the field."""
    try:
        decode = msgspec.json.decode if path.suffix == ".json" else msgspec.toml.decode
        return decode(path.read_bytes(), type=ExperimentFile)
    except OSError as error:
        raise Invalid(str(path), f"cannot be read ({error.strerror})", "name a TOML or JSON file") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(str(path), str(error), "docs/experiments.md has a file that works") from None


@experiment.command()
def put(
    file: Annotated[Path, typer.Argument(help="TOML or JSON: name, arms, placements, …")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Begin the experiment of a file, or change it: only users whose arm's share shrinks move."""
    said = read(file)
    store = opened(home)
    try:
        made = registry(store).put(said.name, said)
    except Invalid as error:
        raise Invalid(f"{file}: {error.where}", error.what, error.mend) from None
    finally:
        store.close()
    _tell(made, json)


@experiment.command()
def apply(home: HomeOption = None, json: JsonOption = False) -> None:
    """Begin or change the experiments of foryou.toml, [experiments.NAME]; what is as it was, or stopped, stays."""
    store = opened(home)
    try:
        found = registry(store).apply(store.config.experiments)
    finally:
        store.close()
    if json:
        show.as_json(found)
        return
    show.table("experiments", ["name", "is"], [[name, became] for name, became in found.items()])


@experiment.command("list")
def list_experiments(home: HomeOption = None, json: JsonOption = False) -> None:
    """List the experiments."""
    store = opened(home)
    known = registry(store).all()
    store.close()
    if json:
        show.as_json(known)
        return
    rows = []
    for one in known.experiments:
        shares = ", ".join(f"{arm.name} {arm.share:.0%}" for arm in one.arms)
        rows.append([one.name, one.state, ", ".join(one.placements) or "all", shares])
    show.table("experiments", ["name", "state", "placements", "arms"], rows)


@experiment.command("show")
def show_one(
    name: NameArgument,
    user: Annotated[str, typer.Option(help="say which arm this user has")] = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Show an experiment, and whose arm a user has."""
    store = opened(home)
    kept = registry(store)
    one, made = kept.one(name), kept.get(name)
    store.close()
    if not user:
        _tell(made, json)
        return
    told = {"user": user, "slot": slot_of(user, one.salt), "arm": arm_for(user, one)}
    said = f"{user} has slot {told['slot']} of {SLOTS:,}, which is {told['arm']}"
    show.as_json(told) if json else show.say(show.plain(said))


@experiment.command()
def stop(
    name: NameArgument,
    arm: Annotated[str, typer.Option(help="stop this arm only: its users go to the control")] = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """End an experiment, or one arm of it. Servers follow within `serve.refresh_ms`."""
    store = opened(home)
    kept = registry(store)
    try:
        made = kept.stop_arm(name, arm) if arm else kept.stop(name)
    finally:
        store.close()
    _tell(made, json)


def _tell(one: schema.ExperimentOut, json: bool) -> None:
    if json:
        show.as_json(one)
        return
    show.say(f"[bold]{show.plain(one.name)}[/]: {one.state}, at {', '.join(one.placements) or 'all placements'}")
    rows = [[arm.name, arm.share, _said(arm.sources), arm.ranker or "-", _said(arm.rules)] for arm in one.arms]
    show.table("arms", ["arm", "share", "sources", "ranker", "rules"], rows)


def _said(settings: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (settings or {}).items()) or "-"
