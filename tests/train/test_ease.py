"""Are the links between items those of EASE, and the sparse ones the heaviest or the most alike?"""

import numpy as np
import pytest
from tables import checkerboard, table

from foryou.domain.errors import Refused
from foryou.train.dataset import Interactions
from foryou.train.item_item import EaseSettings, co_occurrence, cosine, ease, heaviest


def ratings(users: int = 30, items: int = 6, seed: int = 4) -> Interactions:
    random = np.random.default_rng(seed)
    rows = [
        (user, int(item), 1.0)
        for user in range(users)
        for item in random.permutation(np.arange(1, items + 1))[: random.integers(1, items)]
    ]
    return table(rows, items)


def matrix(log: Interactions) -> np.ndarray:
    whole = np.zeros((len(log.user_ids), log.items + 1))
    whole[log.user, log.item] = 1
    return whole


def test_the_closed_form_is_the_least_squares_solution_without_a_diagonal() -> None:
    log, ridge = ratings(), 3.0
    x, found = matrix(log), ease(log, EaseSettings(ridge, 1.0))
    for item in range(1, 7):
        others = [other for other in range(1, 7) if other != item]
        gram = x[:, others].T @ x[:, others] + ridge * np.eye(5)
        np.testing.assert_allclose(found[others, item], np.linalg.solve(gram, x[:, others].T @ x[:, item]), atol=1e-5)
    assert not np.diag(found).any()
    assert not found[0].any()
    assert not found[:, 0].any()
    assert found.dtype == np.float32


def test_no_small_change_of_the_links_makes_the_error_smaller() -> None:
    log, ridge = ratings(), 3.0
    x, links = matrix(log), ease(log, EaseSettings(ridge, 1.0)).astype(float)

    def error(b: np.ndarray) -> float:
        return float(((x - x @ b) ** 2).sum() + ridge * (b**2).sum())

    random = np.random.default_rng(0)
    for _ in range(50):
        nudge = random.normal(0, 0.01, links.shape)
        np.fill_diagonal(nudge, 0)
        nudge[0] = nudge[:, 0] = 0
        assert error(links + nudge) > error(links)


def test_on_a_checkerboard_everybody_is_led_to_the_squares_of_the_own_colour() -> None:
    log, likes = checkerboard()
    scores = matrix(log) @ ease(log, EaseSettings(10.0, 1.0))
    fresh = matrix(log) == 0
    for user in range(len(likes)):
        assert scores[user, likes[user] & fresh[user]].min() > 0.5
        np.testing.assert_allclose(scores[user, ~likes[user]], 0, atol=1e-6)


def test_without_fading_pairs_are_counted_once_per_user() -> None:
    log = table([(0, 1, 1.0), (0, 2, -1.0), (0, 1, 0.5), (1, 1, 0.7), (1, 3, 0.0)], 3)
    assert co_occurrence(log, 1.0)[1:, 1:].tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_a_pair_fades_with_every_action_between() -> None:
    log = table([(0, 3, 1.0), (1, 2, 1.0), (0, 1, 1.0), (0, 2, 1.0), (1, 3, 1.0)], 3)
    expected = [[1, 0.5, 0.5], [0.5, 2, 0.75], [0.5, 0.75, 2]]
    np.testing.assert_allclose(co_occurrence(log, 0.5)[1:, 1:], expected)


def test_pairs_far_apart_are_left_out() -> None:
    log = table([(0, item, 1.0) for item in range(1, 21)], 20)
    gram = co_occurrence(log, 0.5)
    assert gram[1, 10] == 0.5**9
    assert gram[1, 11] == 0


@pytest.mark.parametrize("decay", [1.0, 0.97, 0.5])
def test_the_matrix_is_symmetric_and_stays_positive_definite(decay: float) -> None:
    gram = co_occurrence(ratings(60, 25), decay)[1:, 1:]
    assert np.array_equal(gram, gram.T)
    assert np.linalg.eigvalsh(gram + np.eye(25) * 0.1).min() > 0


def test_a_matrix_that_is_not_positive_definite_is_refused() -> None:
    with pytest.raises(
        Refused, match=r"The co-occurrence matrix is not positive definite; raise train\.ease_regularisation"
    ):
        ease(ratings(), EaseSettings(-30.0, 1.0))


def test_links_by_cosine_are_shrunk_and_best_first() -> None:
    log = table([(0, 1, 1.0), (0, 2, 1.0), (1, 1, 1.0), (1, 2, 1.0), (2, 1, 1.0), (2, 3, 1.0), (3, 4, -1.0)], 5)
    ids, values = cosine(log, 2, shrink=1.0)
    assert ids.tolist() == [[0, 0], [2, 3], [1, 0], [1, 0], [0, 0], [0, 0]]
    np.testing.assert_allclose(values[1], [2 / (np.sqrt(3 * 2) + 1), 1 / (np.sqrt(3) + 1)], rtol=1e-6)
    assert not values[[0, 4, 5]].any()


def test_links_by_cosine_are_those_of_the_whole_matrix_across_blocks() -> None:
    random = np.random.default_rng(2)
    rows = [(user, int(item), 1.0) for user in range(40) for item in random.choice(4_500, 12, replace=False) + 1]
    log = table(rows, 4_500)
    ids, values = cosine(log, 8)
    x = matrix(log)
    for item in (int(log.item.min()), int(log.item.max()), 4_096, int(log.item[7])):
        both = x[:, item] @ x
        expected = both / (np.sqrt(x[:, item].sum() * x.sum(axis=0)) + 10)
        expected[item] = 0
        np.testing.assert_allclose(values[item], np.sort(expected)[::-1][:8], rtol=1e-5)
        np.testing.assert_allclose(expected[ids[item]] * (ids[item] > 0), values[item], rtol=1e-5)


def test_the_heaviest_links_are_those_of_largest_magnitude_best_value_first() -> None:
    links = np.array([[0, 0, 0, 0], [0, 0, 0.1, -0.5], [0, 0.3, 0, 0.2], [0, 0, 0, 0]], np.float32)
    ids, values = heaviest(links, 2)
    assert ids.tolist() == [[0, 0], [2, 3], [1, 3], [0, 0]]
    assert values[1:3].tolist() == np.array([[0.1, -0.5], [0.3, 0.2]], np.float32).tolist()
    assert not values[[0, 3]].any()


def test_all_links_can_be_kept() -> None:
    links = ease(ratings(), EaseSettings(3.0))
    ids, values = heaviest(links, 100)
    assert ids.shape == (7, 6)
    for row in range(1, 7):
        assert sorted(ids[row].tolist()) == [0] + [other for other in range(1, 7) if other != row]
        np.testing.assert_array_equal(links[row, ids[row]][ids[row] > 0], values[row][ids[row] > 0])
