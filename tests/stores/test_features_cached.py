"""Does the memory of user records ever serve what is no longer so? On real servers, cut off, emptied and switched."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from foryou.domain.clock import ManualClock
from foryou.domain.errors import ForyouError, Incomplete, Unavailable
from foryou.domain.log import partition_of
from foryou.domain.records import NO_HISTORY, NO_SEEN, Change, Core, UserRecord
from foryou.stores import features_cached
from foryou.stores.features_cached import Cached
from foryou.stores.features_redis import Look, RedisFeatures
from foryou.stores.redis_address import address
from foryou.stores.redis_servers import Patience, Servers
from proxy import Proxy

SHARDS = 8
MINUTE_MS = 60_000
MB = 1_000_000
PATIENT = Patience(read_ms=5_000, write_ms=10_000)  # a busy machine is no failure here
USERS = [f"user-{number}" for number in range(60)]
GIVE_UP_S = 10.0


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds that raises or is false before."""
    end = time.monotonic() + GIVE_UP_S
    while True:
        with suppress(ForyouError):
            if holds():
                return
        assert time.monotonic() < end, "it never came"
        time.sleep(0.002)


class Paused(RedisFeatures):
    """A store whose reads wait, once they have their answer, as long as a test says so."""

    gate: threading.Event | None = None

    def look(self, users: Sequence[str]) -> Look:
        found = super().look(users)
        if self.gate is not None:
            self.answered.set()
            assert self.gate.wait(GIVE_UP_S)
        return found

    def pause(self) -> None:
        self.answered, self.gate = threading.Event(), threading.Event()


class Shop:
    """One store, by whom it is written, and a memory before it."""

    def __init__(self, url: str, through: str = "", **more: int) -> None:
        self.writer = RedisFeatures(Servers(address(url), patience=PATIENT), ManualClock(1_000), SHARDS)
        patience = replace(PATIENT, replicas=bool(more.pop("replicas", 0)))
        self.store = Paused(Servers(address(through or url), patience=patience), ManualClock(1_000), SHARDS)
        self.cached = Cached(self.store, more.pop("users", 1_000), more.pop("size_bytes", 100 * MB))
        self.token = self.writer.lease("worker", MINUTE_MS)
        self.stands = dict.fromkeys(range(SHARDS), -1)

    def write(self, age: int, users: Sequence[str] = USERS, by: RedisFeatures | None = None, token: int = 0) -> None:
        parts: dict[int, dict[str, UserRecord]] = {}
        for name in users:
            record = UserRecord(Core(age=age), NO_HISTORY, NO_SEEN, 0)
            parts.setdefault(partition_of(name, SHARDS), {})[name] = record
        for partition, some in parts.items():
            after = self.stands[partition] if by is None else -1
            change = Change(partition, {"events": after}, {"events": after + 1}, some, {})
            (by or self.writer).write(change, token or self.token)
            if by is None:
                self.stands[partition] += 1

    def ages(self, users: Sequence[str] = USERS) -> list[int | None]:
        return [found and found.core.age for found in self.cached.read(users)]

    def warm(self) -> None:
        """Read until everybody is remembered."""

        def all_hits() -> bool:
            before = self.cached.hits
            self.ages()
            return self.cached.hits - before == len(USERS)

        until(all_hits)

    def reads(self) -> int:
        """Give how many users have been read from the store."""
        return self.cached.misses + self.cached.unheard

    def close(self) -> None:
        self.cached.close()
        self.store.close()
        self.writer.close()


Open = Callable[..., Shop]


@pytest.fixture
def opened() -> Iterator[Open]:
    with ExitStack() as stack:
        yield lambda *args, **more: stack.enter_context(closing(Shop(*args, **more)))


@pytest.fixture
def url(services: Callable[[str], str], tmp_path: Path) -> str:
    return f"{services('redis')}?namespace={tmp_path.name}"


