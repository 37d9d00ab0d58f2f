"""Are inputs measured against the slate, and queries described by what is known?"""

import numpy as np
import pytest

import worlds
from foryou.domain.event import Action
from foryou.domain.slate import QueryBatch
from foryou.models import query
from foryou.models.popularity import Column
from foryou.models.relative import Relative
from worlds import did


def batch(*users: str, shop: worlds.Shop | None = None) -> QueryBatch:
    shop = shop or worlds.Shop()
    return shop.pipeline.stages.hydrate([worlds.query(user) for user in users])


def test_values_are_deviations_from_the_mean_of_the_slate_and_later_ones_keep_its_measure() -> None:
    one, feature = batch("ann"), Relative(Column("c", np.array([0, 1, 2, 3, 10], np.float32)))
    item, out = np.array([[1, 2, 3, 0]], np.int32), np.empty((1, 4), np.float32)
    feature.fill(one, item, out)
    assert out[0] == pytest.approx([-1.2247449, 0, 1.2247449, 0])
    single = np.empty((1, 1), np.float32)
    feature.fill(one.alone(0), np.array([[4]], np.int32), single)
    assert single[0, 0] == pytest.approx((10 - 2) / np.std([1, 2, 3]))


def test_a_query_has_the_same_values_alone_and_in_a_batch() -> None:
    item = np.arange(1, 61, dtype=np.int32)[None]
    feature = Relative(Column("c", np.random.default_rng(1).normal(size=61).astype(np.float32)))
    together, alone = np.empty((3, 60), np.float32), np.empty((1, 60), np.float32)
    feature.fill(batch("a", "b", "c"), np.repeat(item, 3, axis=0), together)
    feature.fill(batch("b"), item, alone)
    assert together[1].tobytes() == alone[0].tobytes()


def test_history_gap_and_session_are_counted() -> None:
    shop = worlds.Shop()
    ages = [200, 100, 20, 5, 3]  # minutes; a pause of 80 minutes stands before the last three
    shop.feed(*(did("ann", f"war-{n}", age, Action.VIEW) for n, age in enumerate(ages, start=1)))
    both = batch("ann", "nobody", shop=shop)
    assert np.expm1(query.history_length(both)).tolist() == pytest.approx([5, 0])
    assert np.expm1(query.gap(both)).tolist() == pytest.approx([3, 525_600], rel=1e-3)
    assert np.expm1(query.session_length(both)).tolist() == pytest.approx([3, 0], abs=1e-5)
