"""What does the feature store on Redis do beyond its port: spread, stay whole in every shard, read only what is new?"""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

from foryou.domain.clock import ManualClock
from foryou.domain.errors import Conflict, Invalid, Refused, StalePosition, Unavailable
from foryou.domain.log import partition_of
from foryou.domain.records import ACTION_DTYPE, NO_HISTORY, NO_SEEN, Change, Core, Trending, UserRecord
from foryou.stores import features_redis
from foryou.stores.features_redis import RedisFeatures
from foryou.stores.features_sqlite import SqliteFeatures
from foryou.stores.redis_address import Address, address
from foryou.stores.redis_servers import Servers
from foryou.stores.redis_values import packed, unpacked

MINUTE_MS = 60_000
HOUR, DAY = 470_000, 19_600
SHARDS = 16
CLOCK = ManualClock(1_000)
Open = Callable[..., RedisFeatures]


def user(age: int, offset: int = 0) -> UserRecord:
    return UserRecord(Core(age=age), NO_HISTORY, NO_SEEN, offset)


def change(partition: int, after: int, through: int, users: dict[str, UserRecord], **more: Any) -> Change:
    return Change(partition, {"events": after}, {"events": through}, users, more.pop("counts", {}), **more)


def people(count: int) -> dict[int, dict[str, UserRecord]]:
    """Give users by partition."""
    found: dict[int, dict[str, UserRecord]] = {partition: {} for partition in range(SHARDS)}
    for number in range(count):
        name = f"user-{number}"
        found[partition_of(name, SHARDS)][name] = user(number % 100)
    return found


@pytest.fixture(params=["redis", "redis-cluster"])
def url(request: pytest.FixtureRequest, services: Callable[[str], str]) -> str:
    return services(request.param)


@pytest.fixture
def opened(url: str, tmp_path: Path) -> Iterator[Open]:
    """Open a client of a store of this test's own."""
    made: list[RedisFeatures] = []

    def opened(shards: int = SHARDS) -> RedisFeatures:
        where = address(f"{url}?namespace={tmp_path.parent.name}-{tmp_path.name}")
        made.append(RedisFeatures(Servers(where), CLOCK, shards))
        return made[-1]

    yield opened
    for one in made:
        one.close()


@pytest.fixture
def keys(url: str, tmp_path: Path) -> Iterator[Callable[[], list[str]]]:
    """List the keys of this test's store, without their tags."""
    where = address(url)
    host, port = where.hosts[0]
    client: Any = redis.RedisCluster(host=host, port=port) if where.cluster else redis.Redis(host=host, port=port)
    with closing(client):
        match = f"{{{tmp_path.parent.name}-{tmp_path.name}:*"
        yield lambda: [key.decode().partition("}")[2] for key in client.scan_iter(match=match, count=10_000)]


def test_users_are_spread_over_all_servers_and_read_together(opened: Open, url: str) -> None:
    features = opened()
    token = features.lease("worker", MINUTE_MS)
    everybody = people(200)
    for partition, users in everybody.items():
        features.write(change(partition, -1, 9, users), token)
    asked = [name for users in everybody.values() for name in users]
    assert [found and found.core.age for found in opened().read(asked)] == [int(name[5:]) % 100 for name in asked]
    assert all(features.position(partition) == {"events": 9} for partition in range(SHARDS))
    nodes = {features._servers._nodes(tag)[0].name for tag in features._tags}
    assert len(nodes) == (3 if "+cluster" in url else 1)


def test_a_store_has_one_name_whoever_asks_and_no_other_has_it(opened: Open, url: str, tmp_path: Path) -> None:
    where = address(f"{url}?namespace={tmp_path.parent.name}-{tmp_path.name}-other")
    with closing(RedisFeatures(Servers(where), CLOCK, SHARDS)) as other:
        assert opened().name() == opened().name() != other.name()


def test_a_shard_that_is_elsewhere_refuses_its_change_only(opened: Open) -> None:
    features = opened()
    token = features.lease("worker", MINUTE_MS)
    features.write(change(3, -1, 5, {}), token)
    with pytest.raises(StalePosition, match="partition 3 of events stands at 5, not at -1"):
        features.write(change(3, -1, 5, {}), token)
    features.write(change(4, -1, 5, {}), token)
    assert [features.position(partition) for partition in (3, 4, 5)] == [{"events": 5}, {"events": 5}, {}]


