"""models export: what a bundle holds, for tools that read Parquet."""

from pathlib import Path
from typing import Annotated

import typer

from foryou.cli import show
from foryou.cli.app import HomeOption, JsonOption, models
from foryou.cli.opening import opened
from foryou.domain.errors import Invalid
from foryou.wiring.exporting import exported


@models.command()
def export(
    version: Annotated[str | None, typer.Argument(show_default="the one in force")] = None,
    parquet: Annotated[bool, typer.Option("--parquet", help="as Parquet, the one form that there is")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="folder to make", show_default="exports/VERSION in the home")
    ] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write each array of a bundle as a Parquet file, with item ids, and its manifest as JSON."""
    if not parquet:
        raise Invalid("--parquet", "is missing, and there is no other form", "say `foryou models export --parquet`")
    store = opened(home)
    with show.progress() as report:
        done = exported(store, version, out, lambda at, total: report("export", at, total))
    store.close()
    if json:
        show.as_json(done)
        return
    show.say(show.plain(f"bundle {done.version}: {len(done.files)} files in {done.folder}"))
    if done.left_out:
        show.say(show.plain(f"left out, as they are no arrays: {', '.join(done.left_out)}"))
