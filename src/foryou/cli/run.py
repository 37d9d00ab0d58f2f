"""serve, stream, refold: the processes of a home."""

import os
import signal
import threading
from typing import Annotated

import msgspec
import typer

from foryou.cli import show
from foryou.cli.app import FeaturesOption, HomeOption, JsonOption, LogOption, app, opened, settings
from foryou.config import Config
from foryou.domain.errors import Conflict, Invalid
from foryou.domain.log import Stream
from foryou.ingest.codec import event_of
from foryou.ingest.worker import Worker
from foryou.observe.metrics import Metrics, shown
from foryou.observe.said import speak
from foryou.wiring import backends, serving, streaming
from foryou.wiring.home import Home, open_home

PANEL = "Run"
SWITCHES = 100  # attempts to switch to refolded records while events keep arriving
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@app.command(rich_help_panel=PANEL)
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
    if config.serve.host not in LOOPBACK:
        raise Invalid(
            "serve.host",
            f"{config.serve.host} is a public address and the API has no keys yet",
            "listen on 127.0.0.1 behind a proxy that checks who asks",
        )
    backends.check("stores.log", backends.LOGS, config.stores.log)
    backends.check("stores.models", backends.MODELS, config.stores.models)
    backends.check("stores.features", backends.FEATURES, config.stores.features)
    command, environment = serving.launch(on_clock(config, clock))
    os.execve(command[0], command, environment)


def on_clock(config: Config, clock: str) -> Config:
    """Give the configuration with the clock set: `log` makes now the time of the newest event."""
    if clock not in ("wall", "log"):
        raise Invalid("--clock", f"{clock!r}", "say wall or log")
    if clock == "wall":
        return config
    home = open_home(config)
    newest = newest_ms(home)
    home.close()
    offset = newest - home.clock.now_ms() if newest else 0
    return msgspec.structs.replace(config, serve=msgspec.structs.replace(config.serve, clock_offset_ms=offset))


def newest_ms(home: Home) -> int:
    """Give the time of the newest event in the log, 0 = there is none. Looks at the last records of each partition."""
    found = 0
    for partition, end in home.log.ends(Stream.EVENTS).items():
        for entry in home.log.read(Stream.EVENTS, partition, max(-1, end - 1_000), 1_000):
            found = max(found, event_of(entry.record.body).at_ms)
    return found


@app.command(rich_help_panel=PANEL)
def stream(home: HomeOption = None, log: LogOption = None, features: FeaturesOption = None) -> None:
    """Fold the log into the records until Ctrl-C; `serve` runs one of these itself.

    With --log kafka://… and --features redis… as many as are started divide the partitions between them; in a home
    the second one stands by.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    config = settings(home, stores={"log": log, "features": features})
    speak(config.observe.log_format)
    metrics = Metrics()
    if port := config.observe.stream_port:
        shown(config.serve.host, port)
    streaming.stream(config, stop.is_set, metrics)


@app.command(rich_help_panel=PANEL)
def refold(home: HomeOption = None, json: JsonOption = False) -> None:
    """Build all user records and counters anew from the log, beside the live ones, then switch; nothing stops."""
    store = opened(home)
    fresh = store.features.begin_generation()
    worker = Worker(store.log, fresh, None, store.config.fold.batch, store.config.fold.lease_ms)
    worker.lease()
    with show.progress() as report:
        done = worker.catch_up(lambda a, b: report("fold", a, b))
        for attempt in range(SWITCHES):
            try:
                fresh.switch_generation()
                break
            except Conflict:  # events arrived since: fold them and try again
                worker.catch_up()
                if attempt == SWITCHES - 1:
                    raise
    worker.release()
    fresh.close()
    store.close()
    if json:
        show.as_json({"events": done.events, "users": done.users})
    else:
        show.say(f"folded {done.events:,} events and {done.users:,} profiles anew; the new records are live")
