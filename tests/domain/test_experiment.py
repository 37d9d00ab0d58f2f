"""Does assignment keep its promises: stable, by shares, independent, and moving only those who must move?"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foryou.domain.errors import Invalid
from foryou.domain.experiment import (
    NO_EXPERIMENTS,
    SLOTS,
    Arm,
    Experiment,
    ExperimentChange,
    Guardrail,
    Runs,
    Wheel,
    allotted,
    arm_for,
    begun,
    checked,
    slot_of,
    without,
)

NAMES = ("control", "content", "two-tower", "graph", "fresh")
USERS = [f"user-{number}" for number in range(20_000)]
NOW_MS = 1_700_000_000_000


@st.composite
def splits(draw: st.DrawFn) -> tuple[Arm, ...]:
    """Draw arms whose shares are whole slots and sum to 1."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=5, unique=True))
    cuts = sorted(draw(st.lists(st.integers(0, SLOTS), min_size=len(names) - 1, max_size=len(names) - 1)))
    counts = np.diff([0, *cuts, SLOTS]).tolist()
    return tuple(Arm(name=name, share=count / SLOTS) for name, count in zip(names, counts, strict=True))


def owners(runs: Runs) -> list[str]:
    wheel = Wheel(runs)
    return [wheel.arm(slot) for slot in range(SLOTS)]


def experiment(*shares: float, **what: object) -> Experiment:
    arms = tuple(Arm(name=name, share=share) for name, share in zip(NAMES, shares, strict=False))
    return begun(checked(Experiment(name="sources", arms=arms, **what)), None, NOW_MS)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.lists(splits(), min_size=1, max_size=4))
def test_over_any_history_of_shares_each_arm_has_its_share_and_only_those_move_that_must(
    history: list[tuple[Arm, ...]],
) -> None:
    held: Runs = ()
    before: list[str] = []
    for arms in history:
        held = allotted(arms, held)
        now = owners(held)
        for arm in arms:
            assert now.count(arm.name) == round(arm.share * SLOTS)
        if before:
            must = sum(max(0, before.count(name) - now.count(name)) for name in NAMES)
            assert sum(old != new for old, new in zip(before, now, strict=True)) == must
        before = now


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=5))
def test_shares_that_are_no_whole_slots_are_missed_by_less_than_one(weights: list[float]) -> None:
    arms = [Arm(name=name, share=one / sum(weights)) for name, one in zip(NAMES, weights, strict=False)]
    now = owners(allotted(arms))
    assert len(now) == SLOTS
    for arm in arms:
        assert abs(now.count(arm.name) - arm.share * SLOTS) < 1 + 1e-6


def test_an_arm_that_grows_at_the_cost_of_one_other_moves_nobody_else() -> None:
    old = experiment(0.5, 0.25, 0.25)
    arms = tuple(Arm(name=arm.name, share=share) for arm, share in zip(old.arms, (0.5, 0.3, 0.2), strict=True))
    new = begun(Experiment(name="sources", arms=arms), old, NOW_MS + 1)
    moves = {(arm_for(user, old), arm_for(user, new)) for user in USERS}
    assert {(a, b) for a, b in moves if a != b} == {("two-tower", "content")}
    assert (new.start_ms, new.salt) == (old.start_ms, old.salt)


def test_users_are_spread_by_the_shares() -> None:
    dealt = experiment(0.5, 0.25, 0.25)
    found = [arm_for(user, dealt) for user in USERS]
    for name, share in zip(NAMES, (0.5, 0.25, 0.25), strict=False):
        assert abs(found.count(name) / len(USERS) - share) < 4 * np.sqrt(share * (1 - share) / len(USERS))


def test_two_experiments_are_independent() -> None:
    one, other = experiment(0.5, 0.5, salt="one"), experiment(0.3, 0.7, salt="other")
    both = np.zeros((2, 2))
    for user in USERS:
        both[NAMES.index(arm_for(user, one)), NAMES.index(arm_for(user, other))] += 1
    expected = np.outer(both.sum(1), both.sum(0)) / len(USERS)
    assert ((both - expected) ** 2 / expected).sum() < 10.8  # chi-square with one degree of freedom, p = 0.001


