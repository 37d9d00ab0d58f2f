"""Is an action credited to the answer that caused it, and does a ranker learn from what was shown?"""

from pathlib import Path

import msgspec
import numpy as np
from tables import START_MS, table

from foryou.config import Config, Train
from foryou.domain import catalog as catalogs
from foryou.domain.exposure import Exposure
from foryou.domain.item import Item
from foryou.train.exposed import WITHIN_MS, answered
from foryou.wiring.training import fitting

ITEMS = catalogs.build([Item(item_id=str(n)) for n in range(1, 41)], "c", {})


def shown(name: str, user: str, at_ms: int, *items: int) -> Exposure:
    names = tuple(str(item) for item in items)
    return Exposure(name, user, START_MS + at_ms, "home", "main", "b", 0, 0, names, (), (), ())


def test_an_action_credits_the_last_answer_that_showed_the_item_within_a_day() -> None:
    log = table([(0, 1, 1.0), (0, 2, 1.0), (0, 3, -1.0), (1, 1, 1.0)], 40, [100, WITHIN_MS + 51, 120, 90])
    exposures = [
        shown("late", "u0", 80, 1, 4), shown("first", "u0", 50, 1, 2, 3), shown("nobody", "", 50, 1),
        shown("other", "u1", 95, 1), shown("gone", "u0", 60, 99),
    ]  # fmt: skip
    found = answered(exposures, log, ITEMS, START_MS)
    said = {(one.user_id, one.at_ms - START_MS): one.label.tolist() for one in found}
    assert said == {("u0", 50): [False, False, False], ("u0", 60): [False], ("u0", 80): [True, False],
                    ("u1", 95): [False]}  # fmt: skip
    assert [one.at_ms for one in found] == sorted(one.at_ms for one in found)
    assert answered(exposures, log, ITEMS, START_MS + 90)[0].user_id == "u1"


def test_what_was_shown_and_taken_up_teaches_the_ranker_and_places_are_debiased(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    rows, when, exposures = [], [], []
    for step in range(1_600):
        user, at = step % 80, step * 60_000
        items = random.choice(np.arange(1, 41), 8, replace=False)
        exposures.append(shown(f"r{step}", f"u{user}", at, *items.tolist()))
        places = [place for place, item in enumerate(items) if item % 2 == user % 2 and random.random() < 0.8**place]
        if places:
            rows.append((user, int(items[places[0]]), 1.0))
            when.append(at + 1_000)
    config = msgspec.structs.replace(Config(), train=Train(width=4, iterations=1, sequence_epochs=1, taken_up=100))
    bundle, report = fitting(config, lambda stage, done, total: None).bundle(
        table(rows, 40, when), ITEMS, "v", 1, tmp_path, exposures
    )
    assert report.figures["exposures"] > 100
    assert "what was shown" in bundle.manifest.gate.reason
    position = np.asarray(bundle.arrays["logistic-position"])
    assert position[0] > position[4] > position[7]
