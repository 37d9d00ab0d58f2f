"""Do rows of different lengths come back as they went in, changed ones in place of the old?"""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foryou.domain.ragged import Ragged
from tries import tries

ROW = st.lists(st.integers(0, 9), max_size=4)
TABLE = st.lists(ROW, max_size=6)


@given(rows=TABLE, changed=st.dictionaries(st.integers(0, 8), ROW, max_size=4), asked=st.lists(st.integers(0, 9)))
@tries(200)
def test_rows_come_back_one_by_one_and_many_at_a_time(
    rows: list[list[int]], changed: dict[int, list[int]], asked: list[int]
) -> None:
    old = Ragged.of_rows(rows, np.int32)
    ragged = old.replaced({row: np.array(values, np.int32) for row, values in changed.items()})
    now = dict(enumerate(rows)) | changed
    for row in range(10):
        assert ragged.of(row).tolist() == now.get(row, [])
        assert old.of(row).tolist() == dict(enumerate(rows)).get(row, [])
    values, start = ragged.take(np.array(asked, np.int32))
    assert [values[a:b].tolist() for a, b in pairwise(start)] == [now.get(row, []) for row in asked]
    assert values.dtype == np.int32


def test_rows_are_asked_for_in_any_shape() -> None:
    values, start = Ragged.of_rows([[], [1, 2], [3]], np.uint32).take(np.array([[1, 2], [2, 1]]))
    assert values.tolist() == [1, 2, 3, 3, 1, 2]
    assert start.tolist() == [0, 2, 3, 4, 6]


def test_a_later_change_of_a_row_counts_and_nothing_changed_is_the_same_object() -> None:
    first = Ragged.of_rows([[1]], np.int32).replaced({0: np.array([2]), 5: np.array([7])})
    second = first.replaced({0: np.array([3])})
    assert (first.of(0).tolist(), second.of(0).tolist(), second.of(5).tolist()) == ([2], [3], [7])
    assert first.replaced({}) is first