def test_counters_are_those_of_the_embedded_store_whatever_the_shards(opened: Open, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    stores = [opened(), SqliteFeatures(tmp_path / "features.db", CLOCK)]
    tokens = [store.lease("worker", MINUTE_MS) for store in stores]
    stands = [-1] * SHARDS
    for _ in range(60):
        partition = int(random.integers(SHARDS))
        item, bucket = (random.integers(0, 5, 4).tolist() for _ in range(2))
        counts = {(HOUR + 40 * b, 2**64 - 1 - i): int(random.integers(1, 9)) for b, i in zip(bucket, item, strict=True)}
        firsts = {(DAY + 25 * b, i): 1 for b, i in zip(bucket, item, strict=True)}
        for store, token in zip(stores, tokens, strict=True):
            after = stands[partition]
            store.write(change(partition, after, after + 3, {}, counts=counts, firsts=firsts), token)
        stands[partition] += 3
        if random.random() < 0.3:  # looks in between, so that the next one is of news only
            assert told(stores[0].trending()) == told(stores[1].trending())
    assert told(stores[0].trending()) == told(stores[1].trending())
    stores[1].close()


def told(trending: Trending) -> tuple[Any, ...]:
    firsts = trending.firsts
    return (
        sorted(zip(trending.hour.tolist(), trending.item.tolist(), trending.count.tolist(), strict=True)),
        sorted(zip(firsts.day.tolist(), firsts.item.tolist(), firsts.count.tolist(), strict=True)),
        trending.position,
    )


@pytest.mark.parametrize("sizes", [[3] * 300, [3, 2_000, 3]], ids=["many", "large"])
def test_who_looks_too_seldom_for_the_increments_that_are_kept_reads_all_counters(
    opened: Open, sizes: list[int]
) -> None:
    features, other = opened(), opened()
    token = features.lease("worker", MINUTE_MS)
    features.write(change(1, -1, 0, {}, counts={(HOUR, 7): 1}), token)
    features.trending()
    for offset, size in enumerate(sizes):
        counts = {(HOUR + offset % 2, item): 1 + item % 3 for item in range(size)}
        features.write(change(1, offset, offset + 1, {}, counts=counts), token)
    assert told(features.trending()) == told(other.trending())
    features.write(change(1, len(sizes), len(sizes) + 1, {}, counts={(HOUR, 9_999): 1}), token)
    assert told(features.trending()) == told(opened().trending())


def test_counters_that_have_not_changed_are_not_read_again(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    features = opened()
    token = features.lease("worker", MINUTE_MS)
    features.write(change(1, -1, 0, {}, counts={(HOUR, 1): 1}), token)
    before = features.trending()
    ran: list[int] = []
    run_all = features._servers.run_all
    monkeypatch.setattr(
        features._servers, "run_all", lambda name, calls: (ran.append(len(calls)), run_all(name, calls))[1]
    )
    assert features.trending() is before
    features.write(change(2, -1, 0, {}, counts={(HOUR, 1): 1}), token)
    assert features.trending().count.tolist() == [2]
    assert [number for number in ran if number] == [1]  # the one shard with news


def test_a_user_of_another_partition_is_refused(opened: Open) -> None:
    features = opened()
    stranger = next(name for name in ("a", "b", "c", "d") if partition_of(name, SHARDS))
    with pytest.raises(Invalid, match=f"change: user '{stranger}' is not of partition 0 among 16 shards; set stores"):
        features.write(change(0, -1, 5, {stranger: user(1)}), features.lease("worker", MINUTE_MS))


def test_a_store_that_was_made_with_other_partitions_is_refused(opened: Open) -> None:
    opened().lease("worker", MINUTE_MS)
    with pytest.raises(
        Refused, match=r"was made with 16 partitions and is opened with 8: .* set stores.partitions to 16"
    ):
        opened(8).lease("worker", MINUTE_MS)
    with pytest.raises(Refused, match="was made with 16 partitions"):
        opened(8).trending()


def test_the_moments_of_the_newest_commits_are_kept(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features_redis, "KEPT_FOLDS", 3)
    features = opened()
    token = features.lease("worker", MINUTE_MS)
    for offset in range(8):
        features.write(change(0, offset - 1, offset, {}), token)
    assert [features.folded_ms(0, offset) is not None for offset in range(8)] == [False] * 5 + [True] * 3


def test_what_an_old_generation_held_is_deleted_and_nothing_else(
    opened: Open, keys: Callable[[str], list[bytes]]
) -> None:
    features = opened()
    token = features.lease("worker", MINUTE_MS)
    named_like_keys = [f"x}}1:{number}" for number in range(8)]
    for generation in (features, features.begin_generation()):
        held = token if generation is features else generation.lease("rebuild", MINUTE_MS)
        for name in named_like_keys:
            partition = partition_of(name, SHARDS)
            stands = generation.position(partition).get("events", -1)
            counts = {(HOUR, 1): 1}
            generation.write(change(partition, stands, stands + 1, {name: user(1)}, counts=counts), held)
    assert len([key for key in keys() if key.startswith("1:u")]) == 8
    generation.switch_generation()
    generation.close()
    assert [key for key in keys() if key.startswith("1:")] == []
    assert len([key for key in keys() if key.startswith("2:u")]) == 8
    assert [found is not None for found in features.read(named_like_keys)] == [True] * 8


def test_a_switch_that_was_interrupted_is_ended_by_the_next_who_takes_the_lease(opened: Open) -> None:
    features, reader = opened(), opened()
    token = features.lease("worker", 1)
    everybody = people(40)
    for partition, users in everybody.items():
        features.write(change(partition, -1, 5, users), token)
    rebuilt = features.begin_generation()
    rebuilding = rebuilt.lease("rebuild", 1)
    for partition, users in everybody.items():
        rebuilt.write(change(partition, -1, 5, dict.fromkeys(users, user(200))), rebuilding)
    servers = rebuilt._servers  # the store says which one is live, three of the shards know, and the process is killed
    servers.run("generation", rebuilt._root, "live", 2)
    servers.run_all("switch", [(tag, (2, 0)) for tag in rebuilt._tags[:3]])
    asked = [name for users in everybody.values() for name in users]
    known = {found.core.age == 200 for found in reader.read(asked) if found}
    assert known == {True, False}  # each user is read whole, of one generation or the other
    while True:
        try:
            new = features.lease("another", MINUTE_MS)
            break
        except Conflict:
            continue
    assert new > rebuilding
    assert {found and found.core.age for found in reader.read(asked)} == {200}
    features.write(change(7, 5, 6, {}), new)
    rebuilt.close()


def test_a_shard_that_forgot_the_lease_is_told_again(opened: Open) -> None:
    """As after a failover: what was written last may be gone."""
    features = opened()
    token = features.lease("worker", MINUTE_MS)
    features.write(change(3, -1, 5, {}), token)
    features._servers.unlink(b"%bfences" % features._tags[3])
    features.write(change(3, 5, 6, {}), token)
    features.release_lease(token)
    features._servers.unlink(b"%bfences" % features._tags[3])
    with pytest.raises(StalePosition, match="is lost, nobody has token"):
        features.write(change(3, 6, 7, {}), token)


def test_a_record_is_one_value_and_comes_back_as_it_was() -> None:
    history = np.zeros(3, ACTION_DTYPE)
    history["item"] = [1, 2**64 - 1, 7]
    record = UserRecord(
        Core(location="Köln", interests=("a",)), history, np.arange(5, dtype=np.uint32), 2**40, shown_offset=8
    )
    found = unpacked(packed(record))
    assert (found.core, found.places) == (record.core, record.places)
    assert (found.history.tolist(), found.seen.tolist()) == (history.tolist(), list(range(5)))
    with pytest.raises(Refused, match="a record has form 9, this program reads 1"):
        unpacked(b"\x09" + packed(record)[1:])


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("redis://host", Address((("host", 6379),), False)),
        ("redis://me@10.0.0.1:7000/2?namespace=shop", Address((("10.0.0.1", 7000),), False, "me", 2, "shop")),
        ("redis+cluster://a:1,b:2,[::1]:3", Address((("a", 1), ("b", 2), ("::1", 3)), True)),
    ],
)
def test_a_url_names_servers_user_database_and_namespace(said: str, meant: Address) -> None:
    assert address(said) == meant
    assert address(str(meant)) == meant


