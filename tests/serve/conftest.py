"""What do the tests of serving get? A shop of known tastes, a home on real stores, a process that serves it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import PLACEMENTS, released

import worlds
from foryou.domain.event import Action
from foryou.serve.live import Live
from foryou.wiring.home import Home
from worlds import Shop, did


@pytest.fixture
def shop() -> Shop:
    """Give a shop with a war lover, one who likes love and space, and one with a single action."""
    made = Shop()
    made.feed(
        *(did("ann", f"war-{n}", n) for n in (1, 2, 3)),
        did("bob", "love-1", 9), did("bob", "space-2", 8), did("bob", "crime-1", 7, Action.DISLIKE),
        did("cem", "crime-7", 1, Action.VIEW),
    )  # fmt: skip
    return made


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Give a home on real stores with the films in its log and folded."""
    made = worlds.home_in(tmp_path, placements=PLACEMENTS)
    made.models.publish_catalog(worlds.catalog())
    yield made
    made.close()


@pytest.fixture
def live(home: Home) -> Live:
    """Give a process that serves bundle v1 of the films."""
    home.models.publish(worlds.bundle("v1", trending=1.0))
    released(home, main=(("v1", 1.0),))
    made = home.live()
    made.refresh()
    return made
