"""Is the ranker served that ranks best, and does each keep what it should?"""

import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from foryou.models.calibration import probability
from foryou.models.mlp import Ranker
from foryou.train import rank
from foryou.train.blend import Choices
from foryou.train.rank import RankSettings, learned, unlearned
from foryou.train.ranker import Settings, fit_mlp

PRIORS = {"a": 1.0, "b": 1.0, "silent": 3.0}
FIT = Settings(objective="listwise", epochs=15, hidden=(16, 8), batch_rows=512, rate=3e-3)


def fixed(scale: NDArray[np.float32]) -> NDArray[np.float32]:
    return (np.array([[0, 1, 0], [1, 0, 0]]) / np.maximum(scale, 1e-6)).astype(np.float32)


def settings(**more: object) -> RankSettings:
    return RankSettings(PRIORS, {"a": 1.0}, fixed, fit=FIT, **more)  # type: ignore[arg-type]


def quiet(stage: str, done: int, total: int) -> None:
    """Hear of progress and say nothing."""


def world(crossed: bool, lists: int = 800, candidates: int = 20) -> Choices:
    """Give lists from which users choose by a and b, or half of them by a and half against it, as b says."""
    random, made = np.random.default_rng(1), Choices()
    for _ in range(lists):
        inputs = random.normal(0, 1, (3, candidates)).astype(np.float32)
        inputs[2] = 0
        if crossed:
            inputs[1] = random.choice([-1, 1])
        worth = 4 * inputs[0] * inputs[1] if crossed else 3 * inputs[0] + inputs[1]
        chance = np.exp(worth - worth.max())
        made.add(inputs, [int(random.choice(candidates, p=chance / chance.sum()))])
    return made


def test_the_light_one_is_served_where_a_weighted_sum_says_it_all() -> None:
    found = learned(world(crossed=False), settings(), quiet)
    assert found.chosen == "blend"
    assert found.figures["blend"] > found.figures["ensemble"]
    cold, warm = found.arrays["blend"]
    assert warm[0] > 2 * warm[1] > 0
    assert cold.tolist() == list(PRIORS.values())  # nobody without a history chose anything


def test_the_deep_one_is_served_where_inputs_matter_together() -> None:
    found = learned(world(crossed=True), settings(), quiet)
    assert found.chosen == "mlp"
    assert found.figures["mlp"] > 1.5 * max(found.figures["blend"], found.figures["logistic"])


def test_a_signal_that_never_showed_keeps_its_weight_in_every_ranker() -> None:
    found = learned(world(crossed=False, lists=100), settings(), quiet)
    assert found.arrays["blend"][:, 2].tolist() == [PRIORS["silent"]] * 2
    for name in ("logistic", "mlp"):
        arrays = {key.removeprefix(f"{name}-"): array for key, array in found.arrays.items() if key.startswith(name)}
        ranker, inputs = Ranker(arrays), np.zeros((3, 2), np.float32)
        inputs[2, 1] = 1
        out = np.empty(2, np.float32)
        ranker.score(inputs, out)
        assert out[1] - out[0] == pytest.approx(PRIORS["silent"], abs=1e-4)


def test_the_deep_one_holds_the_blend_half_and_half() -> None:
    choices = world(crossed=False, lists=200)
    found = learned(choices, settings(), quiet)
    mlp = {key.removeprefix("mlp-"): array for key, array in found.arrays.items() if key.startswith("mlp-")}
    alone = fit_mlp(rank.grouped(choices, np.arange(200), settings()), settings().fit, None, settings().prior)
    inputs = choices.inputs[0].copy()
    both, only = np.empty(20, np.float32), np.empty(20, np.float32)
    Ranker(mlp).score(inputs, both)
    Ranker(alone).score(inputs, only)
    blend = found.arrays["blend"][1, :2] @ inputs[:2]
    rest = both - only / 2  # what the blend adds, but for a constant
    slope, shift = np.polyfit(blend, rest, 1)
    assert slope > 0
    np.testing.assert_allclose(slope * blend + shift, rest, atol=1e-3)


def test_only_the_kinds_that_are_asked_for_are_learned() -> None:
    found = learned(world(crossed=False, lists=60), settings(kinds=("logistic",)), quiet)
    assert set(found.figures) == {"ensemble", "blend", "logistic"}
    assert not any(name.startswith("mlp") for name in found.arrays)


def test_without_pytorch_the_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "mlp" not in learned(world(crossed=False, lists=60), settings(), quiet).figures


def test_with_nothing_to_learn_from_the_fixed_weights_are_served() -> None:
    found = unlearned(settings())
    assert (found.chosen, found.arrays["blend"].tolist()) == ("blend", [list(PRIORS.values())] * 2)
    assert found.arrays["ensemble"].shape == (2, 3)


def test_what_each_input_is_worth_and_how_true_its_chances_are_is_said_of_the_winner() -> None:
    choices = world(crossed=False)
    found = learned(choices, settings(kinds=()), quiet)
    worth = {name: found.report[f"importance_{name}"] for name in PRIORS}
    assert worth["a"] > 2 * worth["b"] > 0
    assert worth["silent"] == 0
    knots = np.asarray(found.arrays["calibration"], np.float32)
    said = np.concatenate([probability(knots, found.arrays["blend"][1] @ inputs) for inputs in choices.inputs])
    assert said.mean() == pytest.approx(1 / 20, rel=0.1)
    assert found.report["calibration_ece"] < 0.02
    assert found.report["calibration_brier"] < 0.9 * found.report["calibration_brier_usual"]


def test_where_too_little_was_chosen_there_is_no_curve() -> None:
    found = learned(world(crossed=False, lists=60), settings(kinds=()), quiet)
    assert "calibration" not in found.arrays
    assert "calibration_ece" not in found.report
