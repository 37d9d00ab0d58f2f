"""Does `foryou services` say what it did, to people and to machines?"""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from foryou.cli import commands
from foryou.domain.errors import Invalid, Unavailable
from foryou.services import run as services
from foryou.services.run import Standing
from servers import absent


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(commands(), ["services", *words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_a_server_starts_is_looked_at_and_stops(tmp_path: Path) -> None:
    where = ("redis", "--dir", str(tmp_path), "--json")
    try:
        status, out, err = run("up", *where, "--ports", "free")
    except Unavailable as error:
        absent(str(error))
    one = json.loads(out)["services"]["redis"]
    assert (status, one["state"], one["url"][:18]) == (0, "up", "redis://127.0.0.1:")
    assert "redis: starting on port" in err
    assert json.loads(run("status", *where)[1])["services"]["redis"]["pids"] == one["pids"]
    status, out, err = run("down", *where, "--wipe")
    assert (status, json.loads(out)["services"]["redis"]["state"]) == (0, "down")
    assert f"redis: stopped node (pid {one['pids']['node']})" in err
    assert list(tmp_path.iterdir()) == []


def test_one_that_fails_gives_status_3_and_people_get_a_table_and_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Standing("s3", "failing", "http://127.0.0.1:1", variables={"AWS_REGION": "r"}, why="it hangs; end it")]
    monkeypatch.setattr(services, "status", lambda names, folder: found)
    status, out, _ = run("status")
    assert status == 3
    assert "it hangs; end it" in out
    assert "export AWS_REGION=r" in out


@pytest.mark.parametrize("said", ["many", "0", "65001", "-1"])
def test_ports_are_a_number_or_free(said: str) -> None:
    with pytest.raises(Invalid, match=rf"--ports: '{said}'; say free, or the first port, 1\.\.65,000"):
        run("up", "redis", f"--ports={said}")


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "foryou.services.run", raising=False)
    monkeypatch.delattr("foryou.services.run", raising=False)
    monkeypatch.setitem(sys.modules, "filelock", None)
    with pytest.raises(Unavailable, match=r"filelock is not installed; `pip install 'foryou\[services\]'` brings"):
        run("status")
