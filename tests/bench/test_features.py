"""Does the bench of feature stores write and read what it says, on the embedded store and on Redis?"""

import pytest

from foryou.bench import features as bench
from foryou.config import load
from foryou.domain.event import Action, Event
from foryou.domain.log import Stream
from foryou.ingest.codec import event_record
from foryou.wiring import backends
from foryou.wiring.home import open_home

USERS = [f"user-{number}" for number in range(20)]


@pytest.mark.parametrize("service", ["", "redis"])
def test_the_bench_measures_a_store_and_can_be_run_again(service: str, services, tmp_path) -> None:
    home = open_home(load(tmp_path, {}))
    events = [
        Event(f"{name}-{n}", name, Action.VIEW, home.clock.now_ms(), f"item-{n}") for name in USERS for n in range(8)
    ]
    home.log.append(Stream.EVENTS, [event_record(event) for event in events])
    records = bench.folded(home)
    assert sorted(records) == sorted(USERS)
    url = f"{services(service)}?namespace={tmp_path.name}" if service else ""
    config = load(tmp_path / "bench", {}, stores={"features": url, "partitions": 8})
    for _ in range(2):
        store = backends.opened("stores.features", backends.FEATURES, url, config, home.clock)
        found = bench.measure(store, records, partitions=8, batch=5, batches=20)
        assert store.read(USERS[:1])[0].core == records[USERS[0]].core
        store.close()
    assert 40 < found["core_bytes"]["max"] <= 200
    assert found["record_bytes"]["p50"] > found["core_bytes"]["p50"]
    assert all(found[name]["max"] > 0 for name in ("read_ms", "read_one_ms", "write_ms", "trends_ms", "trends_news_ms"))
    home.close()
