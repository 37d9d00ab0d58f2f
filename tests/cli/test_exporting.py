"""Does `foryou models export` say where a bundle went, and what was wrong?"""

import json
import subprocess
import sys
from pathlib import Path

import worlds


def typed(*words: str) -> subprocess.CompletedProcess[str]:
    """Give what `foryou` answers to these words."""
    return subprocess.run(
        [sys.executable, "-c", "from foryou.cli import main; main()", *words],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_bundle_is_exported_by_its_version_and_the_form_must_be_said(tmp_path: Path) -> None:
    home = worlds.home_in(tmp_path / "home")
    home.models.publish_catalog(worlds.catalog())
    home.models.publish(worlds.bundle())
    home.close()
    where, out = ("--home", str(tmp_path / "home")), tmp_path / "out"
    refused = typed("models", "export", "v1", "--out", str(out), *where)
    assert refused.returncode == 1
    assert "say `foryou models export --parquet`" in " ".join(refused.stderr.split())
    done = typed("models", "export", "v1", "--parquet", "--out", str(out), *where, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert (said["version"], said["folder"], said["left_out"]) == ("v1", str(out), [])
    assert sorted(said["files"]) == sorted(path.name for path in out.iterdir())
