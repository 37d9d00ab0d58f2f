"""tune: which settings of the models predict best on this home's data."""

from typing import Annotated

import typer

from foryou.cli import show
from foryou.cli.app import HomeOption, JsonOption, app
from foryou.cli.opening import opened
from foryou.domain.errors import Invalid
from foryou.wiring import tuning

PANEL = "Learn"


@app.command(rich_help_panel=PANEL)
def tune(
    minutes: Annotated[float, typer.Option("--minutes", help="how long to search; the last trial is finished")] = 10.0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Search better settings for the models on the newest events; goes on where it stopped, changes nothing itself."""
    if not 0 < minutes <= 10_000:
        raise Invalid("--minutes", f"{minutes:g} is not between 0 and 10,000", "say how long to search, such as 10")
    store = opened(home)
    with show.progress() as report:
        done = tuning.tuned(store, minutes, report)
    store.close()
    settings, toml = tuning.as_environment(done.settings), tuning.as_toml(done.settings)
    if json:
        show.as_json({
            "settings": tuning.rounded(done.settings), "ndcg_at_10": done.ndcg_at_10,
            "before_ndcg_at_10": done.before_ndcg_at_10, "trials": done.trials, "new_trials": done.new_trials,
            "stopped": done.stopped, "environment": settings, "toml": toml,
        })  # fmt: skip
    else:
        show.say(
            f"{done.trials:,} trials, {done.new_trials:,} of them new; NDCG@10 {done.ndcg_at_10:.4f}, "
            f"with the settings in force {done.before_ndcg_at_10:.4f}"
        )
        show.write("".join(f"export {name}={value}\n" for name, value in settings.items()))
        show.say("or in foryou.toml:")
        show.write(toml)
    if done.stopped:
        raise typer.Exit(130)
