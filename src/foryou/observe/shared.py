"""Where do the processes of a server put their meters, so that any of them can show all? In a folder of small files."""

from pathlib import Path

PROCESSES = "PROMETHEUS_MULTIPROC_DIR"


def share(folder: Path) -> dict[str, str]:
    """Empty the folder and give the variable that makes processes started with it write their meters there."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.db"):
        old.unlink()
    return {PROCESSES: str(folder.absolute())}
