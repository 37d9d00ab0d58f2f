"""bench exploration: does what is learned by trying pay, and does every new item get its impressions?"""

from typing import Annotated

import typer

from foryou.bench.exploration import measured_exploration
from foryou.bench.off_policy import judged_arenas
from foryou.cli import show
from foryou.cli.app import JsonOption, bench


@bench.command()
def exploration(
    seeds: Annotated[int, typer.Option(min=1, max=1_000, help="worlds, each with its own seed")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="of the first of them")] = 1,
    days: Annotated[int, typer.Option(min=4, max=1_000, help="days of each, of 1,000 lists")] = 30,
    logs: Annotated[int, typer.Option(min=0, max=10_000, help="logs by which policies are judged; 0 = none")] = 0,
    json: JsonOption = False,
) -> None:
    """Measure exploration that learns against chance: regret, clicks, and the impressions of every new item."""
    with show.progress() as tell:
        found = measured_exploration(seeds, seed, days, tell)
        judged = judged_arenas(logs, seed, tell) if logs else {}
    if json:
        show.as_json(found | {"off_policy": judged})
        return
    rows = [
        [one["seed"], one["ratio"], one["ratio_last_third"], one["clicks_thompson"], one["clicks_random"],
         f"{one['new_items_served']} of {one['new_items']}", one["least_impressions"]]
        for one in found["arenas"]
    ]  # fmt: skip
    title = f"regret {found['ratio']:.3f} times that of chance, {found['ratio_worst']:.3f} in the worst world"
    show.table(title, ["seed", "regret", "last third", "clicks", "by chance", "new served", "least impressions"], rows)
    for name, one in judged.items():
        rows = [[estimate, one["error"][estimate], f"{one['covers'][estimate]:.0%}"] for estimate in one["error"]]
        show.table(f"{name}: {one['logs']} logs, true {one['truth']:.4f}", ["estimate", "error", "truth inside"], rows)
