"""Are the inputs of the ranker in the order of the schema, and does its fingerprint tell schemas apart?"""

import numpy as np
import pytest
from numpy.typing import NDArray

from foryou.domain.slate import QueryBatch
from foryou.features import assemble as module
from foryou.features.assemble import FeatureSchema, assemble, assemble_anew, assemble_without, fingerprint


class Filled:
    """An input that is the item number times a factor; without entry l it is less by l, if history matters to it."""

    def __init__(self, name: str, factor: float, of_history: bool) -> None:
        self.name, self._factor, self.of_history = name, factor, of_history

    def fill(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> None:  # noqa: ARG002
        out[:] = self._factor * item

    def without(self, batch: QueryBatch, item: NDArray[np.int32], out: NDArray[np.float32]) -> bool:
        if self.of_history:
            self.fill(batch, item[:, None, :], out)
            out -= np.arange(out.shape[1])[:, None]
        return self.of_history


BATCH: QueryBatch = None  # type: ignore[assignment]
ITEM = np.array([[1, 2, 3], [4, 5, 6]], np.int32)
SCHEMA = FeatureSchema((Filled("double", 2, True), Filled("half", 0.5, False)))


def test_the_inputs_stand_in_the_order_of_the_schema() -> None:
    inputs = assemble(SCHEMA, BATCH, ITEM)
    assert inputs.dtype == np.float32
    assert inputs.tolist() == [(2 * ITEM).tolist(), (ITEM / 2).tolist()]


def test_without_an_entry_only_the_inputs_that_depend_on_history_change() -> None:
    inputs = assemble_without(SCHEMA, BATCH, ITEM, assemble(SCHEMA, BATCH, ITEM), 3)
    assert inputs.shape == (2, 2, 3, 3)
    for entry in range(3):
        assert inputs[0, :, entry].tolist() == (2 * ITEM - entry).tolist()
        assert inputs[1, :, entry].tolist() == (ITEM / 2).tolist()


def test_what_does_not_depend_on_history_is_not_worked_out_again() -> None:
    inputs = np.full((2, 2, 3), -1, np.float32)
    assemble_anew(SCHEMA, BATCH, ITEM, inputs)
    assert inputs[0].tolist() == (2 * ITEM).tolist()
    assert (inputs[1] == -1).all()


def test_the_fingerprint_tells_names_order_and_meaning_apart() -> None:
    found = {fingerprint(names) for names in (["a", "b"], ["b", "a"], ["a"], ["ab"], [])}
    assert len(found) == 5
    assert SCHEMA.fingerprint == fingerprint(["double", "half"])
    assert SCHEMA.names == ("double", "half")


def test_a_new_meaning_of_an_input_is_a_new_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(["a"])
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    assert fingerprint(["a"]) != before


def test_a_schema_without_inputs_makes_none() -> None:
    assert assemble(FeatureSchema(()), BATCH, ITEM).shape == (0, 2, 3)
