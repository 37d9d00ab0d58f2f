"""Do the kernels that look up terms and groups give what their slow versions give, alone as in a batch?"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracles_terms as oracles
from foryou import kernels
from foryou.domain.ragged import Ragged
from tries import tries

SOME = tries(60)
NAMES = 12  # names 0..11 may stand in a row; those that are even are known
BEST = 5


@st.composite
def questions(draw: st.DrawFn) -> SimpleNamespace:
    """Give B queries with rows of terms, of groups and of items, some of them empty or unknown."""
    sizes = {"queries": st.integers(1, 4), "items": st.integers(1, 9), "width": st.integers(1, 9),
             "length": st.integers(1, 5), "places": st.integers(0, 6), "seed": st.integers(0, 2**32 - 1)}  # fmt: skip
    return question(**{name: draw(size) for name, size in sizes.items()})


def question(queries: int, items: int, width: int, length: int, places: int, seed: int) -> SimpleNamespace:
    random = np.random.default_rng(seed)

    def rows(count: int) -> list[list[int]]:
        return [random.permutation(NAMES)[: random.integers(0, 5)].tolist() for _ in range(count)]

    names = np.array([name for name in range(NAMES) if name % 2 == 0 and random.random() < 0.8], np.uint32)
    postings = [
        [
            (int(item), float(random.random() + 0.1))
            for item in 1 + random.permutation(items)[: random.integers(0, items)]
        ]
        for _ in names
    ]
    weight = random.choice([0, 0.5, 1, 2], (queries, length)).astype(np.float32)
    return SimpleNamespace(
        names=names, idf=(random.random(len(names)) + 0.1).astype(np.float32), postings=postings,
        projection=random.normal(0, 1, (len(names) + 2, width)).astype(np.float32),
        base=random.normal(0, 1, (items, width)).astype(np.float32),
        fresh=random.normal(0, 1, (3, width)).astype(np.float32),
        place=random.integers(-1, 3, random.integers(0, items + 3)).astype(np.int32),
        hash32=random.integers(0, 6, items + 3).astype(np.uint32), table=random.normal(0, 1, NAMES - 2),
        wanted=random.integers(0, NAMES, (3, 2)).astype(np.uint32),
        weight=weight, signed=(weight * random.choice([-1, 1], weight.shape)).astype(np.float32),
        terms=[rows(length) for _ in range(queries)], others=[rows(places) for _ in range(queries)],
        history=random.integers(0, items + 3, (queries, length)).astype(np.int32),
        item=random.integers(0, items + 3, (queries, places)).astype(np.int32),
        user=random.normal(0, 1, (queries, width)).astype(np.float32),
        shown=[sorted(random.integers(0, 6, random.integers(0, 9)).tolist()) for _ in range(queries)],
    )  # fmt: skip


OF_QUERIES = ("weight", "signed", "terms", "others", "history", "item", "user", "shown")


def alone(one: SimpleNamespace, b: int) -> SimpleNamespace:
    return SimpleNamespace(**(vars(one) | {name: getattr(one, name)[b : b + 1] for name in OF_QUERIES}))


def packed(rows: list[list[list[int]]], dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Give the rows of all queries one after the other, and where each begins."""
    ragged = Ragged.of_rows([row for query in rows for row in query], dtype)
    return ragged.values, ragged.start


def out(*shape: int) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)


def profile(one: SimpleNamespace) -> tuple[np.ndarray, np.ndarray]:
    term, strength = np.full((len(one.weight), BEST), 99, np.int32), out(len(one.weight), BEST)
    kernels.profile(one.names, one.idf, *packed(one.terms, np.uint32), one.weight, term, strength)
    return term, strength


def best_of_postings(one: SimpleNamespace) -> tuple[np.ndarray, np.ndarray]:
    ids = packed([[[item for item, _ in row] for row in one.postings]], np.int32)
    values = np.array([value for row in one.postings for _, value in row], np.float32)
    item, score, total = np.full((len(one.weight), 4), 99, np.int32), out(len(one.weight), 4), np.zeros(10, np.float32)
    kernels.best_of_postings(ids[1], ids[0], values, *profile(one), total, item, score)
    assert not total.any()
    return item, score


def encode(one: SimpleNamespace) -> np.ndarray:
    filled = out(len(one.terms), len(one.terms[0]), one.base.shape[1])
    kernels.encode(
        one.names, one.idf, one.projection, *packed(one.terms, np.uint32), filled.reshape(-1, filled.shape[2])
    )
    return filled


def dots_of_two(one: SimpleNamespace) -> np.ndarray:
    filled = out(*one.item.shape)
    kernels.dots_of_two(one.user, one.base, one.fresh, one.place, one.item, filled)
    return filled


def sum_of_vectors(one: SimpleNamespace) -> np.ndarray:
    filled = np.zeros(one.user.shape, np.float32)
    kernels.sum_of_vectors(one.base, one.fresh, one.place, one.history, one.signed, filled)
    return filled


