"""Do the kernels that handle candidates do what their slow versions do?"""

import inspect
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import oracles
import oracles_exploring
import oracles_folding
import oracles_lists
import oracles_terms
import oracles_tower
from foryou import kernels
from tries import tries

SOME = tries(150)
SCORES = [-1.5, 0.0, 0.25, 0.25, 1.0, 3.0, np.nan, np.inf, -np.inf]


@st.composite
def slates(draw: st.DrawFn) -> SimpleNamespace:
    """Give candidates of up to 3 queries: distinct items in each, some places empty, some dropped, some pinned."""
    shape = draw(st.integers(1, 3)), draw(st.integers(1, 9))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))  # drawing each entry would take 20 ms a slate
    item = np.argsort(random.random((shape[0], shape[1] + 3)), axis=1)[:, : shape[1]] + 1
    return SimpleNamespace(
        item=(item * random.choice([1, 1, 1, 0], shape)).astype(np.int32),
        score=random.choice(SCORES, shape).astype(np.float32),
        dropped=random.choice([0, 0, 0, 1, 2], shape).astype(np.uint8),
        pin=random.choice([0, 0, 0, 1, 2, 7], shape).astype(np.int16),
        group=random.integers(0, 4, shape).astype(np.int32),
        k=random.integers(0, 7, shape[0]).astype(np.int32),
    )


def test_every_kernel_has_a_slow_version() -> None:
    public = [name for name, one in vars(kernels).items() if hasattr(one, "py_func") and not name.startswith("_")]
    assert public
    files = (oracles, oracles_terms, oracles_folding, oracles_tower, oracles_lists, oracles_exploring)
    slow = {name: one for file in files for name, one in vars(file).items()}
    assert [name for name in public if not inspect.isfunction(slow.get(name))] == []


@SOME
@given(slates())
def test_top_gives_the_best_kept_candidates_with_pinned_ones_at_their_place(one: SimpleNamespace) -> None:
    found = kernels.top(one.item, one.score, one.dropped, one.pin, one.k)
    assert found.shape == (len(one.k), max(one.k))
    for b, row in enumerate(found):
        expected = oracles.top(one.item[b], one.score[b], one.dropped[b], one.pin[b], int(one.k[b]))
        assert row.tolist() == expected + [-1] * (len(row) - len(expected))


@SOME
@given(slates())
def test_top_of_a_query_is_the_same_alone_and_in_a_batch(one: SimpleNamespace) -> None:
    together = kernels.top(one.item, one.score, one.dropped, one.pin, one.k)
    for b in range(len(one.k)):
        only = slice(b, b + 1)
        alone = kernels.top(one.item[only], one.score[only], one.dropped[only], one.pin[only], one.k[only])
        assert alone[0].tolist() == together[b, : one.k[b]].tolist()


def test_a_score_that_is_not_finite_is_never_selected_not_even_when_pinned() -> None:
    item = np.array([[1, 2, 3, 4]], np.int32)
    score = np.array([[np.nan, np.inf, -np.inf, -5.0]], np.float32)
    pin = np.array([[1, 2, 0, 0]], np.int16)
    found = kernels.top(item, score, np.zeros((1, 4), np.uint8), pin, np.array([3], np.int32))
    assert found.tolist() == [[3, -1, -1]]


def test_equal_scores_stand_in_the_order_of_item_numbers() -> None:
    item = np.array([[9, 4, 7, 1]], np.int32)
    nothing = np.zeros((1, 4), np.uint8)
    found = kernels.top(item, np.ones((1, 4), np.float32), nothing, nothing.astype(np.int16), np.array([3], np.int32))
    assert item[0, found[0]].tolist() == [1, 4, 7]


def test_of_two_pins_for_one_place_the_better_score_wins_and_the_other_is_not_shown() -> None:
    item, score = np.array([[1, 2, 3]], np.int32), np.array([[0.1, 0.2, 0.9]], np.float32)
    pin = np.array([[2, 2, 0]], np.int16)
    found = kernels.top(item, score, np.zeros((1, 3), np.uint8), pin, np.array([3], np.int32))
    assert item[0, found[0, :2]].tolist() == [3, 2]
    assert found[0, 2] == -1


