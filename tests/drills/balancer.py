"""What stands before several servers? A proxy that asks them in turn, once another where one fails, none unready."""

import asyncio
import threading
from contextlib import suppress

from client import END, FAILURES, Answer, Pool, get, message

BROKEN = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0" + END
TRIES = 2
LOOK_S = 0.1


class Balancer:
    """Passes each request on to the next server; retries once, with another. One that failed is out until `/readyz`."""

    def __init__(self, urls: list[str]) -> None:
        self.retried = 0  # and those that failed twice
        self._pools, self._turn = [Pool(url) for url in urls], 0
        self._out: dict[str, asyncio.Task[None]] = {}
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
        for task in list(self._out.values()):
            task.cancel()
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
        for _ in range(TRIES):
            pool = self._next()
            with suppress(*FAILURES):
                return await pool.ask(request)
            self.retried += 1
            if pool.url not in self._out:
                self._out[pool.url] = asyncio.create_task(self._take_back(pool))
        return None

    def _next(self) -> Pool:
        self._turn += 1
        usable = [pool for pool in self._pools if pool.url not in self._out] or self._pools
        return usable[self._turn % len(usable)]

    async def _take_back(self, pool: Pool) -> None:
        """Ask a server that failed until it is ready: it takes connections before."""
        while True:
            with suppress(*FAILURES):
                if (await pool.ask(get("/readyz"))).status == 200:
                    break
            await asyncio.sleep(LOOK_S)
        del self._out[pool.url]
