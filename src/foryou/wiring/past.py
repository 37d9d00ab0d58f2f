"""What did the system know then? An old answer is reproduced; a click is followed to the answer it changed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from foryou.domain import catalog as catalogs
from foryou.domain.catalog import Catalog
from foryou.domain.clock import ManualClock
from foryou.domain.errors import NotFound
from foryou.domain.event import Event
from foryou.domain.experiment import NO_EXPERIMENTS, Arm, Assigned, Experiments
from foryou.domain.exposure import Exposure
from foryou.domain.lists import NO_LISTS, shelf
from foryou.domain.log import Entry, Position, Stream, partition_of
from foryou.domain.records import Change, Places, UserRecord
from foryou.domain.slate import Answer, Query, View
from foryou.domain.tried import NOT_TRIED, Tried
from foryou.features import trending
from foryou.features.fold import fold, fold_exposures, fold_profiles
from foryou.features.hydrate import Hydrate
from foryou.features.tallied import shown_tallies
from foryou.features.tried import tried
from foryou.ingest.codec import event_of, experiment_of, exposure_of, item_of, list_of, user_of
from foryou.serve.experiments import followed as followed_experiments
from foryou.serve.interleaving import mixed
from foryou.serve.lists import followed
from foryou.serve.live import UNTRAINED, in_order
from foryou.stores.features_sqlite import SqliteFeatures
from foryou.wiring.home import Home
from foryou.wiring.models import untrained
from foryou.wiring.pipelines import Pipelines

T = TypeVar("T")
READ = 5_000
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Reproduced:
    """An old answer and the one that the same knowledge gives today; `same` says whether they agree bit for bit."""

    exposure: Exposure
    items: tuple[str, ...]
    scores: tuple[float, ...]
    same: bool


def reproduce(home: Home, recommendation_id: str, on_progress: Progress) -> Reproduced:
    """Answer an old question with what was known then. Raises NotFound if the answer or its bundle is gone."""
    exposure = exposure_of(find(home, Stream.EXPOSURES, recommendation_id).record.body)
    clock = ManualClock(exposure.trending_ms)
    counts = _folded(home, exposure.trending, clock, on_progress)
    catalog = _catalog(home, exposure)
    view = trending.view(catalog, counts.trending(), exposure.trending_ms, home.config.trend.half_life_h)
    view = replace(
        view, shelf=shelf(followed(home.log, NO_LISTS, list_of, exposure.lists), catalog),
        tried=_tried(home, exposure, catalog, on_progress),
    )  # fmt: skip
    people = _People(home, exposure)
    answer = _answer(home, exposure, view, people)
    items, scores = tuple(item.item_id for item in answer.items), tuple(item.score for item in answer.items)
    worn = tuple(item.worn.variant if item.worn else "" for item in answer.items)
    counts.close()
    same = items == exposure.items and scores == exposure.scores and exposure.variants in ((), worn)
    return Reproduced(exposure, items, scores, same)


class _People:
    """A FeatureStore's `read` for one moment of the past: users folded anew up to the places that were read."""

    def __init__(self, home: Home, exposure: Exposure) -> None:
        self._home, self._until = home, known_in(exposure)

    def read(self, users: list[str]) -> list[UserRecord | None]:
        """Give the records of these users as they were."""
        return [self._record(user) for user in users]

    def _record(self, user: str) -> UserRecord | None:
        if user not in self._until or max(self._until[user]) < 0:
            return None
        events, exposures, profiles = self._until[user]
        record: dict[str, UserRecord | None] = {user: None}
        record |= fold(record, *self._own(user, Stream.EVENTS, events, event_of)).records
        record |= fold_exposures(record, *self._own(user, Stream.EXPOSURES, exposures, exposure_of))
        record |= fold_profiles(record, *self._own(user, Stream.USERS, profiles, user_of))
        return record[user]

    def _own(self, user: str, stream: Stream, until: int, decode: Callable[[bytes], T]) -> tuple[list[T], list[int]]:
        """Give what a stream says of a user up to an offset, with the offsets."""
        partition = partition_of(user, self._home.log.partitions())
        own = [entry for entry in entries(self._home, stream, {partition: until}) if entry.record.key == user]
        return [decode(entry.record.body) for entry in own], [entry.offset for entry in own]


def known_in(exposure: Exposure) -> dict[str, Places]:
    """Give the places of the user's records, and of those merged into the user, that an answer knew."""
    known = {exposure.user_id: exposure.offset, **exposure.knew}
    return {name: (offset, -1, -1) for name, offset in known.items()} | exposure.places


def _answer(home: Home, exposure: Exposure, view: View, people: _People) -> Answer:
    bundle = untrained() if exposure.bundle == UNTRAINED else home.models.load(exposure.bundle)
    hydrate = Hydrate(people, lambda: view)  # type: ignore[arg-type]
    built = Pipelines(bundle, home.config, hydrate)(experiments_of(home, exposure), exposure.now_ms)
    asked, names = asked_in(exposure), pipelines_of(exposure)
    answers = [built[name].run([asked])[0][0] for name in names]
    return answers[0] if len(answers) == 1 else mixed(answers[0], answers[1], asked)


def experiments_of(home: Home, exposure: Exposure) -> Experiments:
    """Give the experiments that an answer knew."""
    known = followed_experiments(home.log, NO_EXPERIMENTS, experiment_of, exposure.experiments)
    return known if exposure.experiment else NO_EXPERIMENTS


