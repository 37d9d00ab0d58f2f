"""How is an answer written? JSON bytes straight from the wire struct, without anything of Litestar in between."""

from collections.abc import Sequence

import msgspec
from litestar.types import Receive, Scope, Send

PUBLIC = (b"cache-control", b"public, max-age=60")  # without personal context: a cache may share it
PRIVATE = (b"cache-control", b"private, no-store")
FRESH = (b"cache-control", b"no-cache")  # a cache asks again each time
JSON = "application/json"
_encoder = msgspec.json.Encoder()


class Reply:
    """An answer as an ASGI application."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, body: bytes, *headers: tuple[bytes, bytes], status: int = 200, media_type: str = JSON) -> None:
        self._body, self._status = body, status
        self._headers: Sequence[tuple[bytes, bytes]] = (
            (b"content-type", media_type.encode()), (b"content-length", b"%d" % len(body)), *headers,
        )  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send status, headers and body."""
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


def reply(what: object, caching: tuple[bytes, bytes] = PRIVATE, status: int = 200, vary: bytes = b"") -> Reply:
    """Give the answer that says this in JSON. vary: the request's header on which it depends."""
    headers = (caching, (b"vary", vary)) if vary else (caching,)
    return Reply(_encoder.encode(what), *headers, status=status)
