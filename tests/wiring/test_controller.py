"""Is a rollout taken from step to step by the clock, and back when users like the new bundle less?"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

import worlds
from foryou.config import Rollouts
from foryou.domain.event import Action, Event
from foryou.domain.experiment import NO_EXPERIMENTS, Arm, Experiment, ExperimentChange, Guardrail, begun
from foryou.domain.exposure import Exposure
from foryou.domain.log import Stream
from foryou.domain.release import MAIN, Release, version_for
from foryou.domain.rollout import steps_of
from foryou.ingest.codec import event_record, experiment_of, experiment_record, exposure_record
from foryou.observe.evidence import Notes
from foryou.serve import steering
from foryou.serve.experiments import followed
from foryou.wiring.home import Home
from foryou.wiring.rollouts import Controller, began
from worlds import MINUTE_MS, NOW_MS

HOUR_MS = 60 * MINUTE_MS


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Give a home that serves v1, with v2 beside it."""
    made = worlds.home_in(tmp_path, rollout=Rollouts(effect=0.2))
    made.models.publish_catalog(worlds.catalog())
    for version in ("v1", "v2"):
        made.models.publish(worlds.bundle(version))
    made.models.replace_release(worlds.release("v1", 1), 0)
    yield made
    made.close()


def passes(home: Home, ms: int) -> None:
    home.clock.at_ms += ms  # type: ignore[attr-defined]


def in_force(home: Home) -> Release:
    found = home.models.release()
    assert found is not None
    return found


def rolled(home: Home, schedule: str) -> Release:
    return steering.begin(home.models, "v2", steps_of(schedule), home.clock.now_ms(), "tried")


def lived(home: Home, users: int, clicks: dict[str, float], experiment: str = "", arm: str = "main") -> None:
    """Let users be shown ten items and click on each with the chance that their bundle (or arm) gives it."""
    held, dice = in_force(home), random.Random(3)
    shown, done, items = list[Exposure](), list[Event](), [f"war-{n}" for n in range(1, 11)]
    for number in range(users):
        user = f"user-{number}"
        bundle = version_for(user, held.families[MAIN], held.salt(MAIN))
        own = arm if not experiment else ("same", "worse")[number % 2]
        name, now_ms = f"{user}:{home.clock.now_ms()}", home.clock.now_ms()
        shown.append(Exposure(
            name, user, now_ms, "home", own, bundle, 0, 0, tuple(items), (1.0,) * 10, ("popular",) * 10, (1.0,) * 10,
            experiment=experiment,
        ))  # fmt: skip
        chance = clicks[own if experiment else bundle]
        done += [
            Event(event_id=f"{name}:{item}", user_id=user, action=Action.CLICK, at_ms=now_ms + 1, item_id=item,
                  recommendation_id=name)
            for item in items if dice.random() < chance
        ]  # fmt: skip
    home.log.append(Stream.EXPOSURES, [exposure_record(one) for one in shown])
    home.log.append(Stream.EVENTS, [event_record(one) for one in done])


def test_it_goes_by_its_schedule_to_everybody(home: Home) -> None:
    rolled(home, "shadow:10m,50:1h,100:1h")
    controller = Controller(home)
    assert controller.look() == ""
    passes(home, 10 * MINUTE_MS)
    assert controller.look() == "v2 at 50 %: by schedule"
    assert controller.look() == ""
    passes(home, HOUR_MS)
    assert controller.look() == "v2 at 100 %: by schedule"
    assert in_force(home).families == {MAIN: (("v2", 1.0),)}
    passes(home, 2 * HOUR_MS)
    assert controller.look() == ""
    assert in_force(home).generation == 4


def test_users_who_click_less_take_it_back_with_the_reason(home: Home) -> None:
    rolled(home, "50:10h,100:1h")
    controller = Controller(home)
    passes(home, MINUTE_MS)
    lived(home, 1_000, {"v1": 0.3, "v2": 0.2})
    assert controller.look() == "", "events are taken one look later than exposures"
    why = controller.look()
    assert why.startswith("returned from v2 to v1: ctr -")
    held = in_force(home)
    assert (held.version, held.families) == ("v1", {MAIN: (("v1", 1.0),)})
    told = Notes(Path(home.config.home)).compared("v2")
    assert told is not None
    assert told.high is not None
    assert told.high < 0
    assert 300 < told.needed < 5_000
    assert controller.look() == ""


def test_users_who_click_as_much_let_it_go_on(home: Home) -> None:
    rolled(home, "50:1h,100:1h")
    controller = Controller(home)
    passes(home, MINUTE_MS)
    lived(home, 600, {"v1": 0.3, "v2": 0.3})
    assert [controller.look() for _ in range(3)] == ["", "", ""]
    passes(home, HOUR_MS)
    assert controller.look() == "v2 at 100 %: by schedule"


def test_what_was_done_before_the_step_or_in_an_experiment_does_not_count(home: Home) -> None:
    lived(home, 200, {"v1": 0.9})
    passes(home, MINUTE_MS)
    rolled(home, "50:10h,100:1h")
    passes(home, MINUTE_MS)
    lived(home, 200, {"same": 0.9, "worse": 0.1}, experiment="other")
    controller = Controller(home)
    assert [controller.look() for _ in range(3)] == ["", "", ""]
    told = Notes(Path(home.config.home)).compared("v2")
    assert told is not None
    assert (told.users_old, told.users_new, told.change) == (0, 0, None)


def test_of_two_who_look_at_once_one_takes_the_step(home: Home) -> None:
    rolled(home, "shadow:10m,50:1h,100:1h")
    first, second = Controller(home), Controller(home)
    passes(home, 10 * MINUTE_MS)
    assert [first.look(), second.look()] == ["v2 at 50 %: by schedule", ""]
    assert in_force(home).generation == 3


def test_a_time_is_found_in_the_log_without_reading_it_all(home: Home) -> None:
    times = []
    for _ in range(40):
        passes(home, MINUTE_MS)
        times.append(home.clock.now_ms())
        lived(home, 3, {"v1": 0.0})
    for at_ms in (NOW_MS, times[0], times[17], times[17] + 1, times[-1], times[-1] + 1):
        position = began(home, Stream.EXPOSURES, at_ms)
        for partition, end in home.log.ends(Stream.EXPOSURES).items():
            own = home.log.read(Stream.EXPOSURES, partition, -1, end + 1)
            before = [entry.offset for entry in own if entry.appended_ms < at_ms]
            assert position[partition] == max(before, default=-1)


def test_an_arm_that_breaks_its_guardrail_is_stopped_by_itself(home: Home) -> None:
    arms = (Arm(name="same", share=0.5), Arm(name="worse", share=0.5, sources={"popular": 10}))
    one = begun(Experiment(name="shelf", arms=arms, effect=0.2, guardrails=(Guardrail("ctr"),)), None, NOW_MS)
    home.log.append(
        Stream.EXPERIMENTS, [experiment_record(ExperimentChange(name="shelf", received_ms=NOW_MS, now=one))]
    )
    passes(home, MINUTE_MS)
    lived(home, 1_000, {"same": 0.3, "worse": 0.15}, experiment="shelf")
    controller = Controller(home)
    assert controller.guard() == ["shelf/worse lowers ctr: its users have the control"]
    kept = followed(home.log, NO_EXPERIMENTS, experiment_of).by_name["shelf"]
    assert {arm.name: arm.share for arm in kept.arms} == {"same": 1.0, "worse": 0.0}
    assert controller.guard() == []
