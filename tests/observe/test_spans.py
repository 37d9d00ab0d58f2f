"""Do sampled requests reach a collector as spans, with their stages, and is nothing sent of the others?"""

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest
from litestar.testing import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import CollectorRegistry

import worlds
from foryou import config
from foryou.api import rest
from foryou.api.grpc import door
from foryou.api.service import Service
from foryou.domain.errors import Invalid
from foryou.observe.metrics import Metrics, exposition
from foryou.observe.spans import Spans
from foryou.services import ports
from foryou.v1 import foryou_pb2 as pb
from foryou.v1 import foryou_pb2_grpc
from foryou.wiring import serving

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector:
    """A collector that keeps what it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[Any] = []
        outer = self

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.headers.get("content-encoding") is None
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    outer.resources.append(resource.resource)
                    outer.spans += [span for scope in resource.scope_spans for span in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    opened = Collector()
    yield opened
    opened.close()


def asked(folder: Path, share: float, url: str, *headers: dict[str, str]) -> list[Any]:
    """Ask once with each of the headers of a service that is watched; gives the answers, once all spans are sent."""
    home, metrics = worlds.home_in(folder), Metrics(CollectorRegistry())

    def make() -> Service:
        return serving.service(home, metrics)

    app = rest.app(make, metrics, exposition(), watch=Spans(url, share))
    with TestClient(app) as client:
        return [client.get("/v1/recommendations?user_id=ann&deadline_ms=60000", headers=one) for one in headers]


def test_a_sampled_request_is_a_trace_of_its_stages(tmp_path: Path, collector: Collector) -> None:
    (answer,) = asked(tmp_path, 1.0, collector.url, {"X-Request-Id": "mine"})
    assert answer.status_code == 200
    by_name = {span.name: span for span in collector.spans}
    whole, batch = by_name["GET /v1/recommendations"], by_name["batch"]
    stages = [span for span in collector.spans if span.parent_span_id == batch.span_id]
    assert {"hydrate", "rank", "select"} <= {span.name for span in stages}
    assert batch.parent_span_id == whole.span_id
    assert whole.parent_span_id == b""
    assert len({span.trace_id for span in collector.spans}) == 1
    assert whole.start_time_unix_nano <= batch.start_time_unix_nano
    assert batch.end_time_unix_nano <= whole.end_time_unix_nano
    ordered = sorted(stages, key=lambda span: span.start_time_unix_nano)
    assert all(one.end_time_unix_nano <= other.start_time_unix_nano for one, other in pairwise(ordered))
    said = {one.key: one.value for one in whole.attributes}
    assert said["foryou.request_id"].string_value == "mine"
    assert said["http.response.status_code"].int_value == 200
    assert {one.key: one.value.string_value for one in batch.attributes}["foryou.placement"] == "home"
    named = {one.key: one.value.string_value for one in collector.resources[0].attributes}
    assert named["service.name"] == "foryou"


def test_the_caller_decides_where_it_says_anything(tmp_path: Path, collector: Collector) -> None:
    answers = asked(
        tmp_path, 0.0, collector.url, {"traceparent": f"00-{TRACE}-{CALLER}-01"},
        {"traceparent": f"00-{'a' * 32}-{CALLER}-00"}, {"traceparent": f"00-{'0' * 32}-{CALLER}-01"}, {},
    )  # fmt: skip
    assert [answer.status_code for answer in answers] == [200] * 4
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    whole = next(span for span in collector.spans if span.name == "GET /v1/recommendations")
    assert whole.parent_span_id.hex() == CALLER


def test_a_caller_who_says_no_is_not_traced_and_chance_zero_is_nobody(tmp_path: Path, collector: Collector) -> None:
    asked(tmp_path, 1.0, collector.url, {"traceparent": f"00-{TRACE}-{CALLER}-00"})
    assert collector.spans == []


def test_strangers_who_are_answered_before_the_framework_are_traced_too(tmp_path: Path, collector: Collector) -> None:
    home, metrics = worlds.home_in(tmp_path), Metrics(CollectorRegistry())
    app = rest.app(lambda: serving.service(home, metrics), metrics, exposition(), watch=Spans(collector.url, 1.0))
    with TestClient(app) as client:
        first = client.get("/v1/recommendations", headers={"X-Request-Id": "stranger"})
        again = client.get("/v1/recommendations", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    said = [{one.key: one.value for one in span.attributes} for span in collector.spans]
    assert [span.name for span in collector.spans] == ["GET /v1/recommendations"] * 2, "nothing was computed for them"
    assert [one["http.response.status_code"].int_value for one in said] == [200, 304]
    assert said[0]["foryou.request_id"].string_value == first.headers["x-request-id"] == "stranger"
    assert said[1]["foryou.request_id"].string_value == again.headers["x-request-id"]


def test_calls_over_grpc_are_traced_with_their_stages_and_status(tmp_path: Path, collector: Collector) -> None:
    home, metrics = worlds.home_in(tmp_path), Metrics(CollectorRegistry())
    watch, port = Spans(collector.url, 0.0), ports.free()[0]
    beside = door("127.0.0.1", port, metrics, watch)
    app = rest.app(lambda: serving.service(home, metrics), metrics, exposition(), beside, watch=watch)
    said = [("traceparent", f"00-{TRACE}-{CALLER}-01"), ("x-request-id", "mine")]
    with TestClient(app), grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        grpc.channel_ready_future(channel).result(timeout=20)
        stub = foryou_pb2_grpc.RecommenderStub(channel)
        stub.Recommend(pb.RecommendRequest(user_id="ann", deadline_ms=60_000), metadata=said)
        both = [pb.RecommendRequest(user_id=user, deadline_ms=60_000) for user in ("bob", "cem")]
        stub.BatchRecommend(pb.BatchRecommendRequest(requests=both), metadata=said[:1])
        with pytest.raises(grpc.RpcError):
            stub.Similar(pb.SimilarRequest(), metadata=said[:1])
        stub.Recommend(pb.RecommendRequest(user_id="dan"))  # nobody follows this one
    by_name = {span.name: span for span in collector.spans if span.name.startswith("gRPC")}
    assert set(by_name) == {f"gRPC Recommender.{name}" for name in ("Recommend", "BatchRecommend", "Similar")}
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    one = by_name["gRPC Recommender.Recommend"]
    assert one.parent_span_id.hex() == CALLER
    told = {one.key: one.value for one in one.attributes}
    assert (told["rpc.grpc.status_code"].int_value, told["foryou.request_id"].string_value) == (0, "mine")
    inside = {span.name for span in collector.spans if span.parent_span_id == one.span_id}
    assert inside == {"batch"}
    assert any(span.parent_span_id == by_name["gRPC Recommender.BatchRecommend"].span_id for span in collector.spans)
    wrong = {one.key: one.value for one in by_name["gRPC Recommender.Similar"].attributes}
    assert wrong["rpc.grpc.status_code"].int_value == grpc.StatusCode.INVALID_ARGUMENT.value[0]


def test_nobody_watches_unless_somebody_is_to_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert serving.spans(config.load(tmp_path, {})) is None
    monkeypatch.setitem(sys.modules, "foryou.observe.spans", None)
    wanted = config.load(tmp_path, {}, observe={"otlp_endpoint": "http://127.0.0.1:1"})
    with pytest.raises(Invalid, match=r"observe.otlp_endpoint: no OpenTelemetry here .*pip install 'foryou\[otel\]'"):
        serving.spans(wanted)
