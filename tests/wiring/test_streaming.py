"""Does a stream process that is never idle ask for what comes by itself, and leave streams alone that are empty?"""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

import worlds
from foryou.domain.event import Action, Event
from foryou.domain.log import Stream
from foryou.ingest.codec import event_record
from foryou.ingest.outcomes import Outcomes
from foryou.observe.metrics import Metrics
from foryou.wiring.streaming import _Turn


def test_a_process_that_is_never_idle_reads_what_has_come_and_empty_streams_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = worlds.home_in(tmp_path)
    worker = home.worker()
    worker.lease()
    asked: list[tuple[Stream, bool]] = []
    read = home.log.read

    def noted(stream: Stream, partition: int, after: int, limit: int, fresh: bool = True) -> Any:
        asked.append((stream, fresh))
        return read(stream, partition, after, limit, fresh)

    monkeypatch.setattr(home.log, "read", noted)
    looks = 0

    def stopped() -> bool:
        """Let an event arrive before each look."""
        nonlocal looks
        looks += 1
        home.log.append(Stream.EVENTS, [event_record(Event(f"e{looks}", "ann", Action.VIEW, 1_000 + looks, "tea"))])
        return looks > 10

    _Turn(home, worker, Metrics(CollectorRegistry()), Outcomes(0)).work(stopped)
    partitions = home.log.partitions()
    counts = Counter(asked)
    assert counts[Stream.EVENTS, True] == partitions  # once: from then on everything is followed
    assert counts[Stream.EVENTS, False] >= 5 * partitions
    for stream in (Stream.EXPOSURES, Stream.ITEMS):
        assert counts[stream, True] == partitions
        assert counts[stream, False] == 0
    (ann,) = home.features.read(["ann"])
    assert ann is not None
    assert len(ann.history) == 10
    home.close()
