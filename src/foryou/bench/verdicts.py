"""Are verdicts true? Runs resampled from logged outcomes, where what was planted is known."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from foryou.bench.worth import interleaved, off_policy
from foryou.domain.clock import DAY_MS
from foryou.domain.event import Event
from foryou.domain.experiment import Arm, Experiment, ExperimentChange, Experiments, arm_for, begun
from foryou.domain.exposure import Exposure
from foryou.simulate.history import history
from foryou.simulate.market import Market
from foryou.simulate.shopping import Life
from foryou.trial.estimate import Lift, Sample, lift, mean_of
from foryou.trial.outcomes import SUMS, Gathering, measured
from foryou.trial.power import noise, users_needed

RUNS, DAYS, PRE_DAYS = 500, 14, 14
EFFECT, LOOKED_FOR = 0.05, 0.05
NOW_MS = 1_700_000_000_000 // DAY_MS * DAY_MS
Progress = Callable[[str, int, int], None]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class People:
    """Logged outcomes: totals of each user at the end of each day, float64 [users, days, SUMS], and of before."""

    totals: Floats
    before: Floats


def people(users: int, items: int, events: int, seed: int, on_progress: Progress) -> People:
    """Give what came of the lists of a simulated world: its last DAYS days, and what its users did before them."""
    market = Market(NOW_MS, users, items, events, DAYS + PRE_DAYS, seed=seed)
    exposures, acts = list[Exposure](), list[Event]()
    for block in history(market, Life.begin(market)):
        exposures += block.exposures
        acts += block.events
        on_progress("live", len(acts), events)
    start = NOW_MS - DAYS * DAY_MS
    first = {change.item_id: (change.categories or ("",))[0] for change in map(market.goods.change, range(items))}
    named = [msgspec.structs.replace(one, experiment="logged", arm="all") for one in exposures]
    totals, kept, before = list[Floats](), list[str](), np.zeros((0, 0))
    for day in range(DAYS, 0, -1):
        end = start + day * DAY_MS
        gathering = Gathering("logged", ("all",), (start, end), PRE_DAYS * DAY_MS, lambda one: first.get(one, ""))
        for exposure in named:
            gathering.expose(exposure)
        for event in acts:
            if event.at_ms < end:
                gathering.act(event)
        found = gathering.outcomes()
        if not kept:
            kept, before = list(found.users), found.before
        table = np.zeros((len(kept), len(SUMS)))
        table[np.searchsorted(kept, found.users)] = found.sums
        totals.append(table)
        on_progress("days", DAYS + 1 - day, DAYS)
    return People(np.stack(totals[::-1], axis=1), before)


def resampled(
    known: People, metric: str, effect: float, runs: int, users: int, seed: int, on_progress: Progress
) -> Iterator[list[Lift | None]]:
    """Give runs of an experiment looked at daily, its users drawn from the logged ones; in one arm the metric is
    raised by `effect`: each day's sum is doubled with that chance.
    """
    random = np.random.default_rng(seed)
    for run in range(runs):
        rows = random.integers(0, len(known.totals), users)
        treated = random.random(users) < 0.5
        (counts, per), before = measured(known.totals[rows], metric), known.before[rows]
        lists = known.totals[rows][:, :, 0]
        daily = np.diff(counts, axis=1, prepend=0)
        counts = counts + np.cumsum(daily * (random.random(daily.shape) < effect) * treated[:, None], axis=1)
        looks = []
        for day in range(counts.shape[1]):
            there = lists[:, day] > 0
            control, arm = (
                Sample(counts[side, day], per[side, day], before[side]) for side in (there & ~treated, there & treated)
            )
            looks.append(lift(control, arm, LOOKED_FOR))
        yield looks
        on_progress(f"runs {effect:+.0%}", run + 1, runs)


def judged(
    known: People, metric: str, effect: float, runs: int, users: int, seed: int, on_progress: Progress
) -> dict[str, Any]:
    """Give how often the truth was inside: at the last look, at all looks together, and with a naive test."""
    last = always = fixed = naive = 0
    saved, widths, values = [], [], []
    for looks in resampled(known, metric, effect, runs, users, seed, on_progress):
        found = [one for one in looks if one]
        end = found[-1]
        last += end.low <= effect <= end.high
        always += all(one.low <= effect <= one.high for one in found)
        fixed += end.fixed_low <= effect <= end.fixed_high
        naive += all(one.fixed_low <= effect <= one.fixed_high for one in found)
        saved.append(end.saved)
        widths.append(end.high - end.low)
        values.append(end.value)
    return {
        "runs": runs, "users": users, "covers_at_the_end": last / runs, "covers_at_all_looks": always / runs,
        "single_look_covers": fixed / runs, "single_look_peeked_at_covers": naive / runs,
        "false_alarms": 1 - always / runs if effect == 0 else None, "cuped_saves": float(np.mean(saved)),
        "half_width": float(np.mean(widths)) / 2, "mean_estimate": float(np.mean(values)),
    }  # fmt: skip


def assignment() -> dict[str, float]:
    """Give the µs that the choice of an arm takes, as the server makes it, the median of many."""
    arms = tuple(Arm(name=name, share=share) for name, share in (("a", 0.5), ("b", 0.25), ("c", 0.25)))
    one = begun(Experiment(name="timed", arms=arms, placements=("home",)), None, 1)
    known = Experiments().changed([ExperimentChange(name=one.name, now=one)], {})
    took = []
    for round_ in range(200):
        users = [f"user-{round_}-{number}" for number in range(100)]
        start = time.perf_counter()
        for user in users:
            known.choose(user, "home", 2)
        took.append((time.perf_counter() - start) * 1e4)
    same = all((chosen := known.choose(user, "home", 2)) and chosen.arm.name == arm_for(user, one) for user in users)
    return {"assignment_us": float(np.median(took)), "assignment_us_p99": float(np.quantile(took, 0.99)), "same": same}


def power_of(known: People, metric: str) -> dict[str, float]:
    """Give what the power calculator says of these users."""
    last = known.totals[known.totals[:, -1, 0] > 0, -1]
    sample = Sample(*measured(last, metric))
    loud = noise(sample)
    return {
        "rate": mean_of(sample).value, "noise": loud,
        "users_single_look": users_needed(loud, EFFECT, peeking=False), "users_peeking": users_needed(loud, EFFECT),
    }  # fmt: skip


def measured_verdicts(users: int, runs: int, seed: int, on_progress: Progress) -> dict[str, Any]:
    """Give all figures that a verdict must show: assignment, A/A, planted effect, CUPED, interleaving, off-policy."""
    known = people(users, users // 2, 60 * users, seed, on_progress)
    found: dict[str, Any] = {"assignment": assignment(), "power": power_of(known, "ctr")}
    for metric in ("ctr", "clicks"):
        found[metric] = {
            "a_a": judged(known, metric, 0.0, runs, users, seed, on_progress),
            "planted": judged(known, metric, EFFECT, runs, users, seed + 1, on_progress),
        }
    found["interleaving"] = interleaved(5)
    found["off_policy"] = off_policy(runs, 2_000, seed)
    return found
