"""Does a slate take what sources propose, within their quotas, and remember who proposed and who dropped what?"""

import numpy as np
import pytest

from foryou.domain.slate import Slate

TWO = {"near": 2, "popular": 2}


def row(*numbers: float, dtype: type = np.int32) -> np.ndarray:
    return np.array([numbers], dtype)


def priors(*numbers: float) -> np.ndarray:
    return row(*numbers, dtype=np.float32)


def filled() -> Slate:
    slate = Slate(TWO, ("seen", "cap"))
    slate.propose("near", row(7, 5), priors(0.7, 0.5))
    slate.propose("popular", row(5, 9), priors(1.0, 0.9))
    return slate


def test_what_two_sources_find_is_one_candidate_of_both() -> None:
    slate = filled()
    assert slate.item.tolist() == [[7, 5, 9, 0]]
    assert slate.prior[0, :3].tolist() == priors(0.7, 0.5, 0.9)[0].tolist(), "the first source's prior stays"
    assert [slate.sources_of(0, c) for c in range(4)] == [("near",), ("near", "popular"), ("popular",), ()]
    assert [slate.source_of(0, c) for c in range(4)] == ["near", "near", "popular", ""]
    assert slate.size() == 3


def test_a_source_gets_no_more_places_than_were_made_for_all() -> None:
    slate = Slate(TWO)
    slate.propose("near", row(*range(1, 9)), priors(*np.ones(8)))
    assert slate.item.tolist() == [[1, 2, 3, 4]]
    slate.propose("popular", row(9, 1), priors(1, 1))
    assert slate.item.tolist() == [[1, 2, 3, 4]]
    assert slate.sources_of(0, 0) == ("near", "popular")


def test_each_query_of_a_batch_has_its_own_candidates() -> None:
    slate = Slate(TWO)
    slate.reset(2)
    slate.propose("near", np.array([[3, 0], [4, 5]], np.int32), np.ones((2, 2), np.float32))
    slate.propose("popular", np.array([[4, 8], [4, 8]], np.int32), np.ones((2, 2), np.float32))
    found = [{int(item) for item in row if item} for row in slate.item]
    assert found == [{3, 4, 8}, {4, 5, 8}]


def test_a_source_that_the_slate_does_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        Slate(TWO).propose("other", row(1), priors(1))


def test_the_first_rule_that_drops_a_candidate_keeps_the_blame() -> None:
    slate = filled()
    slate.drop(slate.item == 5, "cap")
    slate.drop(slate.item != 7, "seen")
    assert slate.drops() == {"seen": 1, "cap": 1}
    assert slate.kept().tolist() == [[True, False, False, False]]
    assert slate.size() == 1
    slate.score[:] = 1
    assert slate.top(row(3)[0]).tolist() == [[0, -1, -1]]


def test_dropping_an_empty_place_counts_nothing() -> None:
    slate = filled()
    slate.drop(np.ones((1, 4), np.bool_), "seen")
    assert slate.drops() == {"seen": 3}


def test_a_reset_empties_everything_whatever_the_width_was() -> None:
    slate = filled()
    for width in (3, 1, 2):
        slate.score[:], slate.pin[:], slate.propensity[:], slate.dropped[:] = 5, 1, 0.5, 1
        slate.reset(width)
        assert slate.item.shape == (width, 4)
        for column in (slate.item, slate.prior, slate.score, slate.origin, slate.dropped, slate.pin):
            assert not column.any()
        assert (slate.propensity == 1).all()
        slate.propose("near", np.full((width, 1), 3, np.int32), np.ones((width, 1), np.float32))
        assert slate.item[:, 0].tolist() == [3] * width


def test_what_chance_put_there_is_called_exploration() -> None:
    slate = filled()
    slate.propensity[0, 1] = 0.25
    assert slate.source_of(0, 1) == "exploration"
    assert slate.sources_of(0, 1) == ("near", "popular")


def test_only_kept_candidates_with_a_score_that_is_not_finite_are_counted() -> None:
    slate = filled()
    slate.score[:] = [[np.nan, np.inf, 1, np.nan]]
    assert slate.not_finite() == 2
    slate.drop(slate.item == 5, "seen")
    assert slate.not_finite() == 1


def test_a_slate_without_sources_is_empty() -> None:
    slate = Slate({})
    assert (slate.size(), slate.top(row(2)[0]).tolist()) == (0, [[-1, -1]])
