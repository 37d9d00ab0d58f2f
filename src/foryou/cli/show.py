"""How does the command line talk? Tables and progress bars for people, one JSON object for machines."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Report = Callable[[str, int, int], None]


def as_json(value: Any) -> None:
    """Print one JSON object on one line."""
    sys.stdout.write(msgspec.json.encode(value, enc_hook=float).decode() + "\n")
    sys.stdout.flush()


def write(text: str) -> None:
    """Print a text as it is, to be piped into a file."""
    sys.stdout.write(text)
    sys.stdout.flush()


def say(text: str, quiet: bool = False) -> None:
    """Print a line for people; with --json it goes to standard error, so that the object stays alone.

    What was typed or sent by somebody must be `plain` in it: brackets are markup.
    """
    (err if quiet else out).print(text)


def plain(value: object) -> str:
    """Give a value as text that a terminal shows as it is: no markup, no control characters, no lone surrogates."""
    text = str(value).encode("utf-8", "backslashreplace").decode()
    return escape("".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], quiet: bool = False) -> None:
    """Print a table; numbers stand right."""
    drawn = Table(title=plain(title), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[place], int | float) for row in rows)
        drawn.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*[f"{cell:.4f}" if isinstance(cell, float) else plain(cell) for cell in row])
    (err if quiet else out).print(drawn)


@contextmanager
def progress() -> Iterator[Report]:
    """Show bars on standard error for steps reported as (name, done, total); silent where nobody looks."""
    bars = Progress(
        TextColumn("{task.description:>16}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=err, transient=True, disable=not err.is_terminal,
    )  # fmt: skip
    known: dict[str, TaskID] = {}

    def report(name: str, done: int, total: int) -> None:
        if name not in known:
            known[name] = bars.add_task(name, total=total or None)
        bars.update(known[name], completed=done, total=total or None)

    with bars:
        yield report
