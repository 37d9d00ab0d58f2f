"""models show, rollout, pause, resume, next, finish, back; bench rollout: a new bundle on its way to everybody."""

from pathlib import Path
from typing import Annotated

import typer

from foryou.bench.rollout import measured_rollout
from foryou.cli import show
from foryou.cli.app import HomeOption, JsonOption, bench, models
from foryou.cli.opening import opened
from foryou.domain.errors import Invalid
from foryou.domain.release import Release, Rollout
from foryou.domain.rollout import active, steps_of
from foryou.observe.evidence import Compared, Evidence, Notes
from foryou.serve.steering import steer
from foryou.wiring import training
from foryou.wiring.home import Home

BY_HAND = "by hand"
WhyOption = Annotated[str, typer.Option("--why", help="what the release shall say")]


@models.command("show")
def show_(home: HomeOption = None, json: JsonOption = False) -> None:
    """Show the release in force, the rollout with its step, and what is known of old and new bundle."""
    store = opened(home)
    held, notes = store.models.release(), Notes(Path(store.config.home))
    now_ms, newest = store.clock.now_ms(), held.rollout if held else None
    rollout = active(held, now_ms)
    evidence = notes.read(newest.begun_ms) if newest else []
    compared = notes.compared(newest.new) if newest else None
    store.close()
    if json:
        show.as_json({
            "release": held, "rollout": rollout, "ended": held.rollout.ended if held and held.rollout else "",
            "evidence": evidence, "compared": compared,
        })  # fmt: skip
        return
    if held is None:
        show.say("No bundle is in force; `foryou train` makes one")
        return
    shares = ", ".join(f"{version} {share:.0%}" for version, share in next(iter(held.families.values())))
    show.say(show.plain(f"release {held.generation} serves {shares}: {held.reason}"))
    show.say(show.plain(_state(held, rollout, now_ms)))
    if evidence:
        _tell(evidence)
    if compared:
        show.say(_said(compared))


def _state(held: Release, rollout: Rollout | None, now_ms: int) -> str:
    if rollout is None:
        ended = held.rollout.ended if held.rollout else ""
        return f"{held.rollout.new} was taken back: {ended}" if held.rollout and ended else "no rollout is under way"
    left = max(0, rollout.since_ms + rollout.step.hold_ms - now_ms) / 60_000
    said = "paused" if rollout.paused else f"{left:,.1f} minutes to go"
    steps = ", ".join(f"[{step.name}]" if at == rollout.at else step.name for at, step in enumerate(rollout.steps))
    return f"rollout of {rollout.new} in place of {rollout.old}: {steps}; {said}"


def _tell(evidence: list[Evidence]) -> None:
    rows: list[list[object]] = [
        [
            one.version, one.queries, one.rehearsed, f"{one.overlap:.0%}" if one.rehearsed else "-", one.short,
            f"{one.ms:.1f}", ", ".join(f"{kind} {count}" for kind, count in one.faults.items()) or "none",
        ]
        for one in evidence
    ]  # fmt: skip
    columns = ["bundle", "queries", "of them in the shadow", "shown, too", "short", "ms a batch", "faults"]
    show.table("What the serving processes of this machine say", columns, rows)


def _said(one: Compared) -> str:
    change = "too few users to compare"
    if one.change is not None and one.low is not None and one.high is not None:
        change = f"{one.change:+.1%} ({one.low:+.1%} to {one.high:+.1%} at any look)"
    return (
        f"{one.metric} {one.value_new:.4f} of {one.users_new:,} users, {one.value_old:.4f} of {one.users_old:,} with"
        f" the old bundle: {change}" + (f"; {one.needed:,} users show a change of that size" if one.needed else "")
    )


@models.command()
def rollout(
    version: Annotated[str, typer.Argument(help="the bundle")],
    schedule: Annotated[
        str, typer.Option(help="steps, such as shadow:10m,10:1h,50:6h,100:1h", show_default="rollout.schedule")
    ] = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Roll a bundle out by steps: in the shadow, to a part of the users, to all. What goes wrong takes it back."""
    store = opened(home)
    said = schedule or store.config.rollout.schedule
    if not said:
        raise Invalid("--schedule", "is missing", "say shadow:10m,10:1h,50:6h,100:1h, or set rollout.schedule")
    release = training.rolled(store, version, "rolled out by hand", steps_of(said, "--schedule"))
    _done(store, release, json)


@models.command()
def pause(why: WhyOption = BY_HAND, home: HomeOption = None, json: JsonOption = False) -> None:
    """Let the rollout stand where it is; it still returns if something goes wrong."""
    _steer("pause", why, opened(home), json)


@models.command()
def resume(why: WhyOption = BY_HAND, home: HomeOption = None, json: JsonOption = False) -> None:
    """Let the rollout go on; its step begins anew."""
    _steer("resume", why, opened(home), json)


@models.command("next")
def next_(why: WhyOption = BY_HAND, home: HomeOption = None, json: JsonOption = False) -> None:
    """Take the rollout to its next step now."""
    _steer("next", why, opened(home), json)


@models.command()
def finish(why: WhyOption = BY_HAND, home: HomeOption = None, json: JsonOption = False) -> None:
    """Give the new bundle to everybody now; it is watched for the time of the last step."""
    _steer("finish", why, opened(home), json)


@models.command()
def back(why: WhyOption = BY_HAND, home: HomeOption = None, json: JsonOption = False) -> None:
    """Take the new bundle back from everybody."""
    _steer("back", why, opened(home), json)


def _steer(word: str, why: str, store: Home, json: bool) -> None:
    _done(store, steer(store.models, word, store.clock.now_ms(), why), json)


def _done(store: Home, release: Release, json: bool) -> None:
    store.close()
    if json:
        show.as_json(release)
    else:
        show.say(show.plain(f"release {release.generation}: {release.reason}"))


@bench.command("rollout")
def bench_rollout(
    users: Annotated[int, typer.Option(min=200, help="users of the world")] = 2_000,
    runs: Annotated[int, typer.Option(min=10, help="resampled rollouts, with the drop and without")] = 200,
    drop: Annotated[float, typer.Option(min=0.01, max=0.9, help="by which clicks fall with the new bundle")] = 0.2,
    share: Annotated[float, typer.Option(min=0.01, max=0.99, help="of the users that have it")] = 0.1,
    steps: Annotated[int, typer.Option(min=1, max=20, help="steps with users of both bundles")] = 2,
    seed: Annotated[int, typer.Option(help="start of every random number")] = 7,
    json: JsonOption = False,
) -> None:
    """Measure after how many users a drop of clicks takes a bundle back, beside what the power calculator says."""
    with show.progress() as tell:
        told = measured_rollout(users, runs, seed, drop, share, steps, tell)
    if json:
        show.as_json(told)
        return
    for name, value in told.items():
        show.say(f"{name}: {value}")