def test_a_list_of_no_candidates_or_of_length_nought_is_empty() -> None:
    nothing = np.zeros((2, 3), np.int32)
    score, dropped, pin = np.zeros((2, 3), np.float32), np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.int16)
    assert kernels.top(nothing, score, dropped, pin, np.array([2, 0], np.int32)).tolist() == [[-1, -1], [-1, -1]]
    assert kernels.top(nothing + 1, score, dropped, pin, np.zeros(2, np.int32)).shape == (2, 0)
    none = np.zeros((0, 3))
    empty = kernels.top(
        none.astype(np.int32), none.astype(np.float32), none.astype(np.uint8), none.astype(np.int16),
        np.zeros(0, np.int32),
    )  # fmt: skip
    assert empty.shape == (0, 0)


@st.composite
def proposals(draw: st.DrawFn) -> list[np.ndarray]:
    """Give what up to three sources propose to two queries: int32 [2, n] each, with repeats and empty places."""
    widths = draw(st.lists(st.integers(0, 5), min_size=1, max_size=3))
    return [draw(arrays(np.int32, (2, width), elements=st.integers(0, 6))) for width in widths]


@SOME
@given(proposals(), st.integers(1, 8))
def test_merge_adds_each_candidate_once_and_notes_all_its_sources(sources: list[np.ndarray], places: int) -> None:
    item, prior = np.zeros((2, places), np.int32), np.zeros((2, places), np.float32)
    origin, used = np.zeros((2, places), np.uint16), 0
    slow = [[[0, 0.0, 0] for _ in range(places)] for _ in range(2)]
    for number, new in enumerate(sources):
        new_prior = np.arange(new.size, dtype=np.float32).reshape(new.shape) + 10 * number
        ends = {oracles.merge(slow[b], used, new[b], new_prior[b], 1 << number) for b in range(2)}
        used = kernels.merge(item, prior, origin, used, new, new_prior, np.uint16(1 << number))
        assert {used} == ends
    for b in range(2):
        assert list(zip(item[b], prior[b], origin[b], strict=True)) == [tuple(place) for place in slow[b]]


def test_merge_keeps_apart_items_that_share_a_slot_of_its_table() -> None:
    places = 64
    item, prior = np.zeros((1, places), np.int32), np.zeros((1, places), np.float32)
    origin = np.zeros((1, places), np.uint16)
    new = np.array([[1 + 4_096 * step for step in range(40)]], np.int32)
    for bit in (1, 2):
        kernels.merge(item, prior, origin, 0 if bit == 1 else 40, new, np.ones((1, 40), np.float32), np.uint16(bit))
    assert item[0, :40].tolist() == new[0].tolist()
    assert origin[0].tolist() == [3] * 40 + [0] * 24


@SOME
@given(slates())
def test_count_kept_counts_candidates_that_no_rule_dropped(one: SimpleNamespace) -> None:
    expected = sum(oracles.count_kept(a, b) for a, b in zip(one.item, one.dropped, strict=True))
    assert kernels.count_kept(one.item, one.dropped) == expected


@SOME
@given(slates(), st.integers(1, 3))
def test_the_cap_leaves_the_best_list_that_keeps_it(one: SimpleNamespace, cap: int) -> None:
    kept = (one.item > 0) & (one.dropped == 0)
    over = kernels.beyond_cap(one.item, one.score, one.dropped, one.group, cap, one.k)
    for b in range(len(one.k)):
        rows = one.item[b], one.score[b], kept[b], one.group[b]
        assert over[b].tolist() == oracles.beyond_cap(*rows, cap, int(one.k[b]))


def test_items_without_a_category_are_never_capped() -> None:
    item = np.arange(1, 7, dtype=np.int32)[None]
    score, dropped = np.ones((1, 6), np.float32), np.zeros((1, 6), np.uint8)
    none = np.zeros((1, 6), np.int32)
    assert not kernels.beyond_cap(item, score, dropped, none, 1, np.array([6], np.int32)).any()
    assert kernels.beyond_cap(item, score, dropped, none + 2, 1, np.array([6], np.int32)).sum() == 5