@pytest.fixture
def proxy(services: Callable[[str], str]) -> Iterator[Proxy]:
    with closing(Proxy(services("redis").replace("redis:", "http:"))) as proxy:
        yield proxy


@pytest.mark.parametrize("service", ["redis", "redis-cluster"])
def test_who_is_remembered_is_not_asked_for_again_until_he_changes(
    service: str, services: Callable[[str], str], opened: Open, tmp_path: Path
) -> None:
    shop = opened(f"{services(service)}?namespace={tmp_path.name}")
    assert set(shop.ages()) == {None}  # nobody, yet; this, too, is remembered
    shop.warm()
    shop.write(30)
    until(lambda: set(shop.ages()) == {30})
    shop.warm()
    reads = shop.reads()
    for _ in range(5):
        assert set(shop.ages()) == {30}
    assert shop.reads() == reads
    shop.write(31, USERS[:7])
    until(lambda: shop.ages()[:7] == [31] * 7)
    assert shop.ages()[7:] == [30] * 53
    assert shop.reads() <= reads + 14  # some may be asked for while their change is on its way
    assert shop.cached.delays_ms
    assert all(-50 < delay < 5_000 for delay in shop.cached.delays_ms)


def test_replicas_tell_themselves_what_has_come_to_them(
    services: Callable[[str], str], opened: Open, tmp_path: Path
) -> None:
    shop = opened(f"{services('redis-cluster')}?namespace={tmp_path.name}", replicas=1)
    shop.write(30)
    until(lambda: set(shop.ages()) == {30})
    shop.warm()
    ears = shop.cached._ears
    primaries = {shop.store._servers._nodes(tag)[0].name for tag in shop.store._tags}
    assert ears
    assert not primaries & set(ears)
    for age in range(31, 40):
        shop.write(age)
        until(lambda age=age: set(shop.ages()) == {age})


def test_who_had_been_asked_for_is_read_again_unasked_when_he_changes(url: str, opened: Open) -> None:
    shop = opened(url)
    shop.write(30)
    shop.warm()
    misses, dropped = shop.cached.misses, shop.cached.dropped
    shop.write(31, USERS[:3])
    until(lambda: shop.cached.renewed == 3)
    assert shop.ages()[:3] == [31] * 3
    assert shop.cached.misses == misses
    shop.write(32, USERS[3:4])
    until(lambda: shop.cached.renewed == 4)
    shop.write(33, USERS[3:4])  # nobody has asked for him since
    until(lambda: shop.cached.dropped == dropped + 5)
    assert shop.ages()[3] == 33
    assert (shop.cached.renewed, shop.cached.misses) == (4, misses + 1)


def test_a_record_that_changes_while_it_is_being_read_is_not_kept(
    url: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features_cached, "RENEWED", (32, 0))  # nobody is read again unasked
    shop = opened(url)
    shop.write(30)
    shop.warm()
    shop.write(31)
    until(lambda: shop.cached.dropped >= len(USERS))
    shop.store.pause()
    got: list[int | None] = []
    reading = threading.Thread(target=lambda: got.extend(shop.ages()))
    reading.start()
    assert shop.store.answered.wait(GIVE_UP_S)  # it has 31, and stores it only when it may go on
    before = len(shop.cached.delays_ms)
    shop.write(32, USERS[:1])
    until(lambda: len(shop.cached.delays_ms) > before)
    gate, shop.store.gate = shop.store.gate, None
    gate.set()
    reading.join()
    assert set(got) == {31}  # as good as it was when it was asked
    assert shop.ages() == [32] + [31] * 59
    reads = shop.reads()
    assert shop.ages() == [32] + [31] * 59
    assert shop.reads() == reads


