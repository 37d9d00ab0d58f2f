"""Learning the ranker: planted truths are found, positions are not believed, what was never shown keeps its prior."""

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from shelves import BIAS, SIZE, Shelf, biased, crossed, halves, linear

from foryou.domain.errors import Invalid, Unavailable
from foryou.models.mlp import Ranker
from foryou.train.ranker import Groups, Settings, fit_logistic, fit_mlp, judged, ranks

Fit = Callable[..., dict[str, NDArray[np.float32]]]
FITS = pytest.mark.parametrize("fit", [fit_logistic, fit_mlp])
QUICK = Settings(objective="listwise", hidden=(16, 8), epochs=4, batch_rows=256, rate=3e-3)


def appeal_of_the_first(arrays: dict[str, NDArray[np.float32]], shelf: Shelf) -> float:
    """Give the mean true appeal of what the ranker puts first: quality without any bias of the log."""
    score = Ranker(arrays).logits(shelf.groups.inputs).reshape(-1, SIZE)
    return float(np.take_along_axis(shelf.appeal.reshape(-1, SIZE), score.argmax(axis=1)[:, None], axis=1).mean())


@pytest.mark.parametrize("objective", ["pointwise", "listwise"])
def test_the_logistic_ranker_finds_a_planted_weighted_sum(objective: str) -> None:
    arrays = fit_logistic(linear(4_000).groups, Settings(objective=objective, ridge=1e-6))  # type: ignore[arg-type]
    np.testing.assert_allclose(arrays["wide"], [1, -0.5, 0], atol=0.08)


def test_the_mlp_finds_a_planted_crossing_that_no_weighted_sum_can() -> None:
    train, test = halves(crossed(1_200))
    settings = replace(QUICK, epochs=8)
    light, deep = (
        appeal_of_the_first(fit(train.groups, settings, test.groups), test) for fit in (fit_logistic, fit_mlp)
    )
    assert light < 3.0  # of 4; a draw gives 2
    assert deep > 3.9


@FITS
def test_the_bias_of_a_position_is_recovered_and_beats_the_fit_that_believes_it(fit: Fit) -> None:
    shelf = biased(1_500)
    settings = replace(QUICK, objective="pointwise", epochs=1)
    debiased = fit(shelf.groups, settings)
    naive = fit(shelf.groups, replace(settings, debias=False))
    found = debiased["position"][:SIZE]
    np.testing.assert_allclose(found - found.mean(), BIAS - BIAS.mean(), atol=0.35)
    assert (naive["position"] == 0).all()
    assert appeal_of_the_first(debiased, shelf) > 1.2 * appeal_of_the_first(naive, shelf)


def test_positions_that_are_not_known_add_nothing() -> None:
    shelf = linear(200)
    arrays = fit_logistic(shelf.groups, Settings(objective="pointwise"))
    assert (arrays["position"] == 0).all()


@FITS
@pytest.mark.parametrize("objective", ["pointwise", "listwise"])
def test_an_input_that_never_varied_keeps_its_prior_weight(fit: Fit, objective: str) -> None:
    groups = linear(200).groups
    rounded = np.where(groups.label > 0, np.nextafter(np.float32(7), np.float32(8)), np.float32(7))  # the last bit only
    inputs = np.column_stack([groups.inputs, rounded]).astype(np.float32)
    prior = np.array([0, 0, 0, 2.5], np.float32)
    arrays = fit(replace(groups, inputs=inputs), replace(QUICK, objective=objective), prior=prior)
    ranker = Ranker(arrays)
    before = ranker.logits(inputs)
    inputs[:, 3] += 2
    np.testing.assert_allclose(ranker.logits(inputs) - before, 5.0, atol=1e-4)


def test_a_strong_ridge_holds_the_other_weights_at_the_prior_too() -> None:
    prior = np.array([0.2, 0.3, -4], np.float32)
    arrays = fit_logistic(linear(200).groups, Settings(objective="listwise", ridge=1e4), prior=prior)
    np.testing.assert_allclose(arrays["wide"] / arrays["scale"], prior, rtol=1e-3)


def test_the_numpy_forward_pass_equals_pytorch() -> None:
    import torch

    shelf = crossed(150)
    arrays = fit_mlp(shelf.groups, replace(QUICK, hidden=(128, 64, 32)))
    held = {name: torch.from_numpy(values) for name, values in arrays.items()}
    z = (torch.from_numpy(shelf.groups.inputs) - held["mean"]) / held["scale"]
    hidden = z
    for n in range(4):
        hidden = torch.nn.functional.linear(hidden, held[f"layer{n}.weight"], held[f"layer{n}.bias"])
        hidden = hidden if n == 3 else hidden.relu()
    expected = (z @ held["wide"] + held["bias"] + hidden[:, 0]).numpy()
    assert np.abs(arrays["layer3.weight"]).max() > 0.01
    np.testing.assert_allclose(Ranker(arrays).logits(shelf.groups.inputs), expected, atol=1e-4)


@pytest.mark.parametrize("listwise", [False, True])
def test_the_slope_of_the_loss_is_its_difference_quotient(listwise: bool) -> None:
    from foryou.train.ranker.loss import residual

    random = np.random.default_rng(5)
    start = np.array([0, 3, 3, 7, 9])
    label = np.array([0, 1, 0, 1, 0.5, 0, 0, 0, 0], np.float32)
    weight = np.array([1, 1, 2, 0.5], np.float32)
    logit, slope, unused = random.normal(size=9), np.empty(9), np.empty(9)
    residual(logit, start, label, weight, listwise, slope)
    for t in range(9):
        step = np.eye(9)[t] * 1e-5
        up = residual(logit + step, start, label, weight, listwise, unused)
        down = residual(logit - step, start, label, weight, listwise, unused)
        assert slope[t] == pytest.approx((up - down) / 2e-5, abs=1e-7)


