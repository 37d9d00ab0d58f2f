"""Redis dies in part, dies whole, or is slow: callers get their answers, and no record is lost or counts twice."""

import signal
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial

import pytest
from stage import BEHIND, Drill, Stage

from proxy import Proxy

pytestmark = [pytest.mark.drill, pytest.mark.slow, pytest.mark.xdist_group("drills")]
Judged = Callable[[Drill], None]


def test_users_of_a_dead_redis_master_are_read_from_its_replica(stage: Stage, judged: Judged) -> None:
    with stage.drill("Redis master killed") as drill:
        node = stage.master_of(0)
        errors, killed = stage.main.meter("foryou_fold_away_total"), time.monotonic()
        stage.machines.kill("redis-cluster", node)
        drill.felt(lambda: stage.main.meter("foryou_fold_away_total") > errors, "fold_away rose")
        drill.felt(lambda: not 0 <= stage.behind() < BEHIND, "records fall behind")
        drill.recovered(killed)
        stage.machines.start("redis-cluster", node)
    judged(drill)


def test_without_any_redis_everybody_gets_an_answer_that_says_so(stage: Stage, judged: Judged) -> None:
    with stage.drill("all of Redis stopped") as drill:
        lost = partial(stage.main.meter, "foryou_fallbacks_total", stage="hydrate")
        before = lost()
        stage.machines.kill("redis-cluster", number=signal.SIGTERM)
        drill.felt(
            lambda: stage.main.meter("foryou_fallbacks_total", stage="hydrate") > before, "fallbacks{hydrate} rose"
        )
        time.sleep(stage.lasting(3, 20))
        stage.machines.start("redis-cluster")
        drill.recovered(time.monotonic())
    judged(drill)
    assert drill.seen.degraded["hydrate"] > 20


def test_a_slow_redis_costs_its_patience_and_not_its_time(stage: Stage, judged: Judged) -> None:
    url = stage.machines.urls["redis"]
    features = stage.records(url)
    with (
        closing(Proxy(url)) as proxy,
        closing(stage.serve("slow", stores={"features": f"redis{proxy.url[4:]}"})) as one,
    ):
        one.ready()
        with stage.drill("Redis answers in 200 ms", one.url, features=features) as drill:
            lost = partial(one.meter, "foryou_fallbacks_total", stage="hydrate")
            before = lost()
            proxy.slow(0.2)
            drill.felt(lambda: lost() > before, "fallbacks{hydrate} rose")
            time.sleep(stage.lasting(3, 20))
            proxy.mend()
            drill.recovered(time.monotonic())
    judged(drill)
    assert drill.seen.degraded["hydrate"] > 20
