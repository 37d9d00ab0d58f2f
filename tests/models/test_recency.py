"""How much less does an action say the older it is?"""

from types import SimpleNamespace

import numpy as np

from foryou.models.recency import Recency
from worlds import MINUTE_MS, NOW_MS, query


def ages(recency: Recency, *minutes: float) -> list[float]:
    at_ms = np.array([[NOW_MS - round(one * MINUTE_MS) for one in minutes]], np.int64)
    return recency.ages(SimpleNamespace(query=[query("ann")], at_ms=at_ms, memo={}))[0].tolist()  # type: ignore[arg-type]


def test_places_fall_with_a_power_and_end_at_the_length() -> None:
    assert Recency(3, 1.0).places(5).tolist() == [1.0, 0.5, np.float32(1 / 3), 0.0, 0.0]
    assert Recency(9).places(3).tolist() == [1.0, 1.0, 1.0]
    assert Recency(2).places(0).tolist() == []
    assert Recency(2).places(4).dtype == np.float32


def test_ages_fall_with_a_power_of_the_minutes() -> None:
    assert ages(Recency(age_power=0.5), 0, 3, 99) == [1.0, 0.5, np.float32(0.1)]


def test_what_happens_in_the_future_is_as_fresh_as_now() -> None:
    assert ages(Recency(age_power=0.5), -10) == [1.0]


def test_without_a_power_age_does_not_matter() -> None:
    assert ages(Recency(), 0, 1e6) == [1.0, 1.0]


def test_each_query_has_its_own_now() -> None:
    at_ms = np.full((2, 1), NOW_MS, np.int64)
    later = query("bob", now_ms=NOW_MS + 3 * MINUTE_MS)
    batch = SimpleNamespace(query=[query("ann"), later], at_ms=at_ms, memo={})
    assert Recency(age_power=0.5).ages(batch).ravel().tolist() == [1.0, 0.5]  # type: ignore[arg-type]
