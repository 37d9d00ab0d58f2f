"""Is a liking that was planted in a group found, and nothing where nothing was planted?"""

import numpy as np
import pytest

from foryou.domain import catalog as catalogs
from foryou.domain.clock import DAY_MS, HOUR_MS
from foryou.domain.event import hashes
from foryou.domain.item import Item
from foryou.domain.records import Core
from foryou.train import lifts
from foryou.train.dataset import Interactions

GENRES = ("war", "love", "space", "crime")
CATALOG = catalogs.build([Item(item_id=str(n), categories=(GENRES[n % 4],)) for n in range(40)], "v", {})
PEOPLE = [
    Core(age=20 + 10 * (n % 3), gender="fm"[n % 2], location=("Rome", "Oslo", "")[n % 3], interests=())
    for n in range(60)
]
MORNING = 700 * DAY_MS + 8 * HOUR_MS


def log(share: float, n: int = 20_000, people: list[Core] = PEOPLE) -> Interactions:
    """Give actions at random; a share of those of women is on war, of those on a tv in the morning on crime."""
    random = np.random.default_rng(2)
    user, item = random.integers(0, len(PEOPLE), n), random.integers(1, 41, n)
    device = random.choice(["tv", "phone", ""], n).tolist()
    at_ms = MORNING + random.integers(0, 2, n) * 12 * HOUR_MS
    told = random.random(n) < share
    war, crime = 1 + 4 * random.integers(0, 10, n), 4 + 4 * random.integers(0, 10, n)
    item = np.where(told & (user % 2 == 0), war, item)
    on_tv = np.array([name == "tv" for name in device]) & (at_ms == MORNING)
    item = np.where(told & (user % 2 == 1) & on_tv, crime, item)
    ones = np.ones(n, np.float32)
    return Interactions(
        user.astype(np.int32), item.astype(np.int32), at_ms, ones, ones.astype(np.uint8), ones,
        [str(row) for row in range(n)], [str(u) for u in range(60)], 40, device, people,
    )  # fmt: skip


def lift(arrays: dict[str, np.ndarray], kind: str, group: str, genre: str) -> float:
    row = arrays[f"{kind}_groups"].tolist().index(int(hashes([group])[0])) + 1
    return float(arrays[f"{kind}_lift"][row, CATALOG.category_numbers[genre]])


def test_what_a_group_likes_is_found_as_the_log_of_its_ratio() -> None:
    told = log(0.5)
    arrays = lifts.fit(told, CATALOG)
    women = told.user % 2 == 0
    war = (told.item - 1) % 4 == 0
    assert lift(arrays, "gender", "f", "war") == pytest.approx(np.log(war[women].mean() / war.mean()), abs=0.01)
    assert lift(arrays, "gender", "m", "war") < -0.3 < 0.3 < lift(arrays, "gender", "f", "war")
    assert lift(arrays, "device", "tv", "crime") > 0.15
    assert lift(arrays, "device", "phone", "crime") < 0
    assert lift(arrays, "hour", "morning", "crime") > 0.08 > lift(arrays, "hour", "evening", "crime")
    assert abs(lift(arrays, "location", "Rome", "war")) < 0.05


def test_where_nothing_was_planted_nothing_is_found() -> None:
    arrays = lifts.fit(log(0.0), CATALOG)
    for kind in lifts.KINDS:
        assert np.abs(arrays[f"{kind}_lift"]).max() < 0.06, kind


def test_unknown_groups_and_items_without_a_category_count_nothing() -> None:
    arrays = lifts.fit(log(0.5), CATALOG)
    for kind in lifts.KINDS:
        assert not arrays[f"{kind}_lift"][0].any()
        assert not arrays[f"{kind}_lift"][:, 0].any()
        assert int(hashes([""])[0]) not in arrays[f"{kind}_groups"].tolist()
    assert len(arrays["location_groups"]) == 2
    assert sorted(arrays["age_groups"].tolist()) == sorted(hashes(["20", "30", "40"]).tolist())


def test_a_log_without_profiles_or_actions_gives_empty_tables() -> None:
    without = lifts.fit(log(0.5, people=[]), CATALOG)
    assert [len(without[f"{kind}_groups"]) for kind in ("age", "gender", "location")] == [0, 0, 0]
    assert len(without["device_groups"]) == 2
    empty = lifts.fit(log(0.5).part(0, 0), CATALOG)
    assert {kind: empty[f"{kind}_lift"].shape for kind in lifts.KINDS} == dict.fromkeys(lifts.KINDS, (1, 5))


def test_dislikes_do_not_count_as_liking() -> None:
    told = log(0.5)
    told.taste[told.user % 2 == 0] = -1
    assert int(hashes(["f"])[0]) not in lifts.fit(told, CATALOG)["gender_groups"].tolist()


def test_a_group_of_few_is_held_near_everybody_and_the_smallest_are_left_out() -> None:
    told = log(0.0, n=2_000)
    device = [f"d{n}" for n in range(lifts.MOST + 41)]
    told.device[:] = [device[n % len(device)] if n % 3 else "phone" for n in range(2_000)]
    told.device[0], told.item[0] = "once", 1
    arrays = lifts.fit(told, CATALOG)
    assert len(arrays["device_groups"]) == lifts.MOST
    few = lifts.table(np.array([1]), np.array([1], np.int32), 1, CATALOG)
    many = lifts.table(np.tile([0, 1], 500), np.tile([2, 1], 500).astype(np.int32), 1, CATALOG)
    assert 0 <= few[1, 1] < 0.1 < many[1, 1]
