"""serve: all processes of a home. Itself loads next to nothing: what it becomes loads what serves."""

import os
from typing import Annotated

import typer

from foryou.cli.app import FeaturesOption, HomeOption, LogOption, app, settings
from foryou.config import Config
from foryou.domain.errors import Invalid
from foryou.wiring.launching import launch

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@app.command(rich_help_panel="Run")
def serve(
    home: HomeOption = None,
    host: Annotated[str | None, typer.Option(help="address to listen on", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port", show_default="8000")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="TCP port of gRPC; 0 = off", show_default="0")] = None,
    workers: Annotated[int | None, typer.Option(help="API processes", show_default="2")] = None,
    log: LogOption = None,
    models: Annotated[
        str | None, typer.Option(help="where bundles lie, such as s3://bucket/prefix", show_default="the home")
    ] = None,
    features: FeaturesOption = None,
    clock: Annotated[
        str, typer.Option(help="wall, or log: go on from the newest event, for data of the past")
    ] = "wall",
) -> None:
    """Answer on http://127.0.0.1:8000 with API processes and one stream process. Ctrl-C stops them all."""
    stores = {"log": log, "models": models, "features": features}
    config = settings(
        home, serve={"host": host, "port": port, "grpc_port": grpc_port, "workers": workers}, stores=stores
    )
    if clock not in ("wall", "log"):
        raise Invalid("--clock", f"{clock!r}", "say wall or log")
    if config.serve.host not in LOOPBACK:
        raise Invalid(
            "serve.host",
            f"{config.serve.host} is a public address and the API has no keys yet",
            "listen on 127.0.0.1 behind a proxy that checks who asks",
        )
    _known(config)
    command, environment = launch(_on_clock(config, clock))
    os.execve(command[0], command, environment)


def _known(config: Config) -> None:
    """Raise Invalid where a URL names no store that there is."""
    stores = config.stores
    if stores.log or stores.models or stores.features:
        from foryou.wiring import backends

        backends.check("stores.log", backends.LOGS, stores.log)
        backends.check("stores.models", backends.MODELS, stores.models)
        backends.check("stores.features", backends.FEATURES, stores.features)


def _on_clock(config: Config, clock: str) -> Config:
    if clock == "wall":
        return config
    from foryou.wiring.logtime import on_clock

    return on_clock(config)