@FITS
def test_the_same_seed_gives_the_same_arrays(fit: Fit) -> None:
    train, test = halves(crossed(200))
    first, second = (fit(train.groups, replace(QUICK, dropout=0.2), test.groups) for _ in range(2))
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])


def test_another_seed_gives_another_mlp() -> None:
    groups = crossed(100).groups
    first, second = (fit_mlp(groups, replace(QUICK, seed=seed)) for seed in (0, 1))
    assert (first["layer0.weight"] != second["layer0.weight"]).any()


def test_training_leaves_the_random_state_and_the_threads_of_pytorch_alone() -> None:
    import torch

    before, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        fit_mlp(crossed(50).groups, replace(QUICK, dropout=0.5, epochs=1))
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.get_rng_state(), before)
    finally:
        torch.set_num_threads(threads)


def test_the_mlp_is_never_worse_than_the_logistic_ranker_where_it_was_stopped() -> None:
    train, test = halves(linear(60))
    settings = replace(QUICK, epochs=2, rate=1.0)  # each step is far too long
    from foryou.train.ranker.loss import residual

    def loss(fit: Fit) -> float:
        logit = Ranker(fit(train.groups, settings, test.groups)).logits(test.groups.inputs).astype(np.float64)
        groups = test.groups
        return float(residual(logit, groups.start, groups.label, groups.weight, True, np.empty(len(logit))))

    assert loss(fit_mlp) <= loss(fit_logistic) + 1e-6


@FITS
def test_probabilities_are_calibrated_whatever_the_objective(fit: Fit) -> None:
    train, test = halves(linear(3_000))
    for objective in ("pointwise", "listwise"):
        ranker = Ranker(fit(train.groups, replace(QUICK, objective=objective, epochs=1), test.groups))
        said = ranker.probability(ranker.logits(test.groups.inputs))
        high = said > np.quantile(said, 0.9)
        assert said.mean() == pytest.approx(0.1, abs=0.003)
        assert said[high].mean() == pytest.approx(test.groups.label[high].mean(), abs=0.03)


def test_auto_keeps_the_objective_that_ranks_the_validation_better() -> None:
    train, test = halves(linear(300))
    found = fit_logistic(train.groups, Settings(), test.groups)
    figures = {}
    for objective in ("pointwise", "listwise"):
        arrays = fit_logistic(train.groups, Settings(objective=objective), test.groups)
        figures[judged(test.groups, Ranker(arrays).logits(test.groups.inputs))["ndcg_at_10"]] = arrays
    assert len(figures) == 2
    np.testing.assert_array_equal(found["wide"], figures[max(figures)]["wide"])


def test_equal_scores_share_the_mean_of_their_ranks() -> None:
    score = np.array([1, 1, 1, 5, 2, 3, 0], np.float32)
    label = np.array([1, 0, 0, 0, 1, 1, 0], np.float32)
    assert ranks(score, np.array([0, 3, 6, 7]), label).tolist() == [1.0, 1.0, -1.0]


def test_groups_of_weight_zero_are_not_judged_and_not_learned_from() -> None:
    groups = linear(200).groups
    turned = replace(groups, label=np.roll(groups.label, 1), weight=np.zeros(200, np.float32))
    both = Groups(
        np.concatenate([groups.inputs, turned.inputs]), np.arange(0, 4_001, SIZE, dtype=np.int64),
        np.concatenate([groups.label, turned.label]), np.full(4_000, -1, np.int16),
        np.concatenate([groups.weight, turned.weight]),
    )  # fmt: skip
    alone, together = (fit_logistic(one, Settings(objective="listwise")) for one in (groups, both))
    np.testing.assert_allclose(together["wide"], alone["wide"], atol=1e-3)
    score = Ranker(alone).logits(both.inputs)
    assert judged(both, score) == pytest.approx(judged(groups, score[:2_000]))


def test_without_pytorch_the_error_says_what_to_install_and_the_logistic_ranker_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # what Python itself takes for "not installed"
    groups = linear(50).groups
    with pytest.raises(Unavailable, match=r"not installed; pip install 'foryou\[train\]', or choose the ranker `logi"):
        fit_mlp(groups, QUICK)
    assert fit_logistic(groups, QUICK)["wide"].shape == (3,)


def test_groups_without_any_choice_are_refused() -> None:
    groups = linear(5).groups
    with pytest.raises(Invalid, match="groups: nothing was chosen in 5 groups; collect clicks"):
        fit_logistic(replace(groups, label=np.zeros_like(groups.label)), QUICK)


def test_a_prior_of_another_width_is_refused() -> None:
    with pytest.raises(Invalid, match="prior: 2 weights for 3 inputs; give one weight per input"):
        fit_logistic(linear(5).groups, QUICK, prior=np.ones(2, np.float32))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"start": np.array([0, 10, 5, 50])}, "start: must rise from 0 to the 50 rows"),
        ({"label": np.zeros(9, np.float32)}, "groups: 9 labels, 50 positions and 5 weights do not fit 50 rows in 5 gr"),
        ({"label": np.full(50, 2, np.float32)}, "label: 2.0 to 2.0; labels are 0 to 1"),
        ({"inputs": np.full((50, 3), np.nan, np.float32)}, "inputs: column 0 has a value that is not finite; fill it"),
    ],
)
def test_groups_that_do_not_fit_are_refused(wrong: dict[str, NDArray[np.generic]], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        replace(linear(5).groups, **wrong)
