"""An API process dies, or all of them are started again one by one: who asks once more gets an answer."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing

import pytest
from balancer import Balancer
from stage import Drill, Stage

pytestmark = [pytest.mark.drill, pytest.mark.slow, pytest.mark.xdist_group("drills")]
Judged = Callable[[Drill], None]


def test_nothing_fails_while_nothing_is_wrong(stage: Stage, judged: Judged) -> None:
    with stage.drill("calm") as drill:
        time.sleep(stage.lasting(2, 20))
        drill.recovered(time.monotonic())
    judged(drill)
    assert not drill.seen.refusals


def test_a_killed_api_process_costs_its_callers_one_retry(stage: Stage, judged: Judged) -> None:
    with stage.drill("API process killed", tries=2) as drill:
        victim, killed, broken = stage.main.apis()[0], time.monotonic(), drill.load.pool.broken
        os.kill(victim, signal.SIGKILL)
        drill.felt(lambda: drill.load.pool.broken > broken, "connections broke")
        drill.felt(lambda: victim not in stage.main.apis(), "the process is gone")
        drill.recovered(killed, stage.main.whole)
        time.sleep(stage.lasting(0, 20))
    judged(drill)


def test_three_servers_start_again_one_by_one_and_nobody_notices(stage: Stage, judged: Judged) -> None:
    more = [stage.serve(name) for name in ("second", "third")]
    for one in more:
        one.ready()
    servers = [stage.main, *more]
    with closing(Balancer([one.url for one in servers])) as balancer:
        with stage.drill("rolling restart of three", balancer.url) as drill:
            begun = time.monotonic()
            for one in servers:
                before = balancer.retried
                one.stop()
                drill.felt(lambda before=before: balancer.retried > before, "the proxy asked another one")
                one.start()
                one.ready()
                time.sleep(stage.lasting(0, 5))
            drill.recovered(begun)
        for one in more:
            one.close()
    judged(drill)
    assert set(drill.seen.versions) == {stage.model}
