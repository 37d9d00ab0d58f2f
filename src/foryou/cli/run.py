"""stream, refold: what folds the log into records."""

import signal
import threading

from foryou.cli import show
from foryou.cli.app import FeaturesOption, HomeOption, JsonOption, LogOption, app, settings
from foryou.cli.opening import opened
from foryou.domain.errors import Conflict
from foryou.ingest.worker import Worker
from foryou.observe.metrics import Metrics, shown
from foryou.observe.said import speak
from foryou.wiring import streaming

PANEL = "Run"
SWITCHES = 100  # attempts to switch to refolded records while events keep arriving


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
