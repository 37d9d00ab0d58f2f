"""Which calls take in events? One for many at once, one for a stream of them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from foryou.api import schema
from foryou.api.decoding import converted
from foryou.api.grpc.calls import Calls
from foryou.api.grpc.messages import add, said
from foryou.api.service import Service
from foryou.domain.errors import Invalid
from foryou.ingest.collector import Rejection
from foryou.v1 import foryou_pb2 as pb
from foryou.v1 import foryou_pb2_grpc

MAX_STREAMED = 50_000


class Events(foryou_pb2_grpc.EventsServicer):
    """The service foryou.v1.Events."""

    def __init__(self, service: Service, calls: Calls) -> None:
        self._service, self._calls = service, calls

    async def Record(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Store up to 1,000 events."""

        async def body() -> Any:
            if len(request.events) > schema.MAX_EVENTS:
                many = f"{len(request.events):,} events, limit {schema.MAX_EVENTS:,}"
                raise Invalid("events", many, "send them in several calls, or as a stream")
            done = pb.RecordResponse()
            await self._store(request.events, done)
            return done

        return await self._calls("Events.Record", context, body)

    async def RecordStream(self, request_iterator: AsyncIterator[Any], context: Any) -> Any:  # noqa: N802
        """Store events as they come. While some are being stored the next ones gather; the caller waits for nobody."""

        async def body() -> Any:
            done, waiting = pb.RecordResponse(), asyncio.Queue[Any](schema.MAX_EVENTS)
            reading = asyncio.create_task(_read(request_iterator, waiting))
            try:
                while taken := await _taken(waiting):
                    await self._store(taken, done)
                await reading  # raises what ended it
            finally:
                reading.cancel()
            return done

        return await self._calls("Events.RecordStream", context, body)

    async def _store(self, events: Sequence[Any], done: Any) -> None:
        read = [_read_event(index, event) for index, event in enumerate(events)]
        add(done, await self._service.collect(read), done.received, len(events))


async def _read(events: AsyncIterator[Any], waiting: "asyncio.Queue[Any]") -> None:
    """Put what comes into the queue, and None at the end, whatever ended it."""
    count = 0
    try:
        async for event in events:
            if count == MAX_STREAMED:
                raise Invalid("events", f"more than {MAX_STREAMED:,} in one stream; those are stored", "open another")
            count += 1
            await waiting.put(event)
    except Exception:
        await waiting.put(None)
        raise
    await waiting.put(None)


async def _taken(waiting: "asyncio.Queue[Any]") -> list[Any]:
    """Wait for an event, then give it with all that wait behind it; nothing at the end of the stream."""
    taken = [await waiting.get()]
    while taken[-1] is not None and not waiting.empty():
        taken.append(waiting.get_nowait())
    if taken[-1] is None:
        waiting.put_nowait(taken.pop())  # the next look finds the end
        return taken
    return taken


def _read_event(index: int, event: Any) -> schema.EventIn | Rejection:
    try:
        return converted(said(event), schema.EventIn)
    except Invalid as error:
        return Rejection(index, error.where, f"{error.what}; {error.mend}" if error.mend else error.what)
