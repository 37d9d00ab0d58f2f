"""Is the protocol of ML-1M kept: what is learned, what is ranked, what is held, and does a broken run go on?"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from foryou.bench import tower
from foryou.bench.accuracy import ml_1m
from foryou.bench.accuracy.ml_1m import Data, figures, next_item, read
from foryou.domain.errors import NotFound
from foryou.domain.records import Core
from foryou.train.two_tower import TowerSettings

USERS, ITEMS = 40, 30
TINY = TowerSettings(vectors=16, width=16, window=20, epochs=2, tokens=200, negatives=100, hard=0, seed=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(2)
    lines = []
    for user in range(1, USERS + 1):
        first = int(random.integers(ITEMS))
        lines += [f"{user} {1 + (first + step) % ITEMS}" for step in range(int(random.integers(4, 12)))]
    texts = {
        "sequences.txt": "\n".join(lines),
        "movies.dat": "\n".join(f"{100 + n}::Film {n} (19{70 + n % 30})::Drama|War" for n in range(1, ITEMS + 1)),
        "users.dat": "\n".join(f"{200 + n}::F::25::7::12345" for n in range(1, USERS + 1)),
        "sas_to_original_items.txt": "\n".join(f"{n} {100 + n}" for n in range(1, ITEMS + 1)),
        "sas_to_original_users.txt": "\n".join(f"{n} {200 + n}" for n in range(1, USERS + 1)),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="latin-1")
    return tmp_path


def test_the_figures_come_with_baselines_and_the_literature(folder: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    heard: list[tuple[str, int, int]] = []
    found = next_item(folder, lambda *said: heard.append(said), work, TINY)
    assert set(found["histories"]) == {"history_50", "history_200"}
    assert found["histories"]["history_50"]["users"] == USERS
    assert [one["epoch"] for one in found["curve"]] == [1, 2]
    assert 0 <= found["histories"]["history_200"]["ndcg_at_10"] <= found["histories"]["history_200"]["hr_at_10"] <= 1
    assert found["baselines"]["ease"]["hr_at_10"] > found["baselines"]["popularity"]["hr_at_10"]
    assert found["published"]["HSTU-large"] == {"hr_at_10": 0.3294, "ndcg_at_10": 0.1893}
    trained = [one for one in heard if one[0] == "two_tower"]
    heard.clear()
    again = next_item(folder, lambda *said: heard.append(said), work, TINY)
    assert trained
    assert not [one for one in heard if one[0] == "two_tower"]  # the checkpoint holds the end of it
    assert again["histories"] == found["histories"]
    assert found["ours"]["hr_at_10"] in [one["hr_at_10"] for one in found["histories"].values()]


def test_what_is_sought_is_learned_by_nobody_and_the_held_lack_one_more(folder: Path) -> None:
    data = read(folder)
    learned, held = data.learned(), set(data.held.tolist())
    assert len(held) == USERS  # 512 of 6,040 in the real data
    for user, (all_of_it, part) in enumerate(zip(data.sequences, learned, strict=True)):
        assert part.tolist() == all_of_it[: -2 if user in held else -1].tolist()
    assert data.people[0] == Core(gender="F", attributes={"age": "25", "occupation": "7"})
    assert len(data.terms[1]) == 4


def test_rated_items_are_not_ranked_and_equal_scores_count_against_us() -> None:
    data = Data([np.array([1, 2, 3], np.int32)], 20, [[]] * 21, [Core()])
    known_first = np.zeros((1, 21), np.float32)
    known_first[0, [1, 2]] = 9
    known_first[0, 3] = 5
    found = figures(data, lambda histories, users: known_first.copy(), np.array([0]), -1)
    assert (found["hr_at_10"], found["ndcg_at_10"]) == (1.0, 1.0)
    found = figures(data, lambda histories, users: np.zeros((1, 21), np.float32), np.array([0]), -1)
    assert found["hr_at_10"] == 0


def test_a_folder_without_the_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"has no sequences\.txt"):
        read(tmp_path)


def test_the_towers_of_the_real_data_are_those_that_the_microbench_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tower, "RUNS", 64)
    found = tower.measure(replace(ml_1m.SETTINGS, width=16), 50, 10)
    assert (found["vectors"], found["width"], found["history"], found["threads"]) == (128, 16, 10, 1)
    assert 0 < found["one_user"]["least_ms"] <= found["one_user"]["p50_ms"] <= found["one_user"]["p99_ms"]
