"""Do the experiments of foryou.toml begin, change and stay as they should, from the command line?"""

import json
from pathlib import Path

from typer.testing import CliRunner

import worlds
from foryou.cli import commands

TWO = """
[experiments.cap]
placements = ["home"]
arms = [{name = "five", share = %s}, {name = "eight", share = %s, rules = {category_cap = 8}}]

[experiments.short]
placements = ["cart"]
arms = [{name = "ten", share = 0.5}, {name = "blend", share = 0.5, ranker = "blend"}]
"""


def said(home: Path, *command: str) -> dict[str, str]:
    result = CliRunner().invoke(commands(), ["experiment", *command, "--home", str(home), "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, str] = json.loads(result.stdout)
    return found


def test_experiments_of_the_file_begin_change_and_stay_stopped(tmp_path: Path) -> None:
    worlds.home_in(tmp_path).close()
    file = tmp_path / "foryou.toml"
    file.write_text(TWO % (0.5, 0.5))
    assert said(tmp_path, "apply") == {"cap": "begun", "short": "begun"}
    assert said(tmp_path, "apply") == {"cap": "same", "short": "same"}
    file.write_text(TWO % (0.25, 0.75))
    assert said(tmp_path, "apply") == {"cap": "changed", "short": "same"}
    assert said(tmp_path, "show", "cap")["state"] == "running"
    said(tmp_path, "stop", "short")
    assert said(tmp_path, "apply") == {"cap": "same", "short": "ended"}


def test_an_experiment_that_makes_no_sense_is_refused_with_its_name(tmp_path: Path) -> None:
    worlds.home_in(tmp_path).close()
    (tmp_path / "foryou.toml").write_text('[experiments.odd]\narms = [{name = "a", share = 2.0}]\n')
    result = CliRunner().invoke(commands(), ["experiment", "apply", "--home", str(tmp_path)])
    assert result.exit_code == 1
    assert "experiments.odd" in str(result.exception)
