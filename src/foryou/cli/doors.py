"""bench anonymous, bench overload: what the doors bear."""

from typing import Annotated

import typer

from foryou.bench import anonymous, overload
from foryou.bench.server import running
from foryou.cli import show
from foryou.cli.app import JsonOption, bench
from foryou.cli.measure import DataOption, known, prepared, tell


@bench.command("anonymous")
def anonymous_(
    workers: Annotated[int, typer.Option(min=1, help="API processes")] = 1,
    seconds: Annotated[float, typer.Option(min=0.5, help="seconds per rate")] = 5,
    data_path: DataOption = None,
    json: JsonOption = False,
) -> None:
    """The highest constant rate of strangers answered with p99 < 5 ms and no error, generator on the same machine."""
    with show.progress() as report:
        config, home = prepared(data_path, report)
        home.close()
        with running(config, workers) as server:
            result = anonymous.find_rate(server, seconds, report)
            result["pss_mb"] = server.pss_mb()
    tell("anonymous", result | {"workers": workers}, json)


@bench.command("overload")
def overload_(
    workers: Annotated[int, typer.Option(min=1, help="API processes")] = 1,
    seconds: Annotated[float, typer.Option(min=1, help="seconds of the flood")] = 60,
    data_path: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Twice the highest rate: how much is still answered, how fast, and how soon all is well afterwards."""
    with show.progress() as report:
        config, home = prepared(data_path, report)
        users, _ = known(home)
        home.close()
        with running(config, workers) as server:
            result = overload.measure(server, users, seconds, report)
    tell("overload", result | {"workers": workers}, json)
