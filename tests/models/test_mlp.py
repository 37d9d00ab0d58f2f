"""The forward pass of the ranker: the same as a plain matrix product says, with the same bits in every shape."""

import numpy as np
import pytest
from numpy.typing import NDArray

from foryou.domain.errors import Invalid
from foryou.models.mlp import LIMIT, Ranker

Arrays = dict[str, NDArray[np.float32]]


def arrays(inputs: int = 11, layers: tuple[int, ...] = (30, 9, 1)) -> Arrays:
    random = np.random.default_rng(3)
    made = {
        "mean": random.normal(size=inputs), "scale": random.random(inputs) + 0.5, "wide": random.normal(size=inputs),
        "bias": np.array([0.3]), "calibration": np.array([2.0, -1.0]), "position": np.zeros(64),
    }  # fmt: skip
    width = inputs
    for n, units in enumerate(layers):
        made[f"layer{n}.weight"] = random.normal(size=(units, width)) / np.sqrt(width)
        made[f"layer{n}.bias"], width = random.normal(size=units), units
    return {name: values.astype(np.float32) for name, values in made.items()}


def oracle(held: Arrays, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    z = (rows - held["mean"].astype(np.float64)) / held["scale"]
    hidden = np.clip(z, -LIMIT, LIMIT)
    layers = sum(name.endswith(".weight") for name in held)
    for n in range(layers):
        hidden = hidden @ held[f"layer{n}.weight"].T + held[f"layer{n}.bias"]
        hidden = hidden if n == layers - 1 else np.maximum(hidden, 0)
    return z @ held["wide"] + held["bias"][0] + (hidden[:, 0] if layers else 0)


@pytest.mark.parametrize("layers", [(), (1,), (30, 9, 1), (128, 64, 32, 1)])
@pytest.mark.parametrize("inputs", [1, 4, 11, 40])
def test_scores_are_what_matrix_products_say(inputs: int, layers: tuple[int, ...]) -> None:
    held = arrays(inputs, layers)
    rows = np.random.default_rng(0).normal(0, 3, (300, inputs)).astype(np.float32)
    np.testing.assert_allclose(Ranker(held).logits(rows), oracle(held, rows), atol=1e-4)


def test_a_far_outlier_is_not_extrapolated_by_the_layers() -> None:
    held = arrays() | {"wide": np.zeros(11, np.float32)}
    far = np.full((2, 11), 1e3, np.float32)
    far[1] = 1e6
    assert len(set(Ranker(held).logits(far))) == 1


def test_a_candidate_scores_the_same_bits_alone_in_a_batch_and_at_any_place() -> None:
    ranker = Ranker(arrays(40, (128, 64, 32, 1)))
    inputs = np.random.default_rng(1).normal(size=(40, 7, 333)).astype(np.float32)
    together = np.empty((7, 333), np.float32)
    ranker.score(inputs, together)
    for b in range(7):
        alone = np.empty((1, 333), np.float32)
        ranker.score(inputs[:, b : b + 1], alone)
        np.testing.assert_array_equal(alone[0], together[b])
    for first in (0, 1, 5, 127, 128, 129, 332):
        few = np.empty(1, np.float32)
        ranker.score(inputs[:, 3, first : first + 1], few)
        assert few[0] == together[3, first]
    turned = np.empty((7, 333), np.float32)
    ranker.score(inputs[:, :, ::-1], turned)
    np.testing.assert_array_equal(turned[:, ::-1], together)


def test_scores_of_rows_and_of_leave_one_out_cubes_have_the_same_bits() -> None:
    ranker = Ranker(arrays())
    cube = np.random.default_rng(2).normal(size=(11, 2, 3, 50)).astype(np.float32)
    out = np.empty((2, 3, 50), np.float32)
    ranker.score(cube, out)
    np.testing.assert_array_equal(ranker.logits(cube.reshape(11, -1).T), out.ravel())


def test_no_candidates_give_no_scores() -> None:
    assert Ranker(arrays()).logits(np.zeros((0, 11), np.float32)).shape == (0,)


def test_probabilities_follow_the_calibration_and_keep_the_order() -> None:
    found = Ranker(arrays()).probability(np.array([-1.0, 0.5, 3.0], np.float32))
    np.testing.assert_allclose(found, 1 / (1 + np.exp([3.0, 0.0, -5.0])), rtol=1e-6)


def test_arrays_that_lack_one_are_refused() -> None:
    held = arrays()
    del held["wide"]
    with pytest.raises(Invalid, match=r"ranker: the arrays \['wide'\] are missing; train again"):
        Ranker(held)


def test_layers_that_do_not_follow_one_another_are_refused() -> None:
    held = arrays()
    held["layer1.weight"] = held["layer1.weight"][:, 1:]
    with pytest.raises(Invalid, match=r"layer1: weight \(9, 29\) and bias \(9,\) do not follow a layer of 30"):
        Ranker(held)


def test_a_last_layer_of_two_units_is_refused() -> None:
    with pytest.raises(Invalid, match="layer1: the last layer has 2 units; it must have one"):
        Ranker(arrays(layers=(8, 2)))


def test_inputs_of_another_shape_are_refused() -> None:
    ranker = Ranker(arrays())
    with pytest.raises(Invalid, match=r"inputs: shape \(10, 5\) does not fit 11 inputs and an output of \(5,\)"):
        ranker.score(np.zeros((10, 5), np.float32), np.zeros(5, np.float32))
    with pytest.raises(Invalid, match=r"inputs: shape \(11, 5\) does not fit 11 inputs and an output of \(4,\)"):
        ranker.score(np.zeros((11, 5), np.float32), np.zeros(4, np.float32))
