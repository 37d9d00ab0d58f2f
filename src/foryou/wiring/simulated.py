"""How does a simulated world get into a home? Its history is written into the log, its fields into world.json."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from foryou.domain.clock import HOUR_MS
from foryou.domain.errors import Conflict, Invalid, NotFound
from foryou.domain.log import Record, Stream
from foryou.ingest.codec import event_record, exposure_record, item_record, user_record
from foryou.simulate.history import history
from foryou.simulate.market import Market
from foryou.simulate.shopping import Life
from foryou.wiring.home import Home

Progress = Callable[[str, int, int], None]
NAME = "world.json"  # in a home: the fields of the world that was written into it
APPEND = 2_000


@dataclass(frozen=True, slots=True)
class Settled:
    """What was written into a home. `life`: the market at its present; `acted`: who did something with an item."""

    items: int
    users: int
    events: int
    exposures: int
    life: Life
    acted: frozenset[str]


def settle(home: Home, market: Market, on_progress: Progress) -> Settled:
    """Write the history of a market into the log of an empty home. Raises Conflict where another world or data lies."""
    path = Path(home.config.home) / NAME
    if home.log.ends(Stream.EVENTS) and not (path.is_file() and path.read_bytes() == encoded(market)):
        raise Conflict(f"The home {home.config.home} holds other events already; name an empty one with --home")
    path.write_bytes(encoded(market))
    life, hours = Life.begin(market), market.days * 24
    acted: set[str] = set()
    items = users = events = exposures = 0
    for block in history(market, life):
        new_items = [change for change in block.items if change.op == "put"]
        items, users = items + len(new_items), users + len(block.users)
        events, exposures = events + len(block.events), exposures + len(block.exposures)
        append(home, Stream.ITEMS, [item_record(change) for change in block.items])
        append(home, Stream.USERS, [user_record(change) for change in block.users])
        append(home, Stream.EVENTS, [event_record(event) for event in block.events])
        append(home, Stream.EXPOSURES, [exposure_record(exposure) for exposure in block.exposures])
        acted.update(event.user_id for event in block.events if event.item_id)
        on_progress("simulate", min(block.end - market.start_ms // HOUR_MS, hours), hours)
    return Settled(items, users, events, exposures, life, frozenset(acted))


def append(home: Home, stream: Stream, records: list[Record]) -> None:
    """Append many records, some thousand at a time."""
    for start in range(0, len(records), APPEND):
        home.log.append(stream, records[start : start + APPEND])


def encoded(market: Market) -> bytes:
    """Give the fields of a market as JSON."""
    return msgspec.json.format(msgspec.json.encode(market), indent=1)


def found(folder: Path) -> Market:
    """Give the market whose history was written into a home. Raises NotFound, or Invalid where it cannot be read."""
    path = folder / NAME
    if not path.is_file():
        raise NotFound(f"There is no {path}; `foryou simulate --home {folder}` writes a world into this home")
    try:
        return msgspec.json.decode(path.read_bytes(), type=Market)
    except msgspec.DecodeError as error:
        raise Invalid(str(path), str(error), "write the world anew into an empty home") from None
