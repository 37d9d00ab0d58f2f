"""How do gRPC calls reach the service? Through a server in the event loop of REST, so they share its batches."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from foryou.api.grpc.calls import Calls
from foryou.api.grpc.events import Events
from foryou.api.grpc.health import NAMES, Health
from foryou.api.grpc.recommender import Recommender
from foryou.api.service import Service
from foryou.domain.errors import Unavailable
from foryou.observe.metrics import Metrics
from foryou.observe.watching import Watch
from foryou.v1 import foryou_pb2_grpc

__all__ = ["Door", "door"]

MAX_MESSAGE_BYTES = 1_048_576
GRACE_S = 5.0  # for calls in progress when the server stops
Door = Callable[[Service], AbstractAsyncContextManager[None]]


def door(host: str, port: int, metrics: Metrics, watch: Watch | None = None) -> Door:
    """Give what opens the port beside REST and closes it. Several processes may listen on one port.

    watch: who looks at some calls closely; whoever made it closes it.
    """

    @asynccontextmanager
    async def opened(service: Service) -> AsyncIterator[None]:
        server = grpc.aio.server(
            options=[("grpc.so_reuseport", 1), ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
        )
        calls, health = Calls(metrics, watch), Health(service)
        foryou_pb2_grpc.add_RecommenderServicer_to_server(Recommender(service, calls), server)  # type: ignore[no-untyped-call]
        foryou_pb2_grpc.add_EventsServicer_to_server(Events(service, calls), server)  # type: ignore[no-untyped-call]
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
        reflection.enable_server_reflection((*NAMES, reflection.SERVICE_NAME), server)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            server.add_insecure_port(address)
        except RuntimeError as error:
            raise Unavailable(f"{address} cannot be listened on ({error}); choose another serve.grpc_port") from None
        await server.start()
        try:
            yield
        finally:
            health.stopping = True
            await asyncio.shield(server.stop(GRACE_S))

    return opened
