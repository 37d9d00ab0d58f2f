"""What do the tests of a serving process share? Placements, and short ways to change a home and to ask it."""

import worlds
from foryou.config import Placement
from foryou.domain.item import ItemChange
from foryou.domain.log import Stream
from foryou.domain.release import Release
from foryou.ingest.codec import event_record, item_record
from foryou.serve.live import Live
from foryou.wiring.home import Home
from worlds import NOW_MS, query, shown

PLACEMENTS = {
    "home": worlds.PLAIN,
    "item": Placement(collaborative=0, item_to_item=0, similar=30, category_cap=0, explore_share=0.0),
}


def released(home: Home, **families: tuple[tuple[str, float], ...]) -> None:
    held = home.models.release()
    generation = held.generation if held else 0
    home.models.replace_release(Release(generation + 1, families, NOW_MS), generation)


def changed(home: Home, item_id: str, op: str = "patch", **what: object) -> None:
    home.log.append(
        Stream.ITEMS, [item_record(ItemChange(item_id=item_id, op=op, received_ms=home.clock.now_ms(), **what))]
    )


def acted(home: Home, *events: object) -> None:
    home.log.append(Stream.EVENTS, [event_record(event) for event in events])
    worker = home.worker()
    worker.lease()
    worker.catch_up()
    worker.release()


def ask(live: Live, user: str = "nobody", k: int = 10, **more: object) -> list[str]:
    return shown(live.arm_for(user).pipelines["home"].run([query(user, k, **more)])[0][0])


def versions(live: Live) -> list[str]:
    return sorted(arm.version for arm in live.arms())
