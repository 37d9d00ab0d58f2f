"""Who uses a server when nobody is there? Visitors of a simulated world: they ask, click, search, and items appear.

Visits begin at a constant rate whatever the answers do; each is one thread's work for as long as it lasts. The world's
time is the wall clock's, its visitors and items those of the market; the times between two lists are left out.
"""

import http.client
import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock, local
from typing import Any
from urllib.parse import urlsplit

import msgspec
import numpy as np

from foryou.domain.clock import HOUR_MS
from foryou.domain.errors import Invalid, Unavailable
from foryou.domain.event import Event
from foryou.simulate.goods import item_id, item_number
from foryou.simulate.market import Market, Visits
from foryou.simulate.people import user_id
from foryou.simulate.shopping import Life, Page, led_in, respond
from foryou.simulate.told import Teller

THREADS = 8
TIMEOUT_S = 10.0
LENGTH = 12
NEW_ITEM_EVERY = 50  # visits: then an item appears that nobody has seen
_SENT = ("event_id", "user_id", "action", "item_id", "value", "unit", "query", "session_id", "recommendation_id",
         "position", "context")  # fmt: skip


@dataclass(slots=True)
class Tally:
    """What happened so far."""

    visits: int = 0
    lists: int = 0
    shown: int = 0
    clicks: int = 0
    events: int = 0
    rejected: int = 0
    searches: int = 0
    new_items: int = 0
    new_items_shown: int = 0
    failed: int = 0
    late: int = 0  # visits that began more than a second after their time
    latency_ms: list[float] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)

    def told(self, seconds: float) -> dict[str, Any]:
        """Give it as figures."""
        found = {name: getattr(self, name) for name in self.__slots__ if name not in ("latency_ms", "problems")}
        quantiles = {
            f"p{q}_ms": round(float(np.quantile(self.latency_ms, q / 100)), 2) for q in (50, 99) if self.latency_ms
        }
        ctr = round(self.clicks / max(1, self.shown), 4)
        return found | {"ctr": ctr, "seconds": round(seconds, 1)} | quantiles | {"problems": dict(self.problems)}


