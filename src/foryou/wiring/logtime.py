"""What time is it for data of the past? That of the newest event in the log, and so on from there."""

import msgspec

from foryou.config import Config
from foryou.domain.log import Stream
from foryou.ingest.codec import event_of
from foryou.wiring.home import Home, open_home


def on_clock(config: Config) -> Config:
    """Give the configuration with the clock set: now is the time of the newest event."""
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
