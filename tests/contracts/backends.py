"""Which backends keep which port? A backend joins with one line; every contract then runs over it.

A factory gets what a test has for itself, an `At`: a folder, a clock, and for a backend that is named like one of
`foryou.services` also the URL of that server, where it makes a namespace of the folder's name. It opens one client;
called again it opens another client of the same store, as a second process would.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import obstore
from obstore.store import from_url

from foryou.domain.ports import EventLog, FeatureStore, ItemStore, ModelStore, TimeSource
from foryou.domain.records import UserRecord, pack
from foryou.services.s3 import BUCKET, REGION
from foryou.stores.features_cached import Cached
from foryou.stores.features_redis import RedisFeatures
from foryou.stores.features_sqlite import SqliteFeatures
from foryou.stores.items_sqlite import SqliteItems
from foryou.stores.log_kafka import KafkaLog
from foryou.stores.log_sqlite import SqliteLog
from foryou.stores.models_objects import ObjectModels
from foryou.stores.objects import Bucket
from foryou.stores.redis_address import address
from foryou.stores.redis_servers import Servers

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_machine = count()  # each client with a cache of its own is another machine


@dataclass(frozen=True)
class At:
    """Where a test has its stores. Picklable."""

    place: Path
    clock: TimeSource
    url: str = ""

    @property
    def namespace(self) -> str:
        """Give a name that no other test of any run on this server has."""
        return blake2b(str(self.place).encode(), digest_size=8).hexdigest()


LOGS: dict[str, Callable[[At], EventLog]] = {
    "sqlite": lambda at: SqliteLog(at.place / "log", at.clock),
    "kafka": lambda at: KafkaLog(f"{at.url}/{at.namespace}", at.clock),
}
TELLS_REPEATS = ["sqlite"]  # logs that know every id that they hold

FEATURES: dict[str, Callable[[At], FeatureStore]] = {
    "sqlite": lambda at: SqliteFeatures(at.place / "features.db", at.clock),
    "redis": lambda at: redis_features(at),
    "redis-cluster": lambda at: redis_features(at),
    "redis+cached": lambda at: Settled(at),
    "redis-cluster+cached": lambda at: Settled(at),
}
ITEMS: dict[str, Callable[[At], ItemStore]] = {
    "sqlite": lambda at: SqliteItems(at.place / "items.db", at.clock),
}
MODELS: dict[str, Callable[[At], ModelStore]] = {
    "folder": lambda at: ObjectModels(model_url(at)),
    "copied": lambda at: ObjectModels(model_url(at), at.place / f"cache-{next(_machine)}"),
    "s3": lambda at: ObjectModels(model_url(at), at.place / f"cache-{next(_machine)}", bucket(at)),
}
PORTS: dict[str, dict[str, Callable[[At], Any]]] = {
    "log": LOGS, "features": FEATURES, "items": ITEMS, "models": MODELS,
}  # fmt: skip


def redis_features(at: At) -> RedisFeatures:
    """Open records in one shard: the contracts give users to partitions as they like, and each partition is its own."""
    return RedisFeatures(Servers(address(f"{at.url}?namespace={at.namespace}")), at.clock, shards=1)


class Settled:
    """Records in Redis, read through a memory before them.

    A write is known to the memory some ms later, by design: a read is repeated until it gives what is stored.
    """

    PATIENCE_S = 5.0
    __module__ = RedisFeatures.__module__  # where tests find the rules that it writes by

    def __init__(self, at: At) -> None:
        self._store = redis_features(at)
        self._reads = redis_features(at)
        self._cached = Cached(self._reads, users=100, size_bytes=10_000_000)

    def read(self, users: Sequence[str]) -> list[UserRecord | None]:
        end = monotonic() + self.PATIENCE_S
        while True:
            found, stored = self._cached.read(users), self._store.read(users)
            if [one and pack(one) for one in found] == [one and pack(one) for one in stored]:
                return found
            assert monotonic() < end, "the memory never heard of a change"
            sleep(0.001)

    def close(self) -> None:
        self._cached.close()
        self._reads.close()
        self._store.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def model_url(at: At) -> str:
    return f"s3://{BUCKET}/{at.namespace}" if at.url else (at.place / "models").as_uri()


def bucket(at: At) -> Bucket:
    return Bucket(at.url, REGION)


def objects(at: At) -> "ObjectStore":
    """Open what lies under a model store, so that a test can look at it and damage it."""
    if not at.url:
        return from_url(model_url(at))
    return from_url(model_url(at), endpoint=at.url, region=REGION, client_options={"allow_http": True})


@dataclass(frozen=True)
class Backend:
    """One backend of one port in one test. Picklable: another process opens the same store with it."""

    port: str
    name: str
    at: At

    def open(self) -> Any:
        """Open one more client; the caller closes it."""
        return PORTS[self.port][self.name](self.at)

    def unplugged(self) -> "Backend":
        """Give the same backend where its server should be, but is not."""
        return replace(self, at=replace(self.at, url="http://127.0.0.1:9"))


def rewrite(backend: Backend, name: str, edit: Callable[[bytes], bytes]) -> str:
    """Change the bytes of the one stored object whose name ends like this; gives its whole name."""
    store = objects(backend.at)
    names = [meta["path"] for some in obstore.list(store) for meta in some if meta["path"].endswith(name)]
    assert len(names) == 1
    obstore.put(store, names[0], edit(obstore.get(store, names[0]).bytes().to_bytes()))
    return names[0]
