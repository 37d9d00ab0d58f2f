"""How does a process say what is the matter? A line on standard error, which stops nothing if it cannot be written."""

import sys
from contextlib import suppress


def say(what: str) -> None:
    """Write a line to standard error. Where that is a file on a full disk, the line is lost and the work goes on."""
    with suppress(OSError, ValueError):  # ValueError: it is closed
        print(what, file=sys.stderr)  # noqa: T201
