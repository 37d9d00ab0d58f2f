"""What is answered before the web framework is asked? Strangers: with bytes that were made ahead, or with a 304."""

import time

import msgspec
from litestar.types import HTTPScope, Send

from foryou.api import schema
from foryou.api.answers import listed
from foryou.api.rest.door import REQUEST_ID, Door, request_id
from foryou.api.rest.problems import MEDIA_TYPE
from foryou.api.rest.reading import LANGUAGE, said_in
from foryou.api.rest.recommendations import RECOMMENDATIONS, SHORT, short_ask
from foryou.api.rest.writing import JSON, PUBLIC
from foryou.api.service import Service
from foryou.domain.errors import ForyouError
from foryou.serve.prepared import Kind, Page, Segment
from foryou.serve.wording import known_language

QUESTIONS = 4_096  # different query strings whose meaning is remembered
ENCODED = 1_024  # answers kept as bytes
CURSOR_S = 3_600.0  # after which an answer gets a new cursor: one lasts a day
TOO_MUCH = msgspec.json.encode(
    schema.Problem(
        "about:blank", "Service Unavailable", 503, "More is asked than can be answered in time; try again in a second",
        "unavailable", [],
    )
)  # fmt: skip
REFUSED = (
    (b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(TOO_MUCH)), (b"cache-control", b"no-store"),
    (b"retry-after", b"1"),
)  # fmt: skip
IF_NONE_MATCH = b"if-none-match"
Question = tuple[bytes, bytes]  # query string, Accept-Language
Meaning = tuple[Segment, Kind]
_encoder = msgspec.json.Encoder()


class Encoded:
    """A page as bytes."""

    __slots__ = ("body", "etag", "headers", "page", "turn", "until_s")

    def __init__(self, page: Page, cursor: str | None) -> None:
        self.page, self.until_s, self.turn = page, time.monotonic() + CURSOR_S, -1
        self.body, self.etag = _encoder.encode(listed(page, cursor)), f'"{page.name}"'.encode()
        self.headers = (
            (b"content-type", JSON.encode()), (b"content-length", b"%d" % len(self.body)), PUBLIC,
            (b"vary", LANGUAGE), (b"etag", self.etag),
        )  # fmt: skip


class Front:
    """Stands before the routes, with what it was given as `service`."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._meanings: dict[Question, Meaning | None] = {}
        self._encoded: dict[Meaning, Encoded] = {}
        self._ready: dict[Question, Encoded] = {}
        self.service: Service | None = None  # None: it has not begun

    async def answered(self, scope: HTTPScope, send: Send) -> bool:
        """Answer, if there is something ready, or too much is asked; else the routes must."""
        service, path = self.service, scope["path"]
        if service is None or path not in RECOMMENDATIONS:
            return False
        if scope["method"] == "GET":
            started = time.perf_counter()
            language = wanted = b""
            for name, value in scope["headers"]:
                if name == LANGUAGE:
                    language = language or value
                elif name == IF_NONE_MATCH:
                    wanted = value
            key = (scope["query_string"], language)
            found = self._ready.get(key)
            if found is None or found.turn != service.prepared.turn:
                found = self._found(service, key)
            if found is not None:
                watched = self._door.begun(scope)
                status = 304 if wanted and matches(wanted, found.etag) else 200
                name = await answer(scope, found, status, send)
                self._door.noted("GET", path, status, time.perf_counter() - started, watched, name)
                return True
        if service.refuses():
            watched = self._door.begun(scope)
            name = await refuse(scope, send)
            self._door.noted(scope["method"], path, 503, 0.0, watched, name)
            return True
        return False

    def _found(self, service: Service, key: Question) -> Encoded | None:
        turn = service.prepared.turn  # read first: what is made meanwhile is looked at again
        try:
            meaning = self._meanings[key]
        except KeyError:
            if len(self._meanings) >= QUESTIONS:
                self._meanings.clear()
            meaning = self._meanings[key] = self._meaning(service, *key)
        if meaning is None:
            return None
        page = service.prepared.page(*meaning)
        if page is None:
            return None
        found = self._encoded.get(meaning)
        if found is None or found.page is not page or found.until_s < time.monotonic():
            if len(self._encoded) >= ENCODED:
                self._encoded.clear()
            cursor = service.stranger_cursor(meaning[0].placement, page.answer)
            found = self._encoded[meaning] = Encoded(page, cursor)
        if len(self._ready) >= QUESTIONS:
            self._ready.clear()
        found.turn, self._ready[key] = turn, found
        return found

    def _meaning(self, service: Service, query: bytes, language: bytes) -> Meaning | None:
        """Give what is asked for, None where it is not the question of a stranger, or wrong: the routes say how."""
        try:
            ask = short_ask(said_in(query, SHORT))
            plain = schema.Ask(
                context=schema.Context(placement=ask.context.placement, device=ask.context.device),
                num_results=ask.num_results, language=ask.language, personalize=ask.personalize,
                deadline_ms=ask.deadline_ms,
            )  # fmt: skip
            if ask != plain:
                return None
            placement, k = service.placed(ask)
        except ForyouError:
            return None
        spoken = known_language(ask.language) or known_language(language.decode("latin-1"))
        return Segment(placement, ask.context.device), Kind(k, spoken)


async def answer(scope: HTTPScope, found: Encoded, status: int, send: Send) -> bytes:
    """Send the page, or only that it is still the same; gives the name of the request."""
    headers, body = (found.headers, found.body) if status == 200 else (found.headers[2:], b"")
    name = (REQUEST_ID, request_id(scope))
    await send({"type": "http.response.start", "status": status, "headers": (*headers, name)})
    await send({"type": "http.response.body", "body": body, "more_body": False})
    return name[1]


async def refuse(scope: HTTPScope, send: Send) -> bytes:
    """Say that this is too much, and when to come again; gives the name of the request."""
    headers = (*REFUSED, name := (REQUEST_ID, request_id(scope)))
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": TOO_MUCH, "more_body": False})
    return name[1]


def matches(wanted: bytes, etag: bytes) -> bool:
    """Say whether a header If-None-Match names this ETag (weak comparison, RFC 9110)."""
    return wanted == etag or wanted.strip() == b"*" or etag in wanted.replace(b"W/", b"").split(b", ")
