"""Is this process able to answer? The standard protocol of gRPC (grpc.health.v1), as /readyz says it for HTTP."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from foryou.api.service import Service
from foryou.v1 import foryou_pb2

RECOMMENDER, EVENTS = (foryou_pb2.DESCRIPTOR.services_by_name[name].full_name for name in ("Recommender", "Events"))
NAMES = (RECOMMENDER, EVENTS, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
LOOK_EVERY_S = 0.2
_Status = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Says SERVING for a service that answers; "" is the Recommender. Events are taken as soon as the port is open."""

    def __init__(self, service: Service) -> None:
        self._service, self.stopping = service, False

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Say it once. NOT_FOUND for a service that is not known."""
        status = self._status(request.service)
        if status == _Status.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service {request.service!r}")
        return _Status(status=status)

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802, ARG002
        """Say it now and whenever it changes."""
        said = None
        while not self.stopping:
            status = self._status(request.service)
            if status != said:
                said = status
                yield _Status(status=status)
            await asyncio.sleep(LOOK_EVERY_S)
        yield _Status(status=_Status.NOT_SERVING)

    def _status(self, name: str) -> int:
        if name not in ("", RECOMMENDER, EVENTS):
            return int(_Status.SERVICE_UNKNOWN)
        ready = not self.stopping and (name == EVENTS or self._service.ready())
        return int(_Status.SERVING if ready else _Status.NOT_SERVING)
