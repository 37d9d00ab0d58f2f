"""What did the system know at each of many moments? The log is folded once, and stops at every one of them."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from foryou.config import Config
from foryou.domain import catalog as catalogs
from foryou.domain.catalog import Catalog
from foryou.domain.clock import ManualClock
from foryou.domain.errors import Refused
from foryou.domain.event import Event
from foryou.domain.exposure import Exposure
from foryou.domain.lists import NO_LISTS, shelf
from foryou.domain.log import Entry, Position, Stream
from foryou.domain.records import Change, Places, Tallies, Trending, UserRecord
from foryou.domain.slate import Answer, QueryBatch, Slate, View
from foryou.domain.tried import NOT_TRIED
from foryou.features import trending
from foryou.features.fold import fold, fold_exposures, fold_profiles
from foryou.features.hydrate import Hydrate
from foryou.features.tallied import shown_tallies
from foryou.features.tried import tried
from foryou.ingest.codec import event_of, exposure_of, item_of, list_of, user_of
from foryou.serve.lists import followed
from foryou.serve.live import UNTRAINED, in_order
from foryou.serve.pipeline import Pipeline
from foryou.stores.features_sqlite import SqliteFeatures
from foryou.wiring.home import Home
from foryou.wiring.models import untrained
from foryou.wiring.past import Progress, asked_in, batches, experiments_of, known_in, pipelines_of
from foryou.wiring.pipelines import Pipelines

T = TypeVar("T")
NOWHERE: Places = (-1, -1, -1)


class Rewound:
    """Answers old questions anew, in the order in which trends and items moved on."""

    def __init__(self, home: Home, exposures: Sequence[Exposure], on_progress: Progress) -> None:
        self._home = home
        self.in_order = sorted(exposures, key=lambda one: (sum(one.trending.values()), one.trending_ms, one.now_ms))
        self._people = _People(home, exposures, on_progress)
        self._counts, self._tallied, self._catalogs = _Counts(home), _Counts(home), _Catalogs(home)
        self._pipelines: dict[tuple[str, int], Pipelines] = {}
        self._built: dict[object, dict[str, Pipeline]] = {}
        self._view: View | None = None
        self._seen: dict[str, NDArray[np.float32]] = {}

    def inputs(self, exposure: Exposure) -> dict[str, NDArray[np.float32]]:
        """Give what the ranker sees of every candidate: id -> float32 [F]. Raises NotFound if the bundle is gone."""
        self._seen = {}
        self.answer(exposure)
        return self._seen

    def answer(
        self, exposure: Exposure, config: Config | None = None, within: Callable[[Pipeline], Pipeline] = lambda one: one
    ) -> Answer:
        """Give the answer, without reasons, that its bundle gives now. Raises NotFound if that is gone.

        config: whose placements answer, where they are not the home's; within: gives what runs in a pipeline's stead.
        """
        self._people.until = known_in(exposure)
        self._view = view = self._look(exposure)
        pipeline = within(self._pipeline(exposure, config or self._home.config))
        pipeline.stages.prepare(view)
        return pipeline.run([replace(asked_in(exposure), explain=False)])[0][0]

    def actions(self, exposure: Exposure) -> int:
        """Give how many actions of the user were remembered then."""
        self._people.until = known_in(exposure)
        record = self._people.read([exposure.user_id])[0]
        return len(record.history) if record else 0

    def close(self) -> None:
        """Let go of the counters."""
        self._counts.close()
        self._tallied.close()

    def _pipeline(self, exposure: Exposure, config: Config) -> Pipeline:
        of = exposure.bundle, id(config)  # it lives as long as the pipelines, which hold it
        if of not in self._pipelines:
            named = exposure.bundle != UNTRAINED
            bundle = self._home.models.load(exposure.bundle) if named else untrained()
            hydrate = Hydrate(self._people, self._now)  # type: ignore[arg-type]
            self._pipelines[of] = Pipelines(bundle, config, hydrate, self._watch)
        known = of, exposure.experiment, tuple(sorted(exposure.experiments.items()))
        if known not in self._built:
            experiments = experiments_of(self._home, exposure)
            self._built[known] = self._pipelines[of](experiments, exposure.now_ms)
        return self._built[known][pipelines_of(exposure)[0]]

    def _now(self) -> View:
        assert self._view is not None
        return self._view

    def _watch(self, batch: QueryBatch, slate: Slate, inputs: NDArray[np.float32]) -> None:
        catalog = batch.view.catalog
        self._seen = {
            catalog.id_of(item): inputs[:, 0, place].copy() for place, item in enumerate(slate.item[0].tolist()) if item
        }

    def _look(self, exposure: Exposure) -> View:
        catalog, counts = self._catalogs.at(exposure), self._counts.at(exposure.trending)
        view = trending.view(catalog, counts, exposure.trending_ms, self._home.config.trend.half_life_h)
        events, exposures, at_ms = exposure.tallied
        return replace(
            view, shelf=shelf(followed(self._home.log, NO_LISTS, list_of, exposure.lists), catalog),
            tried=tried(catalog, self._tallied.tallies(events, exposures), at_ms) if at_ms else NOT_TRIED,
        )  # fmt: skip


class _People:
    """A FeatureStore's `read` at the places that `until` names; users are folded on from one read to the next."""

    def __init__(self, home: Home, exposures: Sequence[Exposure], on_progress: Progress) -> None:
        wanted = {name for exposure in exposures for name in known_in(exposure)}
        self._events = _own(home, Stream.EVENTS, wanted, event_of, on_progress)
        self._shown = _own(home, Stream.EXPOSURES, wanted, exposure_of, on_progress)
        self._profiles = _own(home, Stream.USERS, wanted, user_of, on_progress)
        self._held: dict[str, tuple[Places, UserRecord | None]] = {}
        self.until: dict[str, Places] = {}

    def read(self, users: list[str]) -> list[UserRecord | None]:
        """Give the records of these users as they were."""
        return [self._record(user, self.until.get(user, NOWHERE)) for user in users]

    def _record(self, user: str, until: Places) -> UserRecord | None:
        after, record = self._held.get(user, (NOWHERE, None))
        if any(new < old for new, old in zip(until, after, strict=True)):
            after, record = NOWHERE, None  # another process knew less than this one: from the start
        known = {user: record}
        if (events := _between(self._events[user], after[0], until[0]))[0]:
            known |= fold(known, *events).records
        known |= fold_exposures(known, *_between(self._shown[user], after[1], until[1]))
        known |= fold_profiles(known, *_between(self._profiles[user], after[2], until[2]))
        self._held[user] = until, known[user]
        return known[user]