def test_what_was_read_before_the_connection_broke_is_not_kept_after_it_is_back(
    url: str, proxy: Proxy, opened: Open, tmp_path: Path
) -> None:
    shop = opened(url, proxy.url.replace("http:", "redis:") + f"?namespace={tmp_path.name}")
    shop.write(30)
    shop.warm()
    (ear,) = shop.cached._ears.values()
    shop.store.pause()
    reading = threading.Thread(target=lambda: shop.cached.read(["somebody"]))
    reading.start()
    assert shop.store.answered.wait(GIVE_UP_S)
    proxy.cut()
    until(lambda: not ear.hears)
    shop.write(31, [*USERS, "somebody"])  # nobody tells
    proxy.mend()
    until(lambda: ear.hears)
    gate, shop.store.gate = shop.store.gate, None
    gate.set()
    reading.join()
    until(lambda: set(shop.ages()) == {31})
    assert shop.ages(["somebody"]) == [31]


def test_without_the_connection_nothing_is_remembered_or_served_from_memory(
    url: str, proxy: Proxy, opened: Open, tmp_path: Path
) -> None:
    shop = opened(url, proxy.url.replace("http:", "redis:") + f"?namespace={tmp_path.name}")
    shop.write(30)
    shop.warm()
    (ear,) = shop.cached._ears.values()
    proxy.cut()
    until(lambda: not ear.hears)
    with pytest.raises(Unavailable):
        shop.ages()
    shop.write(31)
    proxy.mend()
    until(lambda: set(shop.ages()) == {31})
    shop.warm()
    assert ear.hears


def test_a_server_that_falls_silent_is_given_up(url: str, proxy: Proxy, opened: Open, tmp_path: Path) -> None:
    shop = opened(url, proxy.url.replace("http:", "redis:") + f"?namespace={tmp_path.name}")
    shop.write(30)
    shop.warm()
    (ear,) = shop.cached._ears.values()
    proxy.hold()
    shop.write(31)
    until(lambda: not ear.hears)
    proxy.mend()
    until(lambda: set(shop.ages()) == {31})
    shop.warm()


