"""Does the scheme of a URL choose the technology, and is one that nobody keeps refused?"""

import json
import sys

import msgspec
import pytest
from typer.testing import CliRunner

from foryou.cli import commands
from foryou.config import Config, Stores, load, redis_password
from foryou.domain.errors import Invalid, StalePosition, Unavailable
from foryou.domain.event import Action, Event
from foryou.domain.item import ItemChange
from foryou.domain.log import Record, Stream, partition_of
from foryou.domain.records import Change
from foryou.domain.release import Release
from foryou.ingest.codec import event_record, item_record
from foryou.services.s3 import BUCKET, REGION
from foryou.stores.objects import Bucket
from foryou.wiring import backends, launching
from foryou.wiring.home import open_home


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "mongo://host",
            r"stores.features: 'mongo://host' is not the URL of a store; .* redis://…, redis\+c",
        ),
        ("redis://host:x", r"redis: 'redis://host:x' is not understood; write redis://"),
        ("redis://me:word@host", r"redis: the URL holds a password, .* set the variable REDISCLI_AUTH"),
    ],
)
def test_a_url_that_names_no_redis_is_refused_before_anything_starts(url: str, said: str, tmp_path) -> None:
    with pytest.raises(Invalid, match=said):
        CliRunner().invoke(commands(), ["serve", "--home", str(tmp_path), "--features", url], catch_exceptions=False)


@pytest.mark.parametrize("service", ["redis", "redis-cluster"])
def test_a_home_has_its_records_in_redis_and_refolds_them_there(service: str, services, tmp_path) -> None:
    stores = {"features": f"{services(service)}?namespace={tmp_path.name}", "partitions": 8}
    home = open_home(load(tmp_path, {}, stores=stores))
    people = [f"user-{number}" for number in range(30)]
    for number, name in enumerate(people):
        item = ItemChange(item_id=f"film-{number}", op="put", received_ms=home.clock.now_ms())
        home.log.append(Stream.ITEMS, [item_record(item)])
        event = Event(f"event-{number}", name, Action.LIKE, home.clock.now_ms(), f"film-{number}", home.clock.now_ms())
        home.log.append(Stream.EVENTS, [event_record(event)])
    worker = home.worker()
    worker.lease()
    assert worker.catch_up().events == 30
    before = [(record.core, record.history.tobytes()) for record in home.features.read(people) if record]
    said = {"FORYOU_STORES__FEATURES": stores["features"], "FORYOU_STORES__PARTITIONS": "8"}
    done = CliRunner(env=said).invoke(commands(), ["refold", "--home", str(tmp_path), "--json"], catch_exceptions=False)
    assert json.loads(done.stdout) == {"events": 30, "users": 0}
    after = [(record.core, record.history.tobytes()) for record in home.features.read(people) if record]
    assert (len(after), after) == (30, before)
    with pytest.raises(StalePosition):
        home.features.write(Change(0, {"events": 3}, {"events": 4}, {}, {}), 1)
    assert not (tmp_path / "features.db").exists()
    home.close()


def test_without_its_client_redis_is_refused_with_what_to_install(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "foryou.stores.features_redis", None)
    with pytest.raises(Invalid, match=r"stores.features: no client of Redis \(.*\); pip install 'foryou\[redis\]'"):
        open_home(load(tmp_path, {}, stores={"features": "redis://host"}))


def test_the_password_of_redis_is_a_variable_and_no_setting() -> None:
    assert redis_password({"REDISCLI_AUTH": "word"}) == "word"
    assert redis_password({}) == ""


@pytest.mark.parametrize("url", ["ftp://host/x", "s3://", "s3:/bucket", "bucket", "/a/folder", "://x"])
def test_a_url_that_names_no_store_is_refused_with_those_that_do(url: str, tmp_path) -> None:
    said = r"stores.models: '.*' is not the URL of a store; leave it empty for the home, or give file://…, s3://…"
    with pytest.raises(Invalid, match=said):
        open_home(load(tmp_path, {}, stores={"models": url}))
    with pytest.raises(Invalid, match=said):
        CliRunner().invoke(commands(), ["serve", "--home", str(tmp_path), "--models", url], catch_exceptions=False)


