"""How does a process say what is the matter? A line on standard error, which stops nothing if it cannot be written."""

import json
import logging
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

_EXTRA = "fields"  # of a record of `logging`: what else stands in its line


class _Form:
    """Whether lines are JSON; one for the process."""

    json = False


def speak(form: str) -> None:
    """Say things as `text` or as `json` from now on, those of Python's logging, too. Once per process, at its start."""
    _Form.json = form == "json"
    if _Form.json:
        spoken = logging.StreamHandler()
        spoken.setFormatter(_Lines())
        logging.basicConfig(handlers=[spoken], level=logging.WARNING, force=True)


def say(what: str, level: str = "warning", **fields: Any) -> None:
    """Write a line to standard error. Where that is a file on a full disk, the line is lost and the work goes on."""
    with suppress(OSError, ValueError):  # ValueError: it is closed
        if _Form.json:
            line = _line(what, level, datetime.now(UTC), fields)
        else:
            line = " ".join([what, *(f"{name}={value}" for name, value in fields.items())])
        print(line, file=sys.stderr)  # noqa: T201


def with_fields(**fields: Any) -> dict[str, Any]:
    """Give what `logging` is to be told as `extra`, so that a JSON line has these fields."""
    return {_EXTRA: fields}


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = dict(getattr(record, _EXTRA, {}))
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        at = datetime.fromtimestamp(record.created, UTC)
        return _line(record.getMessage(), record.levelname.lower(), at, fields | {"logger": record.name})


def _line(what: str, level: str, at: datetime, fields: dict[str, Any]) -> str:
    said = {"at": at.isoformat(timespec="milliseconds"), "level": level, "message": what, "pid": os.getpid()}
    return json.dumps(said | fields, ensure_ascii=False, default=str)
