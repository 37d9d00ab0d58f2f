"""archive: the log of events as Parquet, for training and for anyone who reads Parquet."""

from typing import Annotated

import typer

from foryou.cli import show
from foryou.cli.app import HomeOption, JsonOption, LogOption, app
from foryou.cli.opening import opened
from foryou.wiring import archiving

PANEL = "Learn"


@app.command(rich_help_panel=PANEL)
def archive(
    to: Annotated[
        str | None, typer.Option("--to", help="where it lies, such as s3://bucket/prefix", show_default="the home")
    ] = None,
    home: HomeOption = None,
    log: LogOption = None,
    json: JsonOption = False,
) -> None:
    """Archive the events of the log as Parquet by day, each once for ever; goes on where it stopped."""
    store = opened(home, stores={"log": log, "archive": to})
    with show.progress() as report:
        state = archiving.archived(store, lambda done, total: report("archive", done, total))
    store.close()
    if json:
        show.as_json({
            "events": state.events, "repeats": state.repeats, "unread": state.unread, "erased": state.erased,
            "newest_ms": state.newest_ms, "through": {str(one): offset for one, offset in state.through.items()},
        })  # fmt: skip
        return
    show.say(
        f"{state.events:,} events archived; {state.repeats:,} repeats and {state.unread:,} unreadable records left out,"
        f" {state.erased:,} events of forgotten users erased"
    )
