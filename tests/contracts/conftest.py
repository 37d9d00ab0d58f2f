"""How does a contract get its stores? `log` is an open one, `log_backend` opens more of the same; so for each port."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from backends import FEATURES, ITEMS, LOGS, MODELS, At, Backend
from racers import Course

from foryou.domain.clock import ManualClock
from foryou.domain.ports import EventLog, FeatureStore, ItemStore, ModelStore
from foryou.services.registry import SERVICES


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_700_000_000_000)


@pytest.fixture
def at(tmp_path: Path, clock: ManualClock, services: Callable[[str], str]) -> Callable[[str], At]:
    """Give where this test has the stores of a backend; one that is named like a service has its server's URL."""

    def at(name: str) -> At:
        service = name.removesuffix("+cached")
        return At(tmp_path, clock, services(service) if service in SERVICES else "")

    return at


@pytest.fixture(params=LOGS)
def log_backend(request: pytest.FixtureRequest, at: Callable[[str], At]) -> Backend:
    return Backend("log", request.param, at(request.param))


@pytest.fixture(params=FEATURES)
def features_backend(request: pytest.FixtureRequest, at: Callable[[str], At]) -> Backend:
    return Backend("features", request.param, at(request.param))


@pytest.fixture(params=ITEMS)
def items_backend(request: pytest.FixtureRequest, at: Callable[[str], At]) -> Backend:
    return Backend("items", request.param, at(request.param))


@pytest.fixture(params=MODELS)
def models_backend(request: pytest.FixtureRequest, at: Callable[[str], At]) -> Backend:
    return Backend("models", request.param, at(request.param))


@pytest.fixture
def another() -> Iterator[Callable[[Backend], Any]]:
    """Open one more client of a backend; closed at the end of the test."""
    with ExitStack() as opened:
        yield lambda backend: opened.enter_context(closing(backend.open()))


@pytest.fixture(scope="session")
def course() -> Iterator[Course]:
    with closing(Course()) as course:
        yield course


@pytest.fixture
def log(log_backend: Backend, another: Callable[[Backend], Any]) -> EventLog:
    return another(log_backend)


@pytest.fixture
def features(features_backend: Backend, another: Callable[[Backend], Any]) -> FeatureStore:
    return another(features_backend)


@pytest.fixture
def items(items_backend: Backend, another: Callable[[Backend], Any]) -> ItemStore:
    return another(items_backend)


@pytest.fixture
def models(models_backend: Backend) -> ModelStore:
    return models_backend.open()
