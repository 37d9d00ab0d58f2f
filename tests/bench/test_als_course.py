"""Is the course of a solver noted sweep by sweep, and is the mark the other solver's best?"""

from pathlib import Path

import pytest

from foryou.bench import als
from foryou.bench.als import Course, compare, reached


def test_a_course_reaches_a_mark_with_the_first_sweep_that_is_as_good() -> None:
    course = Course({}, [0.1, 0.3, 0.2, 0.4], [1.0, 2.0, 3.0, 4.0], [0.5, 1.5, 2.5, 3.5])
    assert reached(course, 0.3) == {"sweeps": 2, "wall_s": 2.0, "cpu_s": 1.5}
    assert reached(course, 0.31)["sweeps"] == 4
    assert reached(course, 0.5) == {}


def test_both_solvers_run_over_the_same_data_and_every_sweep_is_judged(
    town: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("implicit", reason="implicit is not installed")
    monkeypatch.setattr(als, "ITERATIONS", 3)
    monkeypatch.setattr(als, "GRID", ((1.0, 10.0), (3.0, 10.0)))
    result = compare(town, (4,), lambda *_: None)
    row = result["widths"][0]
    courses = row["courses"]
    assert [course["solver"] for course in courses] == ["ours"] * 4 + ["implicit"] * 2
    assert all(len(course["ndcg_at_20"]) == len(course["wall_s"]) == 3 for course in courses)
    assert all(course["wall_s"] == sorted(course["wall_s"]) for course in courses)
    assert row["mark_ndcg_at_20"] == max(max(course["ndcg_at_20"]) for course in courses[4:])
    assert row["implicit"]["sweeps"] >= 1
