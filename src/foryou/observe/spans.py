"""Where did one answer spend its time? Sampled requests become OpenTelemetry spans, once they are answered.

Needs the extra `otel`. Spans are made from the Trace that the pipeline gives anyway; the hot path knows none.
"""

import random
import re

from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue

from foryou.observe.watching import Batched, Headers, Watched

TRACEPARENT = b"traceparent"
_FORM = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1
_HTTP = "http.response.status_code"
FAILED = {2, 4, 12, 13, 14, 15}  # of gRPC: unknown, deadline, not implemented, internal, unavailable, lost


class Spans:
    """Watches a share of the requests (0..1), and those whose caller says `sampled` (W3C Trace Context)."""

    def __init__(self, endpoint: str, share: float) -> None:
        """Send to an OTLP collector over HTTP: `endpoint` is its address, such as http://127.0.0.1:4318."""
        self._share = share
        self._provider = TracerProvider(sampler=ALWAYS_ON, resource=Resource.create({"service.name": "foryou"}))
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("foryou")

    def begin(self, headers: Headers) -> Watched | None:
        """Give what to note in; a caller that has decided is followed either way, else chance decides."""
        for name, value in headers:
            if name == TRACEPARENT and (found := _FORM.fullmatch(value)):
                sampled = int(found[3], 16) & _SAMPLED
                return Watched((found[1].decode(), found[2].decode())) if sampled else None
        return Watched() if random.random() < self._share else None

    def end(self, watched: Watched, name: str, status: int, request_id: str, called: bool = False) -> None:
        """Make the spans: the request, in it the batches that answered, in those their stages one after another.

        called: over gRPC, whose status this is.
        """
        key, failed = ("rpc.grpc.status_code", status in FAILED) if called else (_HTTP, status >= 500)
        attributes: dict[str, AttributeValue] = {key: status, "foryou.request_id": request_id}
        whole = self._tracer.start_span(
            name, _parent(watched), SpanKind.SERVER, attributes, start_time=watched.began_ns
        )
        if failed:
            whole.set_status(Status(StatusCode.ERROR))
        inside = otel.set_span_in_context(whole)
        for one in watched.batches:
            self._batch(one, inside)
        whole.end()

    def _batch(self, one: Batched, inside: Context) -> None:
        at_ns = one.ended_ns - sum(round(ms * 1e6) for _, ms, _ in one.trace.stages)
        attributes: dict[str, AttributeValue] = {
            "foryou.placement": one.placement, "foryou.bundle": one.bundle, "foryou.queries": one.queries,
            "foryou.fallbacks": tuple(one.trace.fallbacks),
        }  # fmt: skip
        batch = self._tracer.start_span("batch", inside, attributes=attributes, start_time=at_ns)
        within = otel.set_span_in_context(batch)
        for stage, ms, kept in one.trace.stages:
            span = self._tracer.start_span(stage, within, attributes={"foryou.kept": kept}, start_time=at_ns)
            at_ns += round(ms * 1e6)
            span.end(at_ns)
        batch.end(one.ended_ns)

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


def _parent(watched: Watched) -> Context:
    trace_id, span_id = watched.parent
    if not trace_id:
        return Context()
    parent = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(_SAMPLED))
    return otel.set_span_in_context(NonRecordingSpan(parent), Context())
