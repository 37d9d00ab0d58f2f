"""Do the kernels of the lists say what their slow versions say?"""

import numpy as np
import pytest

import oracles_lists
from foryou import kernels

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("width", [1, 7, 16, 130])
def test_vectors_in_bytes_are_off_by_half_a_unit_at_most(width: int) -> None:
    vectors = RANDOM.normal(0, 3, (50, width)).astype(np.float32)
    vectors[4] = 0
    code, unit = np.empty(vectors.shape, np.int8), np.empty(50, np.float32)
    kernels.in_bytes(vectors, code, unit)
    assert (np.abs(code * unit[:, None] - vectors) <= 0.501 * unit[:, None]).all()
    expected, units = oracles_lists.in_bytes(vectors)
    np.testing.assert_allclose(unit, units, rtol=1e-6)
    assert np.abs(code - np.array(expected)).max() <= 1  # one apart where a value lies between two
    assert (code != np.array(expected)).mean() < 0.01


def test_dots_of_halves_are_those_of_the_widened_vectors() -> None:
    halves = RANDOM.normal(0, 1, (40, 24)).astype(np.float16)
    halves[1, :3] = [np.float16(6e-8), np.float16(-65_504), np.float16(0)]
    user = RANDOM.normal(0, 1, (3, 24)).astype(np.float32)
    item = RANDOM.integers(0, 45, (3, 20)).astype(np.int32)
    item[0, 0] = 1
    out = np.empty(item.shape, np.float32)
    kernels.dots_of_halves(user, halves.view(np.uint16), item, out)
    np.testing.assert_allclose(out, oracles_lists.dots_of_halves(user, halves, item), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("some", [False, True])
@pytest.mark.parametrize("slack", [0.0, 100.0])
def test_a_scan_gives_the_best_of_what_it_looks_at_and_with_much_slack_of_all(slack: float, some: bool) -> None:
    lists, width, n = 3, 16, 40
    block_start = np.array([0, 4, 4, 10], np.int64)  # the second one is empty
    vectors = RANDOM.normal(0, 1, (10 * kernels.BLOCK, width)).astype(np.float32)
    norm = np.linalg.norm(vectors, axis=1)
    for a, b in ((0, 4), (4, 10)):
        part = slice(a * kernels.BLOCK, b * kernels.BLOCK)
        order = np.argsort(-norm[part])
        vectors[part], norm[part] = vectors[part][order], norm[part][order]
    code, unit = np.empty(vectors.shape, np.int8), np.empty(len(vectors), np.float32)
    kernels.in_bytes(vectors, code, unit)
    centre, centre_unit = np.empty((lists, width), np.int8), np.empty(lists, np.float32)
    kernels.in_bytes(RANDOM.normal(0, 0.1, (lists, width)).astype(np.float32), centre, centre_unit)
    number = np.arange(1, len(vectors) + 1, dtype=np.int32)
    user = RANDOM.normal(0, 1, (5, width)).astype(np.float32)
    item, score = np.empty((5, n), np.int32), np.empty((5, n), np.float32)
    longest = norm.reshape(-1, kernels.BLOCK)[:, 0].astype(np.float32)
    allowed = RANDOM.random(len(vectors) + 1) < 0.7 if some else np.ones(0, np.bool_)
    looked = kernels.scan_lists(
        user, centre, centre_unit, np.ones(lists, np.float32), block_start, longest, code, unit, number, allowed,
        slack, item, score,
    )  # fmt: skip
    product = user @ (code * unit[:, None]).T
    np.testing.assert_allclose(score, np.take_along_axis(product, item - 1, axis=1), rtol=1e-3, atol=1e-3)
    assert not some or allowed[item].all()
    assert looked <= 5 * len(vectors)
    if slack:
        best = oracles_lists.scan_lists(user, code * unit[:, None], number, allowed, n)
        sums = [[one for one, _ in row] for row in best]
        np.testing.assert_allclose(-np.sort(-score, axis=1), sums, rtol=1e-3, atol=1e-3)


def test_halves_are_widened_row_by_row() -> None:
    halves = RANDOM.normal(0, 0.5, (30, 11)).astype(np.float16)
    item = np.array([4, 0, 29, 4], np.int32)
    out = np.empty((4, 11), np.float32)
    kernels.widened(halves.view(np.uint16), item, out)
    assert out.tolist() == oracles_lists.widened(halves, item)
