"""How does a process of a server start? Giving way to those that answer already, until it can answer, too."""

import os
import signal
import sys
import threading
from importlib import import_module

from foryou import config as configuration
from foryou.config import Config
from foryou.domain.errors import ForyouError
from foryou.observe.said import speak
from foryou.wiring.pauses import aside


def orphaned(config: Config) -> bool:
    """Say whether the supervisor of this process has gone, so that nobody would ever stop it."""
    return config.serve.supervisor_pid not in (0, os.getppid())


def main() -> None:
    """Run the stream process that `serve` starts, or with `serve` all processes of the home."""
    config = configuration.load()
    speak(config.observe.log_format)
    try:
        if sys.argv[1:] == ["serve"]:
            aside(lambda: import_module("foryou.wiring.serving")).supervise(config)
        else:
            _stream(config)
    except ForyouError as error:
        sys.exit(f"error: {error}")


def _stream(config: Config) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    streaming = aside(lambda: import_module("foryou.wiring.streaming"))
    streaming.stream(config, lambda: stop.is_set() or orphaned(config))


if __name__ == "__main__":
    main()
