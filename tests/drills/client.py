"""How does a drill talk to a server? Over keep-alive connections that it holds itself, so that each failure is seen."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

END = b"\r\n\r\n"
TIMEOUT_S = 10.0
FAILURES = (OSError, asyncio.IncompleteReadError, TimeoutError)
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its status, and all of it as it came, with the place where its body begins."""

    status: int
    raw: bytes
    start: int

    @property
    def body(self) -> bytes:
        return self.raw[self.start :]

    @property
    def retry_after_s(self) -> float:
        found = [line for line in self.raw[: self.start].lower().split(b"\r\n") if line.startswith(b"retry-after:")]
        return float(found[0].split(b":")[1]) if found else 0.0


@dataclass(slots=True)
class Pool:
    """Connections to one address; each carries one request at a time."""

    url: str
    broken: int = 0  # connections that the server ended, whether or not somebody waited for an answer
    _idle: list[Stream] = field(default_factory=list)

    async def ask(self, request: bytes) -> Answer:
        """Give the answer. Raises one of FAILURES if none came whole: nothing is sent twice here."""
        where = urlsplit(self.url)
        async with asyncio.timeout(TIMEOUT_S):
            stream = self._kept() or await asyncio.open_connection(where.hostname, where.port)
            try:
                stream[1].write(request)
                answer = await _read(stream[0])
            except BaseException:
                self.broken += 1
                for _, writer in (stream, *self._idle):  # who asks again does so over a new connection
                    writer.close()
                self._idle.clear()
                raise
        self._idle.append(stream)
        return answer

    def _kept(self) -> Stream | None:
        """Give a connection that is there, without those that the server has ended."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            self.broken += 1
            writer.close()
        return None

    async def close(self) -> None:
        for _, writer in self._idle:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Answer:
    head, body = await message(reader)
    return Answer(int(head.split(b" ", 2)[1]), head + body, len(head))


async def message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read head and body of one request or answer."""
    head = await reader.readuntil(END)
    sizes = [line[15:] for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"]
    return head, await reader.readexactly(int(sizes[0])) if sizes else b""


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: drill\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: drill\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + END + body
