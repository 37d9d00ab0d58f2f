"""bench serve: how many questions a second a server answers in time, and what each costs."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from foryou.bench import serve as serving
from foryou.bench.scale import alone, asked, built
from foryou.bench.server import running
from foryou.cli import measure, show
from foryou.cli.app import JsonOption, bench
from foryou.domain.errors import Invalid
from foryou.simulate.vectors import Shape
from foryou.wiring.home import open_home

GIVEN = (("rate_at_slo", 1), ("at_slo.p50_ms", -1), ("at_slo.p99_ms", -1), ("at_slo.cpu_ms_per_request", -1),
         ("idle.p50_ms", -1), ("ready_s", -1), ("pss_mb.total", -1), ("overlap_at_20", 1))  # fmt: skip


@bench.command("serve")
def serve_(
    items: Annotated[int, typer.Option(min=0, help="size of a generated catalog; 0 = MovieLens")] = 0,
    users: Annotated[int, typer.Option(min=1_000, help="users with records, where a catalog is generated")] = 1_000_000,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="every question comes from a known user and is worked out anew")
    ] = False,
    against: Annotated[Path | None, typer.Option(help="the JSON of another run to compare with")] = None,
    cache: Annotated[Path | None, typer.Option(help="folder of generated worlds", show_default="var/bench")] = None,
    seed: Annotated[int, typer.Option(help="equal seeds and sizes give equal worlds")] = 7,
    overlap: Annotated[float, typer.Option(min=0, help="standard deviation of items around their cluster")] = 0.6,
    norm_spread: Annotated[float, typer.Option(min=0, help="standard deviation of the log norm")] = 0.35,
    workers: measure.WorkersOption = 2,
    seconds: Annotated[float, typer.Option(min=1, help="seconds per rate")] = 8,
    data_path: measure.DataOption = None,
    json: JsonOption = False,
) -> None:
    """The highest constant arrival rate with p99 < 50 ms and no error, generator on the same machine (open loop)."""
    before = read(against) if against else None
    with show.progress() as report:
        if items:
            world = built.World(Shape(items, built.TUNED_WITH, 128, seed, "float16", overlap, norm_spread), users)
            result = _generated(cache or measure.FOLDER, world, no_cache, workers, seconds, report)
        else:
            config, home = measure.prepared(data_path, report)
            people, names = measure.known(home)
            home.close()
            with running(config, workers) as server:
                result = {"ready_s": round(server.ready_s, 2)}
                result |= serving.find_rate(server, people, names, seconds, report)
                result |= {"items": len(names), "pss_mb": server.pss_mb(), "stages": server.stages()}
    result["workers"] = workers
    if before:
        result["against"] = compared(before, result)
    measure.tell("serve", result, json)


def _generated(
    cache: Path, world: built.World, no_cache: bool, workers: int, seconds: float, report: show.Report
) -> dict[str, Any]:
    config = built.made(cache, world, report)
    traffic = asked.Traffic(world.users, world.shape.items, 0.0 if no_cache else asked.STRANGERS)
    result: dict[str, Any] = {"items": world.shape.items, "users": world.users, "cached": not no_cache}
    with running(config, workers) as server:
        result |= {"ready_s": round(server.ready_s, 2), "pss_mb_at_start": server.pss_mb()}
        result["idle"] = asked.idle(server, traffic)
        result |= asked.find_rate(server, traffic, seconds, report)
        result |= {"pss_mb": server.pss_mb(), "stages": server.stages()}
    home = open_home(config)
    result |= alone.measure(home)
    home.close()
    return result


def read(path: Path) -> dict[str, Any]:
    """Give the result in a file that `bench serve --json` wrote. Raises Invalid."""
    try:
        found: dict[str, Any] = msgspec.json.decode(path.read_bytes())["result"]
    except (OSError, msgspec.DecodeError, KeyError, TypeError) as error:
        raise Invalid(str(path), f"it is no result of `foryou bench serve --json`: {error}", "name one") from None
    return found


def compared(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    """Give what two runs both tell, side by side; `change` is after / before, `better` says which way is good."""
    rows = []
    for name, sign in GIVEN:
        old, new = _within(before, name), _within(after, name)
        if isinstance(old, int | float) and isinstance(new, int | float) and old:
            change = new / old
            better = "same" if abs(change - 1) < 0.02 else "better" if (change > 1) == (sign > 0) else "worse"
            rows.append({"what": name, "before": old, "after": new, "change": round(change, 3), "better": better})
    return rows


def _within(result: dict[str, Any], path: str) -> Any:
    found: Any = result
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found
