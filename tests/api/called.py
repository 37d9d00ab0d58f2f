"""How does a test call gRPC? The shop's service, with both doors open in one event loop, and a real client."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from shop import Shop

from foryou.api.grpc import door
from foryou.api.service import Service
from foryou.observe.metrics import Metrics
from foryou.services import ports
from foryou.v1 import foryou_pb2_grpc


class Caller:
    """A client of the shop: its stubs, and the HTTP client beside them."""

    def __init__(self, shop: Shop, channel: Any, port: int) -> None:
        self.shop, self.channel, self.port = shop, channel, port
        self.recommender = foryou_pb2_grpc.RecommenderStub(channel)
        self.events = foryou_pb2_grpc.EventsStub(channel)


class Beside:
    """Opens gRPC beside REST; the port is known before."""

    def __init__(self, metrics: Metrics) -> None:
        self.port = ports.free()[0]
        self._door = door("127.0.0.1", self.port, metrics)

    def __call__(self, service: Service) -> AbstractAsyncContextManager[None]:
        asyncio.get_running_loop()  # the loop that answers REST
        return self._door(service)


@contextmanager
def called(folder: Any, metrics: Metrics) -> Iterator[Caller]:
    """Open a shop with both doors."""
    beside = Beside(metrics)
    with Shop(folder, metrics, beside=beside) as shop, grpc.insecure_channel(f"127.0.0.1:{beside.port}") as channel:
        grpc.channel_ready_future(channel).result(timeout=20)
        yield Caller(shop, channel, beside.port)


def details(error: grpc.RpcError) -> list[Any]:
    """Give the details (google.rpc) that a failed call carries."""
    found = next(value for name, value in error.trailing_metadata() if name == "grpc-status-details-bin")
    status = status_pb2.Status.FromString(found)
    assert (status.code, status.message) == (error.code().value[0], error.details())
    kinds = {kind.DESCRIPTOR.full_name: kind for kind in (error_details_pb2.BadRequest, error_details_pb2.RetryInfo)}
    unpacked = []
    for any_ in status.details:
        one = kinds[any_.TypeName()]()
        any_.Unpack(one)
        unpacked.append(one)
    return unpacked
