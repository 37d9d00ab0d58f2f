"""import, train, evaluate, models: from data to a bundle in force."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape

from foryou.cli import show
from foryou.cli.app import HomeOption, JsonOption, app, models
from foryou.cli.opening import opened
from foryou.domain.clock import Clock
from foryou.domain.errors import Conflict, Invalid, NotFound
from foryou.domain.rollout import active
from foryou.domain.tables import REASONS
from foryou.ingest import importers
from foryou.ingest.importers import ImportReport
from foryou.ingest.importers import mapping as mappings
from foryou.serve.steering import steer
from foryou.train import evaluate as evaluating
from foryou.train import importance
from foryou.wiring import training
from foryou.wiring.home import Home

PANEL = "Learn"


@app.command("import", rich_help_panel=PANEL)
def import_(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="folder of MovieLens 100K (u.data) or latest (ratings.csv), or one above it; with --mapping any "
            "folder or file",
            show_default=False,
        ),
    ] = None,
    mapping: Annotated[
        str | None, typer.Option(help="TOML file that says what the columns mean, or the name of a shipped one")
    ] = None,
    guess: Annotated[
        Path | None,
        typer.Option(help="propose a mapping for a CSV, JSONL or Parquet file or a folder; imports nothing"),
    ] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Put a data set into the log and fold it. A bad line is reported and skipped; importing twice adds nothing."""
    if guess is not None:
        if path is not None or mapping is not None:
            raise Invalid("--guess", "only proposes a mapping", "say `foryou import --guess FILE` alone")
        tell_guess(mappings.guess(guess, Clock()), json)
        return
    if path is None:
        raise Invalid("PATH", "is missing", "name a folder or a file; `foryou import --help` says more")
    layout = mappings.mapped(path, mappings.named(mapping), Clock()) if mapping else importers.detect(path)
    store = opened(home, new=True)
    with show.progress() as report:
        result = bring_in(store, layout, report)
    store.close()
    if json:
        show.as_json(result)
        return
    tell_import(result)


def tell_guess(found: mappings.Guess, json: bool) -> None:
    """Print a proposed mapping, and on standard error what it is not sure of."""
    if json:
        show.as_json({"mapping": found.tree, "toml": found.toml, "unsure": found.unsure})
    else:
        show.write(found.toml)
    for doubt in found.unsure:
        show.say(escape(f"not sure: {doubt}"), quiet=True)


def bring_in(home: Home, layout: importers.Layout, report: show.Report) -> ImportReport:
    """Import a layout and fold it into the records, unless a running stream process does that."""
    result = importers.run(layout, home.log, report)
    folded(home, report)
    return result


def folded(home: Home, report: show.Report) -> None:
    """Fold what waits in the log; where a stream process runs, it does so itself."""
    worker = home.worker()
    try:
        worker.lease()
    except Conflict:
        return
    worker.catch_up(lambda done, total: report("fold", done, total))
    worker.release()


def tell_import(result: ImportReport, quiet: bool = False) -> None:
    """Say what an import did."""
    show.say(
        f"{result.layout}: {result.events:,} events of {result.users:,} users on {result.items:,} items; "
        f"{result.stored:,} records new, {result.repeats:,} known already, {result.rejected:,} lines rejected"
        + (f", {result.skipped:,} rows left out as the mapping says" if result.skipped else ""), quiet,
    )  # fmt: skip
    for bad in result.bad:
        show.say(show.plain(f"  {bad.file}:{bad.line} {bad.field}: '{bad.value}' {bad.what}; {bad.mend}"), quiet)
    if result.rejected > len(result.bad):
        show.say(f"  … and {result.rejected - len(result.bad):,} more", quiet)


def tell_trained(done: training.Trained, quiet: bool = False) -> None:
    """Say what training gave."""
    gate = done.manifest.gate
    for one in done.cleaned:
        of = f" of {one.users:,} users" if one.users else ""
        show.say(f"left out, {REASONS[one.reason]}: {one.events:,}{of}", quiet)
        for example in one.examples:
            show.say(f"    [dim]{show.plain(example)}[/]", quiet)
    show.say(f"bundle {done.manifest.version}: gate {gate.verdict}: {gate.reason}", quiet)
    if matter := importance.heaviest(done.manifest.report):
        show.say("inputs that matter most, by NDCG@10: " + ", ".join(f"{n} {v:.4f}" for n, v in matter), quiet)
    show.say(
        f"{'in force' if done.promoted else 'not in force'}; "
        + ", ".join(f"{k} {v:.1f} s" for k, v in done.seconds.items()),
        quiet,
    )


