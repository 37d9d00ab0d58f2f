"""Is a bundle that is unfit found out before users see it, and replaced in the call when they do?"""

import msgspec
import numpy as np
import pytest
from homes import ask, released, versions

import worlds
from foryou.domain.bundle import ModelBundle
from foryou.domain.release import MAIN, Release, Step
from foryou.domain.rollout import begun, stepped
from foryou.domain.slate import Answer, Query
from foryou.serve.health import Health, Limits, breach
from foryou.serve.live import Live
from foryou.serve.pipeline import Pipeline
from foryou.serve.standby import answered
from foryou.serve.watch import Watch
from foryou.wiring.home import Home
from worlds import did, query, shown

NOW = worlds.NOW_MS
HOUR_MS = 3_600_000


def not_finite(version: str) -> ModelBundle:
    made = worlds.bundle(version)
    return ModelBundle(made.manifest, dict(made.arrays) | {"blend": np.full_like(made.arrays["blend"], np.nan)})


def wrong_for_war(version: str) -> ModelBundle:
    """Give a bundle that gives NaN to those who liked war-1."""
    made, links = worlds.bundle(version), worlds.links().copy()
    links[1] = np.nan
    return ModelBundle(made.manifest, dict(made.arrays) | {"links": links})


def tried(home: Home, live: Live, made: ModelBundle, *shares: float) -> Release:
    """Publish a bundle and begin to roll it out by these steps, an hour each."""
    home.models.publish(made)
    held = home.models.release()
    assert held is not None
    steps = tuple(Step(share, HOUR_MS) for share in shares)
    new = begun(held, made.manifest.version, steps, home.clock.now_ms(), "tried")
    home.models.replace_release(new, held.generation)
    live.refresh()
    return new


def watch_of(home: Home, live: Live, **limits: float) -> Watch:
    return Watch(live, home.models, home.clock, Limits(**limits))


def asked(live: Live, one: Query) -> Answer:
    arm = live.arm_for(one.user_id)
    return answered(arm, "home", arm.pipelines["home"], [one])[0][0]


def test_a_bundle_of_nan_is_never_let_at_users_and_taken_back_with_the_reason(home: Home, live: Live) -> None:
    before = ask(live)
    tried(home, live, not_finite("bad"), 1.0)
    assert (versions(live), ask(live)) == (["v1"], before)
    why = watch_of(home, live).look()
    assert "NaN or infinite" in why
    held = home.models.release()
    assert held is not None
    assert held.families == {MAIN: (("v1", 1.0),)}
    assert held.rollout is not None
    assert held.rollout.ended == why
    live.refresh()
    assert watch_of(home, live).look() == ""


def test_a_bundle_that_cannot_be_loaded_is_taken_back_too(home: Home, live: Live) -> None:
    made = worlds.bundle("bad", "no-such-catalog")
    tried(home, live, made, 0.5, 1.0)
    assert "no-such-catalog" in watch_of(home, live).look()
    held = home.models.release()
    assert held is not None
    assert held.version == "v1"


def test_who_gets_nan_from_the_new_bundle_is_answered_by_the_old_one_in_the_same_call(home: Home, live: Live) -> None:
    from homes import acted

    acted(home, did("ann", "war-1"))
    live.refresh()
    tried(home, live, wrong_for_war("bad"), 1.0)
    assert live.arm_for("ann").version == "bad", "strangers had no reason to complain"
    answers = [asked(live, query("ann", seed=n)) for n in range(3)]
    assert {answer.bundle for answer in answers} == {"v1"}
    assert all(len(answer.items) == 10 for answer in answers)
    assert asked(live, query("bob")).bundle == "bad"
    assert "3 of 4 queries went wrong" in watch_of(home, live).look()
    assert versions(live) == ["v1"], "this process is done with it, whatever others think"
    assert asked(live, query("bob")).bundle == "v1"