def pipelines_of(exposure: Exposure) -> list[str]:
    """Give the name of the pipeline that answered, or of both that filled the list."""
    if not exposure.experiment:
        return [exposure.placement]
    arms = [Assigned(exposure.experiment, Arm(name=name, share=0)) for name in exposure.arm.split("/")]
    return [arm.key(exposure.placement) for arm in arms]


def asked_in(exposure: Exposure) -> Query:
    """Give the query that was answered."""
    return Query(
        user_id=exposure.user_id, k=exposure.num_results, now_ms=exposure.now_ms, seed=exposure.seed,
        anchor=exposure.anchor, exclude=exposure.exclude, session_id=exposure.session_id, search=exposure.search,
        category=exposure.category, device=exposure.device, location=exposure.location, filter=exposure.filter,
        fed=exposure.fed, row=exposure.row,
    )  # fmt: skip


def _catalog(home: Home, exposure: Exposure) -> Catalog:
    """Give the catalog of the bundle with the changes that had arrived, in the order in which they were read."""
    named = exposure.bundle != UNTRAINED
    base = home.models.load_catalog(home.models.load(exposure.bundle).manifest.catalog) if named else catalogs.EMPTY
    position = dict(base.position)
    new = [
        entry
        for entry in entries(home, Stream.ITEMS, exposure.catalog)
        if entry.offset > position.get(entry.partition, -1)
    ]
    changes = [item_of(entry.record.body) for entry in in_order(new)]
    return base.extended(changes, exposure.catalog) if changes else base


def _folded(home: Home, position: Position, clock: ManualClock, on_progress: Progress) -> SqliteFeatures:
    """Fold the log of events up to a position into a store of its own."""
    store = SqliteFeatures(":memory:", clock)
    token = store.lease("past", 10**12)
    total, done = sum(end + 1 for end in position.values()), 0
    after = dict.fromkeys(position, -1)
    for batch in batches(home, Stream.EVENTS, position):
        partition, through = batch[0].partition, batch[-1].offset
        events: list[Event] = [event_of(entry.record.body) for entry in batch]
        users = list(dict.fromkeys(event.user_id for event in events))
        known = dict(zip(users, store.read(users), strict=True))
        folded = fold(known, events, [entry.offset for entry in batch])
        before, reached = {"events": after[partition]}, {"events": through}
        store.write(
            Change(partition, before, reached, folded.records, folded.counts, folded.firsts, folded.tallies), token
        )
        after[partition] = through
        done += len(batch)
        on_progress("fold", done, total)
    return store


def _tried(home: Home, exposure: Exposure, catalog: Catalog, on_progress: Progress) -> Tried:
    """Give what was known of items because they were shown."""
    events, exposures, at_ms = exposure.tallied
    if not at_ms:
        return NOT_TRIED
    store = _folded(home, events, ManualClock(at_ms), on_progress)
    token = store.lease("past", 10**12)
    after = dict.fromkeys(exposures, -1)
    for batch in batches(home, Stream.EXPOSURES, exposures):
        partition, through = batch[0].partition, batch[-1].offset
        made = shown_tallies([exposure_of(entry.record.body) for entry in batch])
        stood, stands = {"exposures": after[partition]}, {"exposures": through}
        store.write(Change(partition, stood, stands, {}, {}, {}, made), token)
        after[partition] = through
    found = tried(catalog, store.tallies(), at_ms)
    store.close()
    return found


def batches(home: Home, stream: Stream, position: Position, start: Mapping[int, int] = {}) -> Iterator[list[Entry]]:
    """Give the records of a stream after `start` and up to a position, one partition after the other."""
    for partition, end in position.items():
        after = start.get(partition, -1)
        while after < end:
            found = [entry for entry in home.log.read(stream, partition, after, READ) if entry.offset <= end]
            if not found:
                break
            yield found
            after = found[-1].offset


def entries(home: Home, stream: Stream, position: Position) -> Iterator[Entry]:
    """Give the records of a stream up to a position, one partition after the other."""
    for batch in batches(home, stream, position):
        yield from batch


def find(home: Home, stream: Stream, record_id: str) -> Entry:
    """Give the record with this id, the log read from its start. Raises NotFound."""
    for entry in entries(home, stream, home.log.ends(stream)):
        if entry.record.record_id == record_id:
            return entry
    raise NotFound(f"The stream {stream} holds no record {record_id!r}; `foryou events` shows the newest events")


@dataclass(frozen=True, slots=True)
class Hop:
    """A station of an event on its way, and the ms since it was accepted."""

    name: str
    at_ms: int
    since_ms: int


def follow(home: Home, event_id: str) -> tuple[Event, list[Hop]]:
    """Give an event and its way from accepted to the first answer that knew it. Raises NotFound."""
    entry = find(home, Stream.EVENTS, event_id)
    event = event_of(entry.record.body)
    stations: list[tuple[str, int | None]] = [
        ("accepted", event.received_ms), ("durable", entry.appended_ms),
        ("visible", home.features.folded_ms(entry.partition, entry.offset)),
        ("answered", _first_answer(home, event.user_id, entry.offset)),
    ]  # fmt: skip
    return event, [Hop(name, at, at - event.received_ms) for name, at in stations if at is not None]


def _first_answer(home: Home, user_id: str, offset: int) -> int | None:
    partition = partition_of(user_id, home.log.partitions())
    ends = home.log.ends(Stream.EXPOSURES)
    if partition not in ends:
        return None
    for entry in entries(home, Stream.EXPOSURES, {partition: ends[partition]}):
        if entry.record.key == user_id and (exposure := exposure_of(entry.record.body)).offset >= offset:
            return exposure.now_ms
    return None
