"""Do processes that answer remember users, and does nobody else?"""

import threading
from contextlib import closing, suppress
from time import monotonic, sleep

import pytest
from prometheus_client import CollectorRegistry

from foryou.config import load
from foryou.domain.clock import Clock
from foryou.domain.errors import Unavailable
from foryou.domain.event import Action, Event
from foryou.domain.log import Stream
from foryou.ingest.codec import event_record
from foryou.observe.metrics import Metrics
from foryou.stores.features_sqlite import SqliteFeatures
from foryou.wiring import backends, serving
from foryou.wiring.home import Home, cached, open_home


@pytest.fixture
def home(services, tmp_path):
    stores = {"features": f"{services('redis')}?namespace={tmp_path.name}"}
    with closing(cached(open_home(load(tmp_path, {}, stores=stores)))) as home:
        yield home


def liked(home: Home, number: int) -> None:
    event = Event(f"e{number}", "ann", Action.LIKE, home.clock.now_ms(), f"item-{number}")
    home.log.append(Stream.EVENTS, [event_record(event)])
    worker = home.worker()
    worker.lease()
    worker.catch_up()
    worker.release()


def actions(home: Home, count: int) -> None:
    """Wait until what is remembered of ann are so many actions."""
    end = monotonic() + 5
    while True:
        with suppress(Unavailable):
            record = home.cache.read(["ann"])[0]
            if record and len(record.history) == count:
                return
        assert monotonic() < end
        sleep(0.005)


def test_what_is_remembered_follows_the_fold_and_is_measured(home: Home) -> None:
    for number in range(1, 4):
        liked(home, number)
        actions(home, number)
    for _ in range(100):
        actions(home, 3)
    assert home.features is not home.cache  # who folds reads Redis
    registry, stop = CollectorRegistry(), threading.Event()
    stop.set()
    serving._measure_cache(home.cache, Metrics(registry), stop, home.config)
    hits = registry.get_sample_value("foryou_user_cache_total", {"outcome": "hit"})
    misses = registry.get_sample_value("foryou_user_cache_total", {"outcome": "miss"})
    assert hits >= 90
    assert 0 < misses < 60
    assert registry.get_sample_value("foryou_user_cache_users") == 1
    assert registry.get_sample_value("foryou_user_cache_bytes") == home.cache.bytes > 0
    assert registry.get_sample_value("foryou_user_cache_dropped_total") >= 1
    assert registry.get_sample_value("foryou_user_cache_stale_ms_count") >= 1
    assert registry.get_sample_value("foryou_user_cache_stale_ms_bucket", {"le": "2500.0"}) >= 1


def test_answers_are_made_from_what_is_remembered(home: Home) -> None:
    liked(home, 1)
    end = monotonic() + 5
    while not home.cache.hits:
        assert len(home._records.read(["ann"])[0].history) == 1
        assert monotonic() < end


def test_records_in_the_home_are_not_remembered(tmp_path) -> None:
    with closing(cached(open_home(load(tmp_path, {})))) as home:
        assert home.cache is None
        assert home._records is home.features


def test_nobody_is_remembered_where_the_settings_say_so(tmp_path) -> None:
    stores = {"features": "redis://127.0.0.1:9", "cached_users": 0}
    with closing(cached(open_home(load(tmp_path, {}, stores=stores)))) as home:
        assert home.cache is None


def test_a_store_in_redis_that_cannot_be_listened_to_is_a_mistake_of_the_program(tmp_path) -> None:
    config = load(tmp_path, {}, stores={"features": "redis://127.0.0.1:9"})
    store = SqliteFeatures(":memory:", Clock())
    with closing(store), pytest.raises(TypeError, match="are kept by SqliteFeatures, whom nobody listens to"):
        backends.cached(store, config)
