"""doctor: is the log of this home fit to learn from?"""

import typer
from rich.markup import escape

from foryou.cli import show
from foryou.cli.app import HomeOption, JsonOption, app
from foryou.cli.learn import folded
from foryou.cli.opening import opened
from foryou.ingest import doctor as doctors
from foryou.ingest.doctor import Examined, Severity

PANEL = "Look"
_COLOUR = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


@app.command(rich_help_panel=PANEL)
def doctor(home: HomeOption = None, json: JsonOption = False) -> None:
    """Look for what spoils learning: orphans, wrong clocks, repeats, bots, bombs, leaks. Exit status 3 if there is any.

    Each finding says how often, where for example, and what to do about it. Only errors give status 3.
    """
    store = opened(home)
    with show.progress() as report:
        folded(store, report)
        scope = doctors.scope(store.log, store.items, store.clock, store.config.train.validation_share, report)
        found = doctors.examine(store.log, scope, doctors.CHECKS, report)
    store.close()
    if json:
        show.as_json(
            {"healthy": found.healthy, "events": found.events, "items": found.items, "findings": found.findings}
        )
    else:
        tell_examined(found)
    if not found.healthy:
        raise typer.Exit(3)


def tell_examined(found: Examined) -> None:
    """Print the findings, the worst first."""
    for one in found.findings:
        colour = _COLOUR[one.severity]
        part = f"{one.count:,} of {one.of:,}" if one.of else "no"
        show.say(f"[{colour}]{one.severity}[/] {one.check}: {part} {escape(one.what)}")
        for example in one.examples:
            show.say(f"    [dim]{escape(example)}[/]")
        show.say(f"    -> {escape(one.mend)}")
    counts = ", ".join(f"{sum(one.severity is s for one in found.findings)} {s}s" for s in Severity)
    verdict = "healthy" if found.healthy else "not fit to learn from"
    show.say(f"{found.events:,} events and {found.items:,} items examined: {verdict} ({counts})")
