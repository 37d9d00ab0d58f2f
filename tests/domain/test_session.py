"""Which search, category, device, place and hour count for a query?"""

from types import SimpleNamespace
from typing import Any

import pytest

from foryou.domain import session
from foryou.domain.event import LATE_MS
from foryou.domain.records import Core
from worlds import MINUTE_MS, NOW_MS, query


def batch(core: Core, **said: Any) -> Any:
    return SimpleNamespace(query=[query("ann", **said), query("bob")], core=[core, Core()])


@pytest.mark.parametrize(
    ("name", "what"), [("query", session.searches), ("category", session.categories)], ids=["search", "category"]
)
@pytest.mark.parametrize(
    ("said_ms", "counts"),
    [(NOW_MS, True), (NOW_MS - session.SESSION_MS, True), (NOW_MS - session.SESSION_MS - 1, False), (0, False),
     (NOW_MS + LATE_MS, True), (NOW_MS + LATE_MS + 1, False)],
)  # fmt: skip
def test_what_was_said_in_the_session_counts_until_half_an_hour_later(
    name: str, what: Any, said_ms: int, counts: bool
) -> None:
    core = Core(**{name: "war", f"{name}_ms": said_ms})
    assert what(batch(core)) == ["war" if counts else "", ""]


def test_what_the_query_says_counts_before_what_its_session_said() -> None:
    core = Core(query="war", query_ms=NOW_MS, category="war", category_ms=NOW_MS, device="tv", location="Rome")
    said = batch(core, search="love", category="space", device="phone", location="Oslo")
    found = [what(said)[0] for what in (session.searches, session.categories, session.devices, session.locations)]
    assert found == ["love", "space", "phone", "Oslo"]


def test_the_device_is_the_one_used_last_and_the_place_that_of_the_profile() -> None:
    core = Core(device="tv", device_ms=NOW_MS - 10**10, location="Rome")
    assert session.devices(batch(core)) == ["tv", ""]
    assert session.locations(batch(core)) == ["Rome", ""]


def test_a_day_has_four_parts_from_midnight_on() -> None:
    midnight = NOW_MS // 86_400_000 * 86_400_000
    hours = {0: "night", 5: "night", 6: "morning", 12: "afternoon", 18: "evening", 23: "evening", 24: "night"}
    found = {hour: session.DAYPARTS[session.daypart(midnight + hour * 60 * MINUTE_MS)] for hour in hours}
    assert found == hours


def test_an_age_belongs_to_its_decade() -> None:
    assert [session.age_group(age) for age in (0, -1, 1, 9, 10, 39, 40)] == ["", "", "0", "0", "10", "30", "40"]
