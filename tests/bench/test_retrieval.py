"""Does the bench of retrieval say what was asked, and find again what it made?"""

from pathlib import Path

from foryou.bench import retrieval
from foryou.simulate.vectors import Shape


def test_kinds_are_measured_on_one_world_that_is_made_once(tmp_path: Path) -> None:
    shape = Shape(4_000, retrieval.USERS, 16, dtype="float16")
    told: list[str] = []
    first = retrieval.measure(tmp_path, shape, ["exact", "ivf"], 1, lambda name, *_: told.append(name))
    exact, ivf = first["chosen"]
    assert (exact["kind"], exact["recall_at_20"], exact["recall_at_500"]) == ("exact", 1.0, 1.0)
    assert ivf["recall_at_20"] >= 0.95
    assert ivf["bytes"] == (tmp_path / "index.ivf").stat().st_size > 4_000 * 16
    assert {row["kind"] for row in first["curve"]} == {"ivf"}
    recalls = [row["recall_at_500"] for row in first["curve"]]
    assert recalls[-1] > 0.98
    assert recalls[0] <= recalls[-1]
    assert all(row["p50_ms"] <= row["p99_ms"] for row in first["curve"])
    assert "retrieval: world" in told
    told.clear()
    again = retrieval.measure(tmp_path, shape, ["ivf"], 1, lambda name, *_: told.append(name))
    assert "retrieval: world" not in told
    assert [row["recall_at_20"] for row in again["curve"]] == [row["recall_at_20"] for row in first["curve"]]
    assert again["chosen"][0]["build_s"] == ivf["build_s"]
