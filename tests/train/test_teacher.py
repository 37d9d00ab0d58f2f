"""Does a large network teach the small one, only what it may, and is it kept whole?"""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from test_fit import LITTLE, SMALL, catalog_of, log_of, quiet
from test_rank import FIT, settings, world

from foryou.domain.errors import Invalid, Refused
from foryou.models.mlp import Ranker
from foryou.train import rank, teacher
from foryou.train.rank import learned
from foryou.train.ranker import Groups, fit_mlp, told
from foryou.wiring.training import TEACHER, fitting

TAUGHT = msgspec.structs.replace(SMALL.train, teacher_share=0.5, sequence_epochs=0)
TEACHING = msgspec.structs.replace(SMALL, train=TAUGHT)


def timed(lists: int = 800) -> rank.Choices:
    choices = world(crossed=True, lists=lists)
    choices.known_ms[:] = range(lists)
    return choices


@pytest.fixture(scope="module")
def large() -> teacher.Teacher:
    return teacher.learned(timed(), settings(), "inputs", quiet)


def test_soft_labels_are_what_was_chosen_and_what_the_teacher_says() -> None:
    groups = Groups(
        np.array([[0.0], [1.0], [2.0], [5.0], [6.0]], np.float32), np.array([0, 3, 5]),
        np.array([1, 0, 1, 0, 0], np.float32), np.array([-1, -1, -1, 0, 1], np.int16), np.ones(2, np.float32),
    )  # fmt: skip
    line = {
        "mean": np.zeros(1, np.float32), "scale": np.ones(1, np.float32), "wide": np.array([np.log(2)], np.float32),
        "bias": np.zeros(1, np.float32), "position": np.zeros(64, np.float32),
        "calibration": np.array([1, 0], np.float32),
    }  # fmt: skip
    soft = told(groups, line, 0.5)
    np.testing.assert_allclose(soft.label[:3], [0.25 + 1 / 14, 2 / 14, 0.25 + 4 / 14], rtol=1e-5)
    assert soft.label[3:].tolist() == [0, 0]  # nothing was chosen
    np.testing.assert_allclose(told(groups, line, 0).label[:3], [0.5, 0, 0.5])


def test_a_pupil_learns_what_its_own_choices_do_not_say(large: teacher.Teacher) -> None:
    every, long = world(crossed=True), replace(FIT, epochs=40, batch_rows=256)
    groups = rank.grouped(every, np.arange(60), settings())
    blind = replace(groups, label=np.roll(groups.label, 7))  # what was chosen stands elsewhere in its list
    alone = fit_mlp(blind, long, None, settings().prior)
    pupil = fit_mlp(told(blind, large.whole, 0.8), long, None, settings().prior)
    assert rank.ndcg(every, 60, Ranker(alone)) < 0.6
    assert rank.ndcg(every, 60, Ranker(pupil)) > 0.75


def test_only_the_deep_ranker_is_taught(large: teacher.Teacher) -> None:
    choices = timed(200)
    alone = learned(choices, settings(), quiet).arrays
    taught = learned(choices, settings(teacher_share=0.5), quiet, (large.early, large.whole)).arrays
    differ = {name for name in alone if alone[name].tobytes() != taught[name].tobytes()}
    assert "mlp-layer0.weight" in differ
    assert not [name for name in differ if name.startswith(("blend", "logistic", "ensemble"))]


def test_who_has_seen_what_is_judged_may_not_teach(large: teacher.Teacher) -> None:
    choices = timed()
    assert (large.early_ms, large.whole_ms) == (399, 799)
    assert large.may_teach(choices)
    choices.known_ms[:] = [at - 2 for at in choices.known_ms]  # an older log
    assert not large.may_teach(choices)
    assert not replace(large, early_ms=0).may_teach(choices)


def test_a_teacher_is_kept_whole_and_what_is_damaged_is_said(large: teacher.Teacher, tmp_path: Path) -> None:
    path = tmp_path / "teacher.npz"
    assert teacher.load(path) is None
    teacher.save(large, path)
    found = teacher.load(path)
    assert found is not None
    assert (found.early_ms, found.whole_ms, found.schema, found.ndcg_at_10) == (399, 799, "inputs", large.ndcg_at_10)
    for one, same in ((large.early, found.early), (large.whole, found.whole)):
        assert {name: array.tobytes() for name, array in one.items()} == {
            name: array.tobytes() for name, array in same.items()
        }
    assert [one.name for one in tmp_path.iterdir()] == ["teacher.npz"]
    path.write_bytes(path.read_bytes()[:1_000])
    with pytest.raises(Refused, match=r"is no teacher .* make it anew by `foryou train --weekly`"):
        teacher.load(path)


def test_of_watch_time_there_is_none() -> None:
    watching = settings()
    watching = replace(watching, fit=replace(watching.fit, objective="watch_time"))
    with pytest.raises(Invalid, match="watch_time has no teacher"):
        teacher.learned(timed(20), watching, "inputs", quiet)


def test_a_bundle_is_taught_by_the_file_of_its_home_and_says_so(tmp_path: Path) -> None:
    config = msgspec.structs.replace(TEACHING, home=str(tmp_path))
    catalog = catalog_of(LITTLE)
    log = log_of(LITTLE, catalog)
    before, _ = fitting(config, quiet).bundle(log, catalog, "v1", 77, tmp_path)
    assert "teacher_share" not in before.manifest.report
    found = fitting(config, quiet).teach(log.part(0, int(0.9 * len(log))), catalog, tmp_path)
    assert 0 < found.ndcg_at_10 < 1
    teacher.save(found, tmp_path / TEACHER)
    after, _ = fitting(config, quiet).bundle(log, catalog, "v2", 77, tmp_path)
    assert after.manifest.report["teacher_share"] == 0.5
    assert after.arrays["mlp-layer0.weight"].tobytes() != before.arrays["mlp-layer0.weight"].tobytes()
    assert after.arrays["logistic-wide"].tobytes() == before.arrays["logistic-wide"].tobytes()
    older, _ = fitting(config, quiet).bundle(log.part(0, int(0.7 * len(log))), catalog, "v3", 77, tmp_path)
    assert "teacher_share" not in older.manifest.report  # the teacher has seen what this one is judged by
    with pytest.raises(Invalid, match="too few for a teacher"):
        fitting(config, quiet).teach(log.part(0, 100), catalog, tmp_path)
