"""How does a test get a real server? `services("kafka")` gives its URL; it starts once for the whole run.

The workers of a parallel run share the servers: the first one that asks starts a server on free ports, the others wait
for it (`services.run.up` holds a lock). The process that began the run stops them at its end, by their pids.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from foryou.domain.errors import Unavailable
from foryou.services import run

FOLDER = pytest.StashKey[Path]()
GIVEN = "services"  # what the process that began the run tells its workers

# Any key opens the S3 double; those of the developer have no business in a test.
AWS = {"AWS_ACCESS_KEY_ID": "double", "AWS_SECRET_ACCESS_KEY": "double", "AWS_EC2_METADATA_DISABLED": "true"}


def absent(reason: str) -> NoReturn:
    """Skip the test because something outside is missing; under FORYOU_REQUIRE_SERVICES=1 fail it."""
    if os.environ.get("FORYOU_REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def services(pytestconfig: pytest.Config) -> Callable[[str], str]:
    """Give the URL of a running server by its name in `foryou.services.registry`; absent if it cannot be had."""
    urls: dict[str, str] = {}
    missing: dict[str, str] = {}

    def url(name: str) -> str:
        if name in missing:
            absent(missing[name])
        if name not in urls:
            try:
                urls[name] = run.up([name], pytestconfig.stash[FOLDER], first_port=None)[0].url
            except Unavailable as error:
                missing[name] = f"no {name}: {error}"
                absent(missing[name])
        return urls[name]

    return url


def pytest_configure(config: pytest.Config) -> None:
    os.environ.update(AWS)
    given = getattr(config, "workerinput", {}).get(GIVEN)
    config.stash[FOLDER] = Path(given or tempfile.mkdtemp(prefix="foryou-services-"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput[GIVEN] = str(node.config.stash[FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        folder = config.stash[FOLDER]
        run.down((), folder, wipe=True)
        shutil.rmtree(folder, ignore_errors=True)
