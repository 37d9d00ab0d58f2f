"""What is to be said of an experiment? Each metric of each arm with its intervals, what is broken, what to stop."""

from math import sqrt
from statistics import NormalDist

import msgspec
import numpy as np

from foryou.domain.experiment import METRICS, Experiment
from foryou.trial.estimate import ALPHA, FEW, Lift, Sample, holm, lift, mean_of, mismatch_p
from foryou.trial.interleave import Credit, preference
from foryou.trial.outcomes import Outcomes

BROKEN = 0.001  # chance below which users do not fit the shares
HALVES = 40  # half-samples of users for the interval of coverage


class MetricOut(msgspec.Struct):
    """One metric of an arm. low, high: of its value, for one look; the change is relative to the control.

    change_low, change_high hold at all looks together, fixed_low, fixed_high at one; p is always valid and adjusted
    for the number of arms; saved: share of users that CUPED makes unnecessary. None = too few users, or the control.
    """

    name: str
    value: float
    low: float
    high: float
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None
    fixed_low: float | None = None
    fixed_high: float | None = None
    p: float | None = None
    saved: float | None = None


class ArmReport(msgspec.Struct):
    """One arm: its users, the lists that they were shown, its metrics. coverage: items that half of the smallest
    arm's users see between them, as a share of all; `broken`: guardrails that it certainly breaks.
    """

    name: str
    users: int
    lists: int
    metrics: list[MetricOut]
    coverage: float
    coverage_low: float
    coverage_high: float
    broken: list[str]


class PreferenceOut(msgspec.Struct):
    """Which arm users prefer where both fill each list: value, low, high from -1 (always the first) to 1.

    Means over the users who clicked, bounds that hold at all looks; clicks: on what the first and the second picked.
    """

    value: float
    low: float
    high: float
    p: float
    users: int
    clicks: list[int]


class ExperimentReport(msgspec.Struct):
    """What is known of an experiment. mismatch_p: chance of users so unlike the shares; crossed: users left out;
    preference: where lists are interleaved, and then all that there is.
    """

    name: str
    metric: str
    verdict: str
    arms: list[ArmReport]
    mismatch_p: float
    mismatched: bool
    crossed: int
    preference: PreferenceOut | None = None


def report(experiment: Experiment, outcomes: Outcomes, dealt_ms: int, items: int) -> ExperimentReport:
    """Give the report. dealt_ms: when shares changed last; items: how many there are."""
    others = max(1, len(experiment.arms) - 1)
    lifts = {name: _lifts(experiment, outcomes, name, ALPHA / others) for name in METRICS}
    adjusted = {name: holm([one.p if one else 1.0 for one in found]) for name, found in lifts.items()}
    cover = _coverage(outcomes, items)
    arms = []
    for place, arm in enumerate(experiment.arms):
        rows = outcomes.arm == place
        metrics = []
        for name in METRICS:
            found = (lifts[name][place - 1], adjusted[name][place - 1]) if place else (None, None)
            metrics.append(_metric(name, Sample(*outcomes.sample(name, place)), *found))
        broken = [] if not place else [
            guard.metric for guard in experiment.guardrails
            if (one := lifts[guard.metric][place - 1]) and one.high < -guard.drop
        ]  # fmt: skip
        arms.append(ArmReport(
            arm.name, int(rows.sum()), int(outcomes.sums[rows, 0].sum()), metrics, *cover[place], broken
        ))  # fmt: skip
    mismatch = _mismatch(experiment, outcomes, dealt_ms)
    return ExperimentReport(
        experiment.name, experiment.metric, _verdict(experiment, arms, mismatch), arms, mismatch, mismatch < BROKEN,
        outcomes.crossed,
    )  # fmt: skip


def interleaved(experiment: Experiment, credit: Credit) -> ExperimentReport:
    """Give the report of an experiment whose arms fill each list together."""
    clicks = credit.clicks
    found = preference(clicks[:, 1] - clicks[:, 0], clicks.sum(axis=1), experiment.effect)
    told = PreferenceOut(
        found.value, found.low, found.high, found.p, found.users, clicks.sum(axis=0).astype(int).tolist()
    )
    arms = [ArmReport(arm.name, credit.users, credit.lists, [], 0.0, 0.0, 0.0, []) for arm in experiment.arms]
    first, second = (arm.name for arm in experiment.arms)
    better = second if found.low > 0 else first if found.high < 0 else ""
    verdict = "Undecided: go on, or stop and keep the control. Looking often does no harm."
    if better and found.users >= FEW:
        bounds = f"{found.low:+.1%} to {found.high:+.1%}"
        verdict = f"{better} is preferred: {second} wins {found.value:+.1%} of a user's clicks ({bounds})."
    return ExperimentReport(experiment.name, experiment.metric, verdict, arms, 1.0, False, 0, told)


