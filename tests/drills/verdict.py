"""Was anything lost, did anything count twice? The log, the records and the counters are asked, and a clean replay."""

from dataclasses import dataclass, field
from pathlib import Path

from machines import until

from foryou.domain.clock import HOUR_MS, Clock
from foryou.domain.errors import Unavailable
from foryou.domain.event import INTEREST, Action
from foryou.domain.log import Stream
from foryou.domain.ports import EventLog, FeatureStore
from foryou.ingest.codec import event_of
from foryou.ingest.worker import Worker
from foryou.stores.features_sqlite import SqliteFeatures
from foryou.stores.items_sqlite import SqliteItems
from replays import assert_equal_records, counts

FOLDED = (Stream.EVENTS, Stream.EXPOSURES)
READ = 5_000
VIEWED = round(100 * INTEREST[Action.VIEW])  # what a view counts in the trends
CATCH_UP_S = 90


@dataclass(slots=True)
class Judge:
    """Follows the log of a stage with a clean fold of its own. `since_ms`: all that the load posts is younger."""

    log: EventLog
    folder: Path
    since_ms: int
    users: set[str] = field(default_factory=set)
    _ids: set[str] = field(default_factory=set)  # of the load's events that are in the log
    _copies: int = 0  # records of such an id beyond the first
    _read: dict[int, int] = field(default_factory=dict)
    _clean: FeatureStore = field(init=False)
    _worker: Worker = field(init=False)
    _items: SqliteItems = field(init=False)

    def __post_init__(self) -> None:
        self._clean = SqliteFeatures(":memory:", Clock())
        self._items = SqliteItems(self.folder / "items.db", Clock())
        self._worker = Worker(self.log, self._clean, self._items)
        self._worker.lease()

    def close(self) -> None:
        self._clean.close()
        self._items.close()

    def behind(self, features: FeatureStore) -> int:
        """Give how many records of the log are not folded yet; -1 = log or records cannot be asked."""
        try:
            ends = {stream: self.log.ends(stream) for stream in FOLDED}
            positions = {partition: features.position(partition) for partition in range(self.log.partitions())}
        except Unavailable:
            return -1
        return sum(
            max(0, end - positions[partition].get(stream, -1))
            for stream in FOLDED
            for partition, end in ends[stream].items()
        )

    def judge(self, features: FeatureStore, acknowledged: set[str]) -> "Verdict":
        """Give the verdict, once everything is folded. Fails if records or counters are not those of a clean replay."""
        while True:
            until(lambda: self._level(features), "all of the log is folded", CATCH_UP_S)
            self._look()
            try:
                assert_equal_records(features, self._clean, self.users)
            except AssertionError:
                if self._stands(features) == self._stands(self._clean):
                    raise
                continue  # answers were logged and folded meanwhile
            break
        counted = sum(counts(features, self.since_ms // HOUR_MS).values())
        return Verdict(len(acknowledged - self._ids), counted / VIEWED - len(self._ids), self._copies)

    def _level(self, features: FeatureStore) -> bool:
        """Fold what there is, and say whether the records stand at the same place; some answers are logged late."""
        if self.behind(features) != 0:
            return False
        self._worker.lease()
        self._worker.catch_up()
        return self._stands(features) == self._stands(self._clean)

    def _stands(self, features: FeatureStore) -> list[int | None]:
        positions = [features.position(partition) for partition in range(self.log.partitions())]
        return [position.get(stream) for position in positions for stream in FOLDED]

    def _look(self) -> None:
        """Read what the log got since the last look."""
        for partition, end in self.log.ends(Stream.EVENTS).items():
            while self._read.get(partition, -1) < end:
                entries = self.log.read(Stream.EVENTS, partition, self._read.get(partition, -1), READ)
                self._read[partition] = entries[-1].offset
                for event in (event_of(entry.record.body) for entry in entries):
                    self.users.add(event.user_id)
                    if event.at_ms >= self.since_ms:
                        self._copies += event.event_id in self._ids
                        self._ids.add(event.event_id)


@dataclass(frozen=True, slots=True)
class Verdict:
    """lost: acknowledged events that are not in the log. twice: what counts beyond once, below 0 = not at all.

    copies: records in the log that repeat an event; they are allowed, and must not count.
    """

    lost: int
    twice: float
    copies: int