def test_another_process_assigns_the_same() -> None:
    code = (
        "from foryou.domain.experiment import *\n"
        "e = begun(Experiment(name='sources', arms=(Arm(name='control', share=.5), Arm(name='content', share=.5))),"
        " None, 1)\n"
        "print(*[arm_for(f'user-{n}', e) for n in range(200)])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert told == [arm_for(user, experiment(0.5, 0.5)) for user in USERS[:200]]


def test_slots_are_what_they_have_always_been() -> None:
    assert [slot_of(user, "sources") for user in ("ann", "bob", "user-1", "é")] == [2700, 4525, 7983, 5708]


def test_the_example_of_the_documents_assigns_the_same() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "experiments.md").read_text(encoding="utf-8")
    example: dict[str, Callable[[str, str, Runs], str]] = {}
    exec(text.split("```python\n")[1].split("```")[0], example)
    one = experiment(0.5, 0.3, 0.2)
    for user in USERS[:2_000]:
        assert example["arm_for"](user, one.salt, one.slots) == arm_for(user, one)


def test_an_arm_that_is_stopped_gives_its_users_to_the_control() -> None:
    old = experiment(0.5, 0.25, 0.25)
    new = without(old, "content")
    for user in USERS[:2_000]:
        was = arm_for(user, old)
        assert arm_for(user, new) == ("control" if was == "content" else was)
    with pytest.raises(Invalid, match="'control' is the control, to which others are compared; stop the experiment"):
        without(old, "control")
    with pytest.raises(Invalid, match="experiment 'sources' has no arm 'nowhere'; it has control, content, two-tower"):
        without(old, "nowhere")


def test_an_experiment_holds_at_its_placements_from_start_to_stop_and_for_named_users_only() -> None:
    one = experiment(0.5, 0.5, placements=("home",), start_ms=NOW_MS, stop_ms=NOW_MS + 10)
    known = NO_EXPERIMENTS.changed([ExperimentChange(name=one.name, now=one)], {0: 1})
    assert [known.choose("ann", "home", NOW_MS + at) is not None for at in (-1, 0, 9, 10)] == [False, True, True, False]
    assert known.choose("ann", "cart", NOW_MS) is None
    assert known.choose("", "home", NOW_MS) is None
    chosen = known.choose("ann", "home", NOW_MS)
    assert chosen is not None
    assert chosen.arm.name == arm_for("ann", one)
    assert chosen.key("home") == f"home@sources/{chosen.arm.name}"


def test_of_two_experiments_at_one_placement_the_older_one_counts_and_they_are_known_to_clash() -> None:
    old, new = experiment(0.5, 0.5, start_ms=NOW_MS), experiment(0.5, 0.5, start_ms=NOW_MS + 5, placements=("home",))
    renamed = [ExperimentChange(name="zebra", now=old), ExperimentChange(name="ant", now=new)]
    named = [ExperimentChange(name=change.name, now=_called(change.now, change.name)) for change in renamed]
    known = NO_EXPERIMENTS.changed(named, {})
    chosen = known.choose("ann", "home", NOW_MS + 6)
    assert chosen is not None
    assert chosen.experiment == "zebra"
    assert known.clash(_called(new, "third")) is not None
    assert known.clash(_called(experiment(0.5, 0.5, start_ms=1, stop_ms=NOW_MS), "third")) is None


def _called(one: Experiment, name: str) -> Experiment:
    return Experiment(
        name=name, arms=one.arms, placements=one.placements, salt=one.salt, start_ms=one.start_ms,
        stop_ms=one.stop_ms, slots=one.slots,
    )  # fmt: skip


HALVES = (Arm(name="a", share=0.5), Arm(name="b", share=0.5))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Experiment(name="x", arms=HALVES[:1]), "arms: there are 1; an experiment compares 2 to 20"),
        (Experiment(name="x", arms=(HALVES[0], HALVES[0])), "arms/1/name: 'a' is said twice"),
        (Experiment(name="x", arms=(HALVES[0], Arm(name="a/b", share=0.5))), "arms/1/name: 'a/b' is no name"),
        (Experiment(name="x", arms=(HALVES[0], Arm(name="b", share=0.4))), "arms: the shares sum to 0.9; they must"),
        (Experiment(name="x", arms=(HALVES[0], Arm(name="b", share=0.6))), "arms: the shares sum to 1.1; they must"),
        (Experiment(name="x", arms=(HALVES[0], Arm(name="b", share=50))), "arms/1/share: 50 is not between 0 and 1"),
        (Experiment(name="x", arms=HALVES, start_ms=5, stop_ms=5), "stop_ms: 5 is not after start_ms 5"),
        (
            Experiment(name="x", arms=HALVES, metric="joy"),
            "metric: 'joy' is not measured; use one of ctr, clicks, conversion",
        ),
        (Experiment(name="x", arms=HALVES, guardrails=(Guardrail("joy"),)), "guardrails/0/metric: 'joy' is not"),
        (Experiment(name="x", arms=HALVES, effect=5), "effect: 5 is not between 0 and 1; write 5 % as 0.05"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field(wrong: Experiment, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        checked(wrong)
    assert str(caught.value).startswith(message)
