"""Is the arena the world that it says it is: the same for all, with a quality that the ranker does not see?"""

import numpy as np

from foryou.simulate.arena import LOOKED, QUALITY, Arena

SMALL = Arena(seed=5, days=4, lists=400)


def test_equal_fields_give_an_equal_world() -> None:
    one, other = Arena(seed=5, days=4, lists=400).round(2, 7), SMALL.round(2, 7)
    assert np.array_equal(one.item, other.item)
    assert np.array_equal(one.odds, other.odds)
    assert not np.array_equal(one.odds, Arena(seed=6, days=4, lists=400).round(2, 7).odds)


def test_a_list_holds_items_that_are_there_each_once() -> None:
    for day in range(SMALL.days):
        item = SMALL.round(day, 0).item
        assert item.max() < SMALL.there(day)
        assert all(len(set(row)) == SMALL.pool for row in item.tolist())
    assert (SMALL.born() < SMALL.days).all()
    assert np.count_nonzero(SMALL.born() == 1) == SMALL.arrivals


def test_what_the_score_misses_is_mostly_the_quality_of_the_item() -> None:
    rounds = [SMALL.round(day, n) for day in range(SMALL.days) for n in range(SMALL.rounds_per_day())]
    missed = np.concatenate([(one.odds - one.score).ravel() for one in rounds])
    quality = np.concatenate([SMALL.quality[one.day][one.item].ravel() for one in rounds])
    assert np.corrcoef(missed, quality)[0, 1] > 0.7
    assert 0.9 * QUALITY < quality.std() < 1.1 * QUALITY


def test_chances_are_those_of_a_place_far_down() -> None:
    chance = SMALL.round(0, 0).chance()
    assert (chance < LOOKED).all()
    assert 0.005 < chance.mean() < 0.05
