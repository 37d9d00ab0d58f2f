"""Is it known what newcomers take up, and what those do who have been there for long?"""

import numpy as np
import pytest
from tables import table

import worlds
from foryou.models.stage import EDGES, Stage, stage_of
from foryou.train.stages import HALF_LIFE_MS, fit, lately


def test_what_newcomers_take_up_is_popular_at_their_stage_only() -> None:
    rows = [(user, 1 if place == 0 else 2 + (place + user) % 30, 1.0) for user in range(40) for place in range(30)]
    count, lift = fit(table(rows, 40))
    assert count.shape == lift.shape == (len(EDGES) + 1, 41)
    assert count[0, 1] > count[4, 1]
    assert lift[0, 1] > 1 > 0 > lift[5, 1]
    assert lift[0].argmax() == 1


def test_an_event_of_two_weeks_ago_counts_half() -> None:
    log = table([(0, 1, 1.0), (1, 2, 1.0)], 2)
    log.at_ms[:] = [0, HALF_LIFE_MS]
    assert np.expm1(lately(log)).tolist() == pytest.approx([0, 0.5, 1])


def test_the_stage_is_told_by_the_items_that_were_seen() -> None:
    assert stage_of(np.array([0, 1, 2, 3, 250, 251, 9_999])).tolist() == [0, 1, 1, 2, 9, 10, 10]
    shop = worlds.Shop()
    shop.feed(*(worlds.did("ann", f"war-{n}") for n in range(1, 4)))
    batch = shop.pipeline.stages.hydrate([worlds.query("ann"), worlds.query("nobody")])
    of_stage = Stage("stage", np.repeat(np.arange(11, dtype=np.float32)[:, None], 61, axis=1))
    out = np.empty((2, 2), np.float32)
    of_stage.fill(batch, np.array([[1, 2], [3, 4]], np.int32), out)
    assert out.tolist() == [[2, 2], [0, 0]]
