"""Does the ladder go up under a standing queue, down when it is calm, and does the door close when nothing helps?"""

import math

import pytest

from foryou.serve.overload import CALM_S, INTERVAL_S, RUNGS, Ladder, Verdict, on_rung

STEP = 0.01


class Clocked:
    """A ladder with a deadline of 100 ms and a clock of its own: batches begin every 10 ms."""

    def __init__(self) -> None:
        self.now, self.ladder = 1_000.0, Ladder(0.1)

    def wait(self, longest_s: float, seconds: float) -> None:
        for _ in range(round(seconds / STEP)):
            self.ladder.waited(longest_s, self.now)
            self.now += STEP


@pytest.fixture
def clocked() -> Clocked:
    return Clocked()


def test_without_a_queue_everything_is_whole(clocked: Clocked) -> None:
    clocked.wait(0.001, 5)
    assert clocked.ladder.rung == 0
    assert clocked.ladder.verdict(0, clocked.now) is Verdict.ADMIT


def test_a_standing_queue_leads_up_one_rung_per_interval_as_far_as_there_are_any(clocked: Clocked) -> None:
    rungs = []
    for _ in range(6):
        clocked.wait(0.03, INTERVAL_S + 2 * STEP)
        rungs.append(clocked.ladder.rung)
    assert rungs == [1, 2, 3, 3, 3, 3]


def test_bursts_that_drain_lead_nowhere(clocked: Clocked) -> None:
    for _ in range(100):
        clocked.wait(0.05, INTERVAL_S / 2)
        clocked.wait(0.001, STEP)
    assert clocked.ladder.rung == 0


def test_calm_leads_down_one_rung_per_second(clocked: Clocked) -> None:
    clocked.wait(0.03, 1)
    assert clocked.ladder.rung == 3
    clocked.wait(0.001, CALM_S / 2)
    assert clocked.ladder.rung == 3
    clocked.wait(0.001, CALM_S / 2 + 2 * STEP)
    assert clocked.ladder.rung == 2
    clocked.wait(0.001, 2 * CALM_S + 4 * STEP)
    assert clocked.ladder.rung == 0


def test_a_wait_between_calm_and_target_keeps_the_rung(clocked: Clocked) -> None:
    clocked.wait(0.03, 0.25)
    here = clocked.ladder.rung
    clocked.wait(0.015, 10)
    assert clocked.ladder.rung == here > 0


def test_after_a_pause_nothing_is_left_of_it(clocked: Clocked) -> None:
    clocked.wait(0.03, 1)
    clocked.now += 2 * CALM_S
    clocked.wait(0.001, STEP)
    assert clocked.ladder.rung == 0


def test_who_would_wait_longer_than_half_of_the_deadline_is_not_let_in(clocked: Clocked) -> None:
    clocked.ladder.answered(10, 0.02)  # 2 ms each
    assert clocked.ladder.verdict(25, clocked.now) is Verdict.ADMIT
    assert clocked.ladder.verdict(26, clocked.now) is Verdict.PREPARED
    clocked.ladder.answered(10, 0.01)  # cheaper: the mean moves a fifth of the way
    assert clocked.ladder.verdict(27, clocked.now) is Verdict.ADMIT
    assert clocked.ladder.verdict(28, clocked.now) is Verdict.PREPARED


def test_on_the_last_rung_nobody_is_let_in_who_would_wait_as_long_as_one_may(clocked: Clocked) -> None:
    clocked.wait(0.095, STEP)
    assert clocked.ladder.verdict(1, clocked.now) is Verdict.ADMIT, "a stall of a moment"
    clocked.wait(0.095, 10 * INTERVAL_S)
    assert clocked.ladder.rung == len(RUNGS) - 1
    assert clocked.ladder.verdict(1, clocked.now) is Verdict.REFUSE
    assert clocked.ladder.verdict(0, clocked.now) is Verdict.ADMIT, "nobody waits: there is no queue any more"
    assert clocked.ladder.verdict(1, clocked.now + INTERVAL_S) is Verdict.ADMIT, "that was long ago"
    clocked.wait(0.02, STEP)
    assert clocked.ladder.verdict(1, clocked.now) is Verdict.ADMIT


def test_without_a_deadline_nothing_gives_way() -> None:
    ladder = Ladder(math.inf)
    for step in range(1_000):
        ladder.waited(60.0, step * STEP)
    ladder.answered(1, 60.0)
    assert (ladder.rung, ladder.verdict(1_999, 10.0)) == (0, Verdict.ADMIT)


def test_each_rung_has_a_pipeline_of_its_own_and_says_what_it_lacks() -> None:
    assert [on_rung(rung, "home") for rung in range(len(RUNGS))] == ["home", ":1 home", ":2 home", ":3 home"]
    assert RUNGS[0] == ()
    assert len(set(RUNGS)) == len(RUNGS)
