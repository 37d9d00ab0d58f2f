"""Is the daily job that was killed at any of its steps gone on with, and is its bundle the same as without the kill?"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import worlds
from foryou.config import Train
from foryou.domain.bundle import ModelBundle
from foryou.train.steps import Overdue, Patience
from foryou.wiring.daily import FOLDER, REPORT, STEPS, daily
from foryou.wiring.home import Home
from foryou.wiring.tracking import tracking_of

SETTINGS = Train(width=6, iterations=2, rankers=(), sequence_epochs=1)
KILLED = [one for one in STEPS if one != "track"]
PROGRAM = """
import os, pathlib, sys
sys.path.insert(0, sys.argv[3])
import test_daily as flow
place, folder = flow.FOLDER, pathlib.Path(sys.argv[1])

def tell(record):
    if record["step"] == sys.argv[2] and record["event"] == sys.argv[4]:
        os.kill(os.getpid(), 9)

flow.daily(flow.opened(folder), flow.quiet, tell, flow.Patience())
"""


def opened(folder: Path, **more: Any) -> Home:
    return worlds.home_in(folder, train=msgspec.structs.replace(SETTINGS, **more))


def quiet(stage: str, done: int, total: int) -> None:
    """Hear of progress and say nothing."""


def made(home: Home, told: list[dict[str, Any]] | None = None) -> ModelBundle:
    done = daily(home, quiet, (told if told is not None else []).append, Patience(), track=tracking_of(home.config))
    assert done.promoted
    return home.models.load(done.manifest.version)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a home with a simulated world folded in."""
    folder = tmp_path_factory.mktemp("base")
    worlds.lived(folder, SETTINGS, users=40, items=60, events=800)
    return folder


@pytest.fixture
def home(base: Path, tmp_path: Path) -> Iterator[Home]:
    shutil.copytree(base, tmp_path / "home")
    found = opened(tmp_path / "home")
    yield found
    found.close()


@pytest.fixture(scope="module")
def calm(base: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    folder = tmp_path_factory.mktemp("calm") / "home"
    shutil.copytree(base, folder)
    return made(opened(folder))


def killed(home: Home, step: str, event: str) -> None:
    """Run the job in a process of its own, which kills itself when this step says so."""
    command = [sys.executable, "-c", PROGRAM, home.config.home, step, str(Path(__file__).parent), event]
    died = subprocess.run(command, env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True, check=False)
    assert died.returncode == -9, died.stderr
    published = home.models.versions()
    assert len(published) == (step == "release" or event == "done")
    assert home.models.release() is None


def ended(home: Home, calm: ModelBundle, kept: list[str]) -> None:
    """Run the job to its end: it keeps what was done, and makes what was made without a kill."""
    told: list[dict[str, Any]] = []
    again = made(home, told)
    assert [one["step"] for one in told if one["event"] == "kept"] == kept
    assert len(home.models.versions()) == 1
    assert set(again.arrays) == set(calm.arrays)
    for name, array in calm.arrays.items():
        assert np.array_equal(np.asarray(again.arrays[name]), np.asarray(array), equal_nan=array.dtype.kind == "f")
    assert again.manifest.gate == calm.manifest.gate
    assert not any((Path(home.config.home) / FOLDER).iterdir())


KILLS = [(one, "begun") for one in KILLED] + [("publish", "done")]


@pytest.mark.long
@pytest.mark.parametrize(("step", "event"), KILLS)
def test_a_job_killed_at_a_step_goes_on_there_and_gives_the_same(
    home: Home, calm: ModelBundle, step: str, event: str
) -> None:
    killed(home, step, event)
    ended(home, calm, KILLED[: KILLED.index(step) + (event == "done")])


def test_a_job_killed_at_each_of_its_steps_goes_on_there_and_gives_the_same(home: Home, calm: ModelBundle) -> None:
    for step, event in sorted(KILLS, key=lambda kill: KILLED.index(kill[0])):
        killed(home, step, event)
    ended(home, calm, KILLED[:-1])


def test_a_job_whose_time_is_over_keeps_what_it_did(home: Home) -> None:
    told: list[dict[str, Any]] = []
    patience = Patience(ends_s=0.0)
    with pytest.raises(Overdue, match="tables"):
        daily(home, quiet, told.append, patience)
    assert [(one["step"], one["event"]) for one in told] == [("tables", "overdue")]
    assert home.models.versions() == []


def test_a_run_of_other_settings_is_not_gone_on_with(home: Home) -> None:
    with pytest.raises(Overdue):
        daily(home, quiet, lambda _: None, Patience(ends_s=0.0))
    (begun,) = (Path(home.config.home) / FOLDER).iterdir()
    other = opened(Path(home.config.home), iterations=3)
    assert made(other).manifest.version != begun.name
    other.close()


def test_the_report_names_the_verdict_and_the_one_that_serves_and_mlflow_hears_of_both_bundles(
    base: Path, tmp_path: Path
) -> None:
    from mlflow.tracking import MlflowClient

    shutil.copytree(base, tmp_path / "home")
    home = opened(tmp_path / "home", tracking=str(tmp_path / "runs"), tracking_model="shop")
    first, second = made(home), made(home)
    page, later = (one.files[REPORT].read_text(encoding="utf-8") for one in (first, second))
    assert first.manifest.gate.verdict in page
    assert "None served when this one was made" in page
    assert f"Beside {first.manifest.version}" in later
    assert second.manifest.gate.metrics["overlap_at_10"] > 0.9  # of the same log
    assert "http://" not in later.replace("http://www.w3.org", "")
    client = MlflowClient(str(tmp_path / "runs"), str(tmp_path / "runs"))
    versions = {one.tags["foryou.version"]: one for one in client.search_model_versions("name = 'shop'")}
    assert set(versions) == {first.manifest.version, second.manifest.version}
    assert client.get_model_version_by_alias("shop", "champion").tags["foryou.version"] == second.manifest.version
    run = client.get_run(versions[second.manifest.version].run_id)
    assert run.data.params["width"] == "6"
    assert run.data.tags["gate"] == second.manifest.gate.verdict
    assert [one.path for one in client.list_artifacts(run.info.run_id)] == [REPORT]
    home.close()
