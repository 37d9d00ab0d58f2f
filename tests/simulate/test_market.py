"""Is the simulated world what it says: the same by seed, its tastes, trends, stock and place bias as written?"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from foryou.domain.clock import DAY_MS, HOUR_MS
from foryou.domain.errors import Invalid
from foryou.domain.event import Action, Event
from foryou.domain.exposure import Exposure
from foryou.domain.item import ItemChange
from foryou.domain.records import UserChange
from foryou.ingest.collector import check
from foryou.simulate.appeal import appeal, examined
from foryou.simulate.goods import item_id, item_number
from foryou.simulate.history import KINDS, history
from foryou.simulate.market import EXAMINATION, Market, Push, Visits
from foryou.simulate.people import user_id
from foryou.simulate.shopping import Life, Page, Pairs, led_in, respond
from foryou.simulate.told import Teller
from foryou.simulate.words import WORDS

NOW_MS = 1_767_268_800_000
HOUR = NOW_MS // HOUR_MS
SIZES = {"users": 400, "items": 300, "events": 20_000, "days": 10}


class Lived:
    """A market with its history read."""

    def __init__(self, market: Market) -> None:
        self.market, self.life = market, Life.begin(market)
        self.items: list[ItemChange] = []
        self.users: list[UserChange] = []
        self.events: list[Event] = []
        self.exposures: list[Exposure] = []
        for block in history(market, self.life):
            self.items += block.items
            self.users += block.users
            self.events += block.events
            self.exposures += block.exposures


@pytest.fixture(scope="module")
def lived() -> Lived:
    return Lived(Market(NOW_MS, **SIZES))


@pytest.fixture(scope="module")
def market(lived: Lived) -> Market:
    return lived.market


def visits_of(market: Market, users: NDArray[np.int64], at_ms: int = NOW_MS) -> Visits:
    return market.arriving(np.arange(len(users)), users, np.full(len(users), at_ms))


def page_of(visits: Visits, item: NDArray[np.int32]) -> Page:
    return Page(visits, np.zeros(len(visits), np.int16), visits.at_ms, item)


def test_equal_fields_give_equal_worlds_and_another_seed_another(lived: Lived) -> None:
    again = Lived(Market(NOW_MS, **SIZES))
    assert (again.items, again.users) == (lived.items, lived.users)
    assert (again.events, again.exposures) == (lived.events, lived.exposures)
    other = Lived(Market(NOW_MS, **SIZES, seed=8))
    assert other.items != lived.items
    assert other.events != lived.events


def test_it_has_the_sizes_that_were_asked_for(lived: Lived) -> None:
    assert (len({change.item_id for change in lived.items}), len(lived.users)) == (300, 400)
    assert 0.6 * 20_000 < len(lived.events) < 1.2 * 20_000


def test_more_users_and_items_arrive_after_the_present(market: Market) -> None:
    week = NOW_MS + 7 * DAY_MS
    assert (market.items_at(NOW_MS), market.users_at(NOW_MS)) == (300, 400)
    assert market.items_at(week) == 300 + 10
    assert market.users_at(week) == 400 + 14
    assert market.items_at(market.start_ms) < 300


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"users": 0}, "users: a world cannot have 0 of them; give 1 or more"),
        ({"items": 8}, "items: a world cannot have 8 of them; give 32 or more"),
        ({"events": -1}, "events: a world cannot have -1 of them; give 0 or more"),
        ({"categories": 17}, "categories: 17 have no names; give 16 or fewer"),
    ],
)
def test_sizes_that_make_no_world_are_refused(sizes: dict[str, int], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        Market(NOW_MS, **sizes)


def test_every_event_would_be_let_in(lived: Lived) -> None:
    for event in lived.events:
        assert check(event) is event
    assert len({event.event_id for event in lived.events}) == len(lived.events)


def test_all_that_a_shop_sees_happens(lived: Lived) -> None:
    kinds = Counter(event.action for event in lived.events)
    assert set(kinds) == {
        Action.VIEW, Action.CLICK, Action.DWELL, Action.LIKE, Action.DISLIKE, Action.ADD_TO_CART, Action.PURCHASE,
        Action.RATING, Action.SEARCH, Action.HIDE,
    }  # fmt: skip
    assert {exposure.placement for exposure in lived.exposures} == set(KINDS)
    assert any(event.action is Action.DWELL and (event.value or 0) < 5 for event in lived.events)


def test_nobody_acts_before_joining_on_what_is_not_there_yet_or_after_the_present(lived: Lived) -> None:
    goods, people = lived.market.goods, lived.market.people
    joined = {user_id(user): int(at) for user, at in enumerate(people.joined_ms)}
    for event in lived.events:
        assert joined[event.user_id] <= event.at_ms + 2 * 90_000  # a link from outside is followed before the visit
        assert event.at_ms <= NOW_MS
        if event.item_id:
            assert goods.published_ms[item_number(event.item_id)] <= event.at_ms


def test_every_click_on_a_list_points_to_the_place_where_the_item_stood(lived: Lived) -> None:
    shown = {exposure.recommendation_id: exposure for exposure in lived.exposures}
    clicks = [event for event in lived.events if event.action is Action.CLICK]
    assert len(clicks) > 1_000
    for event in clicks:
        exposure = shown[event.recommendation_id]
        assert exposure.items[event.position] == event.item_id
        assert exposure.user_id == event.user_id
        assert exposure.now_ms < event.at_ms


def test_the_place_bias_can_be_recovered_from_the_exposures(lived: Lived) -> None:
    home = {exposure.recommendation_id for exposure in lived.exposures if exposure.placement == "home"}
    full = {exposure.recommendation_id for exposure in lived.exposures if len(exposure.items) == 12} & home
    places = [e.position for e in lived.events if e.action is Action.CLICK and e.recommendation_id in full]
    clicks = np.bincount(places, minlength=12)
    slope = np.polyfit(np.log(1 + np.arange(12)), np.log(clicks / len(full)), 1, w=np.sqrt(clicks))[0]
    assert -slope == pytest.approx(EXAMINATION, abs=0.08)


def test_a_list_holds_each_item_once_and_its_chances_are_those_of_a_draw(lived: Lived) -> None:
    for exposure in lived.exposures:
        assert len(set(exposure.items)) == len(exposure.items)
        assert all(0 < chance <= 1 for chance in exposure.propensities)
        assert sum(exposure.propensities) < 1.001


def test_favourites_appeal_more_than_the_rest_and_avoided_categories_less(market: Market) -> None:
    users = np.arange(200)
    item = np.tile(np.arange(300), (200, 1))
    chance = appeal(market, visits_of(market, users), item, np.zeros(item.shape, np.bool_))
    category = market.goods.category[item, 0]
    loved = (market.people.loved[users][:, None, :] == category[..., None]).any(axis=-1)
    avoided = (market.people.avoided[users][:, None, :] == category[..., None]).any(axis=-1)
    assert chance[loved].mean() > 4 * chance[~loved].mean()
    assert chance[avoided].mean() < 0.5 * chance[~avoided & ~loved].mean()


def test_people_of_one_age_group_and_gender_are_more_alike_than_others() -> None:
    people = Market(NOW_MS, users=4_000).people
    counts = np.stack([np.bincount(people.loved[people.segment == one, 0], minlength=16) for one in range(12)])
    told = [row / row.sum() for row in counts if row.sum() > 200]
    overall = np.bincount(people.loved[:, 0], minlength=16) / 4_000
    assert len(told) == 8
    assert np.mean([np.abs(row - overall).sum() for row in told]) > 0.3


def test_what_was_clicked_before_and_what_is_for_another_region_appeals_less(market: Market) -> None:
    visits = visits_of(market, np.arange(50))
    item = np.tile(np.arange(300), (50, 1))
    fresh = appeal(market, visits, item, np.zeros(item.shape, np.bool_))
    assert (appeal(market, visits, item, np.ones(item.shape, np.bool_)) < fresh).all()
    region = market.goods.region[item]
    here = region == visits.region[:, None]
    assert fresh[here].mean() > 2 * fresh[~here & (region >= 0)].mean()


def test_the_category_in_mind_appeals_more_in_this_visit(market: Market) -> None:
    visits = visits_of(market, np.arange(100))
    item = np.tile(np.arange(300), (100, 1))
    with_it = appeal(market, visits, item, np.zeros(item.shape, np.bool_))
    without = replace(visits, intent=np.full(100, -1, np.int16))
    meant = market.goods.category[item, 0] == visits.intent[:, None]
    plain = appeal(market, without, item, np.zeros(item.shape, np.bool_))
    assert (with_it[meant] > plain[meant]).all()
    assert np.array_equal(with_it[~meant], plain[~meant])


def test_an_item_that_is_pushed_is_hot_from_then_on_and_cools_down() -> None:
    market = Market(NOW_MS, **SIZES, pushed=(Push(5, NOW_MS - 20 * HOUR_MS),))
    plain = Market(NOW_MS, **SIZES)
    push = [float(market.heat(hour)[5] - plain.heat(hour)[5]) for hour in range(HOUR - 30, HOUR)]
    assert push[:10] == [0.0] * 10
    assert push[10] == pytest.approx(6.0)
    assert sorted(push[10:], reverse=True) == push[10:]
    users = visits_of(market, np.arange(400), NOW_MS - 19 * HOUR_MS).where(np.ones(400, np.bool_))
    page, response = led_in(market, Life.begin(market), users)
    led = page.item[page.item >= 0]
    assert np.argmax(np.bincount(led)) == 5
    assert response.clicked.sum() == len(led)


def test_different_items_are_hot_at_different_times(market: Market) -> None:
    hottest = {int(np.argmax(market.heat(HOUR - back))) for back in range(0, 72, 6)}
    assert len(hottest) > 4


def test_equal_lists_meet_equal_fates_whatever_else_is_asked(market: Market) -> None:
    visits = visits_of(market, np.arange(300))
    item = np.random.default_rng(1).permuted(np.tile(np.arange(300, dtype=np.int32), (300, 1)), axis=1)[:, :12]
    together = respond(market, Life.begin(market), page_of(visits, item))
    assert together.clicked.sum() > 20
    for rows in (np.arange(0, 100), np.arange(100, 300)):
        apart = respond(market, Life.begin(market), page_of(visits.where(rows), item[rows]))
        for name in ("appeal", "clicked", "dwell_s", "liked", "disliked", "carted", "hidden", "stars"):
            assert np.array_equal(getattr(apart, name), getattr(together, name)[rows]), name


def test_an_item_at_another_place_is_looked_at_by_the_curve(market: Market) -> None:
    visits = market.arriving(np.arange(20_000), np.arange(20_000) % 400, np.full(20_000, NOW_MS))
    item = np.tile(np.arange(12, dtype=np.int32), (20_000, 1))
    done = respond(market, Life.begin(market), page_of(visits, item))
    share = done.clicked.sum(axis=0) / done.appeal.sum(axis=0)
    assert share == pytest.approx(examined(12), abs=0.08)


def test_clicks_happen_as_often_as_their_true_chance(market: Market) -> None:
    visits = market.arriving(np.arange(20_000), np.arange(20_000) % 400, np.full(20_000, NOW_MS))
    item = np.random.default_rng(2).integers(0, 300, (20_000, 1)).astype(np.int32)
    done = respond(market, Life.begin(market), page_of(visits, item))
    low, high = done.appeal < 0.02, done.appeal > 0.2
    for some in (low, high):
        assert done.clicked[some].mean() == pytest.approx(done.appeal[some].mean(), rel=0.15)


def test_who_is_pleased_stays_and_who_is_not_leaves_soon(lived: Lived) -> None:
    stay = {event.event_id.removesuffix("dwell"): event.value or 0 for event in lived.events if event.unit == "s"}
    liked = [stay[e.event_id.removesuffix("like")] for e in lived.events if e.action is Action.LIKE]
    disliked = [stay[e.event_id.removesuffix("dislike")] for e in lived.events if e.action is Action.DISLIKE]
    assert np.median(liked) > 5 * np.median(disliked)


def test_no_more_is_sold_than_there_is_and_the_shelves_are_filled_again(market: Market) -> None:
    life = Life.begin(market)
    life.left[:] = 1
    visits = market.arriving(np.arange(5_000), np.arange(5_000) % 400, np.full(5_000, NOW_MS))
    done = respond(market, life, page_of(visits, np.tile(np.arange(12, dtype=np.int32), (5_000, 1))))
    sold = done.bought.sum(axis=0)
    assert done.carted.sum() > 100
    assert (sold.max(), sold.sum()) == (1, np.count_nonzero(life.left[:12] == 0))
    assert life.delivered(market, 24 * 100 + 5).tolist() == []
    assert life.delivered(market, 24 * 100 + 6).tolist() == np.flatnonzero(sold).tolist()
    assert np.array_equal(life.left, market.goods.stock)


def test_items_sell_out_and_come_back_in_the_history(lived: Lived) -> None:
    said: dict[str, list[str]] = {}
    for change in lived.items:
        if change.op == "patch":
            said.setdefault(change.item_id, []).append(str(change.status))
    assert said
    for states in said.values():
        assert states == ["unavailable", "available"] * (len(states) // 2) + ["unavailable"] * (len(states) % 2)
    gone = {name for name, states in said.items() if states[-1] == "unavailable"}
    assert gone == {item_id(item) for item in np.flatnonzero(lived.life.left <= 0).tolist()}


def test_a_search_says_words_of_the_topic_that_is_meant(market: Market) -> None:
    visits, teller = visits_of(market, np.arange(400)), Teller(market)
    asked = [(row, teller.query(visits, row)) for row in range(400)]
    said = [(row, text) for row, text in asked if text]
    assert len(said) > 50
    for row, text in said:
        assert set(text.split()) <= set(WORDS[visits.intent[row]][visits.topic[row]])


def test_events_name_the_category_only_where_the_visitor_went_through_its_page(market: Market) -> None:
    visits, teller = visits_of(market, np.arange(400)), Teller(market)
    named = np.array(["category" in teller.context(visits, row) for row in range(400)])
    assert named.any()
    assert (visits.intent[named] >= 0).all()
    assert ((visits.intent >= 0) & ~named).any()


def test_a_set_of_pairs_knows_what_was_put_in_and_its_copy_goes_its_own_way() -> None:
    random, pairs, known = np.random.default_rng(3), Pairs(), set()
    for _ in range(30):
        user, item = random.integers(0, 50, 300), random.integers(0, 1_000, 300)
        pairs.add(user, item)
        known |= set(zip(user.tolist(), item.tolist(), strict=True))
    user, item = np.repeat(np.arange(50), 1_000), np.tile(np.arange(1_000), 50)
    assert (
        set(zip(user[pairs.holds(user, item)].tolist(), item[pairs.holds(user, item)].tolist(), strict=True)) == known
    )
    copy = pairs.copy()
    copy.add(np.array([99]), np.array([1]))
    assert (copy.holds(np.array([99]), np.array([1])).all(), pairs.holds(np.array([99]), np.array([1])).any()) == (
        True,
        False,
    )


def test_a_large_world_is_made_without_a_matrix_of_users_and_items() -> None:
    market = Market(NOW_MS, users=200_000, items=100_000, events=200_000, days=2)
    visits = market.visits(HOUR - 5)
    assert 500 < len(visits) < 50_000
    assert len(market.people) * len(market.goods) > 10**10
