"""diff: what another bundle would show to those who asked."""

from typing import Annotated

import typer

from foryou.cli import show
from foryou.cli.app import HomeOption, JsonOption, app
from foryou.cli.opening import opened
from foryou.wiring.diff import Difference
from foryou.wiring.diff import diff as measured


@app.command(rich_help_panel="Learn")
def diff(
    a: Annotated[str, typer.Argument(help="a bundle, such as the one in force")],
    b: Annotated[str, typer.Argument(help="another one")],
    requests: Annotated[
        int, typer.Option(min=1, max=100_000, help="logged queries that both answer, the newest")
    ] = 300,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Replay logged queries through two bundles, with what was known then, and say what would change."""
    store = opened(home)
    with show.progress() as report:
        found = measured(store, a, b, requests, report)
    store.close()
    show.as_json(found) if json else _tell(found)


def _tell(found: Difference) -> None:
    passed = f", {found.passed_over:,} passed over" if found.passed_over else ""
    show.say(
        f"{found.requests:,} queries{passed}: {found.overlap:.1%} of ten items in common ({found.low:.1%} to"
        f" {found.high:.1%}), {found.same:.1%} of answers the same; {found.shift:.1%} moves to other categories"
    )
    show.table(
        "By what users had done", ["users", "queries", "in common", "score A", "score B"],
        [[name, one.requests, f"{one.overlap:.1%}", one.score_a, one.score_b] for name, one in found.segments.items()],
    )  # fmt: skip
    show.table(
        "\nCategories, by change", ["category", "A", "B"],
        [[name, f"{then:.1%}", f"{now:.1%}"] for name, (then, now) in found.categories.items()],
    )  # fmt: skip
    for one in found.examples:
        show.say(f"\n[bold]{show.plain(one.user_id)}[/] at {show.plain(one.placement)}: {one.overlap:.0%} in common")
        show.say(f"  only A: {show.plain(', '.join(one.only_a))}")
        show.say(f"  only B: {show.plain(', '.join(one.only_b))}")