class Driver:
    """Sends the visitors of a market to a server. The answer to every visit is worked out as in the market."""

    def __init__(self, market: Market, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise Invalid("--server", f"{url!r} is no http address", "say http://127.0.0.1:8000")
        self._market, self._host, self._port = market, parts.hostname, parts.port or 80
        self._teller, self._life, self._lock = Teller(market), Life.begin(market), Lock()
        self._thread, self.tally = local(), Tally()
        self._connections: list[http.client.HTTPConnection] = []
        self._known = self._base = market.items_at(market.now_ms)
        self._started_ms = _now_ms()

    def furnish(self, on_progress: Callable[[str, int, int], None]) -> None:
        """Put all items and profiles of the market on the server, for one that does not know them."""
        users = self._market.users_at(self._market.now_ms)
        for item in range(self._base):
            self._put_item(item)
            on_progress("items", item + 1, self._base)
        for user in range(users):
            change = self._market.people.change(user)
            body = {name: getattr(change, name) for name in ("age", "gender", "location")}
            self._call("PUT", f"/v1/users/{change.user_id}", body)
            on_progress("users", user + 1, users)

    def drive(self, rate: float, seconds: float, on_progress: Callable[[str, int, int], None]) -> dict[str, Any]:
        """Send `rate` visits a second for so many seconds; gives the tally, also when stopped by Ctrl-C."""
        start, number, total = time.perf_counter(), 0, int(rate * seconds)
        with ThreadPoolExecutor(THREADS) as pool:
            try:
                while number < total:
                    ahead = start + number / rate - time.perf_counter()
                    if ahead > 0:
                        time.sleep(min(ahead, 0.2))
                        continue
                    pool.submit(self._visit, number, start + number / rate)
                    number += 1
                    on_progress("visits", number, total)
            except KeyboardInterrupt:
                pool.shutdown(cancel_futures=True)
        return self.tally.told(time.perf_counter() - start)

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.close()

    def _visit(self, number: int, planned: float) -> None:
        """Live through one visit; what goes wrong is counted, and the next visitor comes anyway."""
        self.tally.late += time.perf_counter() - planned > 1
        try:
            if number % NEW_ITEM_EVERY == NEW_ITEM_EVERY - 1:
                self._appear()
            visits = self._came(number)
            self.tally.visits += 1
            with self._lock:
                link = led_in(self._market, self._life, visits)
            self._tell([*self._teller.actions(*link), *self._teller.searches(visits)])
            for page in range(int(visits.pages[0])):
                self._list(visits, page)
        except Unavailable as problem:
            self.tally.failed += 1
            self.tally.problems[str(problem)[:80]] += 1

    def _came(self, number: int) -> Visits:
        """Give the visitor: drawn as the market draws them at this hour, with a number that no visit had before."""
        now_ms = _now_ms()
        rates = np.cumsum(self._market.rates(now_ms // HOUR_MS * HOUR_MS))
        named = np.array([self._started_ms * 1_000 + number])
        draw = np.random.default_rng((self._market.seed, self._started_ms, number)).random(1)
        return self._market.arriving(named, np.searchsorted(rates, draw * rates[-1]), np.array([now_ms]))

    def _list(self, visits: Visits, number: int) -> None:
        user, session = user_id(int(visits.user[0])), self._teller.session(visits, 0)
        begun = time.perf_counter()
        context = {"device": self._teller.context(visits, 0)["device"]}
        ask = {"user_id": user, "session_id": session, "num_results": LENGTH, "context": context}
        answer = self._call("POST", "/v1/recommendations", ask)
        taken_ms = (time.perf_counter() - begun) * 1e3
        item = np.array([[item_number(one["item_id"]) for one in answer["items"]]], np.int32)
        item[item >= len(self._market.goods)] = -1
        now_ms = np.array([_now_ms()])
        page = Page(visits, np.array([number], np.int16), now_ms, item)
        with self._lock:
            response = respond(self._market, self._life, page)
        tally = self.tally
        tally.latency_ms.append(taken_ms)
        tally.lists, tally.shown = tally.lists + 1, tally.shown + int((item >= 0).sum())
        tally.clicks += int(response.clicked.sum())
        tally.new_items_shown += int((item >= self._base).sum())
        self._tell(list(self._teller.actions(page, response, [answer["recommendation_id"]])))

    def _tell(self, events: list[Event]) -> None:
        if not events:
            return
        self.tally.searches += sum(event.query != "" for event in events)
        body = [
            {name: value for name in _SENT if (value := getattr(event, name)) not in (None, "")} for event in events
        ]
        answer = self._call("POST", "/v1/events", body)
        self.tally.events += answer["accepted"]
        self.tally.rejected += len(answer["rejected"])

    def _appear(self) -> None:
        with self._lock:
            item, self._known = self._known, self._known + 1
        if item < len(self._market.goods):
            self._put_item(item)
            self.tally.new_items += 1

    def _put_item(self, item: int) -> None:
        body = msgspec.to_builtins(self._market.goods.change(item))
        for name in ("item_id", "op", "received_ms"):
            del body[name]
        body["published_ms"] = min(int(self._market.goods.published_ms[item]), _now_ms())
        self._call("PUT", f"/v1/items/{item_id(item)}", body)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the server over this thread's connection. Raises Unavailable."""
        connection = getattr(self._thread, "connection", None)
        if connection is None:
            connection = self._thread.connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
            self._connections.append(connection)
        try:
            head = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, None if body is None else json.dumps(body), head)
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unavailable(f"http://{self._host}:{self._port} does not answer: {error!r}") from error
        if not 200 <= answer.status < 300:
            raise Unavailable(f"{method} {path.split('?')[0]} was answered with status {answer.status}")
        return json.loads(said) if said else {}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