def test_the_cap_looks_at_all_candidates_where_the_best_ones_are_of_too_few_categories() -> None:
    item = np.arange(1, 41, dtype=np.int32)[None]
    score, dropped = np.linspace(1, 0, 40, dtype=np.float32)[None], np.zeros((1, 40), np.uint8)
    group = np.where(item <= 30, 1, np.where(item <= 38, 2, 3)).astype(np.int32)
    over = kernels.beyond_cap(item, score, dropped, group, 2, np.array([6], np.int32))
    assert np.flatnonzero(~over[0]).tolist() == [0, 1, 30, 31, 38, 39]


@SOME
@given(arrays(np.int32, (3, 5), elements=st.integers(0, 7)), arrays(np.uint32, (3, 4), elements=st.integers(0, 9)))
def test_member_finds_exactly_the_items_that_were_seen(item: np.ndarray, seen: np.ndarray) -> None:
    hash32 = np.array([0, 5, 3, 9, 1, 7, 2, 4_000_000_000], np.uint32)
    start = np.array([0, 4, 4, 8], np.int64)  # the second query has seen nothing
    flat = np.concatenate([np.sort(seen[0]), np.sort(seen[2])])
    found = kernels.member(hash32, item, flat, start)
    mine = [seen[0].tolist(), [], seen[2].tolist()]
    assert found.tolist() == [oracles.member(hash32.tolist(), item[b], mine[b]) for b in range(3)]


@SOME
@given(st.lists(st.integers(1, 2**64 - 1), max_size=60, unique=True), st.lists(st.integers(0, 2**64 - 1), max_size=9))
def test_numbers_of_hashes_are_found_wherever_they_lie(hashes: list[int], others: list[int]) -> None:
    table = np.array([0, *hashes], np.uint64)
    order = (np.argsort(table[1:], kind="stable") + 1).astype(np.int32)
    wanted = [*others, *hashes]
    found = np.full(len(wanted), 7, np.int32)
    kernels.numbers_of(table, order, np.array(wanted, np.uint64), found)
    assert found.tolist() == oracles.numbers_of([0, *hashes], wanted)


@st.composite
def lives(draw: st.DrawFn) -> list[list[tuple[int, float, int, int]]]:
    """Give the actions (item, taste, action, at_ms) of two users, oldest first."""
    action = st.tuples(st.integers(0, 5), st.sampled_from([-1.0, 0.0, 0.5, 1.0]), st.integers(0, 3))
    return [
        [(item, taste, kind, at_ms) for at_ms, (item, taste, kind) in enumerate(draw(st.lists(action, max_size=9)))]
        for _ in range(2)
    ]


@SOME
@given(
    lives(), st.integers(1, 6), st.lists(st.sampled_from([0, 1]), min_size=1, max_size=4),
    st.lists(st.integers(0, 5), max_size=2),
)  # fmt: skip
def test_the_history_is_distinct_items_newest_first_each_with_its_strongest_taste(
    people: list[list[tuple[int, float, int, int]]], width: int, asked: list[int], left_out: list[int]
) -> None:
    flat = [one for person in people for one in person]
    start = np.array([0, len(people[0]), len(flat)], np.int64)
    dtypes = (np.int32, np.float32, np.uint8, np.int64)
    number, taste, action, at_ms = (
        np.array([one[column] for one in flat], dtype) for column, dtype in enumerate(dtypes)
    )
    out = [np.full((len(asked), width), 99, dtype) for dtype in dtypes]
    gone = np.tile(np.array(left_out, np.int32), (len(asked), 1))
    gone[0] = 0  # the first is asked about as it is
    kernels.recent(number, taste, action, at_ms, start, np.array(asked), gone, *out)
    for b, person in enumerate(asked):
        expected = oracles.recent(people[person], width, left_out if b else ())
        rows = list(zip(*(column[b].tolist() for column in out), strict=True))
        assert rows == expected + [(0, 0.0, 0, 0)] * (width - len(expected))


