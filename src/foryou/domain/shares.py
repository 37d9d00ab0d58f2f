"""Who folds a log that nobody divides? One worker, all of it."""

import os
import socket
from collections.abc import Sequence

from foryou.domain.log import Position


class Alone:
    """All partitions of a log, for one worker; another one, with a name of its own, stands by."""

    alone = True

    def __init__(self, partitions: int) -> None:
        self._all = range(partitions)
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{id(self)}"

    def partitions(self) -> Sequence[int]:
        """Give all."""
        return self._all

    def folded(self, through: Position) -> None:
        """Tell nobody: the records know it."""

    def close(self) -> None:
        """Leave nobody."""
