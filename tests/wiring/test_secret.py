"""Do all processes of a home sign with the same secret, and nobody else?"""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from foryou.config import CURSOR_SECRET, SECRET_CHARS, load
from foryou.domain.errors import Invalid
from foryou.wiring.secret import BYTES, FILE, cursor_secret


def test_a_home_makes_a_secret_once_and_keeps_it_to_its_owner(tmp_path: Path) -> None:
    first = cursor_secret(tmp_path / "new")
    assert len(first) == BYTES
    assert cursor_secret(tmp_path / "new") == first
    assert cursor_secret(tmp_path / "other") != first
    assert stat.S_IMODE((tmp_path / "new" / FILE).stat().st_mode) == 0o600
    assert [one.name for one in (tmp_path / "new").iterdir()] == [FILE]


def test_of_processes_that_start_at_once_all_have_the_same(tmp_path: Path) -> None:
    say = "import sys; from pathlib import Path; from foryou.wiring.secret import cursor_secret as one; " \
          "sys.stdin.read(); print(one(Path(sys.argv[1])).hex())"  # fmt: skip
    racers = [
        subprocess.Popen([sys.executable, "-c", say, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    for one in racers:
        assert one.stdin is not None
        one.stdin.close()
    found = {one.stdout.read() for one in racers if one.stdout}
    assert [one.wait() for one in racers] == [0] * 4
    for one in racers:
        assert one.stdout is not None
        one.stdout.close()
    assert found == {cursor_secret(tmp_path).hex().encode() + b"\n"}


def test_the_variable_goes_over_the_home_and_is_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CURSOR_SECRET, "correct horse battery")
    assert cursor_secret(tmp_path) == b"correct horse battery"
    assert list(tmp_path.iterdir()) == []
    assert "correct horse" not in repr(load(tmp_path))


def test_a_secret_that_could_be_guessed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CURSOR_SECRET, "x" * (SECRET_CHARS - 1))
    with pytest.raises(Invalid, match="FORYOU_CURSOR_SECRET: has 15 characters; use 16 random ones or more"):
        cursor_secret(tmp_path)