@SOME
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(0, 8), st.sampled_from([0.0, 0.2, 0.6, 0.99]),
    st.integers(0, 3),
)  # fmt: skip
def test_the_calibrated_list_is_that_of_the_slow_version(seed: int, size: int, k: int, share: float, cap: int) -> None:
    random = np.random.default_rng(seed)
    score = np.sort(random.random((2, size)).astype(np.float32), axis=1)[:, ::-1].copy()
    pool = np.tile(np.arange(size, dtype=np.int32), (2, 1))
    pool[1, random.integers(0, size + 1) :] = -1
    pin = (np.arange(size) < random.integers(0, 2)) * np.ones((2, 1), np.int16)
    group = random.integers(0, 4, (2, size)).astype(np.int32)
    kinds = [
        [random.choice(np.arange(1, 6), random.integers(0, 4), replace=False).tolist() for _ in range(size)]
        for _ in range(2)
    ]
    past = [
        [random.choice(np.arange(1, 6), random.integers(0, 3), replace=False).tolist() for _ in range(4)]
        for _ in range(2)
    ]
    weight = random.choice([0.0, 0.5, 1.0], (2, 4)).astype(np.float32)
    over = np.zeros((2, size), np.bool_)
    kernels.calibrate(
        pool, score, pin.astype(np.int16), group, *flat(kinds), *flat(past), weight, np.array([k, k], np.int32),
        share, cap, over,
    )  # fmt: skip
    for b in range(2):
        many = int((pool[b] >= 0).sum())
        counts = any(w > 0 and len(mine) for w, mine in zip(weight[b], past[b], strict=True))
        chosen = oracles.calibrate(
            score[b, :many].astype(float).tolist(), (pin[b, :many] > 0).tolist(), group[b].tolist(), kinds[b][:many],
            past[b], weight[b].tolist(), k, share, cap,
        ) if counts and many and k else []  # fmt: skip
        last = max(chosen, default=-1)
        assert np.flatnonzero(over[b]).tolist() == [j for j in range(last) if j not in chosen]


def flat(rows: list[list[np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Give ragged rows as values and starts."""
    every = [row for some in rows for row in some]
    start = np.concatenate([[0], np.cumsum([len(row) for row in every])]).astype(np.int64)
    return np.concatenate([*every, []]).astype(np.int32), start


@SOME
@given(st.integers(0, 2**32 - 1), st.integers(0, 9), st.integers(1, 7))
def test_new_arrivals_are_those_of_the_slow_version(seed: int, size: int, n: int) -> None:
    random = np.random.default_rng(seed)
    created = np.sort(random.integers(0, 100, size))[::-1].copy()
    group = random.integers(0, 4, size).astype(np.int32)
    liked = random.integers(0, 4, (2, 3)).astype(np.int32)
    now = np.array([50, 90], np.int64)
    item = np.full((2, n), 99, np.int32)
    kernels.arrivals(np.arange(1, size + 1, dtype=np.int32), created, group, now, 40, liked, item)
    for b in range(2):
        expected = oracles.arrivals(
            list(range(1, size + 1)), created.tolist(), group.tolist(), int(now[b]), 40, liked[b].tolist(), n
        )
        assert item[b].tolist() == expected + [0] * (n - len(expected))


@SOME
@given(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=6), st.lists(st.integers(0, 8), max_size=6))
def test_rows_of_different_lengths_follow_one_another(table: list[list[int]], asked: list[int]) -> None:
    start = np.cumsum([0, *(len(row) for row in table)]).astype(np.int64)
    values, row = np.array([value for row in table for value in row], np.int32), np.array(asked, np.int32)
    begin = np.empty(len(asked) + 1, np.int64)
    kernels.starts_of_rows(start, row, begin)
    assert begin.tolist() == oracles.starts_of_rows(table, asked)
    out = np.full(begin[-1], -1, np.int32)
    kernels.take_rows(start, values, row, begin, out)
    assert [out[a:b].tolist() for a, b in pairwise(begin)] == oracles.take_rows(table, asked)
