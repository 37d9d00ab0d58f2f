"""How do many commands go to many servers in one round trip? All are sent before any answer is waited for."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hiredis import pack_command
from redis.connection import ConnectionPool
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as Silent


@dataclass(frozen=True, slots=True)
class Node:
    """One server."""

    name: str
    pool: ConnectionPool
    replica: bool = False


class Call:
    """Commands that are sent to one server together."""

    def __init__(self, node: Node, commands: Sequence[Any]) -> None:
        self._node, self._count = node, len(commands)
        self._commands: list[Any] = [("READONLY",), *commands, ("READWRITE",)] if node.replica else [*commands]
        self._connection: Any = None
        self._error: RedisError | None = None

    def send(self) -> None:
        """Send them. What fails is told with the answers."""
        try:
            self._connection = self._node.pool.get_connection()
            packed = b"".join(map(pack_command, self._commands))
            self._connection.send_packed_command([packed], check_health=False)
        except (Disconnected, Silent) as error:
            self._error = error
            self._let_go(broken=True)

    def answers(self, ends: float) -> list[Any]:
        """Give an answer to each command, or the error that came instead. `ends`: monotonic seconds."""
        found: list[Any] = []
        try:
            for _ in self._commands if self._connection else ():
                found += [self._answer(ends)]
        except (Disconnected, Silent, OSError) as error:
            self._error = error if isinstance(error, RedisError) else Disconnected(str(error))
        self._let_go(broken=self._error is not None)
        if self._node.replica:
            found = found[1:]
        return [*found, *[self._error] * self._count][: self._count]

    def _answer(self, ends: float) -> Any:
        try:
            return self._connection.read_response(timeout=max(0.001, ends - time.monotonic()))
        except (Disconnected, Silent):
            raise
        except ResponseError as error:
            return error

    def _let_go(self, broken: bool) -> None:
        if self._connection is not None:
            if broken:
                self._connection.disconnect()
            self._node.pool.release(self._connection)
            self._connection = None


def asked(calls: list[Call]) -> list[Call]:
    """Send all calls before any answer is waited for."""
    for call in calls:
        call.send()
    return calls
