"""Which technology keeps which port? The scheme of a URL chooses it; another one is a line here.

Without a URL a store lies in the home. A backend that needs a library of its own imports it in a function of its own.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from foryou.config import Config, redis_password
from foryou.domain.errors import Invalid, Unavailable
from foryou.domain.ports import Archive, EventLog, FeatureStore, ItemStore, ModelStore, TimeSource
from foryou.ingest.codec import whole
from foryou.stores.archive_objects import ObjectArchive
from foryou.stores.features_sqlite import SqliteFeatures
from foryou.stores.items_sqlite import SqliteItems
from foryou.stores.log_sqlite import SqliteLog
from foryou.stores.models_objects import ObjectModels
from foryou.stores.objects import Bucket
from foryou.stores.redis_address import address

if TYPE_CHECKING:
    from foryou.stores.features_cached import Cached

Port = TypeVar("Port")
Opener = Callable[[str, Config, TimeSource], Port]  # of a URL, empty = in the home


def _kafka(url: str, config: Config, clock: TimeSource) -> EventLog:
    try:
        from foryou.stores.log_kafka import KafkaLog
    except ImportError as error:
        raise Unavailable(f"A log on Kafka needs confluent-kafka ({error}); pip install 'foryou[kafka]'") from error
    return KafkaLog(url, clock, whole, config.stores.partitions)


LOGS: dict[str, Opener[EventLog]] = {
    "": lambda url, config, clock: SqliteLog(Path(config.home) / "log", clock, config.stores.partitions),
    "kafka": _kafka,
}
FEATURES: dict[str, Opener[FeatureStore]] = {
    "": lambda url, config, clock: SqliteFeatures(Path(config.home) / "features.db", clock),
    "redis": lambda url, config, clock: redis_features(url, config, clock),
    "redis+cluster": lambda url, config, clock: redis_features(url, config, clock),
}
ITEMS: dict[str, Opener[ItemStore]] = {
    "": lambda url, config, clock: SqliteItems(Path(config.home) / "catalog.db", clock),
}
MODELS: dict[str, Opener[ModelStore]] = {
    "": lambda url, config, clock: ObjectModels((Path(config.home) / "models").absolute().as_uri()),
    "file": lambda url, config, clock: ObjectModels(url),
    "s3": lambda url, config, clock: ObjectModels(url, cache(url, config), bucket(config)),
}
ARCHIVES: dict[str, Opener[Archive]] = {
    "": lambda url, config, clock: ObjectArchive((Path(config.home) / "archive").absolute().as_uri()),
    "file": lambda url, config, clock: ObjectArchive(url),
    "s3": lambda url, config, clock: ObjectArchive(url, cache(url, config), bucket(config)),
}


def opened(where: str, openers: Mapping[str, Opener[Port]], url: str, config: Config, clock: TimeSource) -> Port:
    """Open the store that the setting `where` names by a URL. Raises Invalid for a scheme that nobody keeps."""
    check(where, openers, url)
    return openers[url.partition("://")[0]](url, config, clock)


def check(where: str, openers: Mapping[str, object], url: str) -> None:
    """Raise Invalid if no store can be opened by this URL."""
    scheme, _, rest = url.partition("://")
    if url and not (scheme and rest and scheme in openers):
        known = ", ".join(f"{name}://…" for name in openers if name)
        raise Invalid(where, f"{url!r} is not the URL of a store", f"leave it empty for the home, or give {known}")
    if scheme.startswith("redis"):
        address(url)


def redis_features(url: str, config: Config, clock: TimeSource) -> FeatureStore:
    """Open the records in Redis. Raises Invalid where its client is not installed."""
    try:
        from foryou.stores.features_redis import RedisFeatures
        from foryou.stores.redis_servers import Patience, Servers
    except ImportError as error:
        raise Invalid("stores.features", f"no client of Redis ({error})", "pip install 'foryou[redis]'") from None
    stores = config.stores
    patience = Patience(stores.read_ms, stores.write_ms, stores.read_from == "replica")
    return RedisFeatures(Servers(address(url), redis_password(), patience), clock, stores.partitions)


def cached(features: FeatureStore, config: Config) -> "Cached | None":
    """Give a memory before records in Redis; None where they lie in the home, or none is wanted."""
    stores = config.stores
    if not (stores.features.startswith("redis") and stores.cached_users):
        return None
    from foryou.stores.features_cached import Cached
    from foryou.stores.features_redis import RedisFeatures

    if not isinstance(features, RedisFeatures):
        raise TypeError(f"records by {stores.features} are kept by {type(features).__name__}, whom nobody listens to")
    return Cached(features, stores.cached_users, stores.cached_mb * 1_000_000)


def cache(url: str, config: Config) -> Path:
    """Give the folder for the copies of a bucket's files: each URL has one, so that two never mix."""
    folder = Path(config.stores.cache) if config.stores.cache else Path(config.home) / "cache"
    return folder / url.split("://", 1)[1].replace("/", "_")


def bucket(config: Config) -> Bucket:
    """Give what the settings say about the bucket."""
    return Bucket(config.stores.endpoint, config.stores.region)
