"""How does a process hear at once what has changed in Redis? The server tells it, on a connection of its own."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hiredis import PushNotification, Reader, pack_command

from foryou.stores.redis_calls import Node

BEAT_S = 0.25  # between two questions whether the server is still there, which also compare clocks
DEAF_S = 0.5  # without an answer to one: as good as cut off
FIRST_RETRY_S, LAST_RETRY_S = 0.05, 1.0
GONE_S = 60.0  # after so long without it, a server is taken for removed
TURN_S = 0.1  # how long closing may take
RECEIVED = 65_536


class Ear:
    """Listens to one server: `CLIENT TRACKING` in broadcast, every key with the prefix that anybody changes.

    A server tells of what has changed in itself, a replica when the change has come to it: listen to who is read.
    `epoch` grows when hearing ends and again before `hears` is true: what was read while it was is good as long as the
    epoch is the same and nothing else was told.
    """

    def __init__(self, node: Node, prefix: bytes, told: "Told") -> None:
        self._kwargs, self._prefix, self._told = node.pool.connection_kwargs, prefix, told
        self.name = node.name
        self.hears = False
        self.epoch = 0
        self.ahead_us = 0  # how far the server's clock is ahead of this machine's, to half a round trip
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name=f"ear {node.name}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Say whether it listens, or still tries to."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join()

    def _live(self) -> None:
        wait, heard = FIRST_RETRY_S, time.monotonic()
        while not self._stop.is_set() and time.monotonic() - heard < GONE_S:
            try:
                with self._connected() as line:
                    self._listen(line, Reader())
            except Exception:  # noqa: BLE001 - whatever it was: nothing is kept until the server is heard again
                pass
            if self.hears:
                self.hears, heard, wait = False, time.monotonic(), FIRST_RETRY_S
            self.epoch += 1
            self._stop.wait(wait)
            wait = min(2 * wait, LAST_RETRY_S)
        self.hears = False

    def _connected(self) -> socket.socket:
        line = socket.create_connection((self._kwargs["host"], self._kwargs["port"]), timeout=DEAF_S)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.settimeout(TURN_S)
        return line

    def _listen(self, line: socket.socket, reader: Reader) -> None:
        """Hear until the connection breaks, the server is silent, or it is closed."""
        password = self._kwargs.get("password") or ""
        user = self._kwargs.get("username") or "default"
        _send(line, "HELLO", "3", *(("AUTH", user, password) if password else ()))
        _send(line, "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", self._prefix)
        greetings = 2  # answers that come before it is being told
        asked, asked_us = time.monotonic(), 0
        answered = False
        while not self._stop.is_set():
            for said in _received(line, reader):
                if isinstance(said, PushNotification):
                    self._tell(said)
                elif isinstance(said, Exception) and (greetings or str(said).startswith("CLUSTERDOWN")):
                    raise ConnectionError(str(said))
                elif greetings:
                    greetings -= 1
                    if not greetings:
                        self.epoch += 1
                        answered = self.hears = True
                elif isinstance(said, list):
                    answered = True
                    now_us = int(said[0]) * 1_000_000 + int(said[1])
                    self.ahead_us = now_us - (asked_us + time.time_ns() // 1_000) // 2
            now = time.monotonic()
            if not answered and now - asked > DEAF_S:
                raise ConnectionError("silent")
            if answered and now - asked > BEAT_S:
                asked, asked_us, answered = now, time.time_ns() // 1_000, False
                _send(line, "GET", self._prefix + b"0}live")  # refused by a master that was voted out
                _send(line, "TIME")

    def _tell(self, said: list[Any]) -> None:
        if said[0] != b"invalidate":
            return
        if said[1] is None:  # the server was emptied, or has taken over another one's data
            self.epoch += 1
        else:
            self._told(said[1], self.ahead_us)


Told = Callable[[list[bytes], int], None]  # keys that changed; how far the server's clock is ahead, us


def _send(line: socket.socket, *words: Any) -> None:
    line.sendall(pack_command(words))


def _received(line: socket.socket, reader: Reader) -> list[Any]:
    """Give what came within a turn, at least one packet if there is one."""
    with suppress(TimeoutError):
        some = line.recv(RECEIVED)
        if not some:
            raise ConnectionError("closed")
        reader.feed(some)
    found: list[Any] = []
    while (said := reader.gets()) is not False:
        found.append(said)
    return found
