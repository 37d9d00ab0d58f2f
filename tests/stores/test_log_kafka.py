"""What does the log on Kafka promise beyond the contract? Topics that fit, gaps that trap nobody, clear errors."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from confluent_kafka.cimpl import NewTopic

from foryou.domain.clock import ManualClock
from foryou.domain.errors import Invalid, Refused, Unavailable
from foryou.domain.item import ItemChange
from foryou.domain.log import Record, Stream, partition_of
from foryou.ingest.codec import item_record, whole
from foryou.stores.log_kafka import Address, KafkaLog
from foryou.stores.log_kafka.topics import RECORD_BYTES, TOPICS
from proxy import Proxy

NOW_MS = 1_700_000_000_000
PARTITION = partition_of("user")
SOON_S = 20


class Broker:
    """A running broker, a prefix that no other test has, and what an operator's tools would do there."""

    def __init__(self, url: str, prefix: str) -> None:
        self.url = f"{url}/{prefix}"
        self.address = Address.of(self.url)
        self.client = self.address.client()
        self.admin = AdminClient(self.client)

    def topic(self, stream: Stream) -> str:
        return self.address.topic(TOPICS[stream])

    def make(self, stream: Stream, partitions: int, **config: str) -> None:
        """Make a topic before the log does."""
        settings = {name.replace("_", "."): value for name, value in config.items()}
        topic = NewTopic(self.topic(stream), partitions, 1, config=settings)
        self.admin.create_topics([topic])[topic.topic].result()

    def transaction(self, stream: Stream, *values: bytes, commit: bool = True) -> None:
        """Write as somebody else would; leaves a mark behind the records, that is none."""
        producer = Producer({**self.client, "transactional.id": self.url})
        producer.init_transactions(10)
        producer.begin_transaction()
        for value in values:
            producer.produce(self.topic(stream), value, "user", PARTITION)
        producer.flush(10)
        (producer.commit_transaction if commit else producer.abort_transaction)(10)


@pytest.fixture
def broker(services: Callable[[str], str], tmp_path: Path) -> Broker:
    return Broker(services("kafka"), f"{tmp_path.parent.name}-{tmp_path.name}")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_MS)


@pytest.fixture
def log(broker: Broker, clock: ManualClock) -> Iterator[KafkaLog]:
    with closing(KafkaLog(broker.url, clock, whole)) as opened:
        yield opened


def bodies(log: KafkaLog, stream: Stream = Stream.EVENTS, after: int = -1) -> list[bytes]:
    return [entry.record.body for entry in log.read(stream, PARTITION, after, 1_000)]


def test_a_url_says_where_and_how() -> None:
    assert Address.of("kafka://a:1,b:2/shop?partitions=8&replication=3") == Address("a:1,b:2", "shop", 8, 3)
    assert Address.of("kafka://a:1") == Address("a:1")
    assert (Address("a", "shop").topic("items"), Address("a").topic("items")) == ("shop-items", "items")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("kafka:///shop", "names no broker"),
        ("kafka://h:1/a/b", "cannot begin the name of a topic"),
        ("kafka://h:1/x?parts=3", "has the unknown option 'parts'"),
        ("kafka://h:1/x?partitions=0", "has partitions='0', which is not a number from 1 to 1,024"),
        ("kafka://h:1/x?replication=many", "has replication='many', which is not a number from 1 to 32"),
    ],
)
def test_a_url_that_cannot_be_is_refused_with_one_that_can(url: str, said: str) -> None:
    with pytest.raises(Invalid, match=f"stores.log: .*{said}.*; say kafka://host:port/prefix"):
        KafkaLog(url, ManualClock(0))


def test_opening_makes_the_topics_and_compacts_items_and_users(broker: Broker, log: KafkaLog) -> None:
    del log
    names = {name: broker.address.topic(name) for name in (*TOPICS.values(), "dead_letters")}
    found = broker.admin.list_topics(timeout=5).topics
    assert {name: len(found[topic].partitions) for name, topic in names.items()} == dict.fromkeys(names, 4)
    asked = {name: ConfigResource(ResourceType.TOPIC, topic) for name, topic in names.items()}
    configs = {name: broker.admin.describe_configs([one])[one].result() for name, one in asked.items()}
    assert [n for n, c in configs.items() if c["cleanup.policy"].value == "compact"] == ["items", "users"]
    assert {config["retention.ms"].value for config in configs.values()} == {"-1"}


def test_topics_with_another_number_of_partitions_are_refused(broker: Broker, log: KafkaLog) -> None:
    del log
    said = "has 4 partitions, the URL says 8: .*; say .partitions=4, or choose another prefix"
    with pytest.raises(Refused, match=said):
        KafkaLog(f"{broker.url}?partitions=8", ManualClock(0))


def test_topics_that_others_made_are_taken_as_they_are(broker: Broker, clock: ManualClock) -> None:
    url = f"{broker.url}?partitions=2"
    broker.make(Stream.EVENTS, 2, retention_ms="86400000")
    with closing(KafkaLog(url, clock)) as log:
        log.append(Stream.EVENTS, [Record("user", "id", b"1")])
        assert (log.partitions(), log.ends(Stream.EVENTS)) == (2, {partition_of("user", 2): 0})


