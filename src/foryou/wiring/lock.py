"""How is a job done by one process at a time? A locked file in the home."""

import fcntl
from pathlib import Path

from foryou.domain.errors import Conflict


class Lock:
    """One of a kind at a time on a home: a file, free again when the process that holds it ends, however it ends."""

    def __init__(self, path: Path, what: str = "training") -> None:
        self._path, self._what = path, what

    def __enter__(self) -> "Lock":
        self._file = self._path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise Conflict(f"Another {self._what} holds {self._path}; wait until it ends") from None
        return self

    def __exit__(self, *problem: object) -> None:
        self._file.close()