@pytest.mark.parametrize(
    "said",
    ["redis://", "redis://a:x", "redis://a,b", "redis+cluster://a/2", "redis://a/x", "redis://a?name=b",
     "redis://a?namespace={b}", "rediss://a"],
)  # fmt: skip
def test_a_url_that_is_not_understood_is_refused_with_the_form(said: str) -> None:
    with pytest.raises(Invalid, match=r"redis: .* is not understood; write redis://\[user@\]host"):
        address(said)


def test_a_password_has_no_place_in_a_url() -> None:
    with pytest.raises(Invalid, match="take it out of the URL and set the variable REDISCLI_AUTH") as caught:
        address("redis://me:secret@host")
    assert "secret" not in str(caught.value)


def test_a_user_with_a_password_is_let_in_and_one_with_another_is_not(
    services: Callable[[str], str], tmp_path: Path
) -> None:
    url = services("redis")
    with redis.Redis.from_url(url) as admin:
        admin.acl_setuser("reader", enabled=True, passwords=["+right"], keys=["*"], categories=["+@all"])
    where = address(url.replace("//", "//reader@") + f"?namespace={tmp_path.parent.name}-{tmp_path.name}")
    for password in ("right", "wrong"):
        with closing(RedisFeatures(Servers(where, password), CLOCK, 4)) as features:
            if password == "right":
                assert features.lease("worker", MINUTE_MS)
            else:
                with pytest.raises(Unavailable, match="invalid username-password"):
                    features.lease("worker", MINUTE_MS)
                with pytest.raises(Unavailable):
                    features.read(["user"])
