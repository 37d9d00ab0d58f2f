"""train, models report: by hand, or every night with nobody watching; and what that leaves to read."""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from foryou.cli import learn, show
from foryou.cli.app import HomeOption, JsonOption, app, models
from foryou.cli.opening import opened
from foryou.domain.bundle import Manifest
from foryou.domain.errors import Conflict, Invalid, NotFound, Refused, Unavailable
from foryou.train.steps import Overdue, Patience
from foryou.wiring import daily as nightly
from foryou.wiring import training
from foryou.wiring.home import Home
from foryou.wiring.jobs import failed
from foryou.wiring.tracking import tracking_of
from foryou.wiring.training import Trained
from foryou.wiring.weekly import taught

REFUSED, OVERDUE, BUSY, AWAY = 3, 4, 5, 6  # exit codes


@app.command(rich_help_panel=learn.PANEL)
def train(
    home: HomeOption = None,
    promote: Annotated[bool, typer.Option(help="put the bundle in force if the gate lets it")] = True,
    force: Annotated[bool, typer.Option("--force", help="put it in force even if the gate refuses")] = False,
    engine: Annotated[str | None, typer.Option(help="local or spark: who makes the tables and solves ALS")] = None,
    master: Annotated[str | None, typer.Option(help="where Spark runs, such as spark://host:7077")] = None,
    daily: Annotated[
        bool, typer.Option("--daily", help="the whole job: kept step by step, judged on unseen days, with a report")
    ] = False,
    weekly: Annotated[
        bool, typer.Option("--weekly", help="instead fit the large network that teaches the ranker from now on")
    ] = False,
    deadline: Annotated[float, typer.Option(min=0, help="with --daily: minutes until no step is begun; 0 = none")] = 0,
    json: JsonOption = False,
) -> None:
    """Train a bundle from the log, judge it on the newest events, publish it and put it in force.

    With --daily the job for a scheduler: exit code 3 if the gate refuses, 4 if the time is over, 5 if another training
    runs, 6 if a store is away; run again it goes on where it ended.
    """
    if daily and weekly:
        raise Invalid("--weekly", "goes not with --daily", "run `foryou train --weekly`, then `foryou train --daily`")
    store = opened(home, train={"engine": engine, "spark_master": master})
    if daily:
        _daily(store, promote, force, deadline, json)
        return
    if weekly:
        _weekly(store, json)
        return
    with show.progress() as report:
        learn.folded(store, report)
        done = training.train(store, report, promote, force)
    store.close()
    _say(done, json)
    if done.manifest.gate.verdict == "refuse" and not force:
        raise typer.Exit(REFUSED)


def _daily(store: Home, promote: bool, force: bool, deadline_min: float, json: bool) -> None:
    """Do the daily job; tells every step as a line of JSON in `<home>/daily.jsonl` and, piped, on standard error."""
    ends_s = time.monotonic() + 60 * deadline_min if deadline_min else float("inf")
    try:
        with show.progress() as report:
            learn.folded(store, report)
            tell = _teller(Path(store.config.home) / "daily.jsonl")
            done = nightly.daily(
                store, report, tell, Patience(ends_s=ends_s), promote, force, tracking_of(store.config)
            )
    except Overdue as error:
        _ended(OVERDUE, str(error))
    except Conflict as error:
        _ended(BUSY, str(error))
    except Unavailable as error:
        failed(Path(store.config.home), str(error))
        _ended(AWAY, f"{error}; what is done is kept, run it again")
    store.close()
    _say(done, json)
    if done.manifest.gate.verdict == "refuse" and not force:
        raise typer.Exit(REFUSED)


def _weekly(store: Home, json: bool) -> None:
    with show.progress() as report:
        learn.folded(store, report)
        done = taught(store, report)
    store.close()
    if json:
        show.as_json(done)
        return
    show.say(show.plain(f"teacher in {done.path}: NDCG@10 {done.ndcg_at_10:.4f} on choices that it did not learn from"))
    if not done.share:
        show.say("it teaches nobody while train.teacher_share is 0")


def _say(done: Trained, json: bool) -> None:
    if json:
        show.as_json({
            "version": done.manifest.version, "gate": done.manifest.gate, "promoted": done.promoted,
            "train_s": done.seconds, "left_out": done.cleaned,
        })  # fmt: skip
        return
    learn.tell_trained(done)


def _ended(code: int, why: str) -> None:
    show.err.print(show.plain(f"error: {why}"))
    raise typer.Exit(code)


def _teller(path: Path) -> Callable[[dict[str, Any]], None]:
    """Give what writes records to a file, and to standard error where no person looks."""

    def tell(record: dict[str, Any]) -> None:
        line = msgspec.json.encode(record) + b"\n"
        with suppress(OSError), path.open("ab") as file:
            file.write(line)
        if not sys.stderr.isatty():
            sys.stderr.write(line.decode())

    return tell


@models.command("report")
def report_(
    version: Annotated[str, typer.Argument(help="the bundle; default: the one in force", show_default=False)] = "",
    out: Annotated[Path | None, typer.Option(help="write the page there instead of `report-VERSION.html` here")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write the report of a bundle as one page of HTML: how it was judged, and beside what."""
    store = opened(home)
    if not version:
        held = store.models.release()
        if held is None:
            raise NotFound("No bundle is in force; `foryou train --daily` makes one")
        version = held.version
    bundle = store.models.load(version)
    page = bundle.files.get(nightly.REPORT)
    if page is None:
        raise NotFound(f"Bundle {version} has no report: `foryou train --daily` writes one, `foryou train` does not")
    place = out or Path(f"report-{version}.html")
    _written(place, page.read_bytes(), bundle.manifest)
    store.close()
    if json:
        show.as_json({"version": version, "report": str(place), "gate": bundle.manifest.gate})
    else:
        show.say(show.plain(f"{place}: {bundle.manifest.gate.verdict}, {bundle.manifest.gate.reason}"))


def _written(place: Path, page: bytes, manifest: Manifest) -> None:
    part = place.with_name(place.name + ".part")
    try:
        part.write_bytes(page)
        part.replace(place)
    except OSError as error:
        raise Refused(f"The report of {manifest.version} cannot be written to {place} ({error.strerror})") from None
