"""experiment report, power, ope; bench verdicts: what came of an experiment, and how far that can be trusted."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from foryou import config as configuration
from foryou.api.reports import noise_of, report_of
from foryou.bench.verdicts import measured_verdicts
from foryou.cli import show
from foryou.cli.app import HomeOption, JsonOption, bench, experiment
from foryou.cli.experiment import NameArgument, registry
from foryou.cli.opening import opened
from foryou.config import Config
from foryou.domain.errors import Invalid
from foryou.domain.experiment import METRICS
from foryou.serve.experiments import varied
from foryou.trial import bandit
from foryou.trial.ope import ENOUGH
from foryou.trial.power import effect_found, users_needed
from foryou.trial.report import ArmReport, ExperimentReport, MetricOut, PreferenceOut
from foryou.wiring.counterfactual import Judged, judged
from foryou.wiring.home import Home


@experiment.command()
def report(
    name: NameArgument,
    enforce: Annotated[bool, typer.Option("--enforce", help="stop arms that break a guardrail")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Say what came of an experiment so far; look as often as you like. Exit status 3: something is broken."""
    store = opened(home)
    kept = registry(store)
    with show.progress() as tell:
        found = report_of(store.log, store.items, kept.one(name), tell)
    broken = [arm.name for arm in found.arms if arm.broken]
    for arm in broken if enforce else ():
        kept.stop_arm(name, arm)
    store.close()
    show.as_json(found) if json else _tell(found)
    if enforce and broken:
        show.say(f"stopped: {show.plain(', '.join(broken))}; their users have the control", json)
    if broken or found.mismatched:
        raise typer.Exit(3)


def _tell(found: ExperimentReport) -> None:
    if found.preference:
        _tell_preference(found, found.preference)
        return
    for arm in found.arms:
        rows = [_row(one) for one in arm.metrics]
        title = f"{arm.name}: {arm.users:,} users, {arm.lists:,} lists, {_covered(arm)}"
        show.table(title, ["metric", "value", "95 %", "change", "at any look", "p", "CUPED saves"], rows)
    show.say(f"users fit the shares: p = {found.mismatch_p:.2g}; in several arms, left out: {found.crossed:,}")
    show.say(f"[bold]{show.plain(found.verdict)}[/]")


def _tell_preference(found: ExperimentReport, one: PreferenceOut) -> None:
    first, second = found.arms
    rows = [[arm.name, clicks] for arm, clicks in zip(found.arms, one.clicks, strict=True)]
    show.table(f"{first.lists:,} lists of both, {first.users:,} users", ["picked by", "clicks"], rows)
    show.say(
        f"preference for {show.plain(second.name)}: {one.value:+.1%} of a user's clicks, at any look {one.low:+.1%} to "
        f"{one.high:+.1%}, p = {one.p:.2g}, {one.users:,} users clicked"
    )
    show.say(f"[bold]{show.plain(found.verdict)}[/]")


def _row(one: MetricOut) -> list[object]:
    p, saved = ("-" if one.p is None else f"{one.p:.2g}"), ("-" if one.saved is None else f"{one.saved:.0%}")
    span = f"{one.low:.4f} to {one.high:.4f}"
    return [one.name, one.value, span, *_change(one.change, one.change_low, one.change_high), p, saved]


def _change(value: float | None, low: float | None, high: float | None) -> tuple[str, str]:
    if value is None or low is None or high is None:
        return "-", "-"
    return f"{value:+.1%}", f"{low:+.1%} to {high:+.1%}"


def _covered(arm: ArmReport) -> str:
    return f"coverage {arm.coverage:.1%} ({arm.coverage_low:.1%} to {arm.coverage_high:.1%})"


