"""Does watch time put what is watched long above what is only clicked?"""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from tables import START_MS, table

from foryou.config import Config, Train, load
from foryou.domain import catalog as catalogs
from foryou.domain.clock import DAY_MS
from foryou.domain.errors import Invalid
from foryou.domain.event import CODE, Action
from foryou.domain.exposure import Exposure
from foryou.domain.item import Item
from foryou.models.mlp import Ranker
from foryou.train import watched
from foryou.train.blend import Choices
from foryou.train.dataset import Interactions
from foryou.train.rank import RankSettings, fit_for, learned
from foryou.train.ranker import Objective
from foryou.wiring.training import fitting, plain, rehearsal

ITEMS = catalogs.build([Item(item_id=str(n)) for n in range(1, 41)], "c", {})


def quiet(stage: str, done: int, total: int) -> None:
    """Hear of progress and say nothing."""


def stayed(rows: list[tuple[int, int, float]], when: list[int], seconds: dict[int, float]) -> Interactions:
    """Give clicks of these rows; those in `seconds` are dwells."""
    log = table(rows, 40, when)
    action, value = np.full(len(rows), CODE[Action.CLICK], np.uint8), log.value.copy()
    for row, lasted in seconds.items():
        action[row], value[row] = CODE[Action.DWELL], lasted
    return replace(log, action=action, value=value)


def test_a_click_counts_what_its_user_watched_of_the_item_within_a_day() -> None:
    rows = [(0, 1, 0.7), (0, 1, 0.7), (1, 1, 0.7), (0, 2, 0.7), (0, 1, 0.7), (0, 1, 0.7)]
    log = stayed(rows, [0, 1_000, 2_000, 3_000, 4_000, DAY_MS + 500], {1: 30.0, 4: 12.0, 5: 99_999.0})
    assert watched.seconds(log).tolist() == [42.0, 12.0 + 14_400 - 12, 1.0, 1.0, 14_400.0, 14_400.0]


def test_without_any_dwell_every_choice_counts_one_second() -> None:
    assert watched.seconds(table([(0, 1, 1.0), (1, 2, 1.0)], 40)).tolist() == [1.0, 1.0]


def videos(lists: int = 1_500, candidates: int = 10) -> tuple[Choices, NDArray[np.float32]]:
    """Give lists of bait, often clicked and left after 5 seconds, and of the rest, rarely clicked and seen for 200.

    With the expected seconds of either, by the one input that tells them apart: 0 = bait, 1 = the rest.
    """
    random, made = np.random.default_rng(2), Choices()
    for _ in range(lists):
        kind = random.integers(0, 2, candidates)
        clicked = np.flatnonzero(random.random(candidates) < np.where(kind, 0.05, 0.3))
        lasts = random.gamma(4, np.where(kind, 200, 5) / 4)
        inputs = np.stack([kind, random.normal(size=candidates), np.zeros(candidates)]).astype(np.float32)
        made.add(inputs, clicked.tolist(), worth=lasts[clicked].tolist())
    return made, np.array([0.3 * 5, 0.05 * 200], np.float32)


def ranker(objective: Objective, kind: str) -> tuple[Ranker, str]:
    settings = RankSettings(
        {"good": 0.0, "noise": 0.0, "silent": 0.0}, {}, lambda scale: np.ones((2, 3), np.float32),
        kinds=("logistic", kind), fit=replace(fit_for(objective), hidden=(8,), epochs=12, rate=3e-3),
    )  # fmt: skip
    found = learned(videos()[0], settings, quiet)
    return Ranker({k.removeprefix(f"{kind}-"): v for k, v in found.arrays.items() if k.startswith(kind)}), found.chosen


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
def test_the_score_is_the_log_of_the_expected_seconds(kind: str) -> None:
    one, chosen = ranker("watch_time", kind)
    bait, good = Ranker.seconds(one.logits(np.array([[0, 0, 0], [1, 0, 0]], np.float32)))
    # a clicked candidate is not passed over: its odds are seconds per candidate that was not clicked
    assert bait == pytest.approx(0.3 * 5 / 0.7, rel=0.2)
    assert good == pytest.approx(0.05 * 200 / 0.95, rel=0.2)
    assert chosen in ("logistic", "mlp")


def test_by_clicks_alone_the_bait_comes_first() -> None:
    bait, good = ranker("listwise", "logistic")[0].logits(np.array([[0, 0, 0], [1, 0, 0]], np.float32))
    assert bait > good


def a_log_of_videos() -> tuple[Interactions, list[Exposure]]:
    """Give answers that showed odd items, clicked often and left after 6 seconds, beside even ones, watched for 300."""
    random = np.random.default_rng(1)
    rows, when, seconds, exposures = [], [], {}, []
    for step in range(1_600):
        user, at = step % 80, step * 60_000
        items = random.choice(np.arange(1, 41), 8, replace=False)
        names = tuple(str(item) for item in items)
        exposures.append(Exposure(f"r{step}", f"u{user}", START_MS + at, "home", "main", "b", 0, 0, names, (), (), ()))
        for place, item in enumerate(items.tolist()):
            if random.random() < (0.35 if item % 2 else 0.1):
                rows += [(user, item, 0.7), (user, item, 0.7)]
                when += [at + 1_000 * (place + 1), at + 1_000 * (place + 1) + 500]
                seconds[len(rows) - 1] = 6.0 if item % 2 else 300.0
    return stayed(rows, when, seconds), exposures


@pytest.mark.parametrize(("objective", "good"), [("watch_time", True), ("click", False)])
def test_a_home_trained_for_watch_time_shows_what_is_watched(tmp_path: Path, objective: str, good: bool) -> None:
    train = Train(
        width=4, iterations=1, sequence_epochs=1, taken_up=100, rankers=("logistic",), objective=objective,  # type: ignore[arg-type]
    )  # fmt: skip
    config = msgspec.structs.replace(Config(), train=train)
    log, exposures = a_log_of_videos()
    bundle, _ = fitting(config, quiet).bundle(log, ITEMS, "v", 1, tmp_path, exposures)
    assert bundle.manifest.ranker == "logistic" or not good
    lived = rehearsal(bundle, ITEMS, config, msgspec.structs.replace(plain(config), ranker="logistic"))
    lived.know(log.user_ids, log.people)
    lived.feed_all(log.events(ITEMS))
    answer = lived.ask(["new here"], [START_MS + 1_601 * 60_000], 10)[0]
    share = np.mean([int(one.item_id) % 2 == 0 for one in answer.items])
    assert share > 0.8 if good else share < 0.2


def test_watch_time_needs_a_ranker_that_learns(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"train.rankers: holds no learned ranker, and the others know nothing"):
        load(tmp_path, {"FORYOU_TRAIN__OBJECTIVE": "watch_time", "FORYOU_TRAIN__RANKERS": "[]"})
