"""Is a score the weighted sum of its inputs, each part of it named, and nothing worked out in vain?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import worlds
from foryou.domain.slate import QueryBatch, Slate
from foryou.features.assemble import FeatureSchema, assemble, assemble_without
from foryou.serve.rankers import Blend, Explained, Learned, Prior

BATCH: QueryBatch = worlds.Shop().pipeline.stages.strangers([worlds.query("nobody")])


@dataclass
class Times:
    """An input that is the item's number times a factor, less the entry that is left out."""

    name: str
    factor: float
    asked: int = 0
    of_history: bool = True

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> None:  # noqa: ARG002
        self.asked += 1
        out[:] = self.factor * item

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> bool:
        self.fill(batch, item[:, None, :], out)
        out -= np.arange(out.shape[1])[:, None]
        return True


def slate() -> Slate:
    made = Slate({"any": 3})
    made.propose("any", np.array([[3, 1, 2]], np.int32), np.array([[0.3, 0.1, 0.2]], np.float32))
    return made


def without(one: Explained, item: np.ndarray, entries: int) -> np.ndarray:
    """Give the scores without each entry, from the inputs of the whole."""
    inputs = assemble_without(one.used, BATCH, item, assemble(one.used, BATCH, item), entries)
    out = np.full(inputs.shape[1:], np.nan, np.float32)
    one.sum(inputs, BATCH, out)
    return out


def blend(*weights: float) -> tuple[Blend, list[Times]]:
    inputs = [Times("one", 1.0), Times("ten", 10.0)]
    return Blend(FeatureSchema(tuple(inputs)), np.array(weights, np.float32)), inputs


def test_a_score_is_the_weighted_sum_of_the_inputs() -> None:
    one, _ = blend(2.0, 0.5)
    out = np.full((1, 3), np.nan, np.float32)
    one.score(BATCH, slate(), out)
    assert out.tolist() == [[21.0, 7.0, 14.0]]


def test_scores_without_an_entry_are_those_of_the_inputs_without_it() -> None:
    one, _ = blend(2.0, 0.5)
    found = without(one, np.array([[3, 1]], np.int32), 3)
    assert found.tolist() == [[[21.0, 7.0], [18.5, 4.5], [16.0, 2.0]]]


def test_what_a_score_was_made_of_stays_on_the_slate() -> None:
    one, _ = blend(2.0, 0.0)
    held = slate()
    one.score(BATCH, held, np.zeros((1, 3), np.float32))
    assert held.inputs is not None
    assert held.inputs.tolist() == [[[3, 1, 2]], [[0, 0, 0]]]


def test_every_part_of_a_score_has_a_name() -> None:
    one, _ = blend(2.0, 0.0)
    inputs, parts = one.parts(BATCH, np.array([[4]], np.int32))
    assert (inputs, parts) == ({"one": 4.0, "ten": 40.0}, {"one": 8.0, "ten": 0.0})


def test_an_input_without_weight_is_not_worked_out() -> None:
    one, (counts, idle) = blend(2.0, 0.0)
    one.score(BATCH, slate(), np.zeros((1, 3), np.float32))
    assert without(one, np.array([[3]], np.int32), 2).tolist() == [[[6.0], [4.0]]]
    assert (counts.asked, idle.asked) == (3, 0)
    assert one.used.names == one.schema.names


def test_without_any_weight_all_score_nought() -> None:
    one, _ = blend(0.0, 0.0)
    out = np.full((1, 3), np.nan, np.float32)
    one.score(BATCH, slate(), out)
    assert not out.any()


def test_users_without_a_history_may_have_weights_of_their_own() -> None:
    inputs = (Times("one", 1.0), Times("ten", 10.0))
    mixed = Blend(FeatureSchema(inputs), np.array([[0, 1], [1, 0]], np.float32))
    shop = worlds.Shop()
    shop.feed(worlds.did("ann", "war-1"))
    out = np.zeros((2, 3), np.float32)
    both = Slate({"any": 3})
    both.reset(2)
    both.propose("any", np.array([[3, 1, 2]] * 2, np.int32), np.zeros((2, 3), np.float32))
    mixed.score(shop.pipeline.stages.hydrate([worlds.query("ann"), worlds.query("nobody")]), both, out)
    assert out.tolist() == [[3, 1, 2], [30, 10, 20]]


def test_a_learned_ranker_gives_its_logit_and_says_what_each_input_is_worth() -> None:
    arrays = {
        "mean": np.array([1, 10], np.float32), "scale": np.ones(2, np.float32), "wide": np.array([2, 0.5], np.float32),
        "bias": np.zeros(1, np.float32), "position": np.zeros(4, np.float32),
        "calibration": np.array([1, 0], np.float32),
    }  # fmt: skip
    one = Learned(FeatureSchema((Times("one", 1.0), Times("ten", 10.0))), arrays)
    out = np.zeros((1, 3), np.float32)
    one.score(BATCH, slate(), out)
    assert out.tolist() == [[2 * (3 - 1) + 0.5 * (30 - 10), 0, 2 + 5]]
    assert without(one, np.array([[3]], np.int32), 2).tolist() == [[[14.0], [11.5]]]
    inputs, parts = one.parts(BATCH, np.array([[3]], np.int32))
    assert (inputs, parts) == ({"one": 3.0, "ten": 30.0}, {"one": 4.0, "ten": 10.0})


def test_a_page_of_similar_items_is_ranked_by_what_the_source_said() -> None:
    out = np.zeros((1, 3), np.float32)
    Prior().score(BATCH, slate(), out)
    assert out.tolist() == np.array([[0.3, 0.1, 0.2]], np.float32).tolist()
