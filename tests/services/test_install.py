"""Is a program that is missing installed once, or else named with what brings it?"""

import shutil
import subprocess
from pathlib import Path

import pytest

from foryou.domain.errors import Unavailable
from foryou.services import install


class Shell:
    """A machine that writes down what is run; a program is there once its package was installed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, there: set[str], root: bool = True) -> None:
        self.there, self.ran, self.fails = there, [], 0
        monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in self.there else None)
        monkeypatch.setattr(subprocess, "run", self.run)
        monkeypatch.setattr(install.os, "geteuid", lambda: 0 if root else 1000)

    def run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.ran.append(" ".join(command[:2]))
        if self.fails:
            self.fails -= 1
            return subprocess.CompletedProcess(command, 100, "", "E: no such package\n")
        if command[1] == "install":
            self.there.add("tool")
        for word in command:
            if word.startswith("-DoutputDirectory="):
                Path(word.split("=")[1]).mkdir()
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_what_is_there_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = Shell(monkeypatch, {"tool"})
    assert install.program("tool", "tools", print) == "/bin/tool"
    assert shell.ran == []


def test_what_is_missing_is_installed_with_fresh_lists_where_they_are_old(monkeypatch: pytest.MonkeyPatch) -> None:
    shell, said = Shell(monkeypatch, {"apt-get"}), []
    shell.fails = 1
    assert install.program("tool", "tools", said.append) == "/bin/tool"
    assert shell.ran == ["apt-get install", "apt-get update", "apt-get install"]
    assert said == ["installing tools"]


@pytest.mark.parametrize(("there", "root"), [(set(), True), ({"apt-get"}, False)], ids=["no apt-get", "not root"])
def test_where_nothing_can_be_installed_the_package_is_named(
    monkeypatch: pytest.MonkeyPatch, there: set[str], root: bool
) -> None:
    Shell(monkeypatch, there, root)
    with pytest.raises(
        Unavailable, match=r"tool is not installed; install it first, on Debian with `apt-get install to"
    ):
        install.program("tool", "tools", print)


def test_an_installation_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = Shell(monkeypatch, {"apt-get"})
    shell.fails = 9
    with pytest.raises(Unavailable, match=r"`apt-get update --quiet` failed: E: no such package; run it by hand"):
        install.program("tool", "tools", print)
    shell.fails = 0
    with pytest.raises(Unavailable, match="others was installed but brought no other; put other on the PATH"):
        install.program("other", "others", print)


def test_an_installation_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    Shell(monkeypatch, {"apt-get"})

    def hangs(command: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, 600)

    monkeypatch.setattr(subprocess, "run", hangs)
    with pytest.raises(Unavailable, match="took more than 600 s; see whether the network works"):
        install.program("tool", "tools", print)


def test_jars_are_fetched_once_per_version_of_their_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shell, pom = Shell(monkeypatch, {"mvn"}), tmp_path / "pom.xml"
    pom.write_text("<project/>")
    first = install.jars(pom, print)
    assert install.jars(pom, print) == first
    assert len(shell.ran) == 1
    pom.write_text("<project>2</project>")
    assert install.jars(pom, print) != first
    assert len(shell.ran) == 2


def test_a_fetch_that_fails_leaves_nothing_half_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shell, pom = Shell(monkeypatch, {"mvn"}), tmp_path / "pom.xml"
    pom.write_text("<project/>")
    shell.fails = 1
    with pytest.raises(Unavailable, match=r"mvn .* failed: E: no such package"):
        install.jars(pom, print)
    assert [path.name for path in install.cache().iterdir()] == ["install.lock"]