def _lifts(experiment: Experiment, outcomes: Outcomes, metric: str, alpha: float) -> list[Lift | None]:
    control = Sample(*outcomes.sample(metric, 0))
    samples = [Sample(*outcomes.sample(metric, place)) for place in range(1, len(experiment.arms))]
    return [lift(control, sample, experiment.effect, alpha) for sample in samples]


def _metric(name: str, sample: Sample, change: Lift | None, p: float | None) -> MetricOut:
    if not len(sample):
        return MetricOut(name, 0.0, 0.0, 0.0)
    mean = mean_of(sample)
    half = NormalDist().inv_cdf(1 - ALPHA / 2) * sqrt(mean.variance)
    found = MetricOut(name, mean.value, mean.value - half, mean.value + half)
    if change is None:
        return found
    return MetricOut(
        name, mean.value, mean.value - half, mean.value + half, change.value, change.low, change.high,
        change.fixed_low, change.fixed_high, p, change.saved,
    )  # fmt: skip


def _mismatch(experiment: Experiment, outcomes: Outcomes, dealt_ms: int) -> float:
    counts = dict.fromkeys((arm.name for arm in experiment.arms), 0)
    slots = dict(counts)
    for name, count in experiment.slots:
        slots[name] += count
    for place in outcomes.arm[outcomes.first_ms >= dealt_ms].tolist():
        counts[outcomes.arms[place]] += 1
    total = sum(slots.values())
    return mismatch_p(list(counts.values()), [count / total for count in slots.values()])


def _coverage(outcomes: Outcomes, items: int, seed: int = 42) -> list[tuple[float, float, float]]:
    """Give the share of the items that as many users of each arm see between them, with its interval.

    As many users as half of the smallest arm has, since more users see more items; drawn HALVES times. The interval
    describes the draws, it is no test.
    """
    random = np.random.default_rng(seed)
    counts = [int((outcomes.arm == place).sum()) for place in range(len(outcomes.arms))]
    size, found = min(counts, default=0) // 2, []
    for place in range(len(outcomes.arms)):
        shares = np.zeros(1)
        if size and items:
            own = np.flatnonzero(outcomes.arm == place)
            drawn = [_seen(outcomes, random.choice(own, size, replace=False)) for _ in range(HALVES)]
            shares = np.array(drawn) / items
        low, high = np.quantile(shares, (0.025, 0.975)).tolist()
        found.append((float(shares.mean()), low, high))
    return found


def _seen(outcomes: Outcomes, users: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    chosen = np.zeros(len(outcomes.users), np.bool_)
    chosen[users] = True
    return len(np.unique(outcomes.seen[chosen[outcomes.places]]))


def _verdict(experiment: Experiment, arms: list[ArmReport], mismatch: float) -> str:
    """Say in a sentence what follows."""
    if mismatch < BROKEN:
        return (
            f"Broken: the users do not fit the shares (p = {mismatch:.2g}), so something loses or repeats users of "
            "some arm; find it before you believe anything below."
        )
    if broken := [arm for arm in arms if arm.broken]:
        said = "; ".join(f"{arm.name} lowers {', '.join(arm.broken)}" for arm in broken)
        return f"Stop: {said} beyond the guardrail."
    place = METRICS.index(experiment.metric)
    known = [(arm.name, arm.metrics[place]) for arm in arms[1:]]
    better = [(name, one) for name, one in known if one.p is not None and one.p < ALPHA and (one.change or 0) > 0]
    if better:
        name, one = max(better, key=lambda pair: pair[1].change or 0)
        bounds = f"{one.change_low:+.1%} to {one.change_high:+.1%}"
        return f"{name} is better: {experiment.metric} {one.change:+.1%} ({bounds})."
    if known and all(one.p is not None and one.p < ALPHA for _, one in known):
        return f"The control {arms[0].name} is better than all others."
    return "Undecided: go on, or stop and keep the control. Looking often does no harm."