def test_what_raises_is_answered_by_the_old_bundle(home: Home, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    tried(home, live, worlds.bundle("bad"), 1.0)
    arm = live.arm_for("ann")
    real = Pipeline.run

    def run(self: Pipeline, queries: list[Query], deadline: float = np.inf) -> object:
        if self.version == "bad":
            raise FloatingPointError("of all things")
        return real(self, queries, deadline)

    monkeypatch.setattr(Pipeline, "run", run)
    assert asked(live, query("ann")).bundle == "v1"
    assert arm.health.faults["raised"] == 1
    assert "of all things" in arm.health.why["raised"]


def test_with_nobody_to_stand_by_what_raises_is_raised(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object) -> object:
        raise FloatingPointError("of all things")

    monkeypatch.setattr(Pipeline, "run", run)
    with pytest.raises(FloatingPointError):
        asked(live, query("ann"))


def test_in_the_shadow_it_answers_what_others_are_shown_and_nobody_sees_it(home: Home, live: Live) -> None:
    tried(home, live, worlds.bundle("new", popularity=5.0), 0.0, 0.5, 1.0)
    watch = watch_of(home, live)
    for n in range(8):
        one = query(f"u{n}")
        answer = asked(live, one)
        assert answer.bundle == "v1"
        live.remember("home", one, answer)
    for _ in range(10):  # each look has a small budget
        assert watch.look() == ""
    arm = live.arm_of("new")
    assert arm is not None
    assert arm.health.rehearsed >= 1
    assert 0 < arm.health.overlap <= arm.health.rehearsed


def test_a_share_of_the_users_has_it_nobody_by_name_last_and_at_the_end_the_old_one_is_let_go(
    home: Home, live: Live
) -> None:
    first = tried(home, live, worlds.bundle("new"), 0.3, 1.0)
    users = [f"u{n}" for n in range(300)]
    some = {user for user in users if live.arm_for(user).version == "new"}
    assert 50 < len(some) < 130
    assert live.arm_for("").version == "v1"
    home.models.replace_release(stepped(first, home.clock.now_ms(), "on"), first.generation)
    live.refresh()
    assert {live.arm_for(user).version for user in users} == {"new"}
    assert live.arm_for("").version == "new"
    assert versions(live) == ["new", "v1"], "the old one stands by"
    home.clock.at_ms += HOUR_MS  # type: ignore[attr-defined]
    live.refresh()
    assert versions(live) == ["new"]
    assert live.arm_for("ann").instead is None


def test_a_release_by_hand_meanwhile_is_respected(home: Home, live: Live) -> None:
    tried(home, live, not_finite("bad"), 1.0)
    home.models.publish(worlds.bundle("v3"))
    released(home, main=(("v3", 1.0),))
    watch_of(home, live).look()
    held = home.models.release()
    assert held is not None
    assert held.version == "v3"


def batches(cpu_ms: float, count: int = 40, size: int = 4) -> Health:
    found = Health()
    for _ in range(count):
        found.note(size, cpu_ms, cpu_ms)
    return found


def test_slow_is_who_computes_far_longer_on_batches_of_the_same_size() -> None:
    limits = Limits(slower=2.0, slower_ms=5.0, long_ms=50.0)
    assert breach(batches(9.0), batches(5.0), limits) == "", "not twice as long"
    assert breach(batches(5.0), batches(0.5), limits) == "", "not 5 ms more"
    assert "its batches take 20.0 ms, those of the old one 5.0 ms" in breach(batches(20.0), batches(5.0), limits)
    assert breach(batches(20.0, size=32), batches(5.0, size=1), limits) == "", "more queries take longer"
    assert "took more than 50 ms (up to 60 ms)" in breach(batches(60.0, 3), batches(5.0), limits)
    assert breach(batches(60.0, 9), batches(60.0), limits) == "", "so does the old one"


def test_waiting_needs_more_evidence_than_computing() -> None:
    waits = Health()
    for _ in range(9):
        waits.note(1, 80.0, 1.0)
    assert breach(waits, batches(1.0), Limits()) == ""
    waits.note(1, 80.0, 1.0)
    assert "10 of its newest 10 batches took more than 50 ms" in breach(waits, batches(1.0), Limits())


def test_a_few_faults_in_many_are_borne() -> None:
    many = batches(1.0, 100)  # 400 queries
    many.fault("stage", 4, "rank: oops")
    assert breach(many, batches(1.0), Limits(fault_share=0.01)) == ""
    many.fault("stage", 1, "rank: oops")
    said = breach(many, batches(1.0), Limits(fault_share=0.01))
    assert said == "5 of 400 queries went wrong in it, limit 1.0%: stage: 5 (rank: oops)"


def test_what_fails_with_the_store_is_no_fault_of_the_bundle(home: Home, live: Live) -> None:
    tried(home, live, worlds.bundle("new"), 1.0)
    home.features.close()
    answer = asked(live, query("ann"))
    arm = live.arm_for("ann")
    assert (answer.bundle, sum(arm.health.faults.values())) == ("new", 0)
    assert shown(answer)


def test_a_release_of_an_older_program_has_no_rollout() -> None:
    old = msgspec.json.decode(b'{"generation": 3, "families": {"main": [["v1", 1.0]]}}', type=Release)
    assert old == Release(3, {MAIN: (("v1", 1.0),)})