def test_others_find_users_as_keys_and_the_id_as_a_header(broker: Broker, log: KafkaLog) -> None:
    log.append(Stream.EVENTS, [Record("user", "an id", b"body")])
    consumer = Consumer({**broker.client, "group.id": "other"})
    consumer.assign([TopicPartition(broker.topic(Stream.EVENTS), PARTITION, 0)])
    message = consumer.poll(10)
    consumer.close()
    assert (message.key(), message.value(), message.headers()) == (b"user", b"body", [("id", b"an id")])
    assert message.timestamp()[1] == NOW_MS


def test_what_others_write_without_an_id_is_read_with_its_place(broker: Broker, log: KafkaLog) -> None:
    producer = Producer(broker.client)
    producer.produce(broker.topic(Stream.EVENTS), None, None, PARTITION)
    producer.flush(10)
    (entry,) = log.read(Stream.EVENTS, PARTITION, -1, 10)
    assert entry.record == Record("", f"{broker.topic(Stream.EVENTS)}:{PARTITION}:0", b"")


def test_marks_of_transactions_are_passed_over_and_the_end_is_a_record(broker: Broker, log: KafkaLog) -> None:
    log.append(Stream.EVENTS, [Record("user", "0", b"0")])
    broker.transaction(Stream.EVENTS, b"no", b"no", commit=False)
    assert log.ends(Stream.EVENTS) == {PARTITION: 0}
    assert log.read(Stream.EVENTS, PARTITION, 0, 10) == []
    broker.transaction(Stream.EVENTS, b"4")
    for one in (log, KafkaLog(broker.url, ManualClock(0))):
        assert one.ends(Stream.EVENTS) == one.ends(Stream.EVENTS) == {PARTITION: 4}
        assert bodies(one) == [b"0", b"4"]
        assert bodies(one, after=2) == [b"4"]
        assert bodies(one, after=4) == bodies(one, after=99) == []
    one.close()
    log.append(Stream.EVENTS, [Record("user", "6", b"6")])
    assert (log.ends(Stream.EVENTS), bodies(log, after=4)) == ({PARTITION: 6}, [b"6"])


def test_records_that_are_gone_are_passed_over(broker: Broker, log: KafkaLog) -> None:
    log.append(Stream.EVENTS, [Record("user", str(n), b"%d" % n) for n in range(6)])
    gone = TopicPartition(broker.topic(Stream.EVENTS), PARTITION, 4)
    broker.admin.delete_records([gone])[gone].result()
    assert (bodies(log), bodies(log, after=1)) == ([b"4", b"5"], [b"4", b"5"])
    everything = TopicPartition(broker.topic(Stream.EVENTS), PARTITION, 6)
    broker.admin.delete_records([everything])[everything].result()
    with closing(KafkaLog(broker.url, ManualClock(0))) as later:
        assert (later.ends(Stream.EVENTS), bodies(later)) == ({}, [])


def test_compaction_takes_what_a_put_replaces_and_no_patch(broker: Broker, clock: ManualClock) -> None:
    broker.make(
        Stream.ITEMS, 4, cleanup_policy="compact", min_cleanable_dirty_ratio="0.001", segment_ms="1000",
    )  # fmt: skip
    log = KafkaLog(broker.url, clock, whole)
    said = [("put", "1"), ("patch", "2"), ("patch", "3"), ("put", "4"), ("delete", "5"), ("put", "6"), ("patch", "7")]
    for op, title in said:
        change = ItemChange(item_id="user", op=op, title=title, published_ms=1)
        log.append(Stream.ITEMS, [item_record(change)])
        clock.at_ms += 5_000  # another segment: only closed ones are compacted
    end = time.monotonic() + SOON_S
    while len(found := log.read(Stream.ITEMS, PARTITION, -1, 100)) > 4 and time.monotonic() < end:
        time.sleep(0.1)
    assert [entry.offset for entry in found] == [1, 2, 5, 6]
    assert {entry.record.key for entry in found} == {"user"}
    assert log.ends(Stream.ITEMS) == {PARTITION: 6}
    assert [entry.offset for entry in log.read(Stream.ITEMS, PARTITION, 2, 1)] == [5]
    log.close()


def test_a_reader_that_jumps_about_reads_what_is_there(log: KafkaLog) -> None:
    log.append(Stream.EVENTS, [Record("user", str(n), b"%d" % n) for n in range(3_000)])
    for after, limit in ((-1, 5), (4, 5), (2_000, 3), (9, 2), (2_998, 10), (-1, 3_000), (5, 1)):
        found = [entry.offset for entry in log.read(Stream.EVENTS, PARTITION, after, limit)]
        assert found == list(range(after + 1, min(3_000, after + 1 + limit)))


