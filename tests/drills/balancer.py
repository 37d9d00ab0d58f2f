"""What stands before several servers? A proxy that asks them in turn, and once another one where one fails."""

import asyncio
import threading
from contextlib import suppress

from client import END, FAILURES, Answer, Pool, message

BROKEN = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0" + END


class Balancer:
    """Passes each request on to the next server; retries once, with the one after it."""

    def __init__(self, urls: list[str]) -> None:
        self.retried = 0  # and those that failed twice
        self._pools, self._turn = [Pool(url) for url in urls], 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="balancer")
        self._thread.start()
        self._ready.wait()

    def close(self) -> None:
        """End, with all connections."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        server.close()
        for pool in self._pools:
            await pool.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(*FAILURES, asyncio.CancelledError):
            while True:
                head, body = await message(reader)
                answer = await self._answer(head + body)
                writer.write(answer.raw if answer else BROKEN)
        writer.close()

    async def _answer(self, request: bytes) -> Answer | None:
        self._turn += 1
        for turn in (self._turn, self._turn + 1):
            with suppress(*FAILURES):
                return await self._pools[turn % len(self._pools)].ask(request)
            self.retried += 1
        return None
