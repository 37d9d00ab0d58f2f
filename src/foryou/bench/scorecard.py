"""Which figures does the README's table of accuracy show? Those of kept results of `bench accuracy`, as Markdown.

A result is the object that `foryou bench accuracy DATASET --json` prints, kept in a file of its own with `commit` and
`command` beside it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from foryou.domain.errors import Invalid

HEAD = ("data and protocol", "metric", "ours", "best published", "model", "commit", "command")


def table(folder: Path) -> str:
    """Give the table of all results in the folder, one row per figure, in the order of the files' names.

    Raises Invalid for a folder without results and for a file that is none.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise Invalid(str(folder), "holds no results", "keep some: `foryou bench accuracy gowalla --json`")
    rows = [row for path in files for row in _rows(path)]
    lines = [HEAD, ("---",) * len(HEAD), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _rows(path: Path) -> list[tuple[str, ...]]:
    try:
        kept: dict[str, Any] = msgspec.json.decode(path.read_bytes())
        result, commit, command = kept["result"], kept["commit"], kept["command"]
        ours: dict[str, Any] = dict(result["ours"])
        model = str(ours.pop("model", "blend"))
        return [
            (
                f"{result['dataset']}: {result['protocol']}", _metric(name), f"{value:.4f}",
                _best(result["published"], name), model, f"`{commit}`", f"`{command}`",
            )
            for name, value in ours.items() if isinstance(value, float)
        ]  # fmt: skip
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
        raise Invalid(
            str(path),
            f"is no kept result ({error!r})",
            "write the object of `foryou bench accuracy` with commit and command",
        ) from error


def _metric(name: str) -> str:
    kind, _, cut = name.partition("_at_")
    return f"{kind.capitalize() if kind == 'recall' else kind.upper()}@{cut}"


def _best(published: Mapping[str, Any], name: str) -> str:
    """Give the best published figure and whose it is; a plain number is a figure of the only metric."""
    figures = {who: one if isinstance(one, float) else one.get(name) for who, one in published.items()}
    known = {who: figure for who, figure in figures.items() if figure is not None}
    who = max(known, key=lambda who: known[who], default="")
    return f"{known[who]:.4f} ({who})" if who else "none found"
