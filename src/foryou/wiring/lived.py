"""What would have happened? Homes live through the days of a simulated world, arm beside arm, and are compared.

No A/B test in life can do what a simulated one can: each user lives in every arm at once, with the same visits and the
same luck, so that arms differ by what they show and by nothing else.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from foryou.api.answers import exposure
from foryou.config import Config
from foryou.domain.bundle import Gate
from foryou.domain.clock import DAY_MS, HOUR_MS, Clock
from foryou.domain.event import Event, hash64
from foryou.domain.item import ItemChange
from foryou.domain.log import Stream
from foryou.domain.records import UserChange
from foryou.domain.slate import Answer, Query, View
from foryou.ingest.codec import event_record, exposure_record, item_record, user_record
from foryou.simulate.goods import item_number
from foryou.simulate.history import back, gone
from foryou.simulate.market import Market, Visits
from foryou.simulate.people import user_id
from foryou.simulate.shopping import PAGE_MS, Page, Response, led_in, respond
from foryou.simulate.told import Teller
from foryou.wiring import training
from foryou.wiring.home import Home, open_home
from foryou.wiring.simulated import Progress, Settled, append, settle

LIVE, DAILY, FROZEN = "live", "daily", "frozen"
ARMS = (LIVE, DAILY, FROZEN)
TOGETHER = 32  # requests answered in one batch, of different users
TOGETHER_MS = 900_000  # and within such a time: they see the same trends
REFRESH_MS = 300_000  # world time between two looks at trends; a running server looks more often
LEASE_MS = 10**10  # nobody else folds these homes


@dataclass(frozen=True, slots=True)
class Asked:
    """Q lists shown by one arm at one moment and what the visitors did; the rows of all arms go together.

    degraded, categories, sources  per list    cold  bool [Q] the user had no action on an item in the arm's records
    personal  int8 [Q] of cold ones: 1 = the list differs from what a nameless visitor gets, 0 = it does not, -1 = warm
    """

    page: Page
    response: Response
    answers: list[Answer]
    cold: list[bool]
    personal: list[int]


class Side:
    """One arm: a home of its own that lives through the days of the world.

    live    events go into the records at once     daily  records and trends are those of the last midnight
    frozen  records and trends stay those of the training; the catalog is followed by all
    """

    def __init__(self, name: str, home: Home, market: Market, settled: Settled, k: int) -> None:
        self.name, self.home, self.market, self.k = name, home, market, k
        self.life, self._acted = settled.life.copy(), set(settled.acted)
        self._worker, self._live, self._teller = self.home.worker(), self.home.live(), Teller(self.market)
        self._worker.lease()
        self._seen_ms = self.market.now_ms  # the moment that records and trends are of
        self._live.refresh(self._seen_ms)

    def hear(self, items: list[ItemChange], users: list[UserChange], events: list[Event]) -> None:
        """Take in what happened; when it becomes visible depends on the arm."""
        append(self.home, Stream.ITEMS, [item_record(change) for change in items])
        append(self.home, Stream.USERS, [user_record(change) for change in users])
        append(self.home, Stream.EVENTS, [event_record(event) for event in events])
        if self.name == LIVE:
            self._worker.step()
            self._acted.update(event.user_id for event in events if event.item_id)

    def look(self, now_ms: int, items: bool) -> None:
        """Let time pass: trends and, where `items` says that there are new ones, the catalog."""
        if self.name == LIVE and now_ms - self._seen_ms >= REFRESH_MS:
            self._seen_ms = now_ms
            self._live.refresh(now_ms)
        elif self.name == DAILY and now_ms // DAY_MS > self._seen_ms // DAY_MS:
            self._seen_ms = now_ms // DAY_MS * DAY_MS
            self._worker.catch_up()
            self._live.refresh(self._seen_ms)
        elif items:
            self._live.refresh(self._seen_ms)

    def show(self, visits: Visits, number: NDArray[np.int16], at_ms: NDArray[np.int64]) -> Asked:
        """Ask for one list per visit, let the visitors respond, and hear of what they do."""
        users = [user_id(user) for user in visits.user.tolist()]
        cold = [user not in self._acted for user in users]
        queries = [self._query(visits, row, int(at_ms[row])) for row in range(len(users))]
        answers = self._run(queries)
        personal = self._personal(queries, answers, cold)
        item = np.full((len(users), self.k), -1, np.int32)
        for row, answer in enumerate(answers):
            item[row, : len(answer.items)] = [item_number(shown.item_id) for shown in answer.items]
        page = Page(visits, number, at_ms, item)
        stocked = self.life.left[np.maximum(item, 0)] > 0
        response = respond(self.market, self.life, page)
        sold = item[stocked & (self.life.left[np.maximum(item, 0)] <= 0) & (item >= 0)]
        append(self.home, Stream.EXPOSURES, [
            exposure_record(exposure(self._teller.recommendation(page, row), "home", queries[row], answer))
            for row, answer in enumerate(answers)
        ])  # fmt: skip
        self.hear(gone(sold, int(at_ms[-1])), [], list(self._teller.actions(page, response)))
        if len(sold):
            self.look(int(at_ms[-1]), True)
        return Asked(page, response, answers, cold, personal)

    def ask(self, user: str, now_ms: int) -> list[str]:
        """Give the ids that a user would be shown at a moment, without showing them."""
        query = Query(user_id=user, k=self.k, now_ms=now_ms, seed=hash64(f"{user}:{now_ms}"), explain=False)
        return [item.item_id for item in self._run([query])[0].items]

    def view(self) -> View:
        """Give what the arm knows of items and trends."""
        return self._live.arm_for("").view

    def begin(self, visits: Visits) -> None:
        """Hear of searches and of links from outside, before the first list of these visits."""
        link = led_in(self.market, self.life, visits)
        self.hear([], [], [*self._teller.actions(*link), *self._teller.searches(visits)])

    def _query(self, visits: Visits, row: int, now_ms: int) -> Query:
        user, context = user_id(int(visits.user[row])), self._teller.context(visits, row)
        return Query(
            user_id=user, k=self.k, now_ms=now_ms, seed=hash64(f"{user}:{now_ms}"), explain=False,
            session_id=self._teller.session(visits, row), device=context["device"], location=context["location"],
        )  # fmt: skip

    def _run(self, queries: list[Query]) -> list[Answer]:
        pipeline = self._live.arm_for("").pipelines["home"]
        return pipeline.run(queries)[0]

    def _personal(self, queries: list[Query], answers: list[Answer], cold: list[bool]) -> list[int]:
        """Say of each cold user whether a nameless visitor would have got another list."""
        found, rows = [-1] * len(queries), [row for row, one in enumerate(cold) if one]
        if rows:
            nameless = self._run([replace(queries[row], user_id="") for row in rows])
            for row, other in zip(rows, nameless, strict=True):
                found[row] = int([a.item_id for a in answers[row].items] != [b.item_id for b in other.items])
        return found

    def close(self) -> None:
        """Stop, and let go of the stores."""
        self._worker.release()
        self.home.close()


@dataclass(frozen=True, slots=True)
class Trial:
    """The arms, ready to live on from the present of the market; `gate` is the verdict on the bundle of all of them."""

    base: Config  # of the home that was trained, from which those of the arms are copied
    market: Market
    sides: list[Side]
    gate: Gate
    settled: Settled
    train_s: dict[str, float]

    def close(self) -> None:
        """Let go of all homes."""
        for side in self.sides:
            side.close()

    def again(self, folder: Path) -> "Trial":
        """Give the same arms at the same present once more, with homes under another folder."""
        return replace(self, sides=_sides(self.base, self.market, self.settled, folder, self.sides[0].k))


def prepared(config: Config, market: Market, folder: Path, k: int, on_progress: Progress) -> Trial:
    """Write the history into a home under `folder`, train on it as `foryou train` does, and copy the home per arm."""
    base = _config(config, market, folder / "base")
    home = open_home(base)
    settled = settle(home, market, on_progress)
    worker = home.worker()
    worker.lease()
    worker.catch_up(lambda done, total: on_progress("fold", done, total))
    worker.release()
    trained = training.train(home, on_progress, force=True)
    home.close()
    sides = _sides(base, market, settled, folder, k)
    return Trial(base, market, sides, trained.manifest.gate, settled, trained.seconds)


def _sides(base: Config, market: Market, settled: Settled, folder: Path, k: int) -> list[Side]:
    sides = []
    for name in ARMS:
        shutil.copytree(base.home, folder / name)
        sides.append(Side(name, open_home(msgspec.structs.replace(base, home=str(folder / name))), market, settled, k))
    return sides


def _config(config: Config, market: Market, folder: Path) -> Config:
    serve = msgspec.structs.replace(config.serve, clock_offset_ms=market.now_ms - Clock().now_ms())
    fold = msgspec.structs.replace(config.fold, lease_ms=LEASE_MS)
    return msgspec.structs.replace(config, home=str(folder), serve=serve, fold=fold)


def days(
    trial: Trial, count: int, on_progress: Progress, before: Callable[[Visits], None] = lambda visits: None
) -> Iterator[dict[str, Asked]]:
    """Let the arms live through so many days; gives what each showed and what came of it, batch by batch.

    `before` is told of the visits of a batch just before its lists are shown.
    """
    market = trial.market
    first = -(-market.now_ms // HOUR_MS)
    told = market.items_at(market.now_ms), market.users_at(market.now_ms)
    for hour in range(first, first + 24 * count):
        there = market.items_at(hour * HOUR_MS), market.users_at(hour * HOUR_MS)
        new_items = [market.goods.change(item) for item in range(told[0], there[0])]
        new_users = [market.people.change(user) for user in range(told[1], there[1])]
        told = there
        for side in trial.sides:
            items = new_items + back(side.life.delivered(market, hour), hour)
            side.hear(items, new_users, [])
            side.look(hour * HOUR_MS, bool(items))
        for visits, number, at_ms in _batches(market.visits(hour)):
            for side in trial.sides:
                side.look(int(at_ms[0]), False)
                side.begin(visits.where(number == 0))
            before(visits)
            yield {side.name: side.show(visits, number, at_ms) for side in trial.sides}
        on_progress("live", hour + 1 - first, 24 * count)


def _batches(visits: Visits) -> Iterator[tuple[Visits, NDArray[np.int16], NDArray[np.int64]]]:
    """Give the lists of an hour's visits in the order of time, each batch of different users and within TOGETHER_MS."""
    row = np.repeat(np.arange(len(visits)), visits.pages)
    number = np.concatenate([np.arange(pages) for pages in visits.pages.tolist()] or [np.zeros(0)]).astype(np.int16)
    at_ms = visits.at_ms[row] + PAGE_MS * number.astype(np.int64)
    order = np.argsort(at_ms, kind="stable").tolist()
    batch: list[int] = []
    for place in order:
        full = len(batch) == TOGETHER or (batch and at_ms[place] - at_ms[batch[0]] > TOGETHER_MS)
        if full or row[place] in row[batch]:
            yield visits.where(row[batch]), number[batch], at_ms[batch]
            batch = []
        batch.append(place)
    if batch:
        yield visits.where(row[batch]), number[batch], at_ms[batch]
