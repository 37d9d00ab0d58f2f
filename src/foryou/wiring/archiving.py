"""How does a home get its archive? The log of events, as Parquet where `stores.archive` says."""

from pathlib import Path

from foryou.domain.archive import State
from foryou.domain.ports import Archive
from foryou.ingest.archive import Progress, archive
from foryou.ingest.codec import event_of
from foryou.wiring import backends
from foryou.wiring.backends import opened
from foryou.wiring.home import Home
from foryou.wiring.lock import Lock


def archive_of(home: Home) -> Archive:
    """Open the archive that the settings name. Raises Invalid for a URL that names none."""
    return opened("stores.archive", backends.ARCHIVES, home.config.stores.archive, home.config, home.clock)


def archived(home: Home, on_progress: Progress) -> State:
    """Archive what the log holds. Raises Conflict while another process does, Unavailable if a store is away."""
    with Lock(Path(home.config.home) / "archive.lock", "archiving"):
        return archive(home.log, archive_of(home), event_of, on_progress)
