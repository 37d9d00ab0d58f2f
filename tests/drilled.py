"""What did the drills see? A table at the end of a run with drills in it, and JSON where `--drill-report` says."""

import json
from pathlib import Path
from typing import Any

import pytest

PROPERTY = "drill"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    reports = [one for how in ("passed", "failed") for one in terminalreporter.stats.get(how, ())]
    rows = [row for one in reports if one.when == "call" for name, row in one.user_properties if name == PROPERTY]
    if not rows:
        return
    columns = list(rows[0])
    terminalreporter.section("drills")
    for line in [columns, ["---"] * len(columns)] + [[row[column] for column in columns] for row in rows]:
        terminalreporter.write_line(f"| {' | '.join(map(str, line))} |")
    if path := config.getoption("--drill-report"):
        Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))
