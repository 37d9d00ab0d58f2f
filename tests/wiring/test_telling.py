"""What does a process say when something is away? It once, and not that all is well; a full disk cannot stop it."""

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from prometheus_client import CollectorRegistry

from foryou import config
from foryou.domain.clock import Clock
from foryou.observe.metrics import Metrics
from foryou.observe.said import say
from foryou.stores.log_spooled import Spooled
from foryou.stores.spool import Spool
from foryou.wiring.home import open_home
from foryou.wiring.serving import _keep_fresh


class Full:
    """A standard error on a full disk."""

    def write(self, _: str) -> NoReturn:
        raise OSError(28, "No space left on device")


class Rounds:
    """Says stop after some rounds."""

    def __init__(self, rounds: int) -> None:
        self._left: Iterator[bool] = iter([False] * rounds + [True])

    def wait(self, _: float) -> bool:
        return next(self._left)


def test_what_cannot_be_said_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Full())
    say("the disk is full")


def test_trends_that_stay_away_are_told_once_and_no_event_is_said_to_have_waited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = config.load(tmp_path, {})
    home = open_home(settings)
    log = Spooled(home.log, Spool(tmp_path / "spool", 1_000_000, Clock()))
    live = SimpleNamespace(follow=lambda: None, trends_away="Redis is gone", refused={}, arms=list)
    exposures = SimpleNamespace(written=0, dropped=0)
    parts: Any = SimpleNamespace(
        live=live, log=log, exposures=exposures, metrics=Metrics(CollectorRegistry()), clock=home.clock
    )
    with closing(home.features), closing(home.items), closing(log):
        stop: Any = Rounds(5)
        _keep_fresh(parts, stop, settings)
    assert capsys.readouterr().err == "no look at the trends, serving those that were known: Redis is gone\n"
