"""How is a Redis started? One server that writes every second what it was told."""

import subprocess
from collections.abc import Mapping, Sequence

from foryou.domain.errors import Unavailable
from foryou.services.install import program
from foryou.services.ports import HOST
from foryou.services.service import Place, Report, Service

PACKAGE = "redis-server"
ASK_S = 5


def server(report: Report, port: int, *settings: str) -> list[str]:
    """Give the command of a server; it keeps its data in the folder that it works in."""
    return [
        program("redis-server", PACKAGE, report), "--bind", HOST, "--port", str(port), "--dir", ".",
        "--appendonly", "yes", "--appendfsync", "everysec", "--no-appendfsync-on-rewrite", "yes", "--save", "",
        *settings,
    ]  # fmt: skip


def ask(port: int, *command: str) -> str:
    """Give what the server on this port answers to a command. Raises Unavailable if it does not."""
    call = [program("redis-cli", PACKAGE, lambda _: None), "-e", "-h", HOST, "-p", str(port), *command]
    try:
        done = subprocess.run(call, capture_output=True, text=True, timeout=ASK_S, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"the Redis on port {port} gave no answer within {ASK_S} s; look at its log") from None
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        raise Unavailable(f"the Redis on port {port} answered {said!r} to {command[0]}; wait until it has started")
    return done.stdout


def _commands(place: Place) -> Mapping[str, Sequence[str]]:
    return {"node": server(place.report, place.ports[0])}


def _settle(place: Place) -> None:
    ask(place.ports[0], "set", "foryou:ready", "1", "ex", "1")


REDIS = Service(
    name="redis", offset=0, ports=1, patience_s=20, commands=_commands, settle=_settle,
    url=lambda place: f"redis://{HOST}:{place.ports[0]}",
)  # fmt: skip
