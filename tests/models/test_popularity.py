"""Do popularity and trend say the same of an item to everybody?"""

from types import SimpleNamespace

import numpy as np
import pytest

from foryou.models.popularity import Column, Trend, popularity_of

ITEM = np.array([[1, 3, 0, 9], [2, 2, 3, 1]], np.int32)  # 9 came after the training


def filled(feature: Column | Trend, batch: object = None) -> list[list[float]]:
    out = np.full(ITEM.shape, np.nan, np.float32)
    feature.fill(batch, ITEM, out)  # type: ignore[arg-type]
    assert not feature.without(batch, ITEM, np.zeros((2, 1, 4), np.float32))  # type: ignore[arg-type]
    return out.tolist()


def test_popularity_is_the_logarithm_of_the_count_and_lists_the_best_first() -> None:
    found = popularity_of(np.array([7, 0, 3, 1, 3], np.float32))
    np.testing.assert_allclose(found.column, np.log1p([7, 0, 3, 1, 3]), rtol=1e-6)
    assert found.top.tolist() == [2, 4, 3]  # equal ones by number; nobody and what nobody chose stay out
    assert popularity_of(np.arange(6, dtype=np.float32), top=2).top.tolist() == [5, 4]
    assert popularity_of(np.zeros(1, np.float32)).top.tolist() == []


def test_a_column_is_read_at_the_candidates_and_is_nought_beyond_its_end() -> None:
    assert filled(Column("popularity", np.array([0, 1, 2, 3], np.float32))) == [[1, 3, 0, 0], [2, 2, 3, 1]]


def test_the_trend_is_the_logarithm_of_what_the_view_knows() -> None:
    batch = SimpleNamespace(view=SimpleNamespace(trending=np.array([0, 0, 1, 3], np.float32)))
    assert filled(Trend(), batch) == [
        [0, pytest.approx(np.log(4)), 0, 0], [pytest.approx(np.log(2))] * 2 + [pytest.approx(np.log(4)), 0],
    ]  # fmt: skip
