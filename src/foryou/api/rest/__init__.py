"""How do HTTP requests reach the service? The routes, each subject in a file beside this one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import cast

from litestar import Litestar, route
from litestar.datastructures import State
from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, HTTPScope, LifeSpanReceive, LifeSpanScope, LifeSpanSend, Receive, Scope, Send

from foryou.api.rest import events, experiments, items, lists, models, onboarding, pages, recommendations, users, web
from foryou.api.rest.door import Door
from foryou.api.rest.front import Front
from foryou.api.rest.openapi import document
from foryou.api.rest.problems import translate
from foryou.api.rest.reading import Request
from foryou.api.rest.writing import Reply
from foryou.api.service import Service
from foryou.observe.metrics import Metrics
from foryou.observe.watching import Watch

__all__ = ["app"]

ROUTES = (*recommendations.ROUTES, *events.ROUTES, *items.ROUTES, *lists.ROUTES, *experiments.ROUTES,
          *models.ROUTES, *users.ROUTES, *onboarding.ROUTES, *pages.ROUTES, *web.ROUTES)  # fmt: skip
PATHS = sorted({path for one in ROUTES for path in one.paths})


@route(PATHS, http_method=HttpMethod.OPTIONS)
async def options(request: Request) -> ASGIApp:
    """Say which methods a path has."""  # Litestar's own answer knows only those of the first route with this path
    here = [one for one in request.app.routes if one.path_format == request.scope["path_template"]]
    methods = sorted({method for one in here for method in getattr(one, "methods", ())})
    return Reply(b"", (b"allow", ", ".join(methods).encode()), status=204)


class Application(Litestar):
    """The routes, and before them the front, which asks nothing of the framework."""

    front: Front

    async def __call__(
        self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend
    ) -> None:
        """Answer a request."""
        if scope["type"] == ScopeType.HTTP and await self.front.answered(cast(HTTPScope, scope), cast(Send, send)):
            return
        await super().__call__(scope, receive, send)


def app(
    make_service: Callable[[], Service],
    metrics: Metrics,
    exposition: Callable[[], bytes],
    beside: Callable[[Service], AbstractAsyncContextManager[None]] = lambda _: nullcontext(),
    watch: Watch | None = None,
    told: str = "off",
) -> Litestar:
    """Give the ASGI application. It makes its service at start-up, in the event loop, and closes it at shutdown.

    beside: another door to the same service, open as long as this one; watch, told: see `Door`.
    """

    @asynccontextmanager
    async def serving(started: Litestar) -> AsyncIterator[None]:
        started.state.service = litestar.front.service = service = make_service()
        try:
            async with beside(service):
                yield
        finally:
            await asyncio.to_thread(service.close)
            started.state.meters.shutdown(wait=False)
            if watch:
                await asyncio.to_thread(watch.close)

    litestar = Application(
        (options, *ROUTES),  # options first: it would find the place taken
        lifespan=[serving],
        state=State({"exposition": exposition}),
        exception_handlers={Exception: translate},
        # Turned off: what Litestar would do here is done by the files beside this one, or costs time and is not needed.
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,
        debug=False,
        pdb_on_exception=False,
    )
    litestar.state.document = document(litestar.routes)
    litestar.state.meters = ThreadPoolExecutor(1, "meters")  # its own: events that wait for the log fill the usual one
    litestar.asgi_handler = door = Door(litestar.asgi_handler, metrics, watch, told)
    litestar.front = Front(door)
    return litestar
