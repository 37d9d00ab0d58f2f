"""A failover sets a shard of Redis back to what its replica knew: does a worker fold again what was lost?"""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from foryou.domain.clock import ManualClock
from foryou.domain.errors import StalePosition, Unavailable
from foryou.domain.event import Event
from foryou.domain.log import PARTITIONS, Stream, partition_of
from foryou.domain.records import pack
from foryou.ingest.codec import event_record
from foryou.ingest.worker import Worker
from foryou.stores.features_redis import RedisFeatures
from foryou.stores.features_sqlite import SqliteFeatures
from foryou.stores.log_sqlite import SqliteLog
from foryou.stores.redis_address import address
from foryou.stores.redis_servers import Servers
from worlds import did

CLOCK = ManualClock(1_000_000)
USERS = [f"u{n}" for n in range(20)]


class Shop:
    """A log, records in Redis, and their worker."""

    def __init__(self, url: str, folder: Path) -> None:
        where = address(f"{url}?namespace={folder.parent.name}-{folder.name}")
        self.tag = f"{{{where.namespace}:{partition_of('u0')}}}"
        self.log = SqliteLog(folder / "log", CLOCK)
        self.features = RedisFeatures(Servers(where), CLOCK, PARTITIONS)
        self.clean = SqliteFeatures(folder / "clean.db", CLOCK)
        self.worker = Worker(self.log, self.features, None)
        self.worker.lease()
        host, port = where.hosts[0]
        self.client = redis.Redis(host=host, port=port)

    def happens(self, *events: Event) -> None:
        self.log.append(Stream.EVENTS, [event_record(event) for event in events])

    def shard(self) -> dict[bytes, bytes]:
        """Give what is stored of the shard of u0, as a replica that is behind would have it."""
        keys = list(self.client.scan_iter(match=f"{self.tag}*", count=10_000))
        return {key: self.client.dump(key) for key in keys}

    def set_back(self, older: dict[bytes, bytes]) -> None:
        for key in self.shard():
            self.client.delete(key)
        for key, value in older.items():
            self.client.restore(key, 0, value)

    def equals_a_clean_replay(self) -> bool:
        fresh = Worker(self.log, self.clean, None)
        fresh.lease()
        fresh.catch_up()
        fresh.release()
        told = [self._told(store) for store in (self.features, self.clean)]
        return told[0] == told[1]

    def _told(self, store: RedisFeatures | SqliteFeatures) -> object:
        trends = store.trending()
        counts = sorted(zip(trends.hour.tolist(), trends.item.tolist(), trends.count.tolist(), strict=True))
        return [record and pack(record) for record in store.read(USERS)], counts, trends.position

    def close(self) -> None:
        for one in (self.log, self.features, self.clean, self.client):
            one.close()


@pytest.fixture
def shop(services: Callable[[str], str], tmp_path: Path) -> Iterator[Shop]:
    with closing(Shop(services("redis"), tmp_path)) as opened:
        yield opened


def bought(first: int, last: int) -> list[Event]:
    return [did(user, f"film-{n}", n) for n in range(first, last) for user in USERS]


def test_what_a_failover_lost_is_noticed_without_a_new_event(shop: Shop) -> None:
    shop.happens(*bought(0, 4))
    shop.worker.catch_up()
    older = shop.shard()
    shop.happens(*bought(4, 9))
    shop.worker.catch_up()
    assert shop.worker.rewind() == []
    shop.set_back(older)
    assert shop.worker.step().idle  # nothing new, so nobody looked
    assert shop.worker.rewind() == [partition_of("u0")]
    assert shop.worker.step().events > 0
    assert shop.equals_a_clean_replay()


def test_a_shard_that_is_away_does_not_hide_what_another_has_lost(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.happens(*bought(0, 9))
    shop.worker.catch_up()
    position, lost = shop.features.position, partition_of("u0")

    def partly(partition: int) -> dict[str, int]:
        if partition != lost:
            raise Unavailable("this shard is away")
        return position(partition)

    shop.set_back({})
    monkeypatch.setattr(shop.features, "position", partly)
    assert shop.worker.rewind() == [lost]


def test_the_next_event_after_a_failover_does_not_hide_what_was_lost(shop: Shop) -> None:
    shop.happens(*bought(0, 4))
    shop.worker.catch_up()
    older = shop.shard()
    shop.happens(*bought(4, 9))
    shop.worker.catch_up()
    shop.set_back(older)
    shop.happens(did("u0", "film-99", 50))
    with pytest.raises(StalePosition, match="stands at"):
        shop.worker.step()
    shop.worker.lease()
    shop.worker.catch_up()
    assert shop.equals_a_clean_replay()


def test_an_empty_shard_is_folded_from_the_beginning_by_whoever_has_the_right(shop: Shop) -> None:
    shop.happens(*bought(0, 9))
    shop.worker.catch_up()
    shop.set_back({})
    assert shop.worker.rewind() == [partition_of("u0")]
    shop.worker.catch_up()
    assert shop.equals_a_clean_replay()
