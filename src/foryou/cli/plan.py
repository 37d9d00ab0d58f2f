"""plan: how many machines a number of users, items and questions takes, from figures that were measured."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from foryou.bench import plan
from foryou.cli import scale, show
from foryou.cli.app import JsonOption, app

EVENTS_SHARE = 0.2  # events per question, where nobody says how many


@app.command("plan", rich_help_panel="Measure")
def plan_(
    users: Annotated[str, typer.Option(help="users with records, such as 100M")] = "1M",
    items: Annotated[str, typer.Option(help="items of the catalog")] = "1M",
    qps: Annotated[str, typer.Option(help="questions per second at the peak")] = "1k",
    events: Annotated[
        str | None, typer.Option(help="events per second", show_default="a fifth of the questions")
    ] = None,
    cores: Annotated[int, typer.Option(min=1, help="of one machine")] = 16,
    measured: Annotated[
        Path | None, typer.Option(help="the JSON of `bench serve` whose CPU per question counts instead of ours")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Memory, cores, instances, Redis and Kafka for so many users, items and questions; the arithmetic is shown."""
    asked = plan.number(qps, "--qps")
    wanted = plan.Wanted(
        plan.number(users, "--users"), plan.number(items, "--items"), asked,
        plan.number(events, "--events") if events else EVENTS_SHARE * asked, cores,
    )  # fmt: skip
    one = plan.measured(scale.read(measured)) if measured else plan.Measured()
    rows = plan.planned(wanted, one)
    if json:
        show.as_json({"plan": rows, "constants": plan.constants(one)})
        return
    show.table("", ["what", "arithmetic", "value", "unit"], [_row(row) for row in rows])
    show.table("", ["constant", "value", "basis"], [_row(row) for row in plan.constants(one)])
    show.say("Measured on a shared virtual machine of two cores (docs/performance.md): measure yours, then plan.")


def _row(row: Mapping[str, Any]) -> list[str]:
    return [f"{value:,.12g}" if isinstance(value, int | float) else str(value) for value in row.values()]
