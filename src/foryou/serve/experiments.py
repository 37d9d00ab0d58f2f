"""How do experiments get from the log into answers? Read, and their arms turned into placements."""

from collections.abc import Callable
from typing import Any

from foryou.config import Placement, other_placement
from foryou.domain.errors import Invalid
from foryou.domain.experiment import Arm, ExperimentChange, Experiments
from foryou.domain.log import Position, Stream
from foryou.domain.ports import EventLog
from foryou.serve.following import news

SOURCES = (
    "collaborative", "item_to_item", "graph", "content", "popular", "two_tower", "similar", "cart", "new_arrivals",
    "editorial", "sponsored",
)  # fmt: skip
BY_HAND = ("editorial", "sponsored")  # stay on unless an arm names them: they are no way of recommending
RULES = (
    "new_days", "editorial_places", "sponsored_places", "pins", "boosts", "filter", "category_cap", "calibration",
    "explore_share", "explore", "new_impressions", "pace_days",
)  # fmt: skip


def followed(
    log: EventLog,
    experiments: Experiments,
    decode: Callable[[bytes], ExperimentChange],
    until: Position | None = None,
) -> Experiments:
    """Give the experiments with all that the stream says since their position, up to `until` (else: to its end)."""
    changes, position = news(log, Stream.EXPERIMENTS, experiments.position, decode, until)
    return experiments.changed(changes, position) if position != experiments.position else experiments


def varied(placement: Placement, arm: Arm, where: str = "arm") -> Placement:
    """Give the placement as an arm has it. Raises Invalid for a source, ranker or rule that there is not."""
    changes: dict[str, Any] = {}
    if arm.sources is not None:
        _known(f"{where}/sources", arm.sources, SOURCES)
        changes = {name: 0 for name in SOURCES if name not in BY_HAND} | arm.sources
        if not any(changes[name] for name in SOURCES if name in changes):
            raise Invalid(f"{where}/sources", "all are 0", "give one of them candidates")
    _known(f"{where}/rules", arm.rules, RULES)
    changes |= arm.rules | ({"ranker": arm.ranker} if arm.ranker else {})
    return other_placement(where, placement, changes)


def _known(where: str, said: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in said:
        if name not in names:
            raise Invalid(f"{where}/{name}", "there is none of that name", f"use {', '.join(names)}")
