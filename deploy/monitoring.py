"""Which rules and dashboards stand in deploy/? Those that this writes: `make monitoring`."""

import sys
from pathlib import Path

import dashboards

from foryou.observe import alerts

HERE = Path(__file__).parent


def files() -> dict[Path, str]:
    """Give every file that is made, and what must stand in it."""
    drawn = {HERE / "grafana" / f"{name}.json": text for name, text in dashboards.texts().items()}
    return {HERE / "prometheus" / "alerts.yml": alerts.rules(), **drawn}


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stderr.write(f"{path}\n")
