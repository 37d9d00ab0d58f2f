"""Do the kernels that add and solve give what their slow versions give, alone as in a batch?"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import oracles
from foryou import kernels
from tries import tries

SOME = tries(60)
UNOBSERVED, REGULARISATION = 0.2, 3.0
FOLD = kernels.MAX_FOLD
OF_QUERIES = ("history", "weight", "confidence", "preference", "user", "item", "own")


@st.composite
def questions(draw: st.DrawFn) -> SimpleNamespace:
    """Give B queries with histories and candidates over N items, among both some empty or without a row."""
    sizes = {"queries": st.integers(1, 4), "items": st.integers(1, 12), "width": st.integers(1, 9),
             "length": st.integers(1, 6), "places": st.integers(0, 5), "seed": st.integers(0, 2**32 - 1)}  # fmt: skip
    return question(**{name: draw(size) for name, size in sizes.items()})


def question(queries: int, items: int, width: int, length: int, places: int, seed: int) -> SimpleNamespace:
    random = np.random.default_rng(seed)
    vectors = random.normal(0, 1, (items + 1, width))
    vectors[0] = 0
    spectrum, basis = np.linalg.eigh(vectors.T @ vectors)
    rows = random.normal(0, 1, (items + 1, items + 1)).astype(np.float32)
    rows[0] = rows[:, 0] = 0
    kept = 1 + np.argsort(random.random((items + 1, items)), axis=1).astype(np.int32)
    kept *= random.random(kept.shape) < 0.7
    kept[0] = 0
    number = random.integers(0, items + 3, (queries, length)).astype(np.int32)
    return SimpleNamespace(
        vectors=(vectors @ basis).astype(np.float32), spectrum=np.maximum(spectrum, 0).astype(np.float32),
        rows=rows, ids=kept, values=(random.normal(0, 1, kept.shape) * (kept > 0)).astype(np.float32),
        column=random.normal(0, 1, items + 1).astype(np.float32), history=number,
        weight=random.choice([0, 0.5, 1, -0.5, 2], number.shape).astype(np.float32),
        confidence=random.choice([0, 0.5, 1, 3], number.shape).astype(np.float32),
        preference=random.choice([0, 1], number.shape).astype(np.float32),
        user=random.normal(0, 1, (queries, width)).astype(np.float32),
        item=random.integers(0, items + 3, (queries, places)).astype(np.int32),
        own=random.normal(0, 1, (queries, items + 1)).astype(np.float32),
    )  # fmt: skip


def alone(one: SimpleNamespace, b: int) -> SimpleNamespace:
    """Give query b by itself."""
    return SimpleNamespace(**(vars(one) | {name: getattr(one, name)[b : b + 1] for name in OF_QUERIES}))


def out(*shape: int) -> NDArray[np.float32]:
    return np.full(shape, np.nan, np.float32)


def dots(one: SimpleNamespace) -> NDArray[np.float32]:
    filled = out(*one.item.shape)
    kernels.dots(one.user, one.vectors, one.item, filled)
    return filled


def all_dots(one: SimpleNamespace) -> NDArray[np.float32]:
    filled = out(len(one.user), len(one.vectors))
    kernels.all_dots(one.user, one.vectors, filled)
    return filled


def gather(one: SimpleNamespace) -> NDArray[np.float32]:
    filled = out(*one.item.shape)
    kernels.gather(one.column, one.item, filled)
    return filled


def gather_rows(one: SimpleNamespace) -> NDArray[np.float32]:
    filled = out(*one.item.shape)
    kernels.gather_rows(one.own, one.item, filled)
    return filled


def add_rows(one: SimpleNamespace) -> NDArray[np.float32]:
    filled = out(len(one.history), len(one.rows))
    kernels.add_rows(one.rows, one.history, one.weight, filled)
    return filled


def sum_at(one: SimpleNamespace) -> NDArray[np.float32]:
    filled = out(*one.item.shape)
    kernels.sum_at(one.rows, one.history, one.weight, one.item, filled)
    return filled


def sum_sparse_at(one: SimpleNamespace) -> NDArray[np.float32]:
    filled, total = out(*one.item.shape), np.zeros(len(one.ids), np.float32)
    kernels.sum_sparse_at(one.ids, one.values, one.history, one.weight, total, one.item, filled)
    assert not total.any(), "the scratch is not clean"
    return filled


def best_of_sparse_rows(one: SimpleNamespace, n: int = 4) -> NDArray[np.float32]:
    """Give items and their sums, side by side."""
    item, score = np.full((len(one.history), n), 9, np.int32), out(len(one.history), n)
    total = np.zeros(len(one.ids), np.float32)
    kernels.best_of_sparse_rows(one.ids, one.values, one.history, one.weight, total, item, score)
    assert not total.any(), "the scratch is not clean"
    return np.stack([item.astype(np.float32), score], axis=2)


def links(one: SimpleNamespace) -> NDArray[np.float32]:
    filled = out(*one.history.shape, one.item.shape[1])
    kernels.links(one.rows, one.history, one.item, filled)
    return filled


def sparse_links(one: SimpleNamespace) -> NDArray[np.float32]:
    filled, total = out(*one.history.shape, one.item.shape[1]), np.zeros(len(one.ids), np.float32)
    kernels.sparse_links(one.ids, one.values, one.history, total, one.item, filled)
    assert not total.any(), "the scratch is not clean"
    return filled


def mean_and_deviation(one: SimpleNamespace) -> NDArray[np.float32]:
    """Give them per query, [B, 2]."""
    filled, item = out(2, len(one.own), 1), np.ascontiguousarray(np.tile(one.ids[-1], (len(one.own), 1)))
    kernels.mean_and_deviation(one.own[:, 1:].copy(), item, 0.01, filled)
    return np.ascontiguousarray(filled[:, :, 0].T)


def means_without(one: SimpleNamespace) -> NDArray[np.float32]:
    filled = out(*one.history.shape, one.item.shape[1])
    kernels.means_without(links(one), one.weight, 0.25, filled)
    return filled


def dots_between(one: SimpleNamespace) -> NDArray[np.float32]:
    filled = out(*one.history.shape, one.item.shape[1])
    kernels.dots_between(one.vectors, one.vectors, one.history, one.item, filled)
    return filled


def weighted(one: SimpleNamespace) -> NDArray[np.float32]:
    """Give the rows as if they were inputs, [N+1, B, N+1], each with a weight of its own."""
    filled = out(*one.own.shape)
    inputs = np.ascontiguousarray(np.repeat(one.rows[:, None, :], len(one.own), axis=1))
    kernels.weighted(inputs, one.own, filled)
    return filled


def solved(one: SimpleNamespace, power: float = 0.0) -> tuple[NDArray[np.float32], NDArray, NDArray]:
    """Give user, inverse, place of `fold_in`."""
    queries = len(one.history)
    user, inverse = out(queries, one.vectors.shape[1]), np.zeros((queries, FOLD, FOLD))
    place = np.full((queries, FOLD), 7, np.int32)
    kernels.fold_in(
        one.vectors, one.spectrum, one.history, one.confidence, one.preference, UNOBSERVED, REGULARISATION, power,
        len(one.vectors) - 1, user, inverse, place,
    )  # fmt: skip
    return user, inverse, place


def fold_in(one: SimpleNamespace) -> NDArray[np.float32]:
    return solved(one)[0]


def without_each(one: SimpleNamespace, power: float = 0.0) -> NDArray[np.float32]:
    user, inverse, place = solved(one, power)
    filled = out(*one.history.shape, one.item.shape[1])
    kernels.without_each(
        one.vectors, one.spectrum, one.history, one.preference, UNOBSERVED, REGULARISATION, power,
        len(one.vectors) - 1, inverse, place, user, one.item, filled,
    )  # fmt: skip
    return filled


def ridge(one: SimpleNamespace, b: int, power: float) -> float:
    used = np.count_nonzero((one.history[b] > 0) & (one.history[b] < len(one.vectors)) & (one.confidence[b] > 0))
    return REGULARISATION * (used + UNOBSERVED * (len(one.vectors) - 1)) ** power


EVERY = (
    dots, all_dots, gather, gather_rows, add_rows, sum_at, sum_sparse_at, best_of_sparse_rows, links, sparse_links,
    fold_in, without_each, dots_between, weighted, mean_and_deviation, means_without,
)  # fmt: skip


def close(found: NDArray[np.floating], expected: object) -> None:
    np.testing.assert_allclose(found, np.asarray(expected).reshape(found.shape), rtol=2e-4, atol=2e-4)


@SOME
@given(questions())
def test_sums_are_those_of_their_slow_versions(one: SimpleNamespace) -> None:
    for b in range(len(one.history)):
        user, item, history, weight = one.user[b], one.item[b], one.history[b], one.weight[b]
        mine = alone(one, b)
        close(dots(mine), oracles.dots(user, one.vectors, item))
        close(dots_between(mine), oracles.dots_between(one.vectors, one.vectors, history, item))
        close(weighted(mine), oracles.weighted(one.rows, one.own[b]))
        mean, deviation = oracles.mean_and_deviation(one.own[b, 1:], one.ids[-1])
        close(mean_and_deviation(mine), [mean, max(deviation, 0.01)])
        close(means_without(mine), oracles.means_without(links(mine)[0], weight, 0.25))
        close(all_dots(mine), oracles.all_dots(user, one.vectors))
        close(gather(mine), oracles.gather(one.column.tolist(), item))
        close(gather_rows(mine), oracles.gather_rows(one.own[b].tolist(), item))
        close(add_rows(mine), oracles.add_rows(one.rows, history, weight))
        close(sum_at(mine), oracles.sum_at(one.rows, history, weight, item))
        close(sum_sparse_at(mine), oracles.sum_sparse_at(one.ids, one.values, history, weight, item))
        close(links(mine), oracles.links(one.rows, history, item))
        close(sparse_links(mine), oracles.sparse_links(one.ids, one.values, history, item))


@SOME
@given(questions())
def test_the_best_sums_of_sparse_rows_are_the_best(one: SimpleNamespace) -> None:
    for b in range(len(one.history)):
        found = [pair for pair in best_of_sparse_rows(alone(one, b))[0].tolist() if pair[0]]
        sums = oracles.add_rows(oracles.whole(one.ids, one.values), one.history[b], one.weight[b])
        expected = [value for value in np.sort(sums)[::-1][:4] if value > 1e-6]
        assert len({item for item, _ in found}) == len(found)
        close(np.array([score for item, score in found if score > 1e-6]), expected)
        close(np.array([score for _, score in found]), [sums[int(item)] for item, _ in found])


def test_an_item_whose_sum_crosses_nought_on_the_way_is_found_once() -> None:
    ids = np.array([[0], [3], [3], [0]], np.int32)
    values = np.array([[0], [1], [1], [0]], np.float32)
    history, weight = np.array([[1, 2, 1]], np.int32), np.array([[1, -1, 2]], np.float32)
    one = SimpleNamespace(ids=ids, values=values, history=history, weight=weight)
    assert best_of_sparse_rows(one)[0].tolist() == [[3, 2], [0, 0], [0, 0], [0, 0]]


@SOME
@given(questions())
def test_fold_in_solves_the_normal_equations(one: SimpleNamespace) -> None:
    for power in (0.0, 1.0):
        found = solved(one, power)[0]
        for b in range(len(one.history)):
            rows = one.history[b], one.confidence[b], one.preference[b]
            close(found[b], oracles.fold_in(one.vectors, *rows, UNOBSERVED, ridge(one, b, power)))


@SOME
@given(questions())
def test_leaving_an_entry_out_is_solving_again_without_it(one: SimpleNamespace) -> None:
    for power in (0.0, 1.0):  # λ stays that of the whole history: with power 0 it does not depend on its length
        found = without_each(one, power)
        for b in range(len(one.history)):
            rows = one.history[b], one.confidence[b], one.preference[b]
            users = oracles.without_each(one.vectors, *rows, UNOBSERVED, ridge(one, b, power))
            close(found[b], [oracles.dots(user, one.vectors, one.item[b]) for user in users])


def test_without_power_leaving_out_is_exactly_a_fold_in_of_the_rest() -> None:
    one = question(queries=3, items=30, width=8, length=10, places=6, seed=4)
    found = without_each(one)
    for entry in range(10):
        rest = SimpleNamespace(**(vars(one) | {"confidence": one.confidence.copy()}))
        rest.confidence[:, entry] = 0
        rest.user = fold_in(rest)
        close(found[:, entry], dots(rest))


def test_only_the_newest_entries_that_fit_are_solved_for() -> None:
    one = question(queries=1, items=200, width=6, length=FOLD + 20, places=1, seed=1)
    one.confidence[:], one.history[:] = 1, np.arange(1, FOLD + 21)
    user, _, place = solved(one)
    assert place[0].tolist() == list(range(FOLD))
    newest = SimpleNamespace(**(vars(one) | {"history": one.history[:, :FOLD].copy()}))
    assert user.tobytes() == fold_in(newest).tobytes()


def test_a_user_without_history_gets_a_vector_of_noughts() -> None:
    one = question(queries=2, items=5, width=3, length=4, places=2, seed=0)
    one.history[0], one.confidence[1] = 0, 0
    user, _, place = solved(one)
    assert not user.any()
    assert (place == -1).all()
    one.user = user
    assert not without_each(one).any()


@SOME
@given(questions())
def test_a_query_gets_the_same_bits_alone_and_in_a_batch(one: SimpleNamespace) -> None:
    for kernel in EVERY:
        together = kernel(one)
        for b in range(len(one.history)):
            assert kernel(alone(one, b)).tobytes() == together[b : b + 1].tobytes(), kernel.__name__


@pytest.mark.parametrize("width", [1, 7, 32, 128])
def test_a_query_gets_the_same_bits_in_a_batch_at_every_width_of_vectors(width: int) -> None:
    one = question(queries=9, items=150, width=width, length=50, places=40, seed=width)
    for kernel in EVERY:
        together = kernel(one)
        for b in range(9):
            assert kernel(alone(one, b)).tobytes() == together[b : b + 1].tobytes(), kernel.__name__


def test_arrays_that_are_mapped_and_read_only_give_the_same_bits(tmp_path: Path) -> None:
    one = question(queries=2, items=20, width=8, length=5, places=6, seed=2)
    mapped = SimpleNamespace(**vars(one))
    for name in ("vectors", "spectrum", "rows", "ids", "values", "column"):
        np.save(tmp_path / name, getattr(one, name))
        setattr(mapped, name, np.load(tmp_path / f"{name}.npy", mmap_mode="r").view(np.ndarray))
        assert not getattr(mapped, name).flags.writeable
    for kernel in EVERY:
        assert kernel(mapped).tobytes() == kernel(one).tobytes(), kernel.__name__


def test_no_queries_and_no_candidates_are_no_work() -> None:
    one = question(queries=1, items=3, width=2, length=2, places=0, seed=0)
    for kernel in EVERY:
        assert len(kernel(one)) == 1
    none = SimpleNamespace(**vars(one))
    for name in OF_QUERIES:
        setattr(none, name, getattr(one, name)[:0])
    for kernel in EVERY:
        assert len(kernel(none)) == 0


@SOME
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(1, 7))
def test_weighted_sums_without_an_entry_move_the_older_ones_up(seed: int, width: int, entries: int) -> None:
    random = np.random.default_rng(seed)
    link = random.normal(0, 1, (2, width, 3)).astype(np.float32)
    weight, moved = (random.normal(0, 1, (2, width)).astype(np.float32) for _ in range(2))
    entries = min(entries, width)
    filled = out(2, entries, 3)
    kernels.sums_without(link, weight, moved, filled)
    for b in range(2):
        close(filled[b], oracles.sums_without(link[b].astype(float), weight[b], moved[b], entries))


@SOME
@given(st.integers(0, 2**32 - 1), st.integers(0, 5), st.integers(1, 3))
def test_the_largest_are_found_along_the_history_early_ones_first(seed: int, entries: int, n: int) -> None:
    random = np.random.default_rng(seed)
    fall = random.choice([0.5, 0.5, 1.0, -2.0, np.nan, -np.inf, np.inf], (2, entries, 3)).astype(np.float32)
    entry, value = np.full((2, 3, n), 9, np.int32), out(2, 3, n)
    kernels.largest(fall, entry, value)
    for b in range(2):
        found = [list(zip(*row, strict=True)) for row in zip(entry[b].tolist(), value[b].tolist(), strict=True)]
        assert found == oracles.largest(fall[b], n)
