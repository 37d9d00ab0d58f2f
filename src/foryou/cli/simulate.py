"""simulate: a world whose tastes are known, as a home, as files, or as the visitors of a running server."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated, Any

import msgspec
import typer

from foryou.bench.traffic import Driver
from foryou.cli import learn, show
from foryou.cli.app import HomeOption, JsonOption, app, settings
from foryou.domain.clock import HOUR_MS
from foryou.domain.errors import Invalid
from foryou.simulate.history import Block, history
from foryou.simulate.market import Market
from foryou.simulate.shopping import Life
from foryou.wiring import simulated
from foryou.wiring.home import open_home

PANEL = "Start here"
FILES = ("items", "users", "events", "exposures")
UsersOption = Annotated[int, typer.Option(help="users that there are at the end of the history")]
ItemsOption = Annotated[int, typer.Option(help="items that there are at the end of the history")]
EventsOption = Annotated[int, typer.Option(help="events of the history, about")]
DaysOption = Annotated[int, typer.Option(help="days that the history reaches back")]
SeedOption = Annotated[int, typer.Option(help="equal seeds and sizes give equal worlds")]


@app.command(rich_help_panel=PANEL)
def simulate(
    home: HomeOption = None,
    users: UsersOption = 2_000,
    items: ItemsOption = 3_000,
    events: EventsOption = 100_000,
    days: DaysOption = 30,
    seed: SeedOption = 7,
    until: Annotated[
        str, typer.Option(help="end of the history, as 2026-01-31T12:00:00+00:00", show_default="the last full hour")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="write JSON lines into this folder instead of a home")] = None,
    server: Annotated[str, typer.Option(help="send visitors to this server instead: http://127.0.0.1:8000")] = "",
    rate: Annotated[float, typer.Option(min=0.01, help="with --server: visits that begin per second")] = 5.0,
    seconds: Annotated[float, typer.Option(min=0.1, help="with --server: how long")] = 60.0,
    json: JsonOption = False,
) -> None:
    """Make a world of users whose tastes are known: categories, brands, prices, topics, places, and what is hot now.

    [bold]A home to train on[/]

      foryou simulate --home var/world --users 2000 --items 3000 --events 100000

      foryou train --home var/world

    [bold]Files, to import elsewhere[/]

      foryou simulate --out var/files

    [bold]Visitors of a running server[/] (they ask, click, buy, search; items appear)

      foryou serve --home var/world

      foryou simulate --home var/world --server http://127.0.0.1:8000 --rate 5 --seconds 60

    Where the home holds a world, its people come; without one, the world of the other options is put on the server
    first. Equal options give equal worlds, given --until. What is true in a world stands in docs/simulate.md.
    """
    folder = Path(settings(home).home)
    if server:
        _drive(folder, (users, items, events, days, seed, until), (server, rate, seconds), json)
        return
    market = _market(users, items, events, days, seed, until)
    if out:
        told = _files(market, out)
        show.as_json(told) if json else show.say(f"{_sizes(told)} in {out}")
        return
    store = open_home(settings(home))
    with show.progress() as report:
        done = simulated.settle(store, market, report)
        learn.folded(store, report)
    store.close()
    told = {name: getattr(done, name) for name in FILES} | {"home": str(folder), "now_ms": market.now_ms}
    show.as_json(told) if json else show.say(
        f"{_sizes(told)} in {folder}; next: foryou train --home {folder}, then foryou serve --home {folder}"
    )


def _market(users: int, items: int, events: int, days: int, seed: int, until: str) -> Market:
    now_ms = time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS
    if until:
        try:
            now_ms = int(datetime.fromisoformat(until).timestamp() * 1_000)
        except ValueError as error:
            raise Invalid("--until", str(error), "write it as 2026-01-31T12:00:00+00:00") from None
    return Market(now_ms, users, items, events, days, seed=seed)


def _sizes(told: dict[str, Any]) -> str:
    return ", ".join(f"{told[name]:,} {name}" for name in FILES)


def _files(market: Market, folder: Path) -> dict[str, Any]:
    """Write one file of JSON lines per stream and the fields of the world; gives how many lines each has."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / simulated.NAME).write_bytes(simulated.encoded(market))
    lines = dict.fromkeys(FILES, 0)
    hours = market.days * 24
    with ExitStack() as stack, show.progress() as report:
        files: dict[str, IO[bytes]] = {
            name: stack.enter_context((folder / f"{name}.jsonl").open("wb")) for name in FILES
        }
        for block in history(market, Life.begin(market)):
            for name, value in _values(block):
                files[name].write(msgspec.json.encode(value) + b"\n")
                lines[name] += 1
            report("simulate", min(block.end - market.start_ms // HOUR_MS, hours), hours)
    return lines | {"out": str(folder), "now_ms": market.now_ms}


def _values(block: Block) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give what a block holds as objects with named fields, without those that say nothing."""
    for name in FILES:
        for value in getattr(block, name):
            said = {key: getattr(value, key) for key in value.__struct_fields__}
            yield name, {key: one for key, one in said.items() if one not in (None, msgspec.UNSET, "", {}, ())}


def _drive(
    folder: Path, sizes: tuple[int, int, int, int, int, str], plan: tuple[str, float, float], json: bool
) -> None:
    url, rate, seconds = plan
    known = (folder / simulated.NAME).is_file()
    market = simulated.found(folder) if known else _market(*sizes)
    driver = Driver(market, url)
    with closing(driver), show.progress() as report:
        if not known:
            driver.furnish(report)
        told = driver.drive(rate, seconds, report)
    if json:
        show.as_json(told)
        return
    for name, value in told.items():
        show.say(f"{name}: {value}")