@experiment.command()
def power(
    effect: Annotated[float, typer.Option(min=1e-4, max=10, help="relative change to find, 0.05 = 5 %")] = 0.05,
    metric: Annotated[str, typer.Option(help="ctr, clicks, conversion, dwell, revenue or diversity")] = "ctr",
    share: Annotated[float, typer.Option(min=0.001, max=0.999, help="of the users, in the arm")] = 0.5,
    users: Annotated[int, typer.Option(min=0, help="instead: the effect that so many users find; 0 = not")] = 0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Say how many users an experiment needs, from what this home's users did with what they were shown."""
    if metric not in METRICS:
        raise Invalid("--metric", f"{metric!r} is not measured", f"use one of {', '.join(METRICS)}")
    store = opened(home)
    with show.progress() as tell:
        loud, rate, known = noise_of(store.log, store.items, metric, tell)
    store.close()
    shares = 1 - share, share
    told = {"metric": metric, "value": rate, "noise": loud, "users_seen": known}
    if users:
        told |= {
            "users": users, "effect": effect_found(loud, users, shares),
            "effect_single_look": effect_found(loud, users, shares, peeking=False),
        }  # fmt: skip
    else:
        told |= {
            "effect": effect, "users": users_needed(loud, effect, shares),
            "users_single_look": users_needed(loud, effect, shares, peeking=False),
        }  # fmt: skip
    if json:
        show.as_json(told)
        return
    for key, value in told.items():
        show.say(f"{key}: {value}")


@experiment.command()
def ope(
    log: Annotated[Path | None, typer.Argument(help="CSV of the Open Bandit form; left out = this home's log")] = None,
    policy: Annotated[Path | None, typer.Option(help="with LOG: CSV of the same form: how the other shows")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML like foryou.toml, whose placements are judged")] = None,
    arm: Annotated[str, typer.Option(help="instead: an arm of an experiment, EXPERIMENT/ARM")] = "",
    placement: Annotated[str, typer.Option(help="judge by answers at this placement only")] = "",
    requests: Annotated[int, typer.Option(min=1, max=1_000_000, help="logged answers, the newest")] = 1_000,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Say what another configuration would have earned, from the log of the one that ran (off-policy evaluation)."""
    if log is not None:
        if policy is None:
            raise Invalid("--policy", "says nothing", "name the CSV of the other policy beside LOG")
        _judge_csv(log, policy, json)
        return
    store = opened(home)
    try:
        other = _other(store, config, arm)
        with show.progress() as tell:
            found = judged(store, other, requests, placement, tell)
    finally:
        store.close()
    show.as_json(found) if json else _tell_judged(found)


def _other(store: Home, file: Path | None, arm: str) -> Config:
    """Give the configuration that is meant. Raises Invalid where none is, or both."""
    if (file is None) == (not arm):
        raise Invalid("--config", "and --arm are two ways to say what is judged", "name one of them")
    if file is not None:
        return configuration.of_file(file)
    name, _, wanted = arm.partition("/")
    one = registry(store).one(name)
    chosen, known = one.arm(wanted), store.config.placements
    changed = {place: varied(known[place], chosen) for place in one.placements or known if place in known}
    return msgspec.structs.replace(store.config, placements=known | changed)


def _tell_judged(found: Judged) -> None:
    for said, logged, shown, one in (
        ("whole lists", found.logged, found.shown, found.lists),
        ("places that chance fills", found.explored_logged, found.explored_shown, found.explored),
    ):
        if one is None or logged is None:
            continue
        rows = [["earned by what ran", logged.value, logged.low, logged.high], *_estimates(msgspec.to_builtins(one))]
        show.table(f"clicks per item shown, {said}", ["", "value", "low", "high"], rows)
        few = f"; below {ENOUGH} do not trust the intervals" if one.effective < ENOUGH else ""
        cut = f"; {one.clipped:.1%} of the weights were cut" if one.clipped else ""
        show.say(f"{shown:,} items shown, worth {one.effective:,.0f} of the other configuration's{few}{cut}")
    passed = "".join(f", {show.plain(why)}: {count:,}" for why, count in found.passed_over.items())
    show.say(f"{found.answers:,} answers, {found.clicks:,} clicks{passed}")
    show.say(
        f"Of what it would show, {found.supported:.1%} may have been shown at the same place by what ran"
        + ("." if found.supported > 0.9995 else "; of the rest the log says nothing: IPS counts it as never clicked, "
           "SNIPS as clicked like what is known, and doubly robust believes the ranker.")
    )  # fmt: skip


def _estimates(one: dict[str, Any]) -> list[list[object]]:
    known = [(name, one[name]) for name in ("ips", "snips", "doubly_robust")]
    return [[name, told["value"], told["low"], told["high"]] for name, told in known if told]


def _judge_csv(log: Path, policy: Path, json: bool) -> None:
    ours, other = bandit.read(log), bandit.read(policy)
    found = bandit.judged(ours, bandit.shown_by(ours, other))
    told = msgspec.to_builtins(found) | {"logged": float(ours.click.mean()), "other_itself": float(other.click.mean())}
    if json:
        show.as_json(told)
        return
    show.table("clicks per round of the other policy", ["estimate", "value", "low", "high"], _estimates(told))
    show.say(
        f"{found.rounds:,} rounds, worth {found.effective:,.0f}; mean weight {found.mean_weight:.2f}, "
        f"{found.clipped:.1%} of them cut; the log earned {told['logged']:.4f}, the other's {told['other_itself']:.4f}"
    )


@bench.command()
def verdicts(
    users: Annotated[int, typer.Option(min=200, help="users of the world and of each run")] = 2_000,
    runs: Annotated[int, typer.Option(min=10, help="resampled experiments")] = 500,
    seed: Annotated[int, typer.Option(help="start of every random number")] = 7,
    json: JsonOption = False,
) -> None:
    """Measure whether verdicts are true: A/A, planted effects, CUPED, interleaving, off-policy estimates."""
    with show.progress() as tell:
        told = measured_verdicts(users, runs, seed, tell)
    if json:
        show.as_json(told)
        return
    for part, figures in told.items():
        show.say(f"[bold]{part}[/]")
        for name, value in figures.items():
            show.say(f"  {name}: {value}")
