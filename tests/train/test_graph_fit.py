"""Is the graph operator what its formula says, and does it recover a world whose answer is known?"""

import numpy as np
import pytest
import scipy.sparse
from tables import checkerboard, table

from foryou.domain.ragged import Ragged
from foryou.train.dataset import Interactions
from foryou.train.graph import GraphSettings, Operator, adjacency, fit, scores, singular


def whole(operator: Operator) -> np.ndarray:
    """Give B float64 [N+1, N+1] from its parts."""
    found = (operator.into @ operator.out.T).astype(float)
    for row, (ids, values) in enumerate(zip(operator.ids, operator.values, strict=True)):
        np.add.at(found[row], ids, values)
    return found


def slow(log: Interactions, settings: GraphSettings) -> np.ndarray:
    """Do what `fit` does, on dense matrices."""
    rows = np.zeros((len(log.user_ids), log.items + 1))
    rows[log.user[log.taste > 0], log.item[log.taste > 0]] = 1
    of_user, of_item = np.maximum(rows.sum(1), 1), np.maximum(rows.sum(0), 1)
    normal = rows * of_user[:, None] ** -settings.user_power * of_item**-settings.item_power
    sharp = (normal.T @ normal) ** settings.sharpness
    np.fill_diagonal(sharp, 0)
    _, _, right = np.linalg.svd(rows * of_user[:, None] ** -0.5 * of_item**-0.5)
    top = right[: settings.spectrum].T
    filtered = sharp / np.linalg.norm(sharp) + settings.low_pass * top @ top.T / np.sqrt(settings.spectrum)
    return of_item[:, None] ** -settings.item_power * filtered * of_item**settings.score_power


@pytest.mark.parametrize("width", [0, 2, 5])
def test_the_operator_is_the_formula_however_it_is_divided_into_vectors_and_links(width: int) -> None:
    random = np.random.default_rng(4)
    pairs = sorted({(int(random.integers(14)), int(random.integers(1, 13))) for _ in range(70)})
    log = table([(user, item, float(random.choice([1.0, 1.0, -1.0]))) for user, item in pairs], 13)
    settings = GraphSettings(spectrum=5, width=width, neighbours=13, low_pass=0.7)
    found, wanted = whole(fit(log, settings)), slow(log, settings)
    off = ~np.eye(14, dtype=bool)  # nobody is recommended what he has: the diagonal only holds what the vectors say
    off[0] = off[:, 0] = False
    np.testing.assert_allclose(found[off], wanted[off], atol=1e-5)
    assert not found[0].any()
    assert not found[:, 0].any()


def test_fewer_links_are_the_heaviest_ones() -> None:
    log, _ = checkerboard()
    every, few = (fit(log, GraphSettings(spectrum=4, width=2, neighbours=k)) for k in (40, 7))
    assert few.ids.shape == (41, 7)
    for row in range(1, 41):
        np.testing.assert_allclose(np.sort(np.abs(few.values[row])), np.sort(np.abs(every.values[row]))[-7:], rtol=1e-6)


def test_on_a_checkerboard_everybody_gets_the_squares_of_the_own_colour() -> None:
    log, likes = checkerboard()
    operator = whole(fit(log, GraphSettings(spectrum=6, width=4, neighbours=20)))
    for user in range(len(likes)):
        found = operator[log.item[log.user == user]].sum(axis=0)
        fresh = np.setdiff1d(np.arange(1, 41), log.item[log.user == user])
        assert likes[user, fresh[np.argsort(-found[fresh])[:3]]].all()


def test_scores_of_many_users_are_the_sums_of_the_operators_rows() -> None:
    log, _ = checkerboard()
    operator = fit(log, GraphSettings(spectrum=6, width=4, neighbours=20))
    own = Ragged.of_rows([[1, 5], [], [40]], np.int32)
    found = scores(operator, own, np.array([2, 0, 1]))
    rows = whole(operator)
    np.testing.assert_allclose(found, [rows[40], rows[1] + rows[5], np.zeros(41)], atol=1e-6)


def test_singular_values_and_vectors_are_those_of_the_dense_decomposition() -> None:
    log, _ = checkerboard()
    matrix, _ = adjacency(log, 0.5, 0.5)
    value, vectors = singular(matrix, 3, seed=1)
    np.testing.assert_allclose(value, np.linalg.svd(matrix.toarray())[1][:3], rtol=1e-4)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-4)
    assert len(singular(matrix, 10_000, seed=1)[0]) <= 40


def test_singular_vectors_are_found_in_a_large_matrix_too() -> None:
    random = np.random.default_rng(2)
    matrix = scipy.sparse.random(400, 300, 0.1, "csr", np.float32, random)
    matrix.data += 0.5 * (matrix.indices % 7 == 0)
    value, vectors = singular(matrix, 5, seed=1)
    _, wanted, right = np.linalg.svd(matrix.toarray())
    np.testing.assert_allclose(value, wanted[:5], rtol=2e-3)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(5), atol=1e-4)
    assert abs(vectors[:, 0] @ right[0]) == pytest.approx(1, abs=1e-4)


def test_equal_seeds_give_equal_bits_and_progress_reaches_its_end() -> None:
    log, _ = checkerboard()
    told: list[tuple[int, int]] = []
    settings = GraphSettings(spectrum=5, width=3, neighbours=6)
    one, two = fit(log, settings, lambda done, total: told.append((done, total))), fit(log, settings)
    assert one.into.tobytes() == two.into.tobytes()
    assert one.values.tobytes() == two.values.tobytes()
    assert told[-1][0] == told[-1][1]
    assert told == sorted(told)
