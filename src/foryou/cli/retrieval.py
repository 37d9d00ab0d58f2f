"""bench: how fast the index finds the best items of a large catalog, and how many of them."""

from typing import Annotated

import typer

from foryou.bench import retrieval
from foryou.cli import measure, show
from foryou.cli.app import JsonOption, bench
from foryou.domain.errors import Invalid
from foryou.simulate.vectors import Shape

KINDS = ("exact", "ivf", "hnsw")


@bench.command("retrieval")
def retrieval_(
    items: Annotated[int, typer.Option(min=1_000, max=50_000_000, help="items of the generated world")] = 1_000_000,
    width: Annotated[int, typer.Option(min=2, max=1_024, help="D: width of the vectors")] = 128,
    kind: Annotated[
        list[str] | None, typer.Option(help="index to measure, may be repeated", show_default="exact, ivf")
    ] = None,
    seed: Annotated[int, typer.Option(help="equal seeds and sizes give equal worlds")] = 7,
    overlap: Annotated[float, typer.Option(min=0, help="standard deviation of items around their cluster")] = 0.6,
    norm_spread: Annotated[float, typer.Option(min=0, help="standard deviation of the log norm")] = 0.35,
    threads: Annotated[int, typer.Option(min=1, help="threads that build; one searches")] = 2,
    json: JsonOption = False,
) -> None:
    """The 500 best of N items by inner product, one user at a time on one thread: ms, recall@20, recall@500, build.

    The world and what is built stay in var/bench and are found again. Ten million items take 8 GB of disk and, the
    first time, many minutes.
    """
    kinds = tuple(kind or ("exact", "ivf"))
    for one in kinds:
        if one not in KINDS:
            raise Invalid("--kind", f"{one!r} is not known", f"choose of {', '.join(KINDS)}")
    shape = Shape(items, retrieval.USERS, width, seed, "float16", overlap, norm_spread)
    folder = measure.FOLDER / f"retrieval-{items}-{width}-{seed}-{overlap}-{norm_spread}"
    with show.progress() as report:
        result = retrieval.measure(folder, shape, kinds, threads, report)
    measure.tell("retrieval", result, json)
