"""How does a test take a server away? A TCP proxy before it, whose connections the test cuts, starves, slows or mends.

A Kafka broker tells its clients where to find it; in what it says, the proxy puts its own port for that of the broker.
"""

import socket
import struct
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

PIECE = 65_536


class Proxy:
    """Passes connections on to a server until it is told otherwise."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._target = (where.hostname, where.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._cut = False
        self._flows = threading.Event()
        self._flows.set()
        self._delay_s = 0.0
        self._left: int | None = None  # bytes that may still come from the server, None = any
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._told, self._mine = (
            where.hostname.encode() + struct.pack(">i", port) for port in (where.port, urlsplit(self.url).port)
        )
        self._pairs: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """End all connections, and each new one as soon as it comes."""
        with self._lock:
            self._cut = True
            for one in self._open:
                _end(one)

    def starve(self, after_bytes: int) -> None:
        """Let this many bytes come from the server, then cut."""
        with self._lock:
            self._left = after_bytes

    def hold(self) -> None:
        """Keep all connections, but let nothing come from the server."""
        self._flows.clear()

    def slow(self, delay_s: float) -> None:
        """Let everything that comes from the server be so late."""
        self._delay_s = delay_s

    def mend(self) -> None:
        """Pass everything on again."""
        self._flows.set()
        with self._lock:
            self._cut, self._left, self._delay_s = False, None, 0.0

    def close(self) -> None:
        """End everything."""
        _end(self._listener)
        self._thread.join(10)
        self.cut()
        self._flows.set()
        for pair in self._pairs:
            pair.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                self._listener.close()
                return
            with self._lock:
                if self._cut:
                    client.close()
                    continue
                try:
                    server = socket.create_connection(self._target)
                except OSError:  # nobody listens there now
                    client.close()
                    continue
                self._open |= {client, server}
            self._pairs.append(threading.Thread(target=self._join, args=(client, server), daemon=True))
            self._pairs[-1].start()

    def _join(self, client: socket.socket, server: socket.socket) -> None:
        back = threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True)
        back.start()
        self._pass_on(client, server, False)
        back.join()
        with self._lock, client, server:
            self._open -= {client, server}

    def _pass_on(self, source: socket.socket, sink: socket.socket, from_server: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(PIECE):
                piece = piece.replace(self._told, self._mine) if from_server else piece
                if from_server:
                    self._flows.wait()
                    if self._delay_s:
                        time.sleep(self._delay_s)
                sink.sendall(piece[: self._allowed(len(piece))] if from_server else piece)
                if self._left == 0:
                    self.cut()
        for one in (source, sink):
            _end(one)

    def _allowed(self, size: int) -> int:
        with self._lock:
            if self._left is None:
                return size
            size = min(size, self._left)
            self._left -= size
            return size


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
