"""How is a Kafka started? One broker that is its own controller (KRaft), with jars that Maven fetches."""

import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from foryou.domain.errors import Unavailable
from foryou.services import install
from foryou.services.ports import HOST, answers
from foryou.services.service import Place, Service

POM = Path(__file__).with_name("pom.xml")
TOPIC = "foryou-ready"
CREATE_S = 2.0  # a client that asks while the broker registers is deaf to it until it asks again
ASK_S = 10.0
Client = dict[str, Any]
FORMAT_S = 60
QUICK = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # half the time to start, and no thread per core
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={controller}
listeners=PLAINTEXT://{broker},CONTROLLER://{controller}
advertised.listeners=PLAINTEXT://{broker},CONTROLLER://{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
log.cleaner.backoff.ms=200
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


def _commands(place: Place) -> Mapping[str, Sequence[str]]:
    """Give the command of the broker; the folder of a new one is formatted first."""
    folder = place.folder / "broker"
    folder.mkdir(parents=True, exist_ok=True)
    java = [install.program("java", "default-jre-headless", place.report), *QUICK]
    path = f"{install.jars(POM, place.report)}/*"
    broker, controller = (f"{HOST}:{port}" for port in place.ports)
    (folder / "server.properties").write_text(SETTINGS.format(broker=broker, controller=controller), encoding="utf-8")
    if not (folder / "data" / "meta.properties").exists():
        _format([*java, "-cp", path], folder)
    log = "-Dorg.apache.logging.log4j.level=WARN"
    return {"broker": [*java, "-Xms256m", "-Xmx512m", log, "-cp", path, "kafka.Kafka", "server.properties"]}


def _format(java: Sequence[str], folder: Path) -> None:
    cluster = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
    what = [
        "format",
        "--standalone",
        f"--cluster-id={cluster}",
        "--config",
        "server.properties",
    ]  # ids may begin with -
    command = [*java, "kafka.tools.StorageTool", *what]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=FORMAT_S, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(
            f"Kafka cannot format {folder}: {said[-1] if said else done.returncode}; see whether java works"
        )


def _settle(place: Place) -> None:
    """Create a topic and send a record round; raises Unavailable until that works."""
    if not answers(place.ports[0]):  # a client that comes too early waits for seconds before it tries again
        raise Unavailable(f"the broker does not listen on port {place.ports[0]}; wait until it does")
    client: Client = {"bootstrap.servers": _url(place).removeprefix("kafka://"), "log_level": 0}
    try:
        _create(client)
        _send_round(client, uuid4().bytes)
    except (KafkaException, TimeoutError) as error:
        raise Unavailable(f"the broker does not work: {error!r}; look at its log") from error


def _create(client: Client) -> None:
    topic = NewTopic(TOPIC, 1, 1, config={"retention.ms": "60000"})
    admin = AdminClient(client)  # kept: without it the answer never comes
    try:
        admin.create_topics([topic], request_timeout=CREATE_S)[TOPIC].result(ASK_S)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


def _send_round(client: Client, body: bytes) -> None:
    kept: list[TopicPartition] = []

    def delivered(error: KafkaError | None, message: object) -> None:
        if error is None:
            kept.append(TopicPartition(TOPIC, message.partition(), message.offset()))  # type: ignore[attr-defined]

    producer = Producer({**client, "acks": "all", "message.timeout.ms": int(ASK_S * 1e3)})
    producer.produce(TOPIC, body, on_delivery=delivered)
    producer.flush(ASK_S)
    consumer = Consumer({**client, "group.id": TOPIC, "enable.auto.commit": False})
    try:
        consumer.assign(kept)
        found = consumer.poll(ASK_S) if kept else None
    finally:
        consumer.close()
    if found is None or found.value() != body:
        raise Unavailable(f"a record did not come back from {TOPIC} within {ASK_S} s; look at the log of the broker")


def _url(place: Place) -> str:
    return f"kafka://{HOST}:{place.ports[0]}"


KAFKA = Service(name="kafka", offset=30, ports=2, patience_s=90, commands=_commands, settle=_settle, url=_url)
