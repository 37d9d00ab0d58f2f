"""With what command and environment does a server start? Known without loading anything that serves."""

import os
import sys
from pathlib import Path

from foryou.config import PREFIX, Config
from foryou.observe.shared import share

START = "foryou.wiring.start"


def launch(config: Config) -> tuple[list[str], dict[str, str]]:
    """Give command and environment of a supervisor with this configuration; its processes share their meters.

    A process of its own, because meters are shared only if the variable was there before they were imported.
    """
    folder = share(Path(config.home) / "run" / "metrics" / str(config.serve.port))
    return [sys.executable, "-m", START, "serve"], dict(os.environ) | _variables(config) | folder


def _variables(config: Config) -> dict[str, str]:
    """Give the variables that make a child process load this configuration again."""
    serve = config.serve
    said = {"HOME": config.home, "SERVE__CLOCK_OFFSET_MS": str(serve.clock_offset_ms), "SERVE__HOST": serve.host,
            "SERVE__PORT": str(serve.port), "SERVE__GRPC_PORT": str(serve.grpc_port),
            "SERVE__WORKERS": str(serve.workers),
            "STORES__LOG": config.stores.log, "STORES__SPOOL_MB": str(config.stores.spool_mb),
            "STORES__MODELS": config.stores.models, "STORES__FEATURES": config.stores.features}  # fmt: skip
    return {PREFIX + name: value for name, value in said.items()}
