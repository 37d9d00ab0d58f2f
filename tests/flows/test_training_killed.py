"""Is a training that was killed at any of its steps made good by the next one, with nothing half-published?"""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import worlds
from foryou.config import Train
from foryou.domain.bundle import ModelBundle
from foryou.wiring.home import Home
from foryou.wiring.training import train

SETTINGS = Train(width=6, iterations=2, rankers=(), sequence_epochs=1)
STEPS = ("archive", "snapshot", "als", "choices", "publish_catalog", "publish", "published", "release")
PROGRAM = """
import os, pathlib, sys
sys.path.insert(0, sys.argv[3])
import test_training_killed as flow
folder, step = pathlib.Path(sys.argv[1]), sys.argv[2]
home = flow.opened(folder)

def die(*_):
    os.kill(os.getpid(), 9)

def after(call):
    def called(*said):
        call(*said)
        die()
    return called

models = home.models
if step in ("publish_catalog", "publish"):
    setattr(models, step, die)
elif step == "published":
    models.publish = after(models.publish)
elif step == "release":
    models.replace_release = after(models.replace_release)
flow.train(home, lambda stage, done, total: die() if stage == step else None)
"""


def opened(folder: Path) -> Home:
    return worlds.home_in(folder, train=SETTINGS)


def quiet(stage: str, done: int, total: int) -> None:
    """Hear of progress and say nothing."""


def trained(home: Home) -> ModelBundle:
    done = train(home, quiet)
    assert done.promoted
    return home.models.load(done.manifest.version)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a home with a simulated world folded in."""
    folder = tmp_path_factory.mktemp("base")
    worlds.lived(folder, SETTINGS, users=24, items=48, events=480)
    return folder


@pytest.fixture(scope="module")
def calm(base: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    folder = tmp_path_factory.mktemp("calm") / "home"
    shutil.copytree(base, folder)
    return trained(opened(folder))


@pytest.mark.parametrize("step", STEPS)
def test_a_training_killed_at_a_step_is_made_good_by_the_next(
    base: Path, calm: ModelBundle, tmp_path: Path, step: str
) -> None:
    shutil.copytree(base, tmp_path / "home")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "home"), step, str(Path(__file__).parent)]
    environment_path = ":".join(sys.path)
    died = subprocess.run(command, env={"PYTHONPATH": environment_path}, capture_output=True, text=True, check=False)
    assert died.returncode == -9, died.stderr
    home = opened(tmp_path / "home")
    published = home.models.versions()
    assert len(published) == (step in ("published", "release"))
    for manifest in published:
        assert set(home.models.load(manifest.version).arrays) == set(calm.arrays)
    held = home.models.release()
    assert (held is not None) == (step == "release")
    again = trained(home)
    assert set(again.arrays) == set(calm.arrays)
    for name, array in calm.arrays.items():
        assert np.array_equal(np.asarray(again.arrays[name]), np.asarray(array), equal_nan=array.dtype.kind == "f"), (
            name
        )
    assert again.manifest.gate.verdict == calm.manifest.gate.verdict
    assert len(home.models.versions()) == len(published) + 1
    home.close()
