"""verify-reasons: are the reasons of this home true?"""

from typing import Annotated

import typer

from foryou.cli import show
from foryou.cli.app import HomeOption, JsonOption, app
from foryou.cli.learn import folded
from foryou.cli.look import OLD_MS, NumberOption
from foryou.cli.opening import opened
from foryou.wiring import reasons
from foryou.wiring.logtime import newest_ms
from foryou.wiring.reasons import Verified

PANEL = "Look"
WRONG = 10  # that are shown
UsersOption = Annotated[int, typer.Option("--users", min=1, help="users that are asked for, of those in the log")]


@app.command("verify-reasons", rich_help_panel=PANEL)
def verify_reasons(
    users: UsersOption = 200, num: NumberOption = 20, home: HomeOption = None, json: JsonOption = False
) -> None:
    """Take away what the reasons name: every score must fall. Exit status 3 if one does not.

    Each answer is worked out a second time, from records without the named items, alone and together.
    """
    store = opened(home)
    newest, now = newest_ms(store), store.clock.now_ms()
    with show.progress() as report:
        folded(store, report)
        found = reasons.verify(store, users, num, newest if newest and now - newest > OLD_MS else now, report)
    store.close()
    if json:
        show.as_json({
            "true": found.true, "users": found.users, "items": found.items, "codes": found.codes,
            "parts": found.parts(), "wrong": found.wrong[:WRONG],
        })  # fmt: skip
    else:
        tell(found)
    if not found.true:
        raise typer.Exit(3)


def tell(found: Verified) -> None:
    """Print how far the scores fell."""
    rows = [
        [name, part.trials, f"{part.fell / part.trials:.2%}", part.median_fall, part.p10_fall, part.median_of_reach,
         part.left] for name, part in found.parts().items()
    ]  # fmt: skip
    titles = ["left out", "trials", "score fell", "median fall", "10th percentile", "of the reach", "left the list"]
    show.table("What is named is left out", titles, rows)
    codes = sorted(found.codes.items(), key=lambda pair: -pair[1])
    show.table("Reasons given", ["code", "items"], [list(pair) for pair in codes])
    for trial in found.wrong[:WRONG]:
        show.say(show.plain(f"user {trial.user_id}, item {trial.item_id}, without {', '.join(trial.without)}: "
                            f"the score rose by {-trial.fall:.6f}"))  # fmt: skip
    verdict = "every reason is true" if found.true else f"{len(found.wrong)} of {len(found.trials)} did not fall"
    show.say(f"{found.users:,} users, {found.items:,} items shown: {verdict}")
