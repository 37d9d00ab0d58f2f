"""What do readers and the worker notice when servers are cut off, hang, die, or hand their users to another?"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from foryou.domain.clock import ManualClock
from foryou.domain.errors import ForyouError, Incomplete, Unavailable
from foryou.domain.log import partition_of
from foryou.domain.records import NO_HISTORY, NO_SEEN, Change, Core, UserRecord
from foryou.services import run
from foryou.services.ports import answers
from foryou.services.redis import ask
from foryou.services.run import Standing
from foryou.stores.features_redis import RedisFeatures
from foryou.stores.redis_address import address
from foryou.stores.redis_servers import Patience, Servers
from proxy import Proxy
from servers import absent

SHARDS = 16
MINUTE_MS = 60_000
CLOCK = ManualClock(1_000)
USERS = [f"user-{number}" for number in range(100)]
GIVE_UP_S = 20.0

pytestmark = pytest.mark.xdist_group("a redis cluster of its own")


class Shop:
    """A store with USERS, all of them at age 30."""

    def __init__(self, url: str, patience: Patience | None = None) -> None:
        self.servers = Servers(address(url), patience=patience)
        self.features = RedisFeatures(self.servers, CLOCK, SHARDS)
        self.reader = RedisFeatures(self.servers, CLOCK, SHARDS)  # holds no lease
        self.token = self.features.lease("worker", MINUTE_MS)
        self.stands = dict.fromkeys(range(SHARDS), -1)
        self.write(30)

    def write(self, age: int) -> None:
        for partition, after in self.stands.items():
            record = UserRecord(Core(age=age), NO_HISTORY, NO_SEEN, 0)
            users = {name: record for name in USERS if partition_of(name, SHARDS) == partition}
            change = Change(partition, {"events": after}, {"events": after + 1}, users, {(470_000, 1): 1})
            self.features.write(change, self.token)
            self.stands[partition] += 1

    def ages(self) -> set[int | None]:
        return {found and found.core.age for found in self.reader.read(USERS)}

    def timed(self) -> float:
        """Give how long a read takes, s, whether it succeeds or not."""
        started = time.monotonic()
        with suppress(Unavailable):
            self.reader.read(USERS)
        return time.monotonic() - started


def until(holds: Callable[[], Any]) -> Any:
    """Wait until something holds that raises or is false before."""
    end = time.monotonic() + GIVE_UP_S
    while True:
        with suppress(ForyouError):
            if found := holds():
                return found
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


@pytest.fixture
def proxy(services: Callable[[str], str]) -> Iterator[Proxy]:
    with closing(Proxy(services("redis").replace("redis:", "http:"))) as proxy:
        yield proxy


def test_a_server_that_is_cut_off_is_not_asked_again_until_it_is_back(proxy: Proxy, tmp_path: Path) -> None:
    url = proxy.url.replace("http:", "redis:") + f"?namespace={tmp_path.parent.name}-{tmp_path.name}"
    shop = Shop(url)
    with closing(shop.features):
        proxy.cut()
        with pytest.raises(Unavailable, match=r"gives no answer for \{.*\} \(.*\); see whether its servers run"):
            shop.features.read(USERS)
        assert sorted(shop.timed() for _ in range(50))[25] < 0.002
        for ask in (shop.features.trending, lambda: shop.features.position(0), lambda: shop.write(31)):
            with pytest.raises(Unavailable):
                ask()
        proxy.mend()
        assert until(shop.ages) == {30}
        assert shop.features.trending().count.tolist() == [SHARDS]
        shop.write(32)
        assert shop.ages() == {32}


def test_a_store_may_be_opened_while_nobody_is_there(proxy: Proxy) -> None:
    for url in (proxy.url.replace("http:", "redis:"), proxy.url.replace("http:", "redis+cluster:")):
        proxy.cut()
        with closing(RedisFeatures(Servers(address(url)), CLOCK, SHARDS)) as features:
            for _ in range(2):
                with pytest.raises(Unavailable, match="see whether its servers run"):
                    features.read(USERS)
                with pytest.raises(Unavailable, match="cannot be used now"):
                    features.lease("worker", 1)
            proxy.mend()
            if "+cluster" not in url:
                assert until(lambda: features.read(["nobody"])) == [None]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """Start a cluster that tests may break; the last one kills a master."""
    folder = tmp_path_factory.mktemp("cluster")
    try:
        (standing,) = run.up(["redis-cluster"], folder, first_port=None)
    except Unavailable as error:
        absent(str(error))
    yield standing
    run.down(["redis-cluster"], folder, wipe=True)


@pytest.fixture
def shop(cluster: Standing, tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(f"{cluster.url}?namespace={tmp_path.parent.name}-{tmp_path.name}", Patience(read_ms=100))
    with closing(shop.features):
        yield shop


@pytest.fixture
def admin(cluster: Standing) -> Iterator[Any]:
    host, port = address(cluster.url).hosts[0]
    with closing(redis.RedisCluster(host=host, port=port, decode_responses=True)) as admin:
        yield admin


def pid_of(cluster: Standing, name: str) -> int:
    return cluster.pids[f"node-{cluster.ports.index(int(name.rpartition(':')[2]))}"]


def test_a_slot_on_the_move_is_read_and_one_that_has_moved_is_written(shop: Shop, admin: Any) -> None:
    tag = shop.features._tags[partition_of(USERS[0], SHARDS)]
    slot = key_slot(tag)
    old = admin.nodes_manager.slots_cache[slot][0]
    new = next(node for node in admin.get_primaries() if node.name != old.name)
    ids = {node.name: admin.cluster_myid(node) for node in (old, new)}
    client, target = old.redis_connection, new.redis_connection
    target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[old.name])
    client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[new.name])
    keys = client.execute_command("CLUSTER GETKEYSINSLOT", slot, 1_000)
    for part in (keys[: len(keys) // 2], keys[len(keys) // 2 :]):  # half of them here, half there; then all there
        client.execute_command("MIGRATE", new.host, new.port, "", 0, 1_000, "KEYS", *part)
        assert shop.ages() == {30}
    for one in (target, client):
        one.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[new.name])
    assert shop.ages() == {30}
    shop.write(31)
    assert shop.ages() == {31}
    assert shop.features.trending().count.tolist() == [2 * SHARDS]


def test_replicas_answer_where_they_are_asked_for(shop: Shop) -> None:
    replicas = Servers(shop.servers.where, patience=Patience(replicas=True))
    with closing(RedisFeatures(replicas, CLOCK, SHARDS)) as features:
        assert all(replicas._reader(tag).replica for tag in features._tags)
        assert not any(replicas._reader(tag, primary=True).replica for tag in features._tags)
        assert until(lambda: all(found and found.core.age == 30 for found in features.read(USERS)))
    assert not any(shop.servers._reader(tag).replica for tag in shop.features._tags)


def test_a_server_that_hangs_costs_one_read_its_patience_and_its_replica_answers(shop: Shop, cluster: Standing) -> None:
    pid = pid_of(cluster, shop.servers._nodes(shop.features._tags[0])[0].name)
    until(lambda: shop.ages() == {30})
    os.kill(pid, signal.SIGSTOP)
    try:
        assert shop.timed() < 1.0
        for _ in range(30):
            assert shop.ages() == {30}
        middle = sorted(shop.timed() for _ in range(20))[10]
        assert middle < Patience().read_ms / 1e3, "nobody waits for the one that hangs"
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: (shop.write(33), shop.ages() == {33})[1])


@pytest.mark.drill
def test_a_master_that_is_killed_stops_no_reader_and_the_worker_goes_on(shop: Shop, cluster: Standing) -> None:
    os.kill(pid_of(cluster, shop.servers._nodes(shop.features._tags[0])[0].name), signal.SIGKILL)
    killed, times, incomplete = time.monotonic(), [], 0
    wrote = False
    while not wrote:
        assert time.monotonic() - killed < GIVE_UP_S
        times.append(shop.timed())
        try:
            assert shop.ages() <= {30, 40}
        except Unavailable:  # a busy machine: the replica, too, took longer than it may
            incomplete += 1
        with suppress(Unavailable):
            shop.write(40)
            wrote = True
    assert max(times) < 0.5
    assert incomplete < len(times) / 4
    assert shop.ages() == {40}
    assert shop.features.trending().count.tolist() == [2 * SHARDS]
    os.kill(pid_of(cluster, shop.servers._nodes(shop.features._tags[0])[0].name), signal.SIGKILL)  # its heir, too
    with pytest.raises(Incomplete, match="gives no answer for") as caught:
        shop.reader.read(USERS)
    found, missing = caught.value.found, set(caught.value.missing)
    assert 0 < len(missing) < len(USERS)
    assert all((found[place] is None) == (place in missing) for place in range(len(USERS)))
    with pytest.raises(Unavailable):
        shop.features.trending()
    middle = sorted(shop.timed() for _ in range(20))[10]
    assert middle < Patience().read_ms / 1e3, "nobody waits for those that are gone"
    survivor = _without_majority(shop, cluster)
    until(lambda: "cluster_state:fail" in ask(survivor, "cluster", "info"))
    assert max(shop.timed() for _ in range(10)) < 0.25  # redis-py would wait a quarter of a second, again and again


def _without_majority(shop: Shop, cluster: Standing) -> int:
    """Kill another master with its replica; gives the port of the last one."""
    standing = {tuple(node.name for node in shop.servers._nodes(tag)) for tag in shop.features._tags}
    ports = {int(names[0].rpartition(":")[2]): names for names in standing}
    alive = [port for port in ports if answers(port)]
    for name in ports[alive[0]]:
        with suppress(ProcessLookupError):
            os.kill(pid_of(cluster, name), signal.SIGKILL)
    return alive[1]
