"""S3 is away: what runs goes on with its bundle, what starts takes the copy that lies on this machine."""

import time
from collections.abc import Callable
from contextlib import closing

import pytest
from stage import Drill, Stage

pytestmark = [pytest.mark.drill, pytest.mark.slow, pytest.mark.xdist_group("drills")]
Judged = Callable[[Drill], None]


def test_a_server_that_runs_goes_on_without_s3(stage: Stage, judged: Judged) -> None:
    with stage.drill("S3 cut off while running") as drill:
        before = stage.main.meter("foryou_fallbacks_total", stage="release")
        stage.s3.cut()
        drill.felt(
            lambda: stage.main.meter("foryou_fallbacks_total", stage="release") > before, "fallbacks{release} rose"
        )
        time.sleep(stage.lasting(2, 20))
        stage.s3.mend()
        drill.recovered(time.monotonic())
    judged(drill)
    assert set(drill.seen.versions) == {stage.model}


def test_a_server_that_starts_without_s3_serves_the_copy_of_this_machine(stage: Stage, judged: Judged) -> None:
    stage.s3.cut()
    try:
        with closing(stage.serve("late")) as late:
            late.ready()
            with stage.drill("S3 cut off at start", late.url) as drill:
                drill.felt(lambda: late.meter("foryou_fallbacks_total", stage="release") > 0, "fallbacks{release} rose")
                time.sleep(stage.lasting(1, 20))
                stage.s3.mend()
                drill.recovered(time.monotonic())
    finally:
        stage.s3.mend()
    judged(drill)
    assert set(drill.seen.versions) == {stage.model}
