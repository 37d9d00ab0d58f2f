"""bench variants: is each item soon shown in the variant that strikes whom it is shown to?"""

from typing import Annotated

import typer

from foryou.bench.variants import POLICIES, measured_variants
from foryou.cli import show
from foryou.cli.app import JsonOption, bench


@bench.command()
def variants(
    seeds: Annotated[int, typer.Option(min=1, max=1_000, help="worlds, each with its own seed")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="of the first of them")] = 1,
    days: Annotated[int, typer.Option(min=1, max=1_000, help="days of each, of 1,000 lists")] = 30,
    json: JsonOption = False,
) -> None:
    """Measure the choice of variants against chance: regret and clicks, with and without segments of users."""
    with show.progress() as tell:
        found = measured_variants(seeds, seed, days, tell)
    if json:
        show.as_json(found)
        return
    rows = [
        [name, found["ratio"][name], found["ratio_last_third"][name], f"{found['clicks_gained'][name]:+.1%}"]
        for name in POLICIES
    ]
    title = f"{found['lists']:,} lists of ten items, three variants each"
    show.table(title, ["variants by", "regret", "last third", "clicks"], rows)