def affinity(one: SimpleNamespace) -> np.ndarray:
    filled = out(len(one.terms), NAMES - 2)  # rows may name groups beyond the table
    kernels.affinity(*packed(one.terms, np.int32), one.signed, filled)
    return filled


def sum_of_groups(one: SimpleNamespace) -> np.ndarray:
    filled = out(*one.item.shape)
    table = np.tile(one.table.astype(np.float32), (len(one.item), 1))
    kernels.sum_of_groups(table, *packed(one.others, np.int32), filled)
    return filled


def group_links(one: SimpleNamespace) -> np.ndarray:
    filled = out(*one.weight.shape, one.item.shape[1])
    kernels.group_links(*packed(one.terms, np.int32), *packed(one.others, np.int32), filled)
    return filled


def share_of_same(one: SimpleNamespace) -> np.ndarray:
    filled = out(*one.item.shape)
    kernels.share_of_same(one.history, one.signed, one.item, filled)
    return filled


def share_of_terms(one: SimpleNamespace) -> np.ndarray:
    filled = out(*one.item.shape)
    for b, rows in enumerate(one.others):
        kernels.share_of_terms(one.wanted, np.array([1, 2, 0.5], np.float32), *packed([rows], np.uint32), filled[b])
    return filled


def times(one: SimpleNamespace) -> np.ndarray:
    filled = out(*one.item.shape)
    kernels.times(one.hash32, one.item, *packed([one.shown], np.uint32), filled)
    return filled


EXPECTED: dict[str, tuple[Callable[[SimpleNamespace], np.ndarray], Callable[[SimpleNamespace], Any]]] = {
    "encode": (encode, lambda one: [
        oracles.encode(one.names, one.idf, one.projection, row) for row in one.terms[0]]),
    "dots_of_two": (dots_of_two, lambda one: oracles.dots_of_two(
        one.user[0], one.base, one.fresh, one.place, one.item[0])),
    "sum_of_vectors": (sum_of_vectors, lambda one: oracles.sum_of_vectors(
        one.base, one.fresh, one.place, one.history[0], one.signed[0])),
    "affinity": (affinity, lambda one: oracles.affinity(one.terms[0], one.signed[0], NAMES - 2)),
    "sum_of_groups": (sum_of_groups, lambda one: oracles.sum_of_groups(one.table, one.others[0])),
    "group_links": (group_links, lambda one: oracles.group_links(one.terms[0], one.others[0])),
    "share_of_same": (share_of_same, lambda one: oracles.share_of_same(one.history[0], one.signed[0], one.item[0])),
    "share_of_terms": (share_of_terms, lambda one: oracles.share_of_terms(one.wanted, (1, 2, 0.5), one.others[0])),
    "times": (times, lambda one: oracles.times(one.hash32, one.item[0], one.shown[0])),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
@given(one=questions())
@SOME
def test_each_kernel_does_what_its_oracle_does_alone_as_in_a_batch(name: str, one: SimpleNamespace) -> None:
    run, oracle = EXPECTED[name]
    together = run(one)
    for b in range(len(one.item)):
        single = alone(one, b)
        found = run(single)
        assert found.tobytes() == together[b : b + 1].tobytes()
        np.testing.assert_allclose(found[0], np.reshape(oracle(single), found[0].shape), rtol=1e-4, atol=1e-5)


@given(one=questions())
@SOME
def test_a_profile_holds_the_heaviest_terms_and_finds_the_best_items(one: SimpleNamespace) -> None:
    term, strength = profile(one)
    item, score = best_of_postings(one)
    for b in range(len(one.item)):
        expected = oracles.profile(one.names, one.idf, one.terms[b], one.weight[b], BEST)
        assert term[b].tolist() == [*(place for place, _ in expected), *[-1] * (BEST - len(expected))]
        np.testing.assert_allclose(strength[b][: len(expected)], [value for _, value in expected], rtol=1e-4)
        best = oracles.best_of_postings(one.postings, expected, item.shape[1])
        np.testing.assert_allclose(np.sort(score[b])[::-1], best + [0.0] * (item.shape[1] - len(best)), rtol=1e-4)
        assert np.count_nonzero(item[b]) == len(best)
        single = alone(one, b)
        for whole, part in ((term, profile(single)[0]), (strength, profile(single)[1])):
            assert whole[b : b + 1].tobytes() == part.tobytes()
        for whole, part in zip((item, score), best_of_postings(single), strict=True):
            assert whole[b : b + 1].tobytes() == part.tobytes()


def test_an_interest_in_nothing_known_finds_nothing() -> None:
    one = question(queries=2, items=3, width=2, length=2, places=2, seed=1)
    one.terms = [[[1, 3], []], [[], [5]]]  # odd names are unknown
    term, strength = profile(one)
    assert (term == -1).all()
    assert not strength.any()
    item, score = best_of_postings(one)
    assert not item.any()
    assert not score.any()
