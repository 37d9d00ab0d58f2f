"""Which home does a command work on? The one that it names, opened."""

from pathlib import Path
from typing import Any

from foryou.cli.app import settings
from foryou.domain.errors import NotFound
from foryou.wiring.home import Home, open_home


def opened(home: Path | None, new: bool = False, **overrides: Any) -> Home:
    """Open the stores of the home, with `settings` overridden. Raises NotFound where there is none and no `new` one."""
    config = settings(home, **overrides)
    if not new and not config.stores.log and not Path(config.home, "log").is_dir():
        raise NotFound(f"There is no home at {config.home}; `foryou import PATH --home DIR` or `foryou demo` makes one")
    return open_home(config)
