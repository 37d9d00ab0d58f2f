"""Where do the programs of the servers come from? Debian packages and Maven, installed once where they are missing."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from uuid import uuid4

from filelock import FileLock

from foryou.domain.errors import Unavailable
from foryou.services.service import Report

INSTALL_S = 600


def cache() -> Path:
    """Give the folder of this user for what is costly to fetch."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "foryou"


def program(name: str, package: str, report: Report) -> str:
    """Give the path of a program; where it is missing, its Debian package is installed.

    Raises Unavailable with the package to install where that cannot be done here: no apt-get, not root, no network.
    """
    if found := shutil.which(name):
        return found
    with _alone():
        if found := shutil.which(name):  # somebody else installed it meanwhile
            return found
        if not shutil.which("apt-get") or os.geteuid() != 0:
            raise Unavailable(f"{name} is not installed; install it first, on Debian with `apt-get install {package}`")
        report(f"installing {package}")
        install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", package]
        try:
            _run(install)
        except Unavailable:  # lists that are missing or old
            _run(["apt-get", "update", "--quiet"])
            _run(install)
    if found := shutil.which(name):
        return found
    raise Unavailable(f"{package} was installed but brought no {name}; put {name} on the PATH")


def jars(pom: Path, report: Report) -> Path:
    """Give the folder with the jars that a pom.xml names, fetched once per user and version of the file."""
    folder = cache() / f"jars-{blake2b(pom.read_bytes(), digest_size=6).hexdigest()}"
    if folder.is_dir():
        return folder
    maven = program("mvn", "maven", report)
    with _alone():
        if folder.is_dir():
            return folder
        report("fetching the jars through Maven")
        staged = folder.with_name(f"{folder.name}.{uuid4().hex}")
        try:
            _run([maven, "--batch-mode", "--quiet", "--file", str(pom), "dependency:copy-dependencies",
                  f"-DoutputDirectory={staged}", "-DincludeScope=runtime"])  # fmt: skip
            staged.rename(folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    return folder


def _alone() -> FileLock:
    """Give a lock: two that install at once would be in each other's way."""
    cache().mkdir(parents=True, exist_ok=True)
    return FileLock(cache() / "install.lock", timeout=INSTALL_S)


def _run(command: Sequence[str]) -> None:
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(
            f"`{' '.join(command)}` took more than {INSTALL_S} s; see whether the network works"
        ) from None
    if done.returncode:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise Unavailable(
            f"`{' '.join(command)}` failed: {said[-1] if said else done.returncode}; run it by hand to see why"
        )
