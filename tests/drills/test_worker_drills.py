"""Stream processes are killed in the middle of their work, stopped and woken, and take over from each other."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, closing

import pytest
from machines import until
from stage import BEHIND, Drill, Stage

pytestmark = [pytest.mark.drill, pytest.mark.slow, pytest.mark.xdist_group("drills")]
Judged = Callable[[Drill], None]
BURST = 6_000  # events: many batches


def test_a_worker_killed_in_mid_batch_twice_loses_and_repeats_nothing(stage: Stage, judged: Judged) -> None:
    with stage.drill("worker killed in mid-batch, twice") as drill:
        for _ in range(2):
            until(stage.main.streams, "a stream process")
            until(lambda: 0 <= stage.behind() < BEHIND, "it folds")
            (worker,) = stage.main.streams()
            os.kill(worker, signal.SIGSTOP)
            drill.burst(BURST)
            full = stage.behind()
            os.kill(worker, signal.SIGCONT)
            until(lambda full=full: 0 <= stage.behind() < full, "it folds the burst", every_s=0.001)
            os.kill(worker, signal.SIGKILL)
            killed = time.monotonic()
            left = stage.behind()
            drill.felt(lambda left=left: left > BEHIND, f"killed with {left:,} of {full:,} records left")
        drill.recovered(killed)
    judged(drill)


def test_a_stopped_worker_is_replaced_and_does_no_harm_when_it_wakes(stage: Stage, judged: Judged) -> None:
    with closing(stage.fold("heir")) as heir, stage.drill("worker stopped and woken (zombie)") as drill:
        heir.ready()
        (worker,) = stage.main.streams()
        os.kill(worker, signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            drill.felt(lambda: stage.behind() > BEHIND, "records fall behind")
            drill.recovered(stopped)  # another one folds
            time.sleep(max(0, stopped + stage.lasting(6, 30) - time.monotonic()))
        finally:
            os.kill(worker, signal.SIGCONT)
        drill.burst(BURST // 10)
        time.sleep(stage.lasting(1, 5))
    judged(drill)
    assert stage.main.streams() == [worker]


def test_of_three_workers_one_is_killed_and_the_others_go_on(stage: Stage, judged: Judged) -> None:
    with ExitStack() as opened:
        more = [opened.enter_context(closing(stage.fold(name))) for name in ("two", "three")]
        for one in more:
            one.ready()
        drill = opened.enter_context(stage.drill("one of three workers killed"))
        for victim in (*stage.main.streams(), *(one.pid for one in more)):  # one whose absence is felt
            os.kill(victim, signal.SIGSTOP)
            drill.burst(BURST // 6)
            time.sleep(1)
            if stage.behind() > BURST // 60:
                break
            os.kill(victim, signal.SIGCONT)
        os.kill(victim, signal.SIGKILL)
        killed = time.monotonic()
        drill.felt(lambda: stage.behind() > BEHIND, "records fall behind")
        drill.recovered(killed)
    judged(drill)
