"""Does the search find better settings within its budget, go on later, and keep what it has when it is stopped?"""

import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tables import checkerboard

from foryou.config import load
from foryou.domain.errors import Invalid, Unavailable
from foryou.train import als, tuning
from foryou.train.dataset import Interactions
from foryou.train.tuning import SPACE, Searched, tune
from foryou.wiring.tuning import as_environment, as_toml

BAD = {"unobserved": 2.0, "regularisation": 30.0, "power": 1.0, "ease_regularisation": 3_000.0, "ease_decay": 0.9}


@pytest.fixture(scope="module")
def log() -> Interactions:
    """Give a world in which even users like even items, in a random order."""
    whole = checkerboard(40, 30, left_out=0)[0]
    order = np.random.default_rng(4).permutation(len(whole))
    return replace(whole.where(order), at_ms=np.sort(whole.at_ms))


@pytest.fixture
def searched(tmp_path: Path) -> Searched:
    return Searched(BAD, als.AlsSettings(width=4, iterations=2), 20, 1_000, 0.05, 42, tmp_path / "tune.db")


def test_the_settings_in_force_come_first_and_the_best_is_no_worse(log: Interactions, searched: Searched) -> None:
    told: list[tuple[int, int]] = []
    found = tune(log, len(log) * 4 // 5, searched, lambda at, total: told.append((at, total)))
    assert found.ndcg_at_10 >= found.before_ndcg_at_10 > 0
    assert found.trials == found.new_trials >= 1
    assert set(found.settings) == set(SPACE)
    assert all(SPACE[name][0] <= value <= SPACE[name][1] for name, value in found.settings.items())
    assert told[0] == (0, 3)
    assert not found.stopped


def test_a_second_search_goes_on_and_another_log_begins_anew(log: Interactions, searched: Searched) -> None:
    cut = len(log) * 4 // 5
    first = tune(log, cut, searched)
    second = tune(log, cut, searched)
    assert second.trials == first.trials + second.new_trials
    assert second.ndcg_at_10 >= first.ndcg_at_10
    assert second.before_ndcg_at_10 == first.before_ndcg_at_10
    other = tune(log.part(0, len(log) - 50), cut, searched)
    assert other.trials == other.new_trials


def test_above_the_size_of_ease_only_als_is_searched(log: Interactions, searched: Searched) -> None:
    found = tune(log, len(log) * 4 // 5, replace(searched, ease_up_to=10))
    assert set(found.settings) == {"unobserved", "regularisation", "power"}


def test_ctrl_c_keeps_the_best_so_far(log: Interactions, searched: Searched) -> None:
    def stop(at: int, total: int) -> None:  # noqa: ARG001
        told.append(at)
        if len(told) == 4:  # the start, then three trials, of which the third is not kept
            raise KeyboardInterrupt

    told: list[int] = []
    found = tune(log, len(log) * 4 // 5, replace(searched, minutes=60), stop)
    assert (found.trials, found.stopped) == (2, True)
    assert found.ndcg_at_10 > 0


def test_a_log_of_which_nothing_can_be_held_back_is_refused(log: Interactions, searched: Searched) -> None:
    with pytest.raises(Invalid, match="events: 1 are too few to hold any back; import more"):
        tune(log.part(0, 1), 0, searched)


def test_without_optuna_the_error_says_what_to_install(
    log: Interactions, searched: Searched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(Unavailable, match=r"not installed; pip install 'foryou\[tune\]'"):
        tune(log, 100, searched)


def test_what_is_printed_is_what_the_configuration_reads(tmp_path: Path) -> None:
    settings = {"unobserved": 0.123456, "regularisation": 7.0, "power": 0.0, "ease_regularisation": 1234.5}
    read = load(tmp_path, as_environment(settings)).train
    (tmp_path / "foryou.toml").write_text(as_toml(settings))
    again = load(tmp_path, {}).train
    for name, value in {
        "unobserved": 0.123,
        "regularisation": 7.0,
        "power": 0.0,
        "ease_regularisation": 1230.0,
    }.items():
        assert getattr(read, name) == getattr(again, name) == value
    assert tomllib.loads(as_toml(settings))["train"]["unobserved"] == 0.123


def test_the_search_has_bounds_around_every_default() -> None:
    for name, (low, high, _) in tuning.SPACE.items():
        assert low <= getattr(load(Path("nowhere"), {}).train, name) <= high


def test_importing_the_command_line_does_not_import_optuna() -> None:
    program = "import sys, foryou.cli; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
