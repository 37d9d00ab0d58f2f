"""Does the scorecard show what was kept, ours beside the best published?"""

from pathlib import Path

import msgspec
import pytest

from foryou.bench import scorecard
from foryou.domain.errors import Invalid

KEPT = {
    "commit": "abc1234", "command": "foryou bench accuracy town --json",
    "result": {
        "dataset": "town", "protocol": "all ranked",
        "ours": {"recall_at_20": 0.25, "ndcg_at_20": 0.125, "model": "mine"},
        "published": {
            "A": {"recall_at_20": 0.2, "ndcg_at_20": 0.2}, "B": {"recall_at_20": 0.3, "ndcg_at_20": 0.1},
        },
    },
}  # fmt: skip


def test_each_figure_is_a_row_beside_the_best_published(tmp_path: Path) -> None:
    (tmp_path / "town.json").write_bytes(msgspec.json.encode(KEPT))
    lines = scorecard.table(tmp_path).splitlines()
    assert len(lines) == 4
    command = "`foryou bench accuracy town --json`"
    assert lines[2] == f"| town: all ranked | Recall@20 | 0.2500 | 0.3000 (B) | mine | `abc1234` | {command} |"
    assert lines[3] == f"| town: all ranked | NDCG@20 | 0.1250 | 0.2000 (A) | mine | `abc1234` | {command} |"


def test_published_figures_of_one_metric_may_be_plain_numbers(tmp_path: Path) -> None:
    kept = KEPT | {"result": {**KEPT["result"], "ours": {"ndcg_at_10": 0.5}, "published": {"A": 0.4, "B": 0.45}}}
    (tmp_path / "plain.json").write_bytes(msgspec.json.encode(kept))
    assert "| NDCG@10 | 0.5000 | 0.4500 (B) | blend |" in scorecard.table(tmp_path)


@pytest.mark.parametrize("text", ["no json", "[]", '{"result": {}}', '{"result": 3, "commit": "", "command": ""}'])
def test_a_file_that_is_no_result_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(Invalid, match=r"bad\.json: is no kept result"):
        scorecard.table(tmp_path)


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="holds no results"):
        scorecard.table(tmp_path)