Own = dict[str, tuple[list[int], list[T]]]  # user -> offsets, and what stands there


def _own(home: Home, stream: Stream, users: set[str], decode: Callable[[bytes], T], on_progress: Progress) -> Own[T]:
    found: Own[T] = defaultdict(lambda: ([], []))
    ends = home.log.ends(stream)
    total, done = sum(end + 1 for end in ends.values()), 0
    for batch in batches(home, stream, ends):
        for entry in batch:
            if entry.record.key in users and (value := _decoded(entry, decode)) is not None:
                found[entry.record.key][0].append(entry.offset)
                found[entry.record.key][1].append(value)
        done += len(batch)
        on_progress(f"read {stream}", done, total)
    return found


def _between(own: tuple[list[int], list[T]], after: int, until: int) -> tuple[list[T], list[int]]:
    first, last = np.searchsorted(own[0], [after, until], side="right").tolist()
    return own[1][first:last], own[0][first:last]


def _decoded(entry: Entry, decode: Callable[[bytes], T]) -> T | None:
    try:
        return decode(entry.record.body)
    except Refused:
        return None  # the fold passed over it, too


class _Counts:
    """The trending counters, or the tallies, at one position after the other, from one fold of the log."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._begin()

    def _begin(self) -> None:
        self._store = SqliteFeatures(":memory:", ManualClock(0))
        self._token = self._store.lease("rewound", 10**15)
        self._at: Position = {}
        self._shown_at: Position = {}  # of exposures
        self._counts = self._store.trending()

    def tallies(self, events: Position, exposures: Position) -> Tallies:
        """Give the tallies at positions of both streams. One that lies before the last is folded from the start."""
        if any(exposures.get(partition, -1) < offset for partition, offset in self._shown_at.items()):
            self._begin_anew()
        self.at(events)
        for batch in batches(self._home, Stream.EXPOSURES, exposures, self._shown_at):
            partition, through = batch[0].partition, batch[-1].offset
            made = shown_tallies([one for entry in batch if (one := _decoded(entry, exposure_of))])
            after = {"exposures": self._shown_at.get(partition, -1)}
            self._store.write(Change(partition, after, {"exposures": through}, {}, {}, {}, made), self._token)
            self._shown_at = self._shown_at | {partition: through}
        return self._store.tallies()

    def at(self, position: Position) -> Trending:
        """Give the counters at a position. One that lies before the last is folded from the start."""
        if position == self._at:
            return self._counts
        if any(position.get(partition, -1) < offset for partition, offset in self._at.items()):
            self._begin_anew()
        for batch in batches(self._home, Stream.EVENTS, position, self._at):
            self._fold(batch)
        self._at, self._counts = dict(position), self._store.trending()
        return self._counts

    def close(self) -> None:
        """Let go of the counters."""
        self._store.close()

    def _begin_anew(self) -> None:
        self._store.close()
        self._begin()

    def _fold(self, batch: list[Entry]) -> None:
        partition = batch[0].partition
        known_events = [(entry.offset, event) for entry in batch if (event := _decoded(entry, event_of))]
        events: list[Event] = [event for _, event in known_events]
        users = list(dict.fromkeys(event.user_id for event in events))
        known = dict(zip(users, self._store.read(users), strict=True)) if users else {}
        folded = fold(known, events, [offset for offset, _ in known_events])
        after, through = {"events": self._at.get(partition, -1)}, {"events": batch[-1].offset}
        self._store.write(
            Change(partition, after, through, folded.records, folded.counts, folded.firsts, folded.tallies), self._token
        )
        self._at = self._at | {partition: batch[-1].offset}


class _Catalogs:
    """The catalog of each bundle at one position after the other."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._base: dict[str, Catalog] = {}
        self._held: dict[str, Catalog] = {}

    def at(self, exposure: Exposure) -> Catalog:
        """Give the catalog that an answer saw. Raises NotFound if its bundle is gone."""
        name = exposure.bundle
        if name not in self._base:
            models = self._home.models
            base = catalogs.EMPTY if name == UNTRAINED else models.load_catalog(models.load(name).manifest.catalog)
            self._base[name] = self._held[name] = base
        catalog = self._held[name]
        if any(exposure.catalog.get(partition, -1) < offset for partition, offset in catalog.position.items()):
            catalog = self._base[name]
        new = [
            entry for batch in batches(self._home, Stream.ITEMS, exposure.catalog, catalog.position) for entry in batch
        ]
        changes = [change for entry in in_order(new) if (change := _decoded(entry, item_of))]
        if changes:
            catalog = catalog.extended(changes, exposure.catalog)
        self._held[name] = catalog
        return catalog
