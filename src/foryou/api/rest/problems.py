"""What does the caller see when something goes wrong? Every error becomes a problem document (RFC 9457) here."""

import logging
from http import HTTPStatus

import msgspec
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from foryou.api.schema import Problem, ProblemPart
from foryou.domain.errors import Conflict, ForyouError, Invalid, NotFound, Unavailable
from foryou.observe.said import with_fields

MEDIA_TYPE = "application/problem+json"
_KINDS: tuple[tuple[type[ForyouError], int, str], ...] = (
    (Invalid, 400, "invalid"),
    (NotFound, 404, "not_found"),
    (Conflict, 409, "conflict"),
    (Unavailable, 503, "unavailable"),
)
_RETRY = {"retry-after": "1"}
_ROUTING = {
    404: ("unknown_route", "There is no {path}; GET /docs lists the routes"),
    405: ("method_not_allowed", "{method} is not possible on {path}; use {allow}"),
}
_log = logging.getLogger(__name__)


def translate(request: Request[object, object, State], error: Exception) -> Response[bytes]:
    """Give the answer to an error. What is not the caller's fault is logged with the id of the request."""
    if isinstance(error, HTTPException):
        return _from_litestar(request, error)
    for kind, status, code in _KINDS:
        if isinstance(error, kind):
            parts = [part_of(error.where, told(error))] if isinstance(error, Invalid) else []
            detail = f"{error.where or 'body'}: {told(error)}" if isinstance(error, Invalid) else str(error)
            return _response(status, code, detail, parts, _RETRY if status == 503 else {})
    name = request.scope["state"]["request_id"]
    _log.error(
        "request %s failed: %s %s", name, request.method, request.scope["path"], exc_info=error,
        extra=with_fields(request_id=name),
    )  # fmt: skip
    return _response(500, "internal", f"Something went wrong here; the log has it under request {name}")


def told(error: Invalid) -> str:
    """Give what is wrong and how to mend it, without the field."""
    return f"{error.what}; {error.mend}" if error.mend else error.what


def part_of(where: str, detail: str) -> ProblemPart:
    """Give the part of a problem that names a field: `where` is a path of names, empty for the whole body."""
    return ProblemPart(f"/{where}" if where else "", f"invalid_{where.partition('/')[0] or 'body'}", detail)


def _from_litestar(request: Request[object, object, State], error: HTTPException) -> Response[bytes]:
    """Give the answer to an error that was raised before or around the routes."""
    code, detail = _ROUTING.get(error.status_code, ("", ""))
    headers = dict(error.headers or {})
    detail = detail.format(path=request.scope["path"], method=request.method, allow=headers.get("allow", ""))
    return _response(error.status_code, code or _code(error.status_code), detail or error.detail, headers=headers)


def _code(status: int) -> str:
    return {413: "too_large"}.get(status, HTTPStatus(status).phrase.lower().replace(" ", "_"))


def _response(
    status: int, code: str, detail: str, parts: list[ProblemPart] | None = None, headers: dict[str, str] | None = None
) -> Response[bytes]:
    problem = Problem("about:blank", HTTPStatus(status).phrase, status, detail, code, parts or [])
    return Response(
        msgspec.json.encode(problem),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers={"cache-control": "no-store", **(headers or {})},
    )
