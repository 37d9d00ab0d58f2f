"""Does each real server start, work as its clients need it, and stop?"""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import obstore
import pytest
import redis
import yaml
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from obstore.exceptions import AlreadyExistsError
from obstore.store import S3Store

from foryou.domain.errors import Unavailable
from foryou.services import ports, run
from foryou.services.run import Standing
from foryou.services.s3 import BUCKET
from servers import absent


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[str], Standing]]:
    """Start a service of the test's own; at the end it must stop and leave its ports free."""
    found: list[Standing] = []

    def start(name: str) -> Standing:
        try:
            found.extend(run.up([name], tmp_path, first_port=None))
        except Unavailable as error:
            absent(str(error))
        assert run.status([name], tmp_path) == [_untimed(found[-1])]
        return found[-1]

    yield start
    for one in found:
        assert [gone.state for gone in run.down([one.service], tmp_path)] == ["down"]
        assert [port for port in one.ports if ports.answers(port)] == []
        assert [gone.state for gone in run.status([one.service], tmp_path)] == ["down"]


def _untimed(standing: Standing) -> Standing:
    return Standing(standing.service, "up", standing.url, standing.ports, standing.pids, standing.variables)


def test_a_redis_keeps_what_it_is_given_when_it_stops(started: Callable[[str], Standing], tmp_path: Path) -> None:
    for expected in (None, b"value"):
        with redis.Redis.from_url(started("redis").url) as client:
            assert client.get("key") == expected
            client.set("key", "value")
        run.down(["redis"], tmp_path)


def test_a_redis_cluster_has_three_shards_each_with_a_replica(started: Callable[[str], Standing]) -> None:
    one = started("redis-cluster")
    assert len(one.pids) == 6
    host, _, port = one.url.removeprefix("redis+cluster://").split(",")[0].partition(":")
    with redis.RedisCluster(host=host, port=int(port)) as client:
        for number in range(50):
            client.set(f"key-{number}", number)
        assert client.mget_nonatomic([f"key-{number}" for number in range(50)]) == [b"%d" % n for n in range(50)]
        assert (len(client.get_primaries()), len(client.get_replicas())) == (3, 3)
        assert client.wait(1, 1_000, target_nodes=client.get_primaries()[0]) == 1


@pytest.mark.slow
def test_a_kafka_takes_topics_and_a_group_reads_what_was_written(started: Callable[[str], Standing]) -> None:
    client = {"bootstrap.servers": started("kafka").url.removeprefix("kafka://")}
    admin = AdminClient(client)
    admin.create_topics([NewTopic("events", 4, 1)])["events"].result(20)
    producer = Producer({**client, "enable.idempotence": True})
    for number in range(20):
        producer.produce("events", b"%d" % number, key=b"user-%d" % number)
    assert producer.flush(20) == 0
    consumer = Consumer({**client, "group.id": "readers", "auto.offset.reset": "earliest"})
    consumer.subscribe(["events"])
    end, found = time.monotonic() + 30, set()
    while len(found) < 20 and time.monotonic() < end:
        found |= {int(message.value()) for message in consumer.consume(20, timeout=1) if not message.error()}
    consumer.close()
    assert found == set(range(20))


def test_an_s3_has_a_bucket_and_creates_an_object_once(started: Callable[[str], Standing]) -> None:
    one = started("s3")
    options = {"allow_http": True}
    store = S3Store(BUCKET, endpoint=one.variables["AWS_ENDPOINT_URL"], region="us-east-1", client_options=options)
    obstore.put(store, "a", b"1", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "a", b"2", mode="create")
    assert obstore.get(store, "a").bytes().to_bytes() == b"1"


def test_a_prometheus_answers_queries_and_reads_the_meters_of_foryou(started: Callable[[str], Standing]) -> None:
    url = started("prometheus").url
    with urllib.request.urlopen(f"{url}/api/v1/status/config", timeout=5) as answer:
        settings = json.load(answer)["data"]["yaml"]
    assert [job["job_name"] for job in yaml.safe_load(settings)["scrape_configs"]] == ["foryou"]


def test_a_server_of_all_tests_starts_once(services: Callable[[str], str]) -> None:
    assert services("redis") == services("redis")
    with redis.Redis.from_url(services("redis")) as client:
        assert client.ping()
