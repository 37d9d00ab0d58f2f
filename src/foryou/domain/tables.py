"""What does training read? Tables that an engine makes of the archive, and what it left out of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

EXAMPLES = 5

REASONS = {
    "repeats": "events with an id that was archived before",
    "unread": "records that cannot be read",
    "no item": "events that name no item",
    "before 1990": "events before 1990: seconds were taken for ms",
    "future": "events more than a day after they arrived",
    "no number": "values that are not a finite number",
    "duplicate": "events that say the same as another (user, item, action, ms, value) under an id of their own",
    "bots: rate": "events of users who act too fast",
    "bots: regularity": "events of users who act too regularly",
    "bots: flood": "events of users who act on one item only",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What tables are made of, and where they go.

    parts      paths or URLs of the parts of the window · everything: of all parts, for who merged with whom
    options    what readers must be told of the store
    since_ms   events that the log received before are left out
    sample     share of the users, by their hash (0..1] · clean: leave out bots, invalid and duplicate events
    folder     where the tables go: `snapshot.parquet` and `users.parquet`
    """

    parts: tuple[str, ...]
    everything: tuple[str, ...]
    folder: Path
    options: Mapping[str, str]
    since_ms: int = 0
    sample: float = 1.0
    clean: bool = True


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was left out for one reason: how many events of how many users, and the first examples."""

    reason: str
    events: int
    users: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """Parquet, each a file or a folder of files that are in order by name.

    interactions  by (at_ms, event_id): event_id, user_id, item_id, action, at_ms, value, session_id,
                  recommendation_id, device
    users         by user_id: what is known of each at the end of the window, as the fold has it (`train.people`)
    """

    interactions: Path
    users: Path
    cleaned: tuple[Cleaned, ...] = ()
