"""Does a feed show every item once, and none twice?"""

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foryou.api.cursors import Cursors
from foryou.config import Placement
from foryou.domain.item import ItemChange
from foryou.domain.slate import Answer
from foryou.models.popularity import popularity_of
from foryou.serve.feed import further, memory
from foryou.serve.filters import Filters
from worlds import NOW_MS, Shop, catalog, did, query, shown

SHORT = Placement(collaborative=5, item_to_item=5, content=5, popular=12, new_arrivals=4)  # most of it lies deeper
CURSORS = Cursors(b"a secret of these tests")
SCOPE = ("ann", "home", "")


def pages(shop: Shop, user: str, k: int, seed: int = 0, **more: object) -> list[Answer]:
    """Give the answers of a feed until one is empty."""
    found: list[Answer] = []
    fed = b""
    while not found or found[-1].items:
        found.append(shop.ask(user, k, seed=seed + len(found), fed=fed, **more))
        cursor = CURSORS.after(fed, shown(found[-1]), SCOPE, NOW_MS)
        assert cursor
        fed = CURSORS.read(cursor, SCOPE, NOW_MS)
        assert len(found) < 200, "the feed does not end"
    return found


def feed(shop: Shop, user: str, k: int, **more: object) -> list[str]:
    return [item_id for answer in pages(shop, user, k, **more) for item_id in shown(answer)]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    k=st.integers(1, 25), seed=st.integers(0, 1_000), explore=st.sampled_from([0.0, 0.3]),
    acted=st.sets(st.sampled_from([f"war-{n}" for n in range(1, 9)])), user=st.sampled_from(["ann", "", "stranger"]),
)  # fmt: skip
def test_a_feed_shows_the_whole_catalog_and_nothing_twice(
    k: int, seed: int, explore: float, acted: set[str], user: str
) -> None:
    shop = Shop(replace_placement(SHORT, explore))
    shop.catalog = shop.catalog.extended(
        [ItemChange(item_id=f"late-{n}", op="put", title=f"Late {n}", received_ms=NOW_MS - n) for n in range(9)], {}
    )
    shop.change("love-3", status="unavailable")
    shop.change("love-4", expires_ms=NOW_MS)
    if acted:
        shop.feed(*(did("ann", item_id) for item_id in sorted(acted)))
    found = feed(shop, user, k, seed=seed)
    assert len(found) == len(set(found))
    everything = {f"late-{n}" for n in range(9)} | {f"{g}-{n}" for g in ("war", "love", "space", "crime")
                                                    for n in range(1, 16)}  # fmt: skip
    assert set(found) == everything - {"love-3", "love-4"} - (acted if user == "ann" else set())


def replace_placement(placement: Placement, explore: float) -> Placement:
    fields = {name: getattr(placement, name) for name in placement.__struct_fields__}
    return Placement(**fields | {"explore_share": explore})


def test_a_feed_under_a_filter_ends_with_what_the_filter_lets_through() -> None:
    found = feed(Shop(SHORT), "ann", 4, filter='category = "space"')
    assert sorted(found) == sorted(f"space-{n}" for n in range(1, 16))


def test_a_feed_goes_on_past_the_deadline_and_still_repeats_nothing() -> None:
    shop = Shop(SHORT)
    first = shop.ask("ann", 10)
    cursor = CURSORS.after(b"", shown(first), SCOPE, NOW_MS)
    assert cursor
    late = shop.run(query("ann", 10, fed=CURSORS.read(cursor, SCOPE, NOW_MS)), deadline=0.0)[0][0]
    assert len(late.items) == 10
    assert not set(shown(first)) & set(shown(late))
    assert "deadline:seen" in late.degraded


def test_an_action_in_the_middle_of_a_feed_changes_what_comes_next() -> None:
    shop = Shop(SHORT)
    cursor = CURSORS.after(b"", shown(shop.ask("ann", 4)), SCOPE, NOW_MS)
    assert cursor
    fed = CURSORS.read(cursor, SCOPE, NOW_MS)
    before = shown(shop.ask("ann", 4, fed=fed))
    shop.feed(*(did("ann", f"crime-{n}") for n in (11, 12, 13)))
    after = shown(shop.ask("ann", 4, fed=fed))
    crimes = [sum(item_id.startswith("crime") for item_id in one) for one in (before, after)]
    assert crimes[1] > crimes[0]


def test_the_verdict_on_an_item_that_the_feed_has_shown_names_the_feed() -> None:
    shop = Shop(SHORT)
    first = shop.ask("ann", 3)
    cursor = CURSORS.after(b"", shown(first), SCOPE, NOW_MS)
    assert cursor
    again = shop.ask("ann", 3, fed=CURSORS.read(cursor, SCOPE, NOW_MS), asked=shown(first)[0])
    assert again.verdict is not None
    assert again.verdict.dropped_by == "feed"
    assert again.verdict.outcome != "shown"


def test_what_comes_further_is_the_most_popular_that_is_left_then_what_is_new() -> None:
    shop = Shop()
    shop.catalog = catalog().extended([ItemChange(item_id="late", op="put", title="Late", received_ms=NOW_MS)], {})
    popularity = popularity_of(np.arange(61, dtype=np.float32))  # the last film is the most popular one
    batch = shop.pipeline.stages.hydrate([query("ann", 5)])
    batch = replace(batch, view=shop.view())
    found = further(batch, 0, popularity, 70, Filters())
    assert found.tolist() == [*range(60, 0, -1), 61, *[0] * 9]
    assert memory(b"").tolist() == []