def test_who_can_be_had_from_memory_is_given_though_the_rest_cannot_be_reached(
    url: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = opened(url)
    shop.write(30)
    shop.warm()

    def away(_: Sequence[str]) -> Look:
        raise Unavailable("no server answers")

    monkeypatch.setattr(shop.store, "look", away)
    with pytest.raises(Incomplete, match="no server answers") as caught:
        shop.cached.read([USERS[0], "stranger", USERS[1]])
    assert [one and one.core.age for one in caught.value.found] == [30, None, 30]
    assert list(caught.value.missing) == [1]
    with pytest.raises(Unavailable, match="no server answers"):
        shop.cached.read(["stranger"])


@pytest.mark.parametrize("service", ["redis", "redis-cluster"])
def test_a_switch_of_generations_drops_everybody(
    service: str, services: Callable[[str], str], opened: Open, tmp_path: Path
) -> None:
    shop = opened(f"{services(service)}?namespace={tmp_path.name}")
    shop.write(30)
    shop.warm()
    with closing(shop.writer.begin_generation()) as rebuilt:
        token = rebuilt.lease("rebuild", MINUTE_MS)
        shop.write(200, by=rebuilt, token=token)
        shop.warm()
        assert set(shop.ages()) == {30}
        rebuilt.switch_generation()
        until(lambda: set(shop.ages()) == {200})


def test_a_switch_is_heard_before_anything_of_the_old_generation_is_deleted(url: str, opened: Open) -> None:
    shop = opened(url)
    shop.write(30)
    shop.warm()
    with closing(shop.writer.begin_generation()) as rebuilt:
        token = rebuilt.lease("rebuild", MINUTE_MS)
        shop.write(200, by=rebuilt, token=token)
        shop.warm()
        rebuilt._servers.run("generation", rebuilt._root, "live", 2)
        rebuilt._servers.run_all("switch", [(tag, (2, 0)) for tag in rebuilt._tags])
        until(lambda: set(shop.ages()) == {200})


def test_an_emptied_server_voids_everybody(services: Callable[[str], str], opened: Open, tmp_path: Path) -> None:
    own = f"{services('redis')}/9"  # a database that no other test uses
    shop = opened(f"{own}?namespace={tmp_path.name}")
    shop.write(30)
    shop.warm()
    with redis.Redis.from_url(own) as admin:
        admin.flushdb()
    until(lambda: set(shop.ages()) == {None})


def test_a_user_with_a_password_is_told_and_one_without_rights_reads_on(
    services: Callable[[str], str], tmp_path: Path
) -> None:
    url = services("redis")
    with redis.Redis.from_url(url) as admin:
        for name, rights in (("hears", ["+@all"]), ("deaf", ["+@all", "-client|tracking"])):
            admin.acl_setuser(name, enabled=True, passwords=["+right"], keys=["*"], commands=rights)
    for name in ("hears", "deaf"):
        where = address(url.replace("//", f"//{name}@") + f"?namespace={tmp_path.name}{name}")
        store = RedisFeatures(Servers(where, "right"), ManualClock(1_000), SHARDS)
        with closing(store), closing(Cached(store, 100, MB)) as cached:
            if name == "hears":
                until(lambda cached=cached: (cached.read(["ann"]), cached.hits)[1])
            else:
                for _ in range(20):
                    assert cached.read(["ann"]) == [None]
                    time.sleep(0.01)
                assert (cached.hits, cached.unheard) == (0, 20)


def test_no_more_users_and_bytes_are_kept_than_are_allowed(url: str, opened: Open) -> None:
    few = opened(url, users=10)
    few.write(30)
    for _ in range(30):
        assert set(few.ages()) == {30}
    assert len(few.cached) == 10
    small = opened(url.replace("namespace=", "namespace=s"), size_bytes=20_000)
    small.write(30)
    for _ in range(30):
        assert set(small.ages()) == {30}
    assert 0 < small.cached.bytes <= 20_000
    assert small.cached.bytes == sum(entry.size for entry in small.cached._entries.values())


def test_who_comes_often_stays_when_many_come_once(url: str, opened: Open) -> None:
    shop = opened(url, users=20)
    until(lambda: (shop.ages(["often"]), shop.cached.hits)[1])
    for number in range(200):
        shop.ages([f"passer-by-{number}"])
        hits = shop.cached.hits
        shop.ages(["often"])
        assert shop.cached.hits == hits + 1


def test_nobody_is_believed_for_longer_than_the_greatest_age(
    url: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = opened(url)
    shop.warm()
    monkeypatch.setattr(features_cached, "MAX_AGE_S", 0.0)
    reads = shop.reads()
    shop.ages()
    assert shop.reads() == reads + len(USERS)


@pytest.mark.parametrize("service", ["redis", "redis-cluster"])
def test_readers_and_a_writer_at_once_end_with_what_is_stored(
    service: str, services: Callable[[str], str], opened: Open, tmp_path: Path
) -> None:
    shop = opened(f"{services(service)}?namespace={tmp_path.name}", users=50)  # too few for all: they also leave
    shop.write(0)
    stop, went_back = threading.Event(), []

    def read(seed: int) -> None:
        chance, newest = random.Random(seed), dict.fromkeys(USERS, 0)
        while not stop.is_set():
            some = chance.sample(USERS, 5)
            for name, age in zip(some, shop.ages(some), strict=True):
                if age is None:
                    went_back.append(name)
                newest[name] = age or 0

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    chance = random.Random(9)
    for age in range(1, 400):
        shop.write(age, chance.sample(USERS, 3))
    stop.set()
    for thread in threads:
        thread.join()
    assert not went_back
    stored = [found and found.core.age for found in shop.writer.read(USERS)]
    until(lambda: shop.ages() == stored)
    for _ in range(3):
        assert shop.ages() == stored
    assert shop.cached.hits > 100
