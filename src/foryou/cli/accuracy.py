"""bench: how good the models are on public data, beside what others have published."""

from pathlib import Path
from typing import Annotated

import typer

from foryou.bench import accuracy, als, als_curve, scorecard
from foryou.cli import measure, show
from foryou.cli.app import JsonOption, bench
from foryou.domain.errors import Invalid
from foryou.train.dataset import interactions

DatasetArgument = Annotated[str, typer.Argument(help=f"the data set: {', '.join(accuracy.DATASETS)}")]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="folder of the data set; else as `demo` looks for data")
]


@bench.command("accuracy")
def accuracy_(dataset: DatasetArgument = "ml-100k", data_path: DataOption = None, json: JsonOption = False) -> None:
    """The models alone on a public data set and its published protocol: ours beside the published table.

    ml-100k: 75/25 random split per user, five fixed seeds, NDCG@10. gowalla: the LightGCN split, Recall@20, NDCG@20.
    ml-1m: the last item of each user among all, HR@10, NDCG@10, by the two towers; they train for an hour or so, and
    go on where they were broken off.
    """
    if dataset not in accuracy.DATASETS:
        raise Invalid("dataset", f"{dataset!r} is not known", f"choose one of {', '.join(accuracy.DATASETS)}")
    with show.progress() as report:
        if dataset in accuracy.OF_LOG:
            _, home = measure.prepared(data_path, report)
            log = interactions(Path(home.config.home) / "work" / "snapshot.parquet", measure.catalog_of(home))
            home.close()
            result = accuracy.OF_LOG[dataset](log, report)
        else:
            folder = measure.data_folder(data_path, f"name the folder of {dataset}")
            result = accuracy.OF_FOLDER[dataset](folder, report)
    measure.tell("accuracy", {"dataset": dataset} | result, json)


@bench.command("als")
def als_(
    width: Annotated[list[int] | None, typer.Option(min=2, max=1_024, help="widths", show_default="64, 128")] = None,
    data_path: DataOption = None,
    json: JsonOption = False,
) -> None:
    """How long our ALS takes to be as good as implicit's at its best: Gowalla, validation, the same run and machine."""
    folder = measure.data_folder(data_path, "name the folder of gowalla")
    with show.progress() as report:
        result = als.compare(folder, tuple(width or (64, 128)), report)
    measure.tell("als", result, json)


@bench.command("als-curve")
def als_curve_(
    width: Annotated[
        list[int] | None, typer.Option(min=2, max=1_024, help="widths", show_default="64, 128, 256, 512")
    ] = None,
    data_path: DataOption = None,
    json: JsonOption = False,
) -> None:
    """How good our ALS becomes with its width: Gowalla, settings from validation, Recall@20 and NDCG@20 on test.

    Takes half an hour of CPU; what is done is kept in var/bench/als-curve, and a run that was broken off goes on.
    """
    folder = measure.data_folder(data_path, "name the folder of gowalla")

    def tell(row: als_curve.Row) -> None:
        said = f"{row.width}-D: test Recall@20 {row.recall_at_20:.4f}, NDCG@20 {row.ndcg_at_20:.4f}"
        show.say(f"{said}, {row.sweeps} sweeps in {row.fit_s:.0f} s ({row.fit_cpu_s:.0f} s of CPU)", quiet=json)

    with show.progress() as report:
        result = als_curve.measure(
            folder, tuple(width or als_curve.WIDTHS), measure.FOLDER / "als-curve", report, tell
        )  # fmt: skip
    measure.tell("als-curve", result, json)


@bench.command("scorecard")
def scorecard_(
    folder: Annotated[Path, typer.Argument(help="folder of kept results")] = Path("docs/scorecard"),
) -> None:
    """The README's table of accuracy, as Markdown, from results of `bench accuracy` kept as JSON files."""
    show.write(scorecard.table(folder))