@app.command(rich_help_panel=PANEL)
def evaluate(home: HomeOption = None, json: JsonOption = False) -> None:
    """Judge the served pipeline on the newest fifth of the log, beside tuned baselines of the same run.

    Two protocols: the replay (every page of events predicted, then fed in) and the time split (one list per user at
    the cut). Models are fitted on the older part only. Takes minutes. Exit status 3 if a source or a rule never
    contributed to an item shown.
    """
    store = opened(home)
    with show.progress() as report:
        done = training.judge(store, report)
    idle = training.idle_parts(store.config, done.judgement)
    store.close()
    if json:
        show.as_json(msgspec.to_builtins(done.judgement, enc_hook=float) | {"seconds": done.seconds, "idle": idle})
    else:
        tell_judged(done.judgement)
    if idle:
        show.err.print(f"never contributed to an item shown: {', '.join(idle)}")
        raise typer.Exit(3)


def tell_judged(done: evaluating.Judgement, quiet: bool = False) -> None:
    """Print the figures of an evaluation."""
    rows: list[list[object]] = [
        [f"foryou, {name}", one["ndcg_at_10"], f"{one['ndcg_low']:.4f}..{one['ndcg_high']:.4f}", one["hr_at_10"], ""]
        for name, one in done.pipeline.items()
    ]
    rows += [
        [
            name,
            one["ndcg_at_10"],
            f"{one['ndcg_low']:.4f}..{one['ndcg_high']:.4f}",
            one["hr_at_10"],
            _settings(one["settings"]),
        ]
        for name, one in done.baselines.items()
    ]
    said = done.protocol
    show.table(
        f"Replay: {said['events']:,} events of {said['users']:,} users; fitted on the {said['fitted_on']:,} before",
        ["model", "NDCG@10", "95 %", "HR@10", "settings"], rows, quiet,
    )  # fmt: skip
    show.say("served = with cap and exploration; plain = without; frozen = plain, records frozen at the cut", quiet)
    compared = [
        [name, one["ratio"], f"{one['low']:.3f}..{one['high']:.3f}"]
        for name, one in done.comparisons.items()
        if isinstance(one, dict)
    ]
    show.table("\nRatios of NDCG@10, users resampled in pairs", ["compared", "ratio", "95 %"], compared, quiet)
    names = ["pipeline", *done.baselines]
    show.table(
        "\nSlices, NDCG@10",
        ["slice", "events", *names],
        [[k, v["events"], *(v[n] for n in names)] for k, v in done.slices.items()],
        quiet,
    )
    show.table(
        "\nLists for new users: covered share, categories per list",
        ["users", "lists", "coverage", "categories"],
        [[k, v["lists"], v["coverage"], v["categories_per_list"]] for k, v in done.new_users.items()],
        quiet,
    )
    show.table("\nTime split: one list per user", list(done.time_split), [list(done.time_split.values())], quiet)
    lists = ("catalog_coverage", "categories_per_list", "novelty_bits")
    show.table("\nWhat was shown", list(lists), [[done.pipeline["served"][name] for name in lists]], quiet)
    show.table(
        "\nItems shown, by who found them; candidates dropped, by rule",
        ["part", "count"],
        [[k, v] for k, v in (done.sources | done.rules).items()],
        quiet,
    )


def _settings(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in settings.items())


@models.command("list")
def list_(home: HomeOption = None, json: JsonOption = False) -> None:
    """List all bundles with their verdicts, and the releases that put them in force."""
    store = opened(home)
    manifests, releases = store.models.versions(), store.models.releases()
    if json:
        show.as_json({"bundles": manifests, "releases": releases})
        return
    serving = {version for shares in releases[-1].families.values() for version, _ in shares} if releases else set()
    rows = [["*" if m.version in serving else "", m.version, m.gate.verdict, m.gate.reason] for m in manifests]
    show.table("Bundles (* in force)", ["", "version", "gate", "reason"], rows)
    said = [
        [r.generation, ", ".join(f"{v} {s:.0%}" for v, s in next(iter(r.families.values()))), r.reason]
        for r in releases
    ]
    show.table("\nReleases", ["generation", "serves", "reason"], said)


@models.command()
def promote(version: str, home: HomeOption = None, json: JsonOption = False) -> None:
    """Put a bundle in force for everybody; running processes take it up within a second."""
    _released(training.release(opened(home), version, "promoted by hand"), json)


@models.command()
def rollback(home: HomeOption = None, json: JsonOption = False) -> None:
    """Put the bundle in force that was in force before this one: one more release, nothing is lost.

    While one is rolled out or watched, that is taken back.
    """
    store = opened(home)
    now_ms, releases = store.clock.now_ms(), store.models.releases()
    if releases and active(releases[-1], now_ms):
        _released(steer(store.models, "back", now_ms, "rolled back by hand"), json)
        return
    served = [release.version for release in releases]
    first = served.index(served[-1]) if served else 0
    if not first:
        raise NotFound("There is no earlier bundle to return to; `foryou models list` shows what there is")
    _released(training.release(store, served[first - 1], f"rolled back from {served[-1]}"), json)


def _released(release: Any, json: bool) -> None:
    if json:
        show.as_json(release)
    else:
        told = f"release {release.generation}: {release.version} ({release.reason})"
        show.say(show.plain(told))
