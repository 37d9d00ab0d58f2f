"""Where do the tests of the API get their shop? `shop` is a new one, `standing` is shared by all others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from shop import ANN, Shop

from foryou.observe.metrics import Metrics


@pytest.fixture(scope="session")
def metrics() -> Metrics:
    """The meters of this process: there can be only one set."""
    return Metrics()


@pytest.fixture
def shop(tmp_path: Path, metrics: Metrics) -> Iterator[Shop]:
    with Shop(tmp_path, metrics) as opened:
        yield opened


@pytest.fixture
def empty_shop(tmp_path: Path, metrics: Metrics) -> Iterator[Shop]:
    with Shop(tmp_path, metrics, stocked=False) as opened:
        yield opened


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory, metrics: Metrics) -> Iterator[Shop]:
    """Ann has bought a book there; a test that tells more does so of users of its own."""
    with Shop(tmp_path_factory.mktemp("standing"), metrics) as opened:
        opened.tell(ANN)
        yield opened
