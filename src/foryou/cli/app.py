"""Which options does every command share? `--home` and `--json`, defined once."""

from pathlib import Path
from typing import Annotated, Any

import typer

from foryou import __version__, config
from foryou.config import Config

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""A recommendation system on your machine: actions come in, explained recommendations go out.

    [bold]First steps[/]

      foryou demo                      everything once, on real data, then serve

    [bold]By hand[/]

      foryou import PATH               put a data set into the log

      foryou train                     make a bundle from the log, judge it, put it in force

      foryou serve                     answer on http://127.0.0.1:8000

      foryou recommend USER            ask without a server
    """,
)
models = typer.Typer(no_args_is_help=True, help="List bundles, put one in force, roll back.")
experiment = typer.Typer(no_args_is_help=True, help="Compare ways to recommend: deal users to arms, judge, stop.")
bench = typer.Typer(no_args_is_help=True, help="Measure speed and accuracy on this machine.")
services = typer.Typer(no_args_is_help=True, help="Start, look at and stop real servers for development and tests.")
app.add_typer(models, name="models", rich_help_panel="Learn")
app.add_typer(experiment, name="experiment", rich_help_panel="Learn")
app.add_typer(bench, name="bench", rich_help_panel="Measure")
app.add_typer(services, name="services", rich_help_panel="Run")

LogOption = Annotated[
    str | None,
    typer.Option("--log", help="where events lie, such as kafka://host:9092/prefix", show_default="the home"),
]
FeaturesOption = Annotated[
    str | None,
    typer.Option("--features", help="where records lie, such as redis+cluster://host:port", show_default="the home"),
]
HomeOption = Annotated[
    Path | None, typer.Option("--home", help="folder of logs, records and bundles", show_default=str(config.HOME))
]
JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON object instead of tables")]


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="print the version and exit", is_eager=True)] = False,
) -> None:
    """Answer `--version`."""
    if show:
        typer.echo(f"foryou {__version__}")
        raise typer.Exit


def settings(home: Path | None, **overrides: Any) -> Config:
    """Give the configuration with what the command line said on top."""
    return config.load(home, None, **overrides)