def test_a_partition_that_nobody_reads_on_does_not_fill_the_memory(
    log: KafkaLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foryou.stores.log_kafka.reading.AHEAD", 100)
    log.append(Stream.EVENTS, [Record(f"user-{n % 50}", str(n), b"") for n in range(2_000)])
    parts = range(log.partitions())
    firsts = [log.read(Stream.EVENTS, part, -1, 1)[0].offset for part in parts]
    found = [len(log.read(Stream.EVENTS, part, -1, 2_000)) for part in parts]
    assert (firsts, sum(found)) == ([0, 0, 0, 0], 2_000)
    assert [log.ends(Stream.EVENTS)[part] + 1 for part in parts] == found


def test_a_ticket_changes_soon_after_somebody_has_appended(broker: Broker, log: KafkaLog) -> None:
    before = log.changed(Stream.EVENTS)
    with closing(KafkaLog(broker.url, ManualClock(0))) as other:
        other.append(Stream.EVENTS, [Record("user", "id", b"")])
    end = time.monotonic() + SOON_S
    while log.changed(Stream.EVENTS) == before and time.monotonic() < end:
        time.sleep(0.001)
    ticket = log.changed(Stream.EVENTS)
    assert ticket != before
    assert log.changed(Stream.EVENTS) == ticket


def test_a_record_that_is_too_large_is_refused_with_the_limit(log: KafkaLog) -> None:
    with pytest.raises(Invalid, match=r"a record of 4,194,305 bytes, limit 4,194,304; say it in several"):
        log.append(Stream.EVENTS, [Record("user", "id", bytes(RECORD_BYTES + 1))])
    log.append(Stream.EVENTS, [Record("user", "id", bytes(RECORD_BYTES - 1_000))])
    assert len(bodies(log)[0]) == RECORD_BYTES - 1_000


def test_more_records_than_the_queue_holds_wait_for_their_turn(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foryou.stores.log_kafka.writing.QUEUED", 100)
    with closing(KafkaLog(broker.url, ManualClock(0))) as log:
        log.append(Stream.EVENTS, [Record("user", str(n), b"") for n in range(1_000)])
        assert [entry.record.record_id for entry in log.read(Stream.EVENTS, PARTITION, -1, 2_000)] == [
            str(n) for n in range(1_000)
        ]


def test_a_producer_that_lost_count_is_replaced(log: KafkaLog) -> None:
    log.append(Stream.EVENTS, [Record("user", "1", b"1")])
    broken = log._writer._producer
    log._writer._noted(SimpleNamespace(fatal=lambda: True))
    log.append(Stream.EVENTS, [Record("user", "2", b"2")])
    assert log._writer._producer is not broken
    assert bodies(log) == [b"1", b"2"]


def test_a_broker_that_is_away_is_unavailable_within_seconds_and_found_again(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("topics", "writing", "reading"):
        monkeypatch.setattr(f"foryou.stores.log_kafka.{module}.PATIENCE_S", 0.5)
    url = broker.url.removeprefix(f"kafka://{broker.address.servers}")
    with closing(Proxy(f"http://{broker.address.servers}")) as proxy:
        proxy.cut()
        with closing(KafkaLog(f"kafka://{proxy.url.removeprefix('http://')}{url}", ManualClock(0))) as log:
            calls = {
                "append": lambda: log.append(Stream.EVENTS, [Record("user", "id", b"1")]),
                "read": lambda: log.read(Stream.EVENTS, PARTITION, -1, 1),
                "ends": lambda: log.ends(Stream.EVENTS),
                "changed": lambda: log.changed(Stream.EVENTS),
            }
            for _ in range(2):  # before the topics were seen, and after
                for call in calls.values():
                    started = time.monotonic()
                    with pytest.raises(Unavailable, match=r"Kafka at 127.0.0.1:\d+: .*; check that it runs there"):
                        call()
                    assert time.monotonic() - started < 3
                proxy.mend()
                _until(calls["append"])
                assert set(bodies(log)) == {b"1"}
                proxy.cut()


def test_a_full_queue_before_a_broker_that_is_away_is_unavailable(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foryou.stores.log_kafka.writing.PATIENCE_S", 0.5)
    monkeypatch.setattr("foryou.stores.log_kafka.writing.QUEUED", 10)
    with closing(Proxy(f"http://{broker.address.servers}")) as proxy:
        prefix = broker.address.prefix
        with closing(KafkaLog(f"kafka://{proxy.url.removeprefix('http://')}/{prefix}", ManualClock(0))) as log:
            proxy.cut()
            with pytest.raises(Unavailable, match="check that it runs there"):
                log.append(Stream.EVENTS, [Record("user", str(n), b"") for n in range(11)])


def test_an_error_of_the_client_is_noted_without_ending_it(log: KafkaLog) -> None:
    log._writer._noted(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    log.append(Stream.EVENTS, [Record("user", "1", b"1")])


def _until(call: Callable[[], object]) -> None:
    end = time.monotonic() + SOON_S
    while True:
        try:
            call()
        except Unavailable:
            assert time.monotonic() < end
        else:
            return
