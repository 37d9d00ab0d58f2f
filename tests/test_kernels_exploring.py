"""Are candidates tried with the chances that are noted, and are those the ones of the plain words?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import oracles_exploring as oracles
from foryou import kernels
from tries import tries

SOME = tries(150)
SHARES = st.sampled_from([0.0, 0.1, 0.34, 0.5, 1.0])


@st.composite
def tables(draw: st.DrawFn) -> dict[str, NDArray[np.generic]]:
    """Give the candidates of two queries: kept or not, pinned or not, their groups, and what is hoped of them."""
    random, shape = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), (2, draw(st.integers(1, 12)))
    kept = random.random(shape) < 0.8
    pin = random.choice([0, 0, 0, 0, 1, 3], shape).astype(np.int16)
    item, score = np.ones(shape, np.int32), random.normal(size=shape).astype(np.float32)
    k = random.integers(0, 7, shape[0]).astype(np.int32)
    return {
        "kept": kept, "group": random.integers(0, 5, shape).astype(np.int32), "pin": pin, "k": k,
        "best": kernels.top(item, score, (~kept).astype(np.uint8), pin, k),
        "mean": random.normal(size=shape).astype(np.float32),
        "deviation": random.choice([0.05, 0.5, 2.0], shape).astype(np.float32),
        "tasted": random.integers(0, 5, (2, 2)).astype(np.int32),
    }  # fmt: skip


@SOME
@given(st.integers(0, 2**64 - 1))
def test_random_numbers_are_those_of_splitmix64(seed: int) -> None:
    state, number = kernels.uniform(np.uint64(seed))
    assert (int(state), number) == oracles.uniform(seed)
    assert 0 <= number < 1


def test_random_numbers_are_uniform() -> None:
    state, numbers = np.uint64(1), []
    for _ in range(2_000):
        state, number = kernels.uniform(np.uint64(state))
        numbers.append(number)
    count = np.histogram(numbers, 10, (0, 1))[0]
    assert ((count - 200) ** 2 / 200).sum() < 21.7  # χ² of 9 degrees of freedom, one in a hundred


@SOME
@given(tables(), SHARES)
def test_what_may_be_tried_is_what_the_plain_words_say(one: dict, share: float) -> None:
    pool = np.ones(one["kept"].shape, np.bool_)
    kernels.explorable(one["kept"], one["group"], one["best"], one["k"], one["tasted"], share, one["pin"], pool)
    for b in range(len(pool)):
        wanted = oracles.explorable(
            one["kept"][b], one["group"][b], one["best"][b], one["tasted"][b], share, one["pin"][b]
        )
        assert np.flatnonzero(pool[b]).tolist() == wanted


@SOME
@given(tables(), st.sampled_from([0.0, 0.2, 1.0]))
def test_hopes_are_the_integral_of_the_plain_words(one: dict, floor: float) -> None:
    found = np.full(one["kept"].shape, np.nan, np.float32)
    kernels.hopes(one["kept"], one["mean"], one["deviation"], floor, found)
    for b, row in enumerate(found):
        pool = np.flatnonzero(one["kept"][b]).tolist()
        wanted = oracles.hopes(
            pool, one["mean"][b].tolist(), one["deviation"][b].tolist(), floor, kernels.CONTENDERS, kernels.GRID
        )
        assert row.tolist() == pytest.approx([wanted.get(c, 0.0) for c in range(len(row))], abs=1e-5)


def test_hopes_are_how_often_a_draw_of_each_posterior_is_the_largest() -> None:
    random = np.random.default_rng(4)
    mean, deviation = random.normal(size=(1, 20)).astype(np.float32), np.tile(np.float32([0.3, 1.0]), 10)[None]
    found = np.empty(mean.shape, np.float32)
    kernels.hopes(np.ones(mean.shape, np.bool_), mean, deviation, 0.0, found)
    drawn = np.argmax(mean + deviation * random.normal(size=(100_000, 20)), axis=1)
    assert found[0] == pytest.approx(np.bincount(drawn, minlength=20) / 100_000, abs=0.01)


@SOME
@given(tables(), SHARES, st.integers(0, 2**64 - 4))
def test_candidates_are_drawn_as_in_the_plain_words_alone_and_in_a_batch(one: dict, share: float, seed: int) -> None:
    weight = np.where(one["kept"] & (one["pin"] == 0), np.exp(one["mean"]), 0).astype(np.float32)
    seeds = np.array([seed, seed + 1], np.uint64)
    pin, propensity = one["pin"].copy(), np.ones(weight.shape, np.float32)
    kernels.explore(weight, one["best"], one["k"], share, seeds, pin, propensity)
    for b in range(len(weight)):
        found = oracles.explore(weight[b].tolist(), one["best"][b], share, seed + b, one["pin"][b])
        new = np.flatnonzero(pin[b] != one["pin"][b])
        assert {int(c): int(pin[b, c]) for c in new} == {c: place for c, (place, _) in found.items()}
        chances = [found.get(c, (0, 1.0))[1] for c in range(weight.shape[1])]
        assert propensity[b].tolist() == pytest.approx(chances, rel=1e-4)
        own = slice(b, b + 1)
        alone, chance = one["pin"][own].copy(), np.ones_like(propensity[own])
        kernels.explore(weight[own], one["best"][own], one["k"][own], share, seeds[own], alone, chance)
        assert alone.tolist() == pin[own].tolist()
        assert chance.tobytes() == propensity[own].tobytes()


def many(times: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]]:
    """Give one list of ten places so many times, of 15 candidates: weights, who is shown, lengths."""
    weight = np.tile(np.random.default_rng(seed).random(15).astype(np.float32), (times, 1))
    weight[:, :10] = 0  # those are shown
    weight[:, 14] = 8.0  # sure to be drawn
    return weight, np.tile(np.arange(10, dtype=np.int32), (times, 1)), np.full(times, 10, np.int32)


@pytest.mark.parametrize("share", [0.15, 0.2, 0.37])
def test_the_chance_that_is_noted_is_the_frequency_of_being_drawn(share: float) -> None:
    times = 20_000
    weight, best, k = many(times, 5)
    pin, propensity = np.zeros(weight.shape, np.int16), np.ones(weight.shape, np.float32)
    kernels.explore(weight, best, k, share, np.arange(times, dtype=np.uint64) * 977, pin, propensity)
    for c in range(10, 15):
        drawn = pin[:, c] > 0
        assert len(set(propensity[drawn, c].tolist())) == 1
        assert drawn.mean() == pytest.approx(float(propensity[drawn, c][0]), abs=0.012)
    assert (pin > 0).sum() / times == pytest.approx(10 * share, abs=0.02)


@SOME
@given(tables(), SHARES)
def test_the_chances_of_a_list_are_those_of_the_plain_words(one: dict, share: float) -> None:
    weight = np.where(one["kept"] & (one["pin"] == 0), np.exp(one["mean"]), 0).astype(np.float32)
    for b in range(len(weight)):
        weight[b, one["best"][b][one["best"][b] >= 0]] = 0  # who is shown is not drawn
    chance = np.full((*weight.shape, one["best"].shape[1]), np.nan, np.float32)
    kernels.dealt(weight, one["best"], one["k"], share, one["pin"], chance)
    for b in range(len(weight)):
        found = oracles.dealt(weight[b].tolist(), one["best"][b], share, one["pin"][b])
        for place, wanted in enumerate(found):
            given = [wanted.get(c, 0.0) for c in range(weight.shape[1])]
            assert chance[b, :, place].tolist() == pytest.approx(given, rel=1e-4, abs=1e-5)
        assert not chance[b, :, len(found) :].any()


@pytest.mark.parametrize("share", [0.0, 0.15, 0.2, 0.37])
@pytest.mark.parametrize("pinned", [(), (9, 4)])
def test_the_chances_of_a_list_are_the_frequencies_of_what_is_drawn(share: float, pinned: tuple[int, ...]) -> None:
    times = 8_000
    weight, best, k = many(times, 6)
    pin, propensity = np.zeros(weight.shape, np.int16), np.ones(weight.shape, np.float32)
    for place in pinned:
        pin[:, place] = place + 1
    chance = np.full((1, 15, 10), np.nan, np.float32)
    kernels.dealt(weight[:1], best[:1], k[:1], share, pin[:1], chance)
    assert chance[0].sum(axis=0) == pytest.approx(1.0, abs=1e-5)
    seeds = np.arange(times, dtype=np.uint64) * 977
    kernels.explore(weight, best, k, share, seeds, pin, propensity)
    item, score = np.ones(weight.shape, np.int32), -np.tile(np.arange(15, dtype=np.float32), (times, 1))
    top = kernels.top(item, score, np.zeros(weight.shape, np.uint8), pin, k)
    for place in range(10):
        frequency = np.bincount(top[:, place], minlength=15) / times
        assert chance[0, :, place] == pytest.approx(frequency, abs=0.02), f"place {place}"
