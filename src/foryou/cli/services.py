"""services: real servers beside foryou, for development and tests."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from foryou.cli import show
from foryou.cli.app import JsonOption, services
from foryou.domain.errors import Invalid, Unavailable

if TYPE_CHECKING:
    from foryou.services.run import Standing

FAILING = 3  # exit status where a service does not run as it should
NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(help="redis, redis-cluster, kafka, s3, prometheus, alertmanager; none = all", show_default=False),
]
DirOption = Annotated[Path, typer.Option("--dir", help="folder of their data, logs and pids")]
FOLDER = Path("var/services")


def _runner() -> ModuleType:
    """Give what starts services: loaded late, because its libraries are an extra."""
    try:
        from foryou.services import run
    except ImportError as error:
        raise Unavailable(
            f"{error.name} is not installed; `pip install 'foryou[services]'` brings what starts servers"
        ) from None
    return run


@services.command()
def up(
    names: NamesArgument = None,
    folder: DirOption = FOLDER,
    ports: Annotated[str, typer.Option(help="first port of all services, or free: any that nobody uses")] = "17000",
    json: JsonOption = False,
) -> None:
    """Start services that do not run yet and wait until they are usable; what is missing is installed where it can be.

    They listen on 127.0.0.1 and go on when the command has ended. A folder keeps the ports of its first start.
    """
    if ports != "free" and not (ports.isdecimal() and 1 <= int(ports) <= 65_000):
        raise Invalid("--ports", f"{ports!r}", "say free, or the first port, 1..65,000")
    tell(_runner().up(names or (), folder, None if ports == "free" else int(ports), _progress), json)


@services.command()
def down(
    names: NamesArgument = None,
    folder: DirOption = FOLDER,
    wipe: Annotated[bool, typer.Option("--wipe", help="delete their data, logs and ports, too")] = False,
    json: JsonOption = False,
) -> None:
    """Stop services by their pids: SIGTERM, then SIGKILL. Their data stay."""
    tell(_runner().down(names or (), folder, wipe, _progress), json)


@services.command()
def status(names: NamesArgument = None, folder: DirOption = FOLDER, json: JsonOption = False) -> None:
    """Use each service once and say whether it works. Exit status 3 if one that was started does not."""
    found = _runner().status(names or (), folder)
    tell(found, json)
    if any(one.state == "failing" for one in found):
        raise typer.Exit(FAILING)


def _progress(said: str) -> None:
    show.say(show.plain(said), quiet=True)


def tell(found: "Sequence[Standing]", json: bool) -> None:
    """Print how services stand, and the variables that lead programs to them."""
    if json:
        show.as_json({"services": {one.service: one for one in found}})
        return
    rows = [[one.service, one.state, one.url, " ".join(map(str, one.pids.values())), one.why] for one in found]
    show.table("Services", ["service", "state", "url", "pids", "why"], rows)
    for one in found:
        for name, value in one.variables.items():
            show.say(show.plain(f"export {name}={value}"))
