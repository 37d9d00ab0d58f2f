"""Which errors can foryou raise, and what does each one mean?

    ForyouError                 everything raised on purpose
    ├── Invalid                 what the caller sent is wrong; `where` names the field or line
    ├── NotFound                a named thing does not exist
    ├── Conflict                somebody else was first: the stored state is not the expected one
    │   └── StalePosition       a fold was written from a position that is no longer the stored one
    ├── Unavailable             a store, log or model cannot be reached now; trying later may work
    │   └── Incomplete          a part of what was asked for cannot be reached; `found` has the rest
    └── Refused                 a safety check said no (checksum, schema fingerprint, gate)

A message is a sentence with the value, the limit and the mend. Errors are raised where the cause is
known and translated once, at the door (`cli` or `api`).
"""

from collections.abc import Sequence
from typing import Any


class ForyouError(Exception):
    """Everything that foryou raises on purpose."""


class Invalid(ForyouError):
    """What the caller sent is wrong; `where` is the field (or file:line), `mend` says how to put it right."""

    def __init__(self, where: str, what: str, mend: str = "") -> None:
        super().__init__(f"{where}: {what}" + (f"; {mend}" if mend else ""))
        self.where, self.what, self.mend = where, what, mend


class NotFound(ForyouError):
    """A named thing does not exist."""


class Conflict(ForyouError):
    """Somebody else was first: the stored state is not the expected one."""


class StalePosition(Conflict):
    """A fold was written from a position that is no longer the stored one."""


class Unavailable(ForyouError):
    """A store, log or model cannot be reached now; trying later may work."""


class Incomplete(Unavailable):
    """A part of what was asked for cannot be reached: None stands in `found` at the places `missing`."""

    def __init__(self, what: str, found: Sequence[Any], missing: Sequence[int]) -> None:
        super().__init__(what)
        self.found, self.missing = found, missing


class Refused(ForyouError):
    """A safety check said no."""
