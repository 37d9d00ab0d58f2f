"""Are public data sets read as they are written, and are lists judged as the protocols say?"""

from pathlib import Path

import numpy as np
import pytest

from foryou.bench.accuracy import gowalla, lists
from foryou.domain.errors import Invalid
from foryou.domain.ragged import Ragged
from foryou.train.metrics import score_list
from foryou.train.ranking import rank_all


def test_item_numbers_begin_at_one_and_users_without_items_have_none(tmp_path: Path) -> None:
    (tmp_path / "fit.txt").write_text("0 4 0 4\n2\n3 1\n")
    found = lists.read(tmp_path / "fit.txt")
    assert [found.of(user).tolist() for user in range(4)] == [[1, 5], [], [], [2]]
    log = lists.as_log(found, 5)
    assert (log.user.tolist(), log.item.tolist(), log.items) == ([0, 0, 3], [1, 5, 2], 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [("0 1\n1 x\n", ":2: 'x' is no number"), ("0 1\n0 2\n", ":2: user 0 had a line"), ("\n", "holds no user")],
)
def test_a_damaged_file_is_refused_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "fit.txt").write_text(text)
    with pytest.raises(Invalid, match=said):
        lists.read(tmp_path / "fit.txt")


def test_a_folder_without_the_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"nor its folder gowalla holds fit\.txt"):
        lists.located(tmp_path, "gowalla", gowalla.FILES)
    (tmp_path / "gowalla").mkdir()
    for name in gowalla.FILES:
        (tmp_path / "gowalla" / name).write_text("0 1\n")
    assert lists.located(tmp_path, "gowalla", gowalla.FILES) == tmp_path / "gowalla"


def test_ranking_all_items_equals_judging_each_sorted_list() -> None:
    random = np.random.default_rng(3)
    scores = random.integers(0, 30, (1_200, 61)).astype(np.float32)  # with many ties
    scores[5, 7], scores[6, 9] = np.nan, np.inf
    rows = [random.permutation(np.arange(1, 61))[:25] for _ in range(1_200)]
    seen = Ragged.of_rows([row[:10].tolist() for row in rows], np.int32)
    relevant = Ragged.of_rows([row[10 : 10 + u % 16].tolist() for u, row in enumerate(rows)], np.int32)
    found = rank_all(lambda users: scores[users], seen, relevant, 5)
    assert found.user.tolist() == [u for u in range(1_200) if u % 16]
    for place, user in enumerate(found.user.tolist()):
        row = np.where(np.isfinite(scores[user]), scores[user], -1)
        allowed = [item for item in range(1, 61) if item not in seen.of(user) and row[item] >= 0]
        shown = sorted(allowed, key=lambda item: (-row[item], item))[:5]
        wanted = score_list(shown, set(relevant.of(user).tolist()), 5)
        assert (found.recall[place], found.ndcg[place]) == pytest.approx((wanted.recall, wanted.ndcg))
    some = rank_all(lambda users: scores[users], seen, relevant, 5, users=np.array([0, 3, 16]))
    assert some.user.tolist() == [3]


def test_gowalla_is_measured_and_published_figures_stand_apart(town: Path) -> None:
    said: list[str] = []
    result = gowalla.measure(town, lambda name, done, total: said.append(name))
    rows = {row["model"]: row for row in result["models"]}
    assert list(rows) == [
        "popularity",
        "als, 128-D",
        "graph filter, 1024-D and 300 links",
        "graph filter and als, 1024-D and 128-D",
    ]
    assert rows["graph filter, 1024-D and 300 links"]["test"]["recall_at_20"] == 1  # ten places of the group are left
    assert rows["popularity"]["test"]["recall_at_20"] < 1
    assert result["ours"]["recall_at_20"] == rows[result["ours"]["model"]]["test"]["recall_at_20"]
    assert result["published"]["BSPM-EM"] == {"recall_at_20": 0.192, "ndcg_at_20": 0.1597}
    assert said
