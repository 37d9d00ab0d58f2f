"""Which requests are looked at closely? Those that are sampled: what happened to them is noted, and sent later."""

import time
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from foryou.domain.slate import Trace

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Batched:
    """The batch that answered a query: when it ended (ns since 1970), what happened in it, and who answered."""

    ended_ns: int
    trace: Trace
    placement: str
    bundle: str
    queries: int


@dataclass(slots=True)
class Watched:
    """A request that is looked at. parent: trace and span of the caller, in hexadecimal, "" = it begins here."""

    parent: tuple[str, str] = ("", "")
    began_ns: int = field(default_factory=time.time_ns)
    batches: list[Batched] = field(default_factory=list)

    def note(self, trace: Trace, placement: str, bundle: str, queries: int) -> None:
        """Note the batch that has just answered a query of this request."""
        self.batches.append(Batched(time.time_ns(), trace, placement, bundle, queries))


class Watch(Protocol):
    """Who chooses requests and sends what was noted."""

    def begin(self, headers: Headers) -> Watched | None:
        """Give what to note in, None = this request is not looked at."""
        ...

    def end(self, watched: Watched, name: str, status: int, request_id: str, called: bool = False) -> None:
        """Send what was noted of a request, soon; never waits. called: over gRPC, whose status this is."""
        ...

    def close(self) -> None:
        """Send what waits."""
        ...


WATCHED: ContextVar[Watched | None] = ContextVar("watched", default=None)  # the request that is being answered
