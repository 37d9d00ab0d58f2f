"""Does the importance of an input say what is lost without it?"""

import numpy as np
import pytest
from numpy.typing import NDArray

from foryou.train import importance
from foryou.train.blend import Choices
from foryou.train.importance import heaviest, permuted

NAMES = ("strong", "weak", "noise", "silent")


def world(lists: int = 60, candidates: int = 20) -> Choices:
    """Give lists whose users choose by the first input, a little by the second; the last never varies."""
    random, made = np.random.default_rng(3), Choices()
    for n in range(lists):
        inputs = random.normal(0, 1, (4, candidates)).astype(np.float32)
        inputs[3] = 1
        worth = 3 * inputs[0] + 0.7 * inputs[1] + random.gumbel(size=candidates)
        made.add(inputs, [int(worth.argmax())], warm=n % 2 == 0)
    return made


def by_weight(*weight: float) -> importance.Score:
    def score(inputs: NDArray[np.float32], warm: bool) -> NDArray[np.float32]:  # noqa: ARG001
        return np.asarray(np.array(weight, np.float32) @ inputs)

    return score


def test_inputs_matter_in_the_order_in_which_they_were_planted() -> None:
    found = permuted(world(), np.arange(60), by_weight(3, 0.7, 0, 5), NAMES, 1)
    strong, weak, noise, silent = (found[f"importance_{name}"] for name in NAMES)
    assert strong > 0.3
    assert strong > 5 * weak > 0
    assert (noise, silent) == (0, 0)


def test_an_input_that_misleads_is_worth_less_than_nothing() -> None:
    found = permuted(world(), np.arange(60), by_weight(-1, 1, 0, 0), NAMES, 1)
    assert found["importance_strong"] < -0.05 < 0 < found["importance_weak"]


def test_the_same_seed_gives_the_same_figures_and_the_choices_stay_as_they_are() -> None:
    choices = world()
    before = [inputs.copy() for inputs in choices.inputs]
    first, second = (permuted(choices, np.arange(60), by_weight(3, 1, 0, 0), NAMES, 7) for _ in range(2))
    assert first == second
    assert all((a == b).all() for a, b in zip(before, choices.inputs, strict=True))


def test_values_come_from_other_lists_only() -> None:
    choices = world(5)
    drawn = importance._Drawn(choices, np.arange(5), 1)
    of = np.repeat(np.arange(5), 20)
    for _ in range(20):
        assert (of[drawn.elsewhere()] != of).all()
    assert len(np.unique(drawn.elsewhere())) > 30


def test_users_without_a_history_are_scored_as_such() -> None:
    asked: list[tuple[bool, int]] = []

    def score(inputs: NDArray[np.float32], warm: bool) -> NDArray[np.float32]:
        asked.append((warm, inputs.shape[1]))
        return inputs[0]

    permuted(world(10), np.arange(10), score, NAMES, 1)
    assert set(asked) == {(False, 100), (True, 100)}


def test_however_long_the_log_only_so_many_candidates_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importance, "ROWS", 250)
    drawn = importance._Drawn(world(), np.arange(60), 1)
    assert drawn.inputs.shape == (4, 240)


def test_events_whose_item_was_no_candidate_lessen_what_an_input_is_worth() -> None:
    choices = world()
    whole = permuted(choices, np.arange(60), by_weight(3, 0, 0, 0), NAMES, 1)["importance_strong"]
    for q in range(60):
        choices.lists.append(q)
        choices.chosen.append(-1)
    half = permuted(choices, np.arange(60), by_weight(3, 0, 0, 0), NAMES, 1)["importance_strong"]
    assert half == pytest.approx(whole / 2)


def test_one_list_alone_says_nothing() -> None:
    assert set(permuted(world(1), np.arange(1), by_weight(1, 1, 1, 1), NAMES, 1).values()) == {0.0}


def test_the_heaviest_are_read_from_the_report_of_a_manifest() -> None:
    report = {"importance_a": 0.1, "importance_b": 0.3, "importance_c": -0.2, "importance_d": 0.0, "popularity": 9.0}
    assert heaviest(report) == [("b", 0.3), ("a", 0.1)]
    assert heaviest(report, 1) == [("b", 0.3)]