def test_models_may_lie_in_another_folder_or_in_a_bucket(tmp_path, services) -> None:
    stores = {"endpoint": services("s3"), "region": REGION}
    for number, url in enumerate(((tmp_path / "shared").as_uri(), f"s3://{BUCKET}/{tmp_path.name}")):
        first, second = (
            open_home(load(tmp_path / f"{name}-{number}", {}, stores=stores | {"models": url})) for name in "ab"
        )
        first.models.replace_release(Release(1, {}), 0)
        assert second.models.release() == Release(1, {})
        first.close()
        second.close()
    assert (tmp_path / "b-1" / "cache").is_dir()


def test_events_may_lie_in_kafka(tmp_path, services) -> None:
    url = f"{services('kafka')}/{tmp_path.parent.name}-{tmp_path.name}?partitions=2"
    first, second = (open_home(load(tmp_path / name, {}, stores={"log": url})) for name in "ab")
    first.log.append(Stream.EVENTS, [Record("ann", "id", b"")])
    assert second.log.ends(Stream.EVENTS) == {partition_of("ann", 2): 0}
    assert not (tmp_path / "a" / "log").exists()
    first.close()
    second.close()


def test_records_are_spread_as_the_log_is(tmp_path, services) -> None:
    stores = {"log": f"{services('kafka')}/{tmp_path.parent.name}-{tmp_path.name}", "partitions": 6}
    home = open_home(load(tmp_path, {}, stores=stores))
    assert home.log.partitions() == 6
    home.close()
    wrong = stores | {"log": f"{stores['log']}?partitions=6", "partitions": 4, "features": services("redis")}
    with pytest.raises(Invalid, match=r"stores.partitions: 4 does not divide the 6 partitions of the log; set it to 6"):
        open_home(load(tmp_path, {}, stores=wrong))


def test_without_its_library_a_log_on_kafka_says_what_to_install(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "foryou.stores.log_kafka", None)
    with pytest.raises(Unavailable, match=r"needs confluent-kafka \(.*\); pip install 'foryou\[kafka\]'"):
        open_home(load(tmp_path, {}, stores={"log": "kafka://127.0.0.1:9"}))


def test_a_log_that_nobody_keeps_is_refused_before_anything_starts(tmp_path) -> None:
    with pytest.raises(Invalid, match=r"stores.log: 'ftp://h' is not the URL .*, or give kafka://…"):
        CliRunner().invoke(commands(), ["serve", "--home", str(tmp_path), "--log", "ftp://h"], catch_exceptions=False)


def test_the_copies_of_two_buckets_do_not_mix(tmp_path) -> None:
    config = load(tmp_path, {})
    assert backends.cache("s3://one/models", config) != backends.cache("s3://two/models", config)
    elsewhere = load(tmp_path, {}, stores={"cache": str(tmp_path / "fast")})
    assert backends.cache("s3://one/a/b", elsewhere) == tmp_path / "fast" / "one_a_b"


def test_the_settings_of_a_bucket_reach_it_and_the_processes(tmp_path) -> None:
    config = load(tmp_path, {}, stores={"models": "s3://b/p", "endpoint": "http://h:1", "region": "r"})
    assert backends.bucket(config) == Bucket("http://h:1", "r")
    stores = msgspec.structs.replace(config.stores, log="kafka://h:1", spool_mb=7)
    environment = launching.launch(msgspec.structs.replace(config, stores=stores))[1]
    again = load(None, {name: value for name, value in environment.items() if name.startswith("FORYOU_STORES")})
    assert again.stores == msgspec.structs.replace(Config().stores, log="kafka://h:1", spool_mb=7, models="s3://b/p")
    assert Stores() == Config().stores
