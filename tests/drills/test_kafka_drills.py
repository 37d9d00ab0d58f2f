"""Kafka is away, and then the disk is full, too: events wait, callers are told when to come again, nothing is lost."""

import os
import resource
import signal
import time
from collections.abc import Callable

import pytest
from stage import Drill, Stage

pytestmark = [pytest.mark.drill, pytest.mark.slow, pytest.mark.xdist_group("drills")]
Judged = Callable[[Drill], None]
DISK_BYTES = 50_000  # that a process may still write to a file


def test_events_wait_for_a_killed_broker_and_get_there(stage: Stage, judged: Judged) -> None:
    with stage.drill("Kafka broker killed") as drill:
        stage.machines.kill("kafka")
        drill.felt(lambda: stage.main.meter("foryou_spool_records") > 0, "spool_records rose")
        time.sleep(stage.lasting(1, 20))
        stage.machines.start("kafka", wait=False)
        drill.recovered(time.monotonic(), lambda: stage.main.meter("foryou_spool_records") == 0)
    judged(drill)
    assert not drill.seen.refusals, "some events were not acknowledged at once"


def test_while_the_disk_of_the_spool_is_full_events_are_refused_and_come_again(stage: Stage, judged: Judged) -> None:
    broker = stage.machines.pid("kafka", "broker")
    with stage.drill("spool disk full") as drill:
        os.kill(broker, signal.SIGSTOP)
        try:
            _allow(stage.main.apis(), DISK_BYTES)
            drill.felt(lambda: drill.load.seen.refusals["503"] > 10, "events got 503", within_s=60)
            time.sleep(stage.lasting(1, 20))
        finally:
            _allow(stage.main.apis(), resource.RLIM_INFINITY)
            os.kill(broker, signal.SIGCONT)
        drill.recovered(time.monotonic(), lambda: stage.main.meter("foryou_spool_records") == 0)
    judged(drill)
    assert drill.seen.retry_after == drill.seen.refusals["503"]


def _allow(pids: list[int], size: int) -> None:
    """Let the files of processes grow to this size: beyond, writing fails as it does on a full disk."""
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
