"""Is each width tuned on validation, looked at once on test, and never done twice?"""

from pathlib import Path
from typing import Any

import pytest

from foryou.bench import als_curve
from foryou.bench.als_curve import Row, measure


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(als_curve, "NARROW", 4)
    monkeypatch.setattr(als_curve, "GRID", ((0.01, 0.003), (0.5, 0.5)))
    monkeypatch.setattr(als_curve, "SWEEPS", 4)
    monkeypatch.setattr(als_curve, "EVERY", 2)


def run(town: Path, work: Path, *widths: int) -> tuple[dict[str, Any], list[Row], list[str]]:
    """Give the result, the rows that were told, and what progress was made on."""
    rows: list[Row] = []
    steps: list[str] = []
    return measure(town, widths, work, lambda name, *_: steps.append(name), rows.append), rows, steps


def test_narrow_widths_try_all_pairs_and_a_wide_one_takes_over_the_best(town: Path, tmp_path: Path) -> None:
    result, rows, _ = run(town, tmp_path / "work", 8, 4)
    assert [row["width"] for row in result["widths"]] == [row.width for row in rows] == [4, 8]
    courses = result["courses"]
    assert [course["width"] for course in courses] == [4, 4, 8]
    assert [point["sweeps"] for point in courses[0]["points"]] == [2, 4]
    best = max(courses[:2], key=lambda course: max(point["ndcg_at_20"] for point in course["points"]))
    for row in rows:
        assert (row.unobserved, row.regularisation) == (best["unobserved"], best["regularisation"])
    assert courses[2]["regularisation"] == best["regularisation"]
    point = max(best["points"], key=lambda point: float(point["ndcg_at_20"]))
    assert (rows[0].sweeps, rows[0].validation_ndcg_at_20) == (point["sweeps"], point["ndcg_at_20"])
    assert rows[0].recall_at_20 > 0.9  # of 20 places in his half of the town all are shown


def test_a_wide_model_alone_is_tuned_at_the_widest_narrow_width(town: Path, tmp_path: Path) -> None:
    result, rows, _ = run(town, tmp_path / "work", 8)
    assert [course["width"] for course in result["courses"]] == [4, 4, 8]
    assert [row.width for row in rows] == [8]


def test_what_is_done_is_not_done_again_and_other_data_is(town: Path, tmp_path: Path) -> None:
    first, _, _ = run(town, tmp_path / "work", 4)
    again, _, steps = run(town, tmp_path / "work", 4)
    assert again == first
    assert steps == []
    assert not list((tmp_path / "work").glob("*.part"))
    lines = (town / "fit.txt").read_text().splitlines()
    (town / "fit.txt").write_text("\n".join(lines[:-1]) + "\n")  # the last user is sought, but was never seen
    other, _, steps = run(town, tmp_path / "work", 4)
    assert steps
    assert other["users_judged_on_validation"] == first["users_judged_on_validation"] - 1


def test_a_run_that_was_broken_off_goes_on_behind_the_last_course(town: Path, tmp_path: Path) -> None:
    def stop(name: str, *_: int) -> None:
        if name.startswith("4-D 0.5"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(town, (4,), tmp_path / "work", stop, lambda row: None)
    assert len(list((tmp_path / "work").iterdir())) == 1
    _, _, steps = run(town, tmp_path / "work", 4)
    assert not [name for name in steps if name.startswith("4-D 0.01 ")]
    assert [name for name in steps if name.startswith("4-D 0.5 ")]
