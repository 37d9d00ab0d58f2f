"""Does a rollout go only forward by its steps, or back to the old bundle?"""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from foryou.domain.errors import Conflict, Invalid
from foryou.domain.release import MAIN, Release, Step, version_for
from foryou.domain.rollout import active, begun, due, finished, paused, returned, stable, stepped, steps_of

NOW = 1_700_000_000_000
USERS = [f"user-{n}" for n in range(200)]
FIRST = Release(7, {MAIN: (("old", 1.0),), "content": (("c", 1.0),)}, NOW, "first")
SCHEDULE = "shadow:10m,10:1h,50:6h,100:1h"

schedules = some.lists(some.integers(0, 99), min_size=1, max_size=6, unique=True).map(
    lambda shares: (*(Step(share / 100, 60_000) for share in sorted(shares)), Step(1.0, 60_000))
)
deeds = some.lists(some.sampled_from(["wait", "due", "next", "pause", "resume", "finish", "back"]), max_size=20)


def who_has(release: Release, version: str) -> set[str]:
    shares = release.families[MAIN]
    return {user for user in USERS if version_for(user, shares, release.salt(MAIN)) == version}


def done(release: Release, deed: str, now_ms: int) -> Release | None:
    changes = {"next": stepped, "finish": finished, "back": returned, "pause": paused}
    try:
        if deed == "due":
            return due(release, now_ms)
        if deed == "resume":
            return paused(release, now_ms, "", stop=False)
        return changes[deed](release, now_ms, "") if deed in changes else None
    except Conflict:
        return None


@given(schedules, deeds)
def test_whatever_is_done_users_who_have_the_new_bundle_keep_it_until_all_return(
    steps: tuple[Step, ...], what: list[str]
) -> None:
    release, now_ms = begun(FIRST, "new", steps, NOW, "trained"), NOW
    has = who_has(release, "new")
    for deed in what:
        now_ms += 40_000
        after = done(release, deed, now_ms)
        if after is None:
            continue
        assert after.generation == release.generation + 1
        assert after.families["content"] == FIRST.families["content"]
        assert release.rollout is not None
        assert after.rollout is not None
        if after.rollout.ended or deed == "back":
            assert after.families[MAIN] == (("old", 1.0),)
            assert active(after, now_ms) is None
            assert after.version == "old"
            return
        assert after.rollout.at >= release.rollout.at
        assert has <= who_has(after, "new"), "who has it keeps it"
        has, release = who_has(after, "new"), after


@given(schedules, some.integers(0, 6))
def test_a_breach_at_any_step_returns_to_the_old_bundle_with_the_reason(steps: tuple[Step, ...], at: int) -> None:
    release = begun(FIRST, "new", steps, NOW, "trained")
    for _ in range(min(at, len(steps) - 1)):
        release = stepped(release, NOW, "")
    back = returned(release, NOW + 1, "NaN")
    assert back.families[MAIN] == (("old", 1.0),)
    assert back.reason == "returned from new to old: NaN"
    assert back.rollout is not None
    assert back.rollout.ended == "NaN"


def test_by_schedule_it_takes_a_step_when_its_time_is_over_and_none_while_paused() -> None:
    release = begun(FIRST, "new", steps_of(SCHEDULE), NOW, "trained")
    assert release.families[MAIN] == (("old", 1.0),)
    assert due(release, NOW + 599_999) is None
    second = due(release, NOW + 600_000)
    assert second is not None
    assert second.families[MAIN] == (("new", 0.1), ("old", 0.9))
    assert len(who_has(second, "new")) == pytest.approx(20, abs=15)
    still = paused(second, NOW + 700_000, "lunch")
    assert due(still, NOW + 10**9) is None
    assert stable(still, NOW + 10**9) == "old"
    again = paused(still, NOW + 10**9, "back", stop=False)
    assert due(again, NOW + 10**9 + 3_599_999) is None
    assert due(again, NOW + 10**9 + 3_600_000) is not None


def test_everybody_has_it_and_after_the_watch_it_is_what_others_are_measured_by() -> None:
    last = finished(begun(FIRST, "new", steps_of(SCHEDULE), NOW, ""), NOW, "by hand")
    assert last.families[MAIN] == (("new", 1.0),)
    assert (last.version, stable(last, NOW + 1)) == ("new", "old")
    assert stable(last, NOW + 3_600_000) == "new"
    assert active(last, NOW + 3_600_000) is None
    with pytest.raises(Conflict, match="No rollout is under way"):
        returned(last, NOW + 3_600_000, "late")


def test_what_was_begun_on_another_clock_is_no_rollout_here() -> None:
    release = begun(FIRST, "new", steps_of(SCHEDULE), NOW, "")
    assert active(release, NOW - 3_600_000) is not None, "clocks of machines differ a little"
    assert active(release, NOW - 10**12) is None


def test_the_first_ones_are_others_in_the_next_rollout() -> None:
    one, two = (stepped(begun(FIRST, name, steps_of(SCHEDULE), NOW, ""), NOW, "") for name in ("one", "two"))
    first, second = who_has(one, "one"), who_has(two, "two")
    assert len(first & second) < len(first) / 2


def test_what_serves_cannot_be_rolled_out_and_while_one_is_tried_the_next_replaces_it() -> None:
    with pytest.raises(Conflict, match="old serves already"):
        begun(FIRST, "old", steps_of(SCHEDULE), NOW, "")
    half = stepped(begun(FIRST, "new", steps_of(SCHEDULE), NOW, ""), NOW, "")
    newer = begun(half, "newer", steps_of(SCHEDULE), NOW, "")
    assert newer.families[MAIN] == (("old", 1.0),)


@pytest.mark.parametrize(
    ("schedule", "fault"),
    [
        ("10", "'10' is no step"),
        ("10:1x", "'10:1x' is no step"),
        ("110:1h", "a share outside of 0..100"),
        ("0:1h", "a share outside of 0..100"),
        ("50:1h,10:1h", "a share that does not grow"),
        ("", "has 0 steps"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused_with_the_mend(schedule: str, fault: str) -> None:
    with pytest.raises(Invalid, match=fault):
        steps_of(schedule)


def test_a_schedule_says_shares_and_times() -> None:
    assert steps_of("shadow: 10m, 12.5 % : 30s,100:0s") == (Step(0.0, 600_000), Step(0.125, 30_000), Step(1.0, 0))
    assert steps_of("10:1h") == (Step(0.1, 3_600_000), Step(1.0, 0))
