"""Are the weights that users choose by found again?"""

import numpy as np
import pytest

from foryou.train.blend import Choices, learn, rank_of
from foryou.train.metrics import ndcg_of_rank

PRIOR = np.array([1.0, 1.0, 0.25], np.float32)
PLANTED = np.array([3.0, 1.0, 0.0], np.float32)


def world(lists: int = 600, candidates: int = 30, seed: int = 1, scale: tuple[float, ...] = (1.0, 1.0, 1.0)) -> Choices:
    """Give lists of which users choose by a multinomial logit with the planted weights."""
    random, made = np.random.default_rng(seed), Choices()
    for _ in range(lists):
        inputs = random.normal(0, 1, (3, candidates)).astype(np.float32)
        worth = np.exp(PLANTED @ inputs)
        made.add(inputs * np.array(scale, np.float32)[:, None], [int(random.choice(candidates, p=worth / worth.sum()))])
    return made


def ranks(choices: Choices, weight: np.ndarray) -> np.ndarray:
    """Give the rank of each event's item by these weights, -1 = not a candidate."""
    scores = [weight @ inputs for inputs in choices.inputs]
    pairs = zip(choices.lists, choices.chosen, strict=True)
    return np.array([-1 if place < 0 else rank_of(scores[q], place) for q, place in pairs], np.int32)


def test_planted_weights_are_found() -> None:
    weight = learn(world(), PRIOR)
    assert weight[1] / weight[0] == pytest.approx(1 / 3, abs=0.12)
    assert weight[2] < 0.1 * weight[0]
    fresh = world(seed=2)
    found, best = (ndcg_of_rank(ranks(fresh, one)).mean() for one in (weight, PLANTED))
    assert found > 0.98 * best


def test_an_input_that_speaks_against_an_item_counts_nothing_rather_than_less() -> None:
    against = world()
    for inputs in against.inputs:
        inputs[1] *= -1
    weight = learn(against, PRIOR)
    assert 0 <= weight[1] < 0.05 * weight[0]


def test_the_scale_of_an_input_does_not_matter() -> None:
    plain, scaled = learn(world(200), PRIOR), learn(world(200, scale=(1.0, 100.0, 1.0)), PRIOR)
    assert scaled[1] * 100 == pytest.approx(plain[1], rel=0.05)


def test_an_input_that_never_varies_keeps_the_weight_that_it_had() -> None:
    constant = world(200)
    for inputs in constant.inputs:
        inputs[2] = 5
    weight = learn(constant, PRIOR)
    assert weight[2] == PRIOR[2]
    assert ndcg_of_rank(ranks(constant, weight)).mean() > 0.5


def test_choices_that_were_no_candidates_teach_nothing() -> None:
    with_misses = world(300)
    weight = learn(with_misses, PRIOR)
    for inputs in world(50, seed=9).inputs:
        with_misses.add(inputs, [-1])
    assert learn(with_misses, PRIOR).tolist() == pytest.approx(weight.tolist())


def test_without_anything_to_learn_from_the_weights_stay() -> None:
    empty = Choices()
    empty.add(np.zeros((3, 4), np.float32), [-1, -1])
    assert learn(empty, PRIOR).tolist() == PRIOR.tolist()


def test_several_choices_from_one_list_each_count() -> None:
    together, apart = Choices(), Choices()
    for inputs, chosen in zip(world(150).inputs, world(150).chosen, strict=True):
        together.add(inputs, [chosen, (chosen + 1) % 30])
        apart.add(inputs, [chosen])
        apart.add(inputs, [(chosen + 1) % 30])
    assert (together.lists[:4], apart.lists[:4]) == ([0, 0, 1, 1], [0, 1, 2, 3])
    np.testing.assert_allclose(learn(together, PRIOR), learn(apart, PRIOR), rtol=1e-3, atol=1e-4)


def test_a_rank_counts_the_better_candidates_of_its_list() -> None:
    made = Choices()
    made.add(np.array([[0.1, 0.9, 0.5]], np.float32), [0, 1, -1, 2])
    made.add(np.array([[0.3, 0.3, 0.3]], np.float32), [1])
    assert ranks(made, np.ones(1, np.float32)).tolist() == [2, 0, -1, 1, 1]


def test_nothing_is_learned_from_an_order_that_is_none() -> None:
    assert learn(world(), PRIOR)[0] > 0
    same = world(50)
    for inputs in same.inputs:
        inputs[:] = 1
    assert ranks(same, learn(same, PRIOR)).min() > 5
