"""What happens to every call? It is counted and timed, its deadline is read, and its errors become statuses."""

import logging
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2

from foryou.domain.errors import Conflict, ForyouError, Invalid, NotFound, Unavailable
from foryou.observe.metrics import Metrics
from foryou.observe.watching import WATCHED, Watch

T = TypeVar("T")
RETRY_S = 1
RESERVED = 0.1  # share of the time that is left to a call which its way back may take
MAX_DEADLINE_MS = 60_000
REQUEST_ID, MAX_ID_BYTES = b"x-request-id", 128
_DETAILS = "grpc-status-details-bin"
_KINDS: tuple[tuple[type[ForyouError], grpc.StatusCode], ...] = (
    (Invalid, grpc.StatusCode.INVALID_ARGUMENT),
    (NotFound, grpc.StatusCode.NOT_FOUND),
    (Conflict, grpc.StatusCode.ABORTED),
    (Unavailable, grpc.StatusCode.UNAVAILABLE),
)
_log = logging.getLogger(__name__)


class Calls:
    """Runs the body of each call. watch: who looks at some of them closely, such as those whose caller does."""

    def __init__(self, metrics: Metrics, watch: Watch | None = None) -> None:
        self._metrics, self._watch = metrics, watch

    async def __call__(self, name: str, context: Any, body: Callable[[], Awaitable[T]]) -> T:
        """Give what the body gives; its error as a status with details (google.rpc), and count the call either way."""
        started, code = time.perf_counter(), grpc.StatusCode.CANCELLED
        watched = self._watch.begin(_headers(context)) if self._watch else None
        token = WATCHED.set(watched)
        try:
            answer = await body()
            code = grpc.StatusCode.OK
        except Exception as error:  # noqa: BLE001 - whatever it was, the caller is told
            code, status = status_of(error)
            if code is grpc.StatusCode.INTERNAL:
                _log.error("call %s failed", name, exc_info=error)
        finally:
            WATCHED.reset(token)
            if watched and self._watch:
                self._watch.end(watched, f"gRPC {name}", code.value[0], called_id(context), called=True)
            self._metrics.requests.labels(f"gRPC {name}", code.name).inc()
            self._metrics.latency.labels(f"gRPC {name}").observe((time.perf_counter() - started) * 1e3)
        if code is not grpc.StatusCode.OK:
            await context.abort(code, status.message, ((_DETAILS, status.SerializeToString()),))
        return answer


def _headers(context: Any) -> list[tuple[bytes, bytes]]:
    """Give what the caller said beside the message, as the headers of REST are."""
    said = [(name, value) for name, value in context.invocation_metadata() or ()]
    return [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in said]


def called_id(context: Any) -> str:
    """Give the name that the caller gave the call, `x-request-id`, or a new one."""
    for name, value in _headers(context):
        if name == REQUEST_ID and 0 < len(value) <= MAX_ID_BYTES:
            return value.decode("ascii", "replace")
    return os.urandom(12).hex()


def status_of(error: Exception) -> tuple[grpc.StatusCode, Any]:
    """Give the code of an error and the status that says it: with the field, or when to try again."""
    code = next((code for kind, code in _KINDS if isinstance(error, kind)), grpc.StatusCode.INTERNAL)
    said = str(error) if isinstance(error, ForyouError) else "Something went wrong here; the log has it"
    status = status_pb2.Status(code=code.value[0], message=said)
    if isinstance(error, Invalid):
        what = f"{error.what}; {error.mend}" if error.mend else error.what
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.where.replace("/", "."), description=what)
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    elif isinstance(error, Unavailable):
        wait = duration_pb2.Duration(seconds=RETRY_S)
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=wait))
    return code, status


def deadline_ms(context: Any, asked: int | None, usual: int) -> int:
    """Give the ms that an answer may take: what was asked for or is usual, and no more than the call has left."""
    left_s = context.time_remaining()
    wanted = asked or usual
    return wanted if left_s is None else max(1, min(wanted, MAX_DEADLINE_MS, int(left_s * (1 - RESERVED) * 1e3)))
