"""What do all tests share? Real data, where it lies on this machine, and real servers."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import tries  # noqa: F401 — registers the profiles of Hypothesis before any test is read
from drilled import pytest_terminal_summary  # noqa: F401
from grouped import pytest_collection_modifyitems  # noqa: F401
from servers import absent, pytest_configure, pytest_configure_node, pytest_unconfigure, services  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=7, help="how many processes the crash drill kills")
    parser.addoption("--long", action="store_true", help="faults of drills last as long as promised, not seconds")
    parser.addoption("--drill-report", help="file for what the drills saw, a line of JSON each")
    parser.addoption("--mlflow", help="a Python with the whole of mlflow, whose server a test starts")
    parser.addoption("--cases", type=int, default=300, help="how many requests are made from the OpenAPI document")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("long") and not item.config.getoption("--long"):
        pytest.skip("takes minutes: `make soak` plays it")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """Give how many processes to kill; `make soak` says 30."""
    return int(request.config.getoption("--kills"))


@pytest.fixture
def cases(request: pytest.FixtureRequest) -> int:
    """Give how many requests to make from the OpenAPI document; `make soak` says 5,000."""
    return int(request.config.getoption("--cases"))


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Give the folder of a data set by name; where it is absent, skip, or fail under FORYOU_REQUIRE_SERVICES=1."""
    places = [Path(os.environ["FORYOU_DATA"])] if os.environ.get("FORYOU_DATA") else []
    places.append(ROOT.parent / "shared" / "data")

    def folder(name: str) -> Path:
        found = [place / name for place in places if (place / name).is_dir()]
        return found[0] if found else absent(f"no {name} in {' or '.join(map(str, places))}")

    return folder
